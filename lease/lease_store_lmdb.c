/* Opening and closing the LMDB backend, its hint, and the table of its slots. */
#include "lease/lease_store_lmdb.h"

#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/detail.h"
#include "core/memory.h"
#include "core/str.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "storage/environment.h"
#include "storage/process.h"
#include "storage/storage.h"

#define PATH_SIZE        4096
#define FOLDER_MODE      0700
#define FORMAT_VERSION   1U /* of the environments; rows have their own in the envelope */
#define LEASES_MAP_BYTES ((uint64_t)16 << 20U)
#define LEASES_MAP_MAX   ((uint64_t)4 << 30U) /* 1,000 leases use about 1 MiB */
#define LIVENESS_MAP     ((uint64_t)1 << 20U)
#define LIVENESS_MAP_MAX ((uint64_t)256 << 20U)
#define DATABASES_MAX    4U

static void
store_close(void *context)
{
    struct wi_lmdb_store *store = context;

    wi_storage_close(store->leases);
    wi_storage_close(store->liveness);
    (void)pthread_mutex_destroy(&store->mutex);
    wi_free(store->env, store);
}

static uint32_t
store_version(void *context)
{
    const struct wi_lmdb_store *store = context;

    return wi_storage_wake_word(store->leases);
}

static uint32_t
store_wait(void *context, uint32_t seen, int64_t timeout_ms)
{
    const struct wi_lmdb_store *store = context;

    return wi_storage_wake_wait(store->leases, seen, timeout_ms);
}

static void
store_interrupt(void *context)
{
    const struct wi_lmdb_store *store = context;

    wi_storage_wake_interrupt(store->leases);
}

static int32_t
stopped_holder(struct wi_storage *storage)
{
    struct wi_lock_holder holder = wi_storage_lock_holder(storage);
    struct wi_process process;

    /* The lock page is of this boot: wi_storage_open() starts it anew after another one. */
    if (holder.pid == 0 || wi_process_self(&process) != WEIR_OK) {
        return 0;
    }
    process.pid = holder.pid;
    process.start_ticks = holder.start_ticks;
    return wi_process_look(&process) == WI_PROCESS_STOPPED ? holder.pid : 0;
}

static int32_t
store_stopped_writer(void *context)
{
    const struct wi_lmdb_store *store = context;
    int32_t pid = stopped_holder(store->leases);

    return pid != 0 || store->liveness == NULL ? pid : stopped_holder(store->liveness);
}

static const struct wi_lease_store_ops lmdb_ops = {
    .close = store_close,
    .open_application = wi_lmdb_open_application,
    .list = wi_lmdb_list,
    .get = wi_lmdb_get,
    .get_leader = wi_lmdb_look_at_leader,
    .create = wi_lmdb_create,
    .remove = wi_lmdb_remove,
    .assign = wi_lmdb_assign,
    .request_handoff = wi_lmdb_request_handoff,
    .revoke = wi_lmdb_revoke,
    .renew = wi_lmdb_renew,
    .checkpoint = wi_lmdb_checkpoint,
    .prepare = wi_lmdb_prepare,
    .get_pending = wi_lmdb_get_pending,
    .release = wi_lmdb_release,
    .finish_shard = wi_lmdb_finish_shard,
    .put_worker = wi_lmdb_put_worker,
    .remove_worker = wi_lmdb_remove_worker,
    .remove_dead_worker = wi_lmdb_remove_dead_worker,
    .request_drain = wi_lmdb_request_drain,
    .take_leader = wi_lmdb_take_leader,
    .release_leader = wi_lmdb_release_leader,
    .reset = wi_lmdb_reset,
    .version = store_version,
    .wait = store_wait,
    .interrupt = store_interrupt,
    .stopped_writer = store_stopped_writer,
};

/* --- opening --- */

static enum weir_error
make_folder(const char *path, struct weir_detail *detail)
{
    if (mkdir(path, FOLDER_MODE) == 0 || errno == EEXIST) {
        return WEIR_OK;
    }
    if (errno == ENOSPC) {
        return wi_detail(detail, WEIR_EFULL, "cannot make %s: the disk is full", path);
    }
    return wi_detail(
        detail,
        errno == EACCES || errno == EROFS || errno == EPERM ? WEIR_EACCESS : WEIR_EIO,
        "cannot make %s (errno %d): check that its folder exists and may be written",
        path,
        errno);
}

/* DATA, DATA/apps and DATA/apps/APP, each of them missing or not. */
static enum weir_error
make_folders(const struct wi_lease_store_lmdb_options *options, struct weir_detail *detail)
{
    char path[PATH_SIZE];
    enum weir_error error = make_folder(options->data_directory, detail);

    if (error == WEIR_OK) {
        (void)snprintf(path, sizeof path, "%s/apps", options->data_directory);
        error = make_folder(path, detail);
    }
    if (error == WEIR_OK) {
        (void)snprintf(
            path, sizeof path, "%s/apps/%s", options->data_directory, options->application);
        error = make_folder(path, detail);
    }
    return error;
}

static enum weir_error
open_environment(
    struct wi_lmdb_store *store,
    const struct wi_lease_store_lmdb_options *options,
    struct wi_storage_options *storage,
    struct wi_storage **ret,
    struct weir_detail *detail)
{
    char path[PATH_SIZE];
    enum weir_error error;

    (void)snprintf(
        path,
        sizeof path,
        "%s/apps/%s/%s",
        options->data_directory,
        options->application,
        storage->kind);
    storage->directory = path;
    storage->format_version = FORMAT_VERSION;
    storage->databases_max = DATABASES_MAX;
    storage->read_only = options->read_only;
    storage->lock_patience_ms = options->lock_patience_ms;
    error = wi_storage_open(store->env, storage, ret, detail);
    storage->directory = NULL;
    return error;
}

static enum weir_error
open_leases(
    struct wi_lmdb_store *store,
    const struct wi_lease_store_lmdb_options *options,
    struct weir_detail *detail)
{
    struct wi_storage_options storage = {
        .kind = "leases",
        .sync = WI_SYNC_FULL,
        .map_bytes_initial = LEASES_MAP_BYTES,
        .map_bytes_max =
            options->leases_bytes_max == 0 ? LEASES_MAP_MAX : options->leases_bytes_max,
        .must_exist = options->must_exist};
    const unsigned flags = options->read_only ? 0 : MDB_CREATE;
    enum weir_error error = open_environment(store, options, &storage, &store->leases, detail);

    if (error == WEIR_OK) {
        error = wi_storage_database(store->leases, "leases", flags, &store->lease_rows);
    }
    if (error == WEIR_OK) {
        error = wi_storage_database(store->leases, "meta", flags, &store->meta);
    }
    if (error == WEIR_OK && !options->read_only) {
        error = wi_lmdb_reserve_disk(store->leases);
    }
    return error;
}

/* A reader does without: no session of this boot means that no worker is there. */
static enum weir_error
open_liveness(
    struct wi_lmdb_store *store,
    const struct wi_lease_store_lmdb_options *options,
    struct weir_detail *detail)
{
    struct wi_storage_options storage = {
        .kind = "liveness",
        .sync = WI_SYNC_NONE,
        .map_bytes_initial = LIVENESS_MAP,
        .map_bytes_max = LIVENESS_MAP_MAX,
        .discard_at_boot = true};
    const unsigned flags = options->read_only ? 0 : MDB_CREATE;
    enum weir_error error = open_environment(store, options, &storage, &store->liveness, detail);

    if (error == WEIR_OK) {
        error = wi_storage_database(store->liveness, "workers", flags, &store->workers);
    }
    if (error == WEIR_OK && !options->read_only) {
        error = wi_lmdb_reserve_disk(store->liveness);
    }
    if (error == WEIR_ENOTFOUND && options->read_only) {
        wi_storage_close(store->liveness);
        store->liveness = NULL;
        error = WEIR_OK;
    }
    return error;
}

static enum weir_error
check_options(const struct wi_lease_store_lmdb_options *options, struct weir_detail *detail)
{
    /* "/apps/" and "/liveness" around the application's name, and the final zero. */
    size_t longest = PATH_SIZE - WEIR_NAME_SIZE - sizeof "/apps//liveness";

    if (weir_name_check(wi_str(options->application)) != WEIR_OK) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "application name '%.*s': 1 to %d of [a-zA-Z0-9_.-] are allowed",
            WEIR_NAME_MAX,
            options->application == NULL ? "" : options->application,
            WEIR_NAME_MAX);
    }
    if (!wi_lease_text_is_valid(options->data_directory, longest)) {
        return wi_detail(detail, WEIR_EINVAL, "the data directory's name is empty or too long");
    }
    return WEIR_OK;
}

static enum weir_error
open_all(
    struct wi_lmdb_store *store,
    const struct wi_lease_store_lmdb_options *options,
    struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;

    if (!options->must_exist && !options->read_only) {
        error = make_folders(options, detail);
    }
    if (error == WEIR_OK) {
        error = open_leases(store, options, detail);
    }
    return error == WEIR_OK ? open_liveness(store, options, detail) : error;
}

enum weir_error
wi_lease_store_open_lmdb(
    const struct weir_env *env,
    const struct wi_lease_store_lmdb_options *options,
    struct wi_lease_store **ret,
    struct weir_detail *detail)
{
    struct wi_lmdb_store *store = NULL;
    enum weir_error error = check_options(options, detail);

    if (error != WEIR_OK) {
        return error;
    }
    store = wi_alloc(env, sizeof *store);
    if (store == NULL || pthread_mutex_init(&store->mutex, NULL) != 0) {
        wi_free(env, store);
        return wi_detail(detail, WEIR_ENOMEM, "no memory for the lease table");
    }
    store->env = env;
    store->base = (struct wi_lease_store){&lmdb_ops, store, env};
    store->read_only = options->read_only;
    error = open_all(store, options, detail);
    if (error != WEIR_OK) {
        store_close(store);
        return error;
    }
    *ret = &store->base;
    return WEIR_OK;
}
