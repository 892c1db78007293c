/* Reading: transactions, databases, and what the environment says about itself. */
#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <weir/error.h>

#include "core/check.h"
#include "storage/environment.h"
#include "storage/filesystem.h"
#include "storage/storage.h"
#include "storage/wake.h"
#include "storage/writer_lock.h"

#define BARE_PATIENCE_MS 1000 /* others read in the same way, or open the directory: soon over */

/*
 * Without write permission a reader cannot enter itself in LMDB's table, so writers would reuse the
 * pages it reads. It reads only while nobody else has the directory open, and keeps others from
 * opening it until it is done.
 */
static enum weir_error
bare_begin(struct wi_environment *environment)
{
    enum weir_error error;

    pthread_mutex_lock(&environment->bare_mutex);
    error = wi_file_lock(environment->directory_fd, true, BARE_PATIENCE_MS);
    if (error == WEIR_OK && environment->lock.fd >= 0) {
        error = wi_file_lock(environment->lock.fd, true, 0);
        if (error == WEIR_EBUSY) {
            error = WEIR_EACCESS;
        }
        if (error != WEIR_OK) {
            (void)flock(environment->directory_fd, LOCK_UN);
        }
    }
    if (error != WEIR_OK) {
        pthread_mutex_unlock(&environment->bare_mutex);
    }
    return error;
}

static void
bare_end(struct wi_environment *environment)
{
    if (environment->lock.fd >= 0) {
        (void)flock(environment->lock.fd, LOCK_UN);
    }
    (void)flock(environment->directory_fd, LOCK_UN);
    pthread_mutex_unlock(&environment->bare_mutex);
}

/* Gate and transaction; an environment whose map has grown elsewhere adopts the new size. */
static enum weir_error
begin_read(struct wi_environment *environment, MDB_txn **ret)
{
    int code = MDB_MAP_RESIZED;

    for (int tries = 0; tries < WI_BEGIN_TRIES; tries++) {
        enum weir_error error = wi_environment_enter(environment);

        if (error != WEIR_OK) {
            return error;
        }
        code = wi_environment_begin_read(environment, ret);
        if (code == 0) {
            return WEIR_OK;
        }
        wi_environment_leave(environment);
        if (code == MDB_PANIC) {
            atomic_store(&environment->is_broken, true);
        } else if (code != MDB_MAP_RESIZED) {
            break;
        } else if (wi_environment_adopt(environment) == WEIR_ENOMEM) {
            return WEIR_ENOMEM;
        }
    }
    return wi_error_from_lmdb(code);
}

enum weir_error
wi_storage_read(struct wi_storage *storage, wi_storage_fn fn, void *context)
{
    struct wi_environment *environment = storage->environment;
    MDB_txn *txn = NULL;
    enum weir_error error = WEIR_OK;

    if (environment->is_bare) {
        error = getpid() == environment->pid ? bare_begin(environment) : WEIR_ESTATE;
    }
    if (error != WEIR_OK) {
        return error;
    }
    error = begin_read(environment, &txn);
    if (error == WEIR_OK) {
        error = fn(txn, context);
        wi_environment_end_read(environment, txn);
        wi_environment_leave(environment);
    }
    if (environment->is_bare) {
        bare_end(environment);
    }
    return error;
}

/* --- databases --- */

struct database_request {
    const char *name;
    unsigned lmdb_flags;
    MDB_dbi dbi;
};

static bool
find_database(struct wi_environment *environment, const char *name, MDB_dbi *ret)
{
    bool is_found = false;

    pthread_mutex_lock(&environment->mutex);
    for (size_t i = 0; !is_found && i < environment->database_count; i++) {
        is_found = strcmp(environment->databases[i].name, name) == 0;
        if (is_found) {
            *ret = environment->databases[i].dbi;
        }
    }
    pthread_mutex_unlock(&environment->mutex);
    return is_found;
}

/* Keep the table in the order of the numbers: LMDB gives them out again in the order of opening. */
static void
keep_database(struct wi_environment *environment, const struct database_request *request)
{
    struct wi_database *databases = environment->databases;
    size_t place;

    pthread_mutex_lock(&environment->mutex);
    place = environment->database_count;
    for (size_t i = 0; i < environment->database_count; i++) {
        if (databases[i].dbi == request->dbi) {
            pthread_mutex_unlock(&environment->mutex);
            return; /* two threads asked for it at once */
        }
    }
    WEIR_ASSERT(environment->database_count < WI_DATABASES_MAX);
    for (; place > 0 && databases[place - 1].dbi > request->dbi; place--) {
        databases[place] = databases[place - 1];
    }
    databases[place] = (struct wi_database){.dbi = request->dbi};
    memcpy(databases[place].name, request->name, strlen(request->name) + 1);
    environment->database_count++;
    pthread_mutex_unlock(&environment->mutex);
}

/* Open what exists already. It takes no writer lock, so a stopped writer does not stop it. */
static int
open_existing(struct wi_environment *environment, struct database_request *request)
{
    const unsigned flags = request->lmdb_flags & ~(unsigned)MDB_CREATE;
    MDB_txn *txn = NULL;
    int code;

    /* LMDB allows one transaction at a time to open databases: hence the exclusive gate. */
    pthread_rwlock_wrlock(&environment->gate);
    code = atomic_load(&environment->is_broken)
               ? MDB_PANIC
               : mdb_txn_begin(environment->mdb, NULL, MDB_RDONLY, &txn);
    if (code == 0) {
        code = mdb_dbi_open(txn, request->name, flags, &request->dbi);
        if (code == 0) {
            code = mdb_txn_commit(txn);
        } else {
            mdb_txn_abort(txn);
        }
    }
    if (code == 0) {
        keep_database(environment, request);
    }
    pthread_rwlock_unlock(&environment->gate);
    return code;
}

static enum weir_error
create_database(MDB_txn *txn, void *context)
{
    struct database_request *request = context;

    return wi_error_from_lmdb(
        mdb_dbi_open(txn, request->name, request->lmdb_flags | MDB_CREATE, &request->dbi));
}

static enum weir_error
open_database(struct wi_storage *storage, struct database_request *request)
{
    struct wi_environment *environment = storage->environment;
    int code = MDB_MAP_RESIZED;

    for (int tries = 0; tries < WI_BEGIN_TRIES; tries++) {
        enum weir_error error;

        code = open_existing(environment, request);
        if (code == MDB_MAP_RESIZED) {
            error = wi_environment_adopt(environment);
        } else if (code == MDB_PANIC) {
            atomic_store(&environment->is_broken, true);
            error = wi_environment_enter(environment);
            if (error == WEIR_OK) {
                wi_environment_leave(environment);
            }
        } else if (code == MDB_NOTFOUND && !storage->read_only) {
            error = wi_storage_write(storage, WI_WRITE_RESERVE, create_database, request, NULL);
        } else {
            break;
        }
        if (error != WEIR_OK) {
            return error;
        }
    }
    return wi_error_from_lmdb(code);
}

enum weir_error
wi_storage_database(struct wi_storage *storage, const char *name, unsigned lmdb_flags, MDB_dbi *ret)
{
    struct wi_environment *environment = storage->environment;
    struct database_request request = {.name = name, .lmdb_flags = lmdb_flags};
    enum weir_error error = WEIR_OK;

    WEIR_ASSERT(name != NULL && name[0] != '\0' && strlen(name) < WI_DATABASE_NAME_SIZE);
    if (getpid() != environment->pid) {
        return WEIR_ESTATE;
    }
    if (find_database(environment, name, ret)) {
        return WEIR_OK;
    }
    if (environment->is_bare) {
        error = bare_begin(environment);
    }
    if (error != WEIR_OK) {
        return error;
    }
    error = open_database(storage, &request);
    if (environment->is_bare) {
        bare_end(environment);
    }
    if (error == WEIR_OK) {
        *ret = request.dbi;
    }
    return error;
}

/* --- what the environment says about itself --- */

/*
 * As a read transaction sees it: LMDB's own answer, from the newest meta page in the map, is ahead
 * while that page is being written with O_DSYNC. Who took it for seen, read, and waited for another
 * one would sleep through the commit that ends a moment later. A bare reader and one without a slot
 * in the reader table have no other answer.
 */
uint64_t
wi_storage_version(struct wi_storage *storage)
{
    struct wi_environment *environment = storage->environment;
    uint64_t version = atomic_load(&environment->version);
    uint64_t last_page = 0;
    MDB_txn *txn = NULL;

    if (!environment->is_bare && begin_read(environment, &txn) == WEIR_OK) {
        version = mdb_txn_id(txn);
        wi_environment_end_read(environment, txn);
        wi_environment_leave(environment);
    } else if (wi_environment_enter(environment) == WEIR_OK) {
        wi_environment_info(environment, &version, &last_page);
        wi_environment_leave(environment);
    }
    return version;
}

static enum weir_error
count_free_pages(MDB_txn *txn, void *context)
{
    return wi_error_from_lmdb(wi_environment_count_free_pages(txn, context));
}

void
wi_storage_usage(struct wi_storage *storage, uint64_t *ret_used, uint64_t *ret_map)
{
    struct wi_environment *environment = storage->environment;
    uint64_t free_pages = 0;
    uint64_t last_page = 0;
    uint64_t version;

    if (wi_storage_read(storage, count_free_pages, &free_pages) != WEIR_OK) {
        free_pages = 0;
    }
    if (wi_environment_enter(environment) == WEIR_OK) {
        wi_environment_info(environment, &version, &last_page);
        *ret_map = environment->map_bytes;
        wi_environment_leave(environment);
    } else {
        *ret_map = 0;
    }
    free_pages = free_pages > last_page ? last_page : free_pages;
    *ret_used = (last_page + 1 - free_pages) * environment->page_bytes;
}

struct wi_lock_holder
wi_storage_lock_holder(struct wi_storage *storage)
{
    return wi_writer_lock_holder(&storage->environment->lock);
}

/* --- wake-up --- */

void
wi_storage_wake(struct wi_storage *storage, uint32_t slot)
{
    wi_wake_raise(&storage->environment->wake, slot);
}

uint32_t
wi_storage_wake_word(struct wi_storage *storage)
{
    return wi_wake_word(&storage->environment->wake);
}

uint32_t
wi_storage_wake_slot(struct wi_storage *storage, uint32_t slot)
{
    return wi_wake_slot(&storage->environment->wake, slot);
}

uint32_t
wi_storage_wake_wait(struct wi_storage *storage, uint32_t seen, int64_t timeout_ms)
{
    return wi_wake_wait(&storage->environment->wake, seen, timeout_ms);
}

void
wi_storage_wake_interrupt(struct wi_storage *storage)
{
    wi_wake_interrupt(&storage->environment->wake);
}
