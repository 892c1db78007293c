#include "storage/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"
#include "storage/data_file.h"
#include "storage/filesystem.h"
#include "storage/storage.h"

#define DECIMAL   10
#define PATH_SIZE 64 /* of "/proc/self/fd/NUMBER" */

/* LMDB opens its other descriptors with O_CLOEXEC, but not that of the data file: programs that
 * this process starts must not have it. Returns a code of LMDB. */
static int
close_on_exec(MDB_env *mdb)
{
    mdb_filehandle_t fd = -1;
    const int code = mdb_env_get_fd(mdb, &fd);

    if (code != 0) {
        return code;
    }
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : errno;
}

/* By the descriptor, so that it stays the same directory when it is renamed, or when this process
 * changes its working directory and has to open it again. */
static int
open_mdb(struct wi_environment *environment, MDB_env *mdb)
{
    char path[PATH_SIZE];
    int dead = 0;
    int code;

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", environment->directory_fd);
    code = mdb_env_set_maxdbs(mdb, environment->databases_max);
    /* The least: LMDB counts the slots by the file, which has been given its size before. */
    if (code == 0) {
        code = mdb_env_set_maxreaders(mdb, WI_READERS_MIN);
    }
    if (code == 0) {
        code = mdb_env_set_mapsize(mdb, environment->map_bytes);
    }
    if (code == 0) {
        code = mdb_env_open(mdb, path, environment->mdb_flags, WI_FILE_MODE);
    }
    if (code == 0) {
        code = close_on_exec(mdb);
    }
    if (code == 0 && !environment->is_bare) {
        code = mdb_reader_check(mdb, &dead);
    }
    return code;
}

/* Nothing about a fresh MDB_env can be wrong but what these two calls tell. */
static void
note_sizes(struct wi_environment *environment)
{
    MDB_envinfo info;
    MDB_stat stat;

    (void)mdb_env_info(environment->mdb, &info);
    (void)mdb_env_stat(environment->mdb, &stat);
    environment->map_bytes = info.me_mapsize;
    environment->page_bytes = stat.ms_psize;
    atomic_store(&environment->version, info.me_last_txnid);
}

enum weir_error
wi_environment_open_mdb(struct wi_environment *environment, struct weir_detail *detail)
{
    MDB_env *mdb = NULL;
    int code = mdb_env_create(&mdb);

    WEIR_ASSERT(environment->mdb == NULL);
    if (code == 0) {
        code = open_mdb(environment, mdb);
    }
    if (code != 0) {
        if (mdb != NULL) {
            mdb_env_close(mdb);
        }
        /* LMDB says ENOENT when /proc is not there. */
        return wi_detail(
            detail,
            code == ENOENT ? WEIR_EPLATFORM : wi_error_from_lmdb(code),
            "cannot open " WI_DATA_FILE ": %s",
            code > 0 ? wi_errno_text(code) : mdb_strerror(code));
    }
    environment->mdb = mdb;
    note_sizes(environment);
    return WEIR_OK;
}

void
wi_environment_close_mdb(struct wi_environment *environment)
{
    pthread_mutex_lock(&environment->mutex);
    while (environment->idle_read_count > 0) {
        mdb_txn_abort(environment->idle_reads[--environment->idle_read_count]);
    }
    pthread_mutex_unlock(&environment->mutex);
    if (environment->mdb != NULL) {
        mdb_env_close(environment->mdb);
        environment->mdb = NULL;
    }
}

/* LMDB hands out numbers in order, so opening in the old order gives the old numbers back. */
static int
reopen_databases(struct wi_environment *environment)
{
    MDB_txn *txn = NULL;
    int code = mdb_txn_begin(environment->mdb, NULL, MDB_RDONLY, &txn);

    if (code != 0) {
        return code;
    }
    for (size_t i = 0; code == 0 && i < environment->database_count; i++) {
        const struct wi_database *database = &environment->databases[i];
        MDB_dbi dbi = 0;

        code = mdb_dbi_open(txn, database->name, 0, &dbi);
        if (code == 0 && dbi != database->dbi) {
            code = MDB_BAD_DBI;
        }
    }
    if (code != 0) {
        mdb_txn_abort(txn);
        return code;
    }
    return mdb_txn_commit(txn);
}

enum weir_error
wi_environment_reopen(struct wi_environment *environment, unsigned mdb_flags)
{
    struct wi_data_file data;
    enum weir_error error;

    wi_environment_close_mdb(environment);
    environment->mdb_flags = mdb_flags;
    /* LMDB would make a missing file anew, and empty. */
    error = wi_data_file_check(environment->directory_fd, false, &data, NULL);
    if (error == WEIR_OK) {
        error = wi_environment_open_mdb(environment, NULL);
    }
    if (error == WEIR_OK && reopen_databases(environment) != 0) {
        wi_environment_close_mdb(environment);
        error = WEIR_EIO;
    }
    atomic_store(&environment->is_broken, error != WEIR_OK);
    return error;
}

/* One attempt to mend the environment; another thread may have been quicker. */
static enum weir_error
mend(struct wi_environment *environment)
{
    enum weir_error error = WEIR_OK;

    pthread_rwlock_wrlock(&environment->gate);
    if (atomic_load(&environment->is_broken)) {
        error = wi_environment_reopen(environment, environment->mdb_flags);
    }
    pthread_rwlock_unlock(&environment->gate);
    return error == WEIR_OK || error == WEIR_ENOMEM ? error : WEIR_EIO;
}

enum weir_error
wi_environment_enter(struct wi_environment *environment)
{
    if (getpid() != environment->pid) {
        return WEIR_ESTATE;
    }
    for (int tries = 0; tries < WI_BEGIN_TRIES; tries++) {
        enum weir_error error;

        pthread_rwlock_rdlock(&environment->gate);
        if (!atomic_load(&environment->is_broken)) {
            return WEIR_OK;
        }
        pthread_rwlock_unlock(&environment->gate);
        error = mend(environment);
        if (error != WEIR_OK) {
            return error;
        }
    }
    return WEIR_EIO;
}

void
wi_environment_leave(struct wi_environment *environment)
{
    pthread_rwlock_unlock(&environment->gate);
}

/* A failed move leaves LMDB without a map, so the environment has to be opened again. */
static enum weir_error
move_map(struct wi_environment *environment, uint64_t bytes)
{
    MDB_envinfo info;
    int code = mdb_env_set_mapsize(environment->mdb, bytes);

    if (code != 0) {
        atomic_store(&environment->is_broken, true);
        return wi_error_from_lmdb(code);
    }
    (void)mdb_env_info(environment->mdb, &info);
    environment->map_bytes = info.me_mapsize;
    return WEIR_OK;
}

enum weir_error
wi_environment_grow(struct wi_environment *environment, uint64_t seen_bytes)
{
    enum weir_error error = WEIR_OK;

    pthread_rwlock_wrlock(&environment->gate);
    if (!atomic_load(&environment->is_broken) && environment->map_bytes <= seen_bytes) {
        uint64_t max = environment->map_bytes_max;
        uint64_t bytes = seen_bytes > max / 2 ? max : seen_bytes * 2;

        error = seen_bytes >= max ? WEIR_EFULL : move_map(environment, bytes);
    }
    pthread_rwlock_unlock(&environment->gate);
    return error;
}

enum weir_error
wi_environment_adopt(struct wi_environment *environment)
{
    enum weir_error error = WEIR_OK;

    pthread_rwlock_wrlock(&environment->gate);
    if (!atomic_load(&environment->is_broken)) {
        error = move_map(environment, 0);
    }
    pthread_rwlock_unlock(&environment->gate);
    return error;
}

static MDB_txn *
take_idle_read(struct wi_environment *environment)
{
    MDB_txn *txn = NULL;

    pthread_mutex_lock(&environment->mutex);
    if (environment->idle_read_count > 0) {
        txn = environment->idle_reads[--environment->idle_read_count];
    }
    pthread_mutex_unlock(&environment->mutex);
    return txn;
}

int
wi_environment_begin_read(struct wi_environment *environment, MDB_txn **ret)
{
    MDB_txn *txn = take_idle_read(environment);
    int dead = 0;
    int code;

    if (txn != NULL) {
        code = mdb_txn_renew(txn);
        if (code != 0) {
            mdb_txn_abort(txn);
            return code;
        }
        *ret = txn;
        return 0;
    }
    code = mdb_txn_begin(environment->mdb, NULL, MDB_RDONLY, ret);
    if (code == MDB_READERS_FULL && mdb_reader_check(environment->mdb, &dead) == 0 && dead > 0) {
        code = mdb_txn_begin(environment->mdb, NULL, MDB_RDONLY, ret);
    }
    return code;
}

void
wi_environment_end_read(struct wi_environment *environment, MDB_txn *txn)
{
    bool is_kept;

    mdb_txn_reset(txn);
    pthread_mutex_lock(&environment->mutex);
    is_kept = environment->idle_read_count < WI_IDLE_READS_MAX;
    if (is_kept) {
        environment->idle_reads[environment->idle_read_count++] = txn;
    }
    pthread_mutex_unlock(&environment->mutex);
    if (!is_kept) {
        mdb_txn_abort(txn);
    }
}

int
wi_environment_count_free_pages(MDB_txn *txn, uint64_t *ret)
{
    const MDB_dbi free_list = 0; /* LMDB's own database: each value begins with its count */
    MDB_cursor *cursor = NULL;
    MDB_val key;
    MDB_val value;
    uint64_t count = 0;
    int code = mdb_cursor_open(txn, free_list, &cursor);

    if (code != 0) {
        return code;
    }
    while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        size_t pages = 0;

        if (value.mv_size < sizeof pages) {
            code = MDB_CORRUPTED;
            break;
        }
        memcpy(&pages, value.mv_data, sizeof pages);
        count += pages;
    }
    mdb_cursor_close(cursor);
    if (code == MDB_NOTFOUND) {
        *ret = count;
        code = 0;
    }
    return code;
}

struct oldest_reader {
    int32_t pid;
    uint64_t version;
};

/* One line of LMDB's list, "PID THREAD VERSION"; no version where nothing is being read. */
static int
note_reader(const char *line, void *context)
{
    struct oldest_reader *oldest = context;
    char *end = NULL;
    long pid = strtol(line, &end, DECIMAL);
    const char *version_text = strrchr(line, ' ');
    uint64_t version;

    if (pid <= 0 || version_text == NULL || version_text <= end || version_text[1] < '0' ||
        version_text[1] > '9') {
        return 0;
    }
    version = strtoull(version_text + 1, NULL, DECIMAL);
    if (oldest->pid == 0 || version < oldest->version) {
        *oldest = (struct oldest_reader){(int32_t)pid, version};
    }
    return 0;
}

int32_t
wi_environment_oldest_reader(struct wi_environment *environment)
{
    struct oldest_reader oldest = {0};

    (void)mdb_reader_list(environment->mdb, note_reader, &oldest);
    return oldest.pid;
}

void
wi_environment_info(
    struct wi_environment *environment, uint64_t *ret_version, uint64_t *ret_last_page)
{
    MDB_envinfo info;

    (void)mdb_env_info(environment->mdb, &info);
    *ret_version = info.me_last_txnid;
    *ret_last_page = info.me_last_pgno;
    atomic_store(&environment->version, info.me_last_txnid);
}
