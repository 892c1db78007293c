/*
 * Writing. Callers queue; the first becomes the leader, takes the writer lock, runs all queued
 * functions in one transaction, commits once, and hands the lead to the oldest caller that has
 * come since. A busy process thus pays one sync for many writes.
 */
#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"
#include "storage/data_file.h"
#include "storage/environment.h"
#include "storage/storage.h"
#include "storage/writer_lock.h"

#define PERCENT          100U
#define DISK_FULL_BLOCKS 16 /* fewer free blocks than a small transaction writes */

/* One call of wi_storage_write(); lives on its caller's stack until is_done. */
struct wi_write_request {
    wi_storage_fn fn;
    void *context;
    struct weir_detail *detail;
    enum wi_write_flags flags;
    enum weir_error error;
    bool is_done; /* the two ends of waiting; guarded by environment->mutex */
    bool is_leader;
    pthread_cond_t changed;
    struct wi_write_request *next;
};

/* What a transaction came to, beside its error. */
struct outcome {
    enum weir_error error;
    bool is_map_full;    /* a larger map may help */
    bool is_of_function; /* one of the functions failed; the others need not fail with it */
    struct weir_detail detail;
};

/* --- queue --- */

static void
enqueue(struct wi_environment *environment, struct wi_write_request *request)
{
    if (environment->queue_tail == NULL) {
        environment->queue_head = request;
    } else {
        environment->queue_tail->next = request;
    }
    environment->queue_tail = request;
    environment->queue_length++;
}

/* Detach the oldest requests, at most WI_GROUP_MAX. The leader's own is the first. */
static struct wi_write_request *
take_group(struct wi_environment *environment)
{
    struct wi_write_request *first;
    struct wi_write_request *last;
    size_t count = 1;

    pthread_mutex_lock(&environment->mutex);
    first = environment->queue_head;
    WEIR_ASSERT(first->is_leader); /* and so there is one */
    last = first;
    for (; count < WI_GROUP_MAX && last->next != NULL; count++) {
        last = last->next;
    }
    environment->queue_length -= count;
    environment->queue_head = last->next;
    if (environment->queue_head == NULL) {
        environment->queue_tail = NULL;
    }
    last->next = NULL;
    pthread_mutex_unlock(&environment->mutex);
    return first;
}

/* Wake the callers; after that their requests may be gone. */
static void
finish_group(struct wi_environment *environment, struct wi_write_request *first)
{
    pthread_mutex_lock(&environment->mutex);
    while (first != NULL) {
        struct wi_write_request *request = first;

        first = request->next;
        request->is_done = true;
        if (!request->is_leader) {
            pthread_cond_signal(&request->changed);
        }
    }
    pthread_mutex_unlock(&environment->mutex);
}

/* Nobody keeps an error of his own: it may be the answer to what another one wrote in the same
 * transaction, and that has not come to be. */
static void
fail_group(struct wi_write_request *first, const struct outcome *outcome)
{
    for (struct wi_write_request *request = first; request != NULL; request = request->next) {
        request->error = outcome->error;
        if (outcome->detail.text[0] != '\0') {
            request->error = wi_detail(request->detail, outcome->error, "%s", outcome->detail.text);
        }
    }
}

/* --- begin and end of a transaction --- */

/* The file is as long as the map before anything is written to it; see data_file.h. */
static enum weir_error
extend_file(struct wi_environment *environment)
{
    mdb_filehandle_t fd = -1;
    enum weir_error error;

    if (environment->file_bytes >= environment->map_bytes) {
        return WEIR_OK;
    }
    (void)mdb_env_get_fd(environment->mdb, &fd);
    error = wi_data_file_extend(fd, environment->map_bytes);
    if (error == WEIR_OK) {
        environment->file_bytes = environment->map_bytes;
    }
    return error;
}

/* Begin with the gate held; it is kept only on success. */
static int
begin_in_gate(struct wi_environment *environment, MDB_txn **ret, enum weir_error *ret_error)
{
    int code = 0;

    *ret_error = wi_environment_enter(environment);
    if (*ret_error != WEIR_OK) {
        return 0;
    }
    *ret_error = extend_file(environment);
    if (*ret_error == WEIR_OK) {
        code = mdb_txn_begin(environment->mdb, NULL, 0, ret);
        *ret_error = wi_error_from_lmdb(code);
    }
    if (*ret_error != WEIR_OK) {
        wi_environment_leave(environment);
    }
    return code;
}

/* Writer lock, gate, transaction: all three or none. */
static enum weir_error
begin_write(
    struct wi_environment *environment,
    int64_t patience_ms,
    MDB_txn **ret,
    struct weir_detail *detail)
{
    enum weir_error error = WEIR_EBUSY;

    for (int tries = 0; tries < WI_BEGIN_TRIES; tries++) {
        int code;

        error = wi_writer_lock_acquire(&environment->lock, patience_ms, detail);
        if (error != WEIR_OK) {
            return error;
        }
        code = begin_in_gate(environment, ret, &error);
        if (error == WEIR_OK) {
            return WEIR_OK;
        }
        wi_writer_lock_release(&environment->lock);
        if (code == MDB_PANIC) {
            atomic_store(&environment->is_broken, true);
        } else if (code != MDB_MAP_RESIZED) {
            break;
        } else {
            error = wi_environment_adopt(environment);
        }
    }
    return wi_detail(detail, error, "cannot begin a transaction: %s", weir_error_text(error));
}

static void
end_write(struct wi_environment *environment)
{
    wi_environment_leave(environment);
    wi_writer_lock_release(&environment->lock);
}

/* LMDB calls a write that was cut short an I/O error, which is what a full disk looks like from
 * the second attempt on. */
static bool
is_disk_full(const struct wi_environment *environment)
{
    struct statvfs status;
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < environment->map_bytes) {
        return true;
    }
    return fstatvfs(environment->directory_fd, &status) == 0 && status.f_bavail < DISK_FULL_BLOCKS;
}

/* Nothing is known about a commit that failed unless the disk was full and LMDB's number of the
 * last transaction has not moved. After any failure the environment is opened again before it is
 * used: what the kernel could not write it may have forgotten. */
static void
commit(struct wi_environment *environment, MDB_txn *txn, struct outcome *outcome)
{
    uint64_t version = mdb_txn_id(txn);
    uint64_t committed = 0;
    uint64_t last_page = 0;
    int code = mdb_txn_commit(txn);

    if (code == 0) {
        atomic_store(&environment->version, version);
        return;
    }
    outcome->is_map_full = code == MDB_MAP_FULL;
    outcome->error = wi_error_from_lmdb(code);
    if (outcome->is_map_full || code == MDB_TXN_FULL) {
        return;
    }
    wi_environment_info(environment, &committed, &last_page);
    if (outcome->error == WEIR_EIO && is_disk_full(environment)) {
        outcome->error = WEIR_EFULL;
    }
    if (committed >= version || (outcome->error != WEIR_EFULL && outcome->error != WEIR_ENOMEM)) {
        outcome->error = WEIR_EIO;
    }
    atomic_store(&environment->is_broken, true);
    outcome->error = wi_detail(
        &outcome->detail,
        outcome->error,
        "the commit failed: %s%s",
        mdb_strerror(code),
        outcome->error == WEIR_EFULL ? "; nothing was written, free some disk space" : "");
}

/* --- a group --- */

/* Less than the reserve is left, counting what the free list holds. Counted only once the file has
 * come that far. */
static bool
is_nearly_full(struct wi_environment *environment)
{
    uint64_t max = environment->map_bytes_max > environment->map_bytes ? environment->map_bytes_max
                                                                       : environment->map_bytes;
    uint64_t limit = max / environment->page_bytes * (PERCENT - WI_RESERVE_PERCENT) / PERCENT;
    uint64_t free_pages = 0;
    uint64_t last_page = 0;
    uint64_t version = 0;
    MDB_txn *txn = NULL;

    wi_environment_info(environment, &version, &last_page);
    if (last_page < limit || wi_environment_begin_read(environment, &txn) != 0) {
        return false;
    }
    if (wi_environment_count_free_pages(txn, &free_pages) != 0) {
        free_pages = 0;
    }
    wi_environment_end_read(environment, txn);
    return last_page >= limit + free_pages;
}

static bool
wrote_nothing(enum weir_error error)
{
    enum weir_error_class class = weir_error_class(error);

    return class == WEIR_CLASS_USAGE || class == WEIR_CLASS_CONTENTION;
}

/* Run all functions; *ret_has_work if one of them wants its writes committed. */
static void
run_functions(
    struct wi_environment *environment,
    MDB_txn *txn,
    struct wi_write_request *first,
    struct outcome *outcome,
    bool *ret_has_work)
{
    bool is_reserved = is_nearly_full(environment);

    for (struct wi_write_request *request = first; request != NULL; request = request->next) {
        if (is_reserved && (request->flags & WI_WRITE_RESERVE) == 0) {
            request->error = wi_detail(
                request->detail,
                WEIR_EFULL,
                "only the reserve of %d %% is left of %llu bytes; delete data or allow a larger "
                "map",
                WI_RESERVE_PERCENT,
                (unsigned long long)environment->map_bytes_max);
            continue;
        }
        request->error = request->fn(txn, request->context);
        if (request->error == WEIR_OK) {
            *ret_has_work = true;
        } else if (!wrote_nothing(request->error)) {
            outcome->error = request->error;
            outcome->is_of_function = true;
            outcome->is_map_full = request->error == WEIR_EFULL && !is_disk_full(environment);
            return;
        }
    }
}

static void
run_group(
    struct wi_environment *environment,
    MDB_txn *txn,
    struct wi_write_request *first,
    struct outcome *outcome)
{
    bool has_work = false;

    run_functions(environment, txn, first, outcome, &has_work);
    if (outcome->error != WEIR_OK || !has_work) {
        mdb_txn_abort(txn);
        return;
    }
    commit(environment, txn, outcome);
}

static void
forget_errors(struct wi_write_request *first)
{
    for (struct wi_write_request *request = first; request != NULL; request = request->next) {
        request->error = WEIR_OK;
    }
}

/* Larger map, or pages that dead readers kept: true if it is worth another attempt. */
static bool
make_room(struct wi_environment *environment, uint64_t seen_bytes, bool *has_cleared)
{
    int dead = 0;

    if (wi_environment_grow(environment, seen_bytes) == WEIR_OK) {
        return true;
    }
    if (*has_cleared || wi_environment_enter(environment) != WEIR_OK) {
        return false;
    }
    *has_cleared = true;
    (void)mdb_reader_check(environment->mdb, &dead);
    wi_environment_leave(environment);
    return dead > 0;
}

/* Pages that were freed stay in use while somebody reads an old snapshot: name him. */
static void
describe_full_map(struct wi_environment *environment, struct outcome *outcome)
{
    uint64_t max_bytes = 0;
    int32_t pid = 0;

    if (wi_environment_enter(environment) == WEIR_OK) {
        pid = wi_environment_oldest_reader(environment);
        max_bytes = environment->map_bytes_max;
        wi_environment_leave(environment);
    }
    outcome->error = wi_detail(
        &outcome->detail,
        outcome->error,
        pid == 0
            ? "the map is full at its largest size, %llu bytes"
            : "the map is full at its largest size, %llu bytes; the oldest reader, process %d, "
              "keeps freed space in use",
        (unsigned long long)max_bytes,
        (int)pid);
}

/* Commit a group, or the queue's oldest requests if *group is NULL. False if it has to be tried one
 * by one: a function failed, and there are others. */
static bool
commit_group(
    struct wi_environment *environment, int64_t patience_ms, struct wi_write_request **group)
{
    bool has_cleared = false;

    for (;;) {
        struct outcome outcome = {.error = WEIR_OK};
        uint64_t seen_bytes = 0;
        MDB_txn *txn = NULL;

        outcome.error = begin_write(environment, patience_ms, &txn, &outcome.detail);
        if (*group == NULL) {
            *group = take_group(environment);
        }
        WEIR_ASSERT(*group != NULL);
        forget_errors(*group);
        if (outcome.error == WEIR_OK) {
            seen_bytes = environment->map_bytes;
            run_group(environment, txn, *group, &outcome);
            end_write(environment);
        }
        if (outcome.error == WEIR_OK) {
            return true;
        }
        if (outcome.is_map_full && make_room(environment, seen_bytes, &has_cleared)) {
            continue;
        }
        if ((outcome.is_of_function || outcome.is_map_full) && (*group)->next != NULL) {
            return false;
        }
        if (outcome.is_map_full) {
            describe_full_map(environment, &outcome);
        }
        fail_group(*group, &outcome);
        return true;
    }
}

/* One round: the caller is the leader and its request the oldest. */
static void
lead(struct wi_environment *environment, int64_t patience_ms)
{
    struct wi_write_request *group = NULL;
    struct wi_write_request *rest;
    int dead = 0;

    if (!commit_group(environment, patience_ms, &group)) {
        for (rest = group; rest != NULL; rest = rest->next) {
            struct wi_write_request *next = rest->next;
            struct wi_write_request *one = rest;

            one->next = NULL;
            (void)commit_group(environment, patience_ms, &one);
            one->next = next;
        }
    }
    finish_group(environment, group);
    if (++environment->write_count % WI_READER_CHECK_WRITES == 0 &&
        wi_environment_enter(environment) == WEIR_OK) {
        (void)mdb_reader_check(environment->mdb, &dead);
        wi_environment_leave(environment);
    }
}

/* Wait until the request is done, leading a round if it is its turn. */
static void
take_part(struct wi_environment *environment, int64_t patience_ms, struct wi_write_request *request)
{
    pthread_mutex_lock(&environment->mutex);
    enqueue(environment, request);
    request->is_leader = !environment->has_leader;
    environment->has_leader = true;
    while (!request->is_done && !request->is_leader) {
        pthread_cond_wait(&request->changed, &environment->mutex);
    }
    if (request->is_leader) {
        pthread_mutex_unlock(&environment->mutex);
        lead(environment, patience_ms);
        pthread_mutex_lock(&environment->mutex);
        WEIR_ASSERT(request->is_done);
        environment->has_leader = environment->queue_head != NULL;
        if (environment->has_leader) {
            environment->queue_head->is_leader = true;
            pthread_cond_signal(&environment->queue_head->changed);
        }
    }
    pthread_mutex_unlock(&environment->mutex);
}

enum weir_error
wi_storage_write(
    struct wi_storage *storage,
    enum wi_write_flags flags,
    wi_storage_fn fn,
    void *context,
    struct weir_detail *detail)
{
    struct wi_environment *environment = storage->environment;
    struct wi_write_request request = {
        .fn = fn,
        .context = context,
        .detail = detail,
        .flags = flags,
        .changed = PTHREAD_COND_INITIALIZER,
    };

    if (getpid() != environment->pid) {
        return wi_detail(detail, WEIR_ESTATE, "opened before fork(); open it again in the child");
    }
    if (storage->read_only) {
        return wi_detail(detail, WEIR_EACCESS, "opened for reading only");
    }
    take_part(environment, storage->lock_patience_ms, &request);
    pthread_cond_destroy(&request.changed);
    return request.error;
}

enum weir_error
wi_storage_sync(struct wi_storage *storage)
{
    struct wi_environment *environment = storage->environment;
    enum weir_error error = wi_environment_enter(environment);

    if (error != WEIR_OK) {
        return error;
    }
    error = mdb_env_sync(environment->mdb, 1) == 0 ? WEIR_OK : WEIR_EIO;
    if (error != WEIR_OK) {
        atomic_store(&environment->is_broken, true);
    }
    wi_environment_leave(environment);
    return error;
}
