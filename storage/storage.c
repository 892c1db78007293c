/* Opening and closing: the registry of what this process has open, and the files of a directory. */
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"
#include "core/memory.h"
#include "storage/data_file.h"
#include "storage/environment.h"
#include "storage/filesystem.h"
#include "storage/format_stamp.h"
#include "storage/wake.h"
#include "storage/writer_lock.h"

#define MAP_BYTES_MIN    65536U /* LMDB cannot work in much less */
#define DOOR_PATIENCE_MS 5000   /* another process opens the same directory: normally 1 ms */

/* The one mutable global of weir, and with reason: LMDB forbids opening an environment twice in a
 * process (closing one loses the file locks of both), and only the process as a whole can know. */
static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER; /* guards registry */
static struct wi_environment *registry;

/* --- the files of a directory; the caller has the door --- */

/* The stamp goes first: what is half discarded then counts as never finished. */
static enum weir_error
discard_files(int directory_fd, struct weir_detail *detail)
{
    static const char *const names[] = {WI_FORMAT_STAMP_FILE, WI_DATA_FILE, WI_LOCK_FILE};

    for (size_t i = 0; i < WI_ARRAY_LENGTH(names); i++) {
        if (unlinkat(directory_fd, names[i], 0) != 0 && errno != ENOENT) {
            return wi_detail(
                detail,
                wi_error_from_errno(errno),
                "cannot remove %s, which is of no use any more: %s",
                names[i],
                wi_errno_text(errno));
        }
    }
    return WEIR_OK;
}

/* No stamp: the directory is new, its making was interrupted, or the data is not ours. */
static enum weir_error
check_unfinished(
    int directory_fd,
    const struct wi_storage_options *options,
    bool is_quiet,
    struct weir_detail *detail)
{
    struct stat status;
    bool has_data = fstatat(directory_fd, WI_DATA_FILE, &status, AT_SYMLINK_NOFOLLOW) == 0;

    if (has_data && !wi_data_file_is_unfinished(directory_fd)) {
        return wi_detail(
            detail,
            WEIR_ECORRUPT,
            "there is a " WI_DATA_FILE " but no file '" WI_FORMAT_STAMP_FILE "'; it is not weir's");
    }
    if (options->must_exist || options->read_only) {
        return wi_detail(detail, WEIR_ENOTFOUND, "%s holds no data", options->directory);
    }
    return has_data && is_quiet ? discard_files(directory_fd, detail) : WEIR_OK;
}

/* Look at what is there before LMDB does. */
static enum weir_error
check_files(
    int directory_fd,
    const struct wi_storage_options *options,
    bool is_quiet,
    struct wi_data_file *ret_data,
    bool *ret_is_new,
    struct weir_detail *detail)
{
    enum weir_error error =
        wi_format_stamp_check(directory_fd, options->kind, options->format_version, detail);

    *ret_is_new = error == WEIR_ENOTFOUND;
    if (*ret_is_new) {
        return check_unfinished(directory_fd, options, is_quiet, detail);
    }
    if (error != WEIR_OK) {
        return error;
    }
    error = wi_data_file_check(directory_fd, is_quiet, ret_data, detail);
    if (error == WEIR_ENOTFOUND) {
        return wi_detail(detail, WEIR_ECORRUPT, WI_DATA_FILE " has gone, or is empty");
    }
    return error;
}

static unsigned
choose_flags(const struct wi_environment *environment, const struct wi_storage_options *options)
{
    /* NOTLS: a read transaction belongs to itself, not to the thread, so idle ones can be reused
     * by any thread. No WRITEMAP: a full disk would be a SIGBUS. No NORDAHEAD: shards are read in
     * order. */
    unsigned flags = MDB_NOTLS;

    switch (options->sync) {
    case WI_SYNC_FULL:
        break;
    case WI_SYNC_RELAXED:
        flags |= MDB_NOMETASYNC;
        break;
    case WI_SYNC_NONE:
        flags |= MDB_NOSYNC;
        break;
    }
    flags |= options->read_only ? MDB_RDONLY : 0U;
    flags |= environment->is_bare ? MDB_NOLOCK : 0U;
    return flags;
}

/* Finish a new directory: the empty data first, then the stamp that says so. */
static enum weir_error
finish_files(
    const struct wi_environment *environment,
    const struct wi_storage_options *options,
    struct weir_detail *detail)
{
    int code = mdb_env_sync(environment->mdb, 1);
    enum weir_error error;

    if (code != 0) {
        return wi_detail(
            detail, wi_error_from_lmdb(code), "cannot write " WI_DATA_FILE " to the disk");
    }
    error = wi_directory_sync_above(environment->directory_fd);
    if (error != WEIR_OK) {
        return wi_detail(detail, error, "cannot write the folders above to the disk");
    }
    return wi_format_stamp_write(
        environment->directory_fd, options->kind, options->format_version, detail);
}

/* Look at the files, or discard them, and become one of the directory's users. */
static enum weir_error
enter_directory(
    struct wi_environment *environment,
    const struct wi_storage_options *options,
    struct wi_data_file *ret_data,
    bool *ret_is_new,
    struct weir_detail *detail)
{
    int directory_fd = environment->directory_fd;
    bool is_stale = options->discard_at_boot && !environment->lock.is_same_boot;
    bool is_quiet = environment->lock.is_first;
    enum weir_error error = WEIR_OK;

    if (is_stale && options->read_only) {
        return wi_detail(detail, WEIR_ENOTFOUND, "%s is from before the last boot", options->kind);
    }
    if (is_stale && is_quiet) {
        error = discard_files(directory_fd, detail);
    }
    if (error == WEIR_OK) {
        error = check_files(directory_fd, options, is_quiet, ret_data, ret_is_new, detail);
    }
    if (error == WEIR_OK) {
        error = wi_writer_lock_enter(&environment->lock, detail);
    }
    return error;
}

static enum weir_error
open_files(
    struct wi_environment *environment,
    const struct wi_storage_options *options,
    struct weir_detail *detail)
{
    int directory_fd = environment->directory_fd;
    bool is_quiet = environment->lock.is_first;
    struct wi_data_file data = {0};
    bool is_new = false;
    enum weir_error error = enter_directory(environment, options, &data, &is_new, detail);

    if (error == WEIR_OK) {
        error =
            wi_wake_open(directory_fd, options->read_only, is_quiet, &environment->wake, detail);
    }
    if (error != WEIR_OK) {
        return error;
    }
    if (is_quiet && environment->lock.is_writable) {
        error = wi_lock_file_allocate(directory_fd, WI_READERS_MIN, WI_READERS_MAX);
    }
    if (error != WEIR_OK) {
        return wi_detail(detail, error, "cannot make " WI_LOCK_FILE ": %s", weir_error_text(error));
    }
    environment->map_bytes = options->map_bytes_initial;
    if (environment->map_bytes < data.map_bytes) {
        environment->map_bytes = data.map_bytes;
    }
    environment->mdb_flags = choose_flags(environment, options);
    error = wi_environment_open_mdb(environment, detail);
    if (error == WEIR_OK && is_new) {
        error = finish_files(environment, options, detail);
    }
    return error;
}

/* --- environments --- */

static void
free_environment(struct wi_environment *environment)
{
    wi_environment_close_mdb(environment);
    wi_wake_close(&environment->wake);
    wi_writer_lock_close(&environment->lock);
    close(environment->directory_fd);
    pthread_mutex_destroy(&environment->bare_mutex);
    pthread_mutex_destroy(&environment->mutex);
    pthread_rwlock_destroy(&environment->gate);
    wi_free(weir_env_default(), environment);
}

/* Its memory outlives the weir_env of whoever opened it first, so it comes from the same malloc
 * that LMDB uses. The descriptor is handed over on success only. */
static struct wi_environment *
new_environment(int directory_fd, const struct wi_storage_options *options)
{
    struct wi_environment *environment = wi_alloc(weir_env_default(), sizeof *environment);
    pthread_rwlockattr_t attributes;

    if (environment == NULL) {
        return NULL;
    }
    /* A stream of readers must not keep a larger map waiting for ever. */
    (void)pthread_rwlockattr_init(&attributes);
    (void)pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    (void)pthread_rwlock_init(&environment->gate, &attributes);
    (void)pthread_rwlockattr_destroy(&attributes);
    (void)pthread_mutex_init(&environment->mutex, NULL);
    (void)pthread_mutex_init(&environment->bare_mutex, NULL);
    environment->pid = getpid();
    environment->directory_fd = directory_fd;
    environment->lock.fd = -1;
    environment->format_version = options->format_version;
    environment->databases_max = options->databases_max;
    environment->map_bytes_max = options->map_bytes_max;
    memcpy(environment->kind, options->kind, strlen(options->kind) + 1);
    return environment;
}

/* The door: one process at a time opens a directory. */
static enum weir_error
open_behind_door(
    struct wi_environment *environment,
    const struct wi_storage_options *options,
    struct weir_detail *detail)
{
    int directory_fd = environment->directory_fd;
    enum weir_error error = wi_file_lock(directory_fd, true, DOOR_PATIENCE_MS);

    if (error != WEIR_OK) {
        return wi_detail(
            detail,
            error,
            "%s: another process has been opening it for %d ms",
            options->directory,
            DOOR_PATIENCE_MS);
    }
    error = wi_writer_lock_open(directory_fd, options->read_only, &environment->lock, detail);
    if (error == WEIR_OK) {
        environment->is_bare = !environment->lock.is_writable;
        error = open_files(environment, options, detail);
    }
    if (error != WEIR_OK && environment->lock.fd >= 0) {
        /* Before the door opens: whoever opens next must not find the lock page held by nobody. */
        (void)flock(environment->lock.fd, LOCK_UN);
    }
    (void)flock(directory_fd, LOCK_UN);
    return error;
}

static enum weir_error
open_environment(
    int directory_fd,
    const struct stat *status,
    const struct wi_storage_options *options,
    struct wi_environment **ret,
    struct weir_detail *detail)
{
    struct wi_environment *environment = new_environment(directory_fd, options);
    enum weir_error error;

    if (environment == NULL) {
        close(directory_fd);
        return WEIR_ENOMEM;
    }
    error = open_behind_door(environment, options, detail);
    if (error != WEIR_OK) {
        free_environment(environment);
        return error;
    }
    environment->device = status->st_dev;
    environment->inode = status->st_ino;
    environment->next = registry;
    registry = environment;
    *ret = environment;
    return WEIR_OK;
}

/* --- shares --- */

/* A forked child sees its parent's entries but must not use them. */
static struct wi_environment *
find_environment(const struct stat *status)
{
    struct wi_environment *environment = registry;
    pid_t pid = getpid();

    while (environment != NULL &&
           (environment->pid != pid || environment->device != status->st_dev ||
            environment->inode != status->st_ino)) {
        environment = environment->next;
    }
    return environment;
}

/* The strictest of all shares counts: what one of them acknowledges must last. */
static unsigned
merge_flags(const struct wi_environment *environment, const struct wi_storage_options *options)
{
    unsigned kept = environment->mdb_flags;
    unsigned wanted = choose_flags(environment, options);

    if ((wanted & MDB_NOSYNC) == 0) {
        kept = (kept & MDB_NOSYNC) == 0 ? kept : (kept & ~(unsigned)MDB_NOSYNC) | MDB_NOMETASYNC;
        kept = (wanted & MDB_NOMETASYNC) == 0 ? kept & ~(unsigned)MDB_NOMETASYNC : kept;
    }
    return options->read_only ? kept : kept & ~(unsigned)MDB_RDONLY;
}

/* Another share of what this process has open already. */
static enum weir_error
join_environment(
    struct wi_environment *environment,
    const struct wi_storage_options *options,
    struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;
    unsigned flags;

    if (strcmp(environment->kind, options->kind) != 0 ||
        environment->format_version != options->format_version) {
        return wi_detail(
            detail,
            WEIR_EVERSION,
            "the directory is open as '%s' version %lu, not as '%s' version %lu",
            environment->kind,
            (unsigned long)environment->format_version,
            options->kind,
            (unsigned long)options->format_version);
    }
    if (environment->is_bare && !options->read_only) {
        return wi_detail(detail, WEIR_EACCESS, "%s: no permission to write", options->directory);
    }
    pthread_rwlock_wrlock(&environment->gate);
    flags = merge_flags(environment, options);
    if (environment->map_bytes_max < options->map_bytes_max) {
        environment->map_bytes_max = options->map_bytes_max;
    }
    if (environment->databases_max < options->databases_max || environment->mdb_flags != flags) {
        environment->databases_max = environment->databases_max < options->databases_max
                                         ? options->databases_max
                                         : environment->databases_max;
        error = wi_environment_reopen(environment, flags);
    }
    pthread_rwlock_unlock(&environment->gate);
    return error;
}

static enum weir_error
check_options(const struct wi_storage_options *options, struct weir_detail *detail)
{
    if (options->directory == NULL || options->directory[0] == '\0' || options->kind == NULL ||
        options->kind[0] == '\0' || strlen(options->kind) > WI_KIND_MAX) {
        return wi_detail(detail, WEIR_EINVAL, "storage: directory or kind is missing or too long");
    }
    if (options->map_bytes_initial < MAP_BYTES_MIN ||
        options->map_bytes_max < options->map_bytes_initial) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "storage: the map needs at least %u bytes, and the largest size must not be below the "
            "initial one",
            MAP_BYTES_MIN);
    }
    if (options->databases_max > WI_DATABASES_MAX || options->lock_patience_ms < 0) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "storage: at most %d databases, and a patience of at least 0 ms",
            WI_DATABASES_MAX);
    }
    return WEIR_OK;
}

/* The descriptor is always consumed. */
static enum weir_error
attach(
    int directory_fd,
    const struct wi_storage_options *options,
    struct wi_environment **ret,
    struct weir_detail *detail)
{
    struct wi_environment *environment;
    struct stat status;
    enum weir_error error;

    if (fstat(directory_fd, &status) != 0) {
        close(directory_fd);
        return WEIR_EIO;
    }
    pthread_mutex_lock(&registry_mutex);
    environment = find_environment(&status);
    if (environment == NULL) {
        error = open_environment(directory_fd, &status, options, &environment, detail);
    } else {
        close(directory_fd);
        error = join_environment(environment, options, detail);
    }
    if (error == WEIR_OK) {
        environment->share_count++;
        *ret = environment;
    }
    pthread_mutex_unlock(&registry_mutex);
    return error;
}

enum weir_error
wi_storage_open(
    const struct weir_env *env,
    const struct wi_storage_options *options,
    struct wi_storage **ret,
    struct weir_detail *detail)
{
    struct wi_storage *storage = NULL;
    enum weir_error error = check_options(options, detail);
    bool create = !options->read_only && !options->must_exist;
    int directory_fd = -1;

    if (error != WEIR_OK) {
        return error;
    }
    storage = wi_alloc(env, sizeof *storage);
    if (storage == NULL) {
        return WEIR_ENOMEM;
    }
    *storage = (struct wi_storage){
        .env = env,
        .lock_patience_ms = options->lock_patience_ms,
        .read_only = options->read_only,
    };
    error = wi_directory_open(options->directory, create, &directory_fd, detail);
    if (error == WEIR_OK) {
        error = attach(directory_fd, options, &storage->environment, detail);
    }
    if (error != WEIR_OK) {
        wi_free(env, storage);
        return error;
    }
    *ret = storage;
    return WEIR_OK;
}

/* The last share is gone: out of the registry, and closed. */
static void
drop_environment(struct wi_environment *environment)
{
    struct wi_environment **place = &registry;

    while (*place != environment) {
        WEIR_ASSERT(*place != NULL);
        place = &(*place)->next;
    }
    *place = environment->next;
    free_environment(environment);
}

void
wi_storage_close(struct wi_storage *storage)
{
    struct wi_environment *environment;

    if (storage == NULL) {
        return;
    }
    environment = storage->environment;
    /* In a forked child everything below belongs to the parent: closing LMDB's files would take
     * the child's own locks, unmapping nothing of use. It stays until the child ends. */
    if (getpid() == environment->pid) {
        pthread_mutex_lock(&registry_mutex);
        WEIR_ASSERT(environment->share_count > 0);
        if (--environment->share_count == 0) {
            drop_environment(environment);
        }
        pthread_mutex_unlock(&registry_mutex);
    }
    wi_free(storage->env, storage);
}
