/*
 * What all shares of one open directory have in common: the LMDB environment with its locks and
 * pages. Opening it again after a fault, and making its map larger, happen here.
 */
#ifndef WI_STORAGE_ENVIRONMENT_H
#define WI_STORAGE_ENVIRONMENT_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "storage/format_stamp.h"
#include "storage/storage.h"
#include "storage/wake.h"
#include "storage/writer_lock.h"

#define WI_DATABASES_MAX       32   /* named databases of one environment */
#define WI_DATABASE_NAME_SIZE  64   /* with the final zero */
#define WI_IDLE_READS_MAX      4    /* finished ones kept, with their slots, for the next reader */
#define WI_READERS_MAX         8192 /* slots: read transactions of all processes together */
#define WI_READERS_MIN         1024 /* slots of a lock file that could not be made larger */
#define WI_GROUP_MAX           256  /* writes in one transaction */
#define WI_BEGIN_TRIES         8    /* a map that grows under us, an environment to open again */
#define WI_READER_CHECK_WRITES 1024 /* commits between two searches for dead readers */
#define WI_RESERVE_PERCENT     10   /* of the largest map, for WI_WRITE_RESERVE */

struct wi_write_request;

struct wi_database {
    char name[WI_DATABASE_NAME_SIZE];
    MDB_dbi dbi;
};

struct wi_environment {
    /* Who it is, and who uses it: the registry lock of storage.c guards these. */
    struct wi_environment *next;
    size_t share_count;
    dev_t device;
    ino_t inode;

    /* Fixed once open. */
    pid_t pid; /* of the process that opened it; another one is a forked child */
    int directory_fd;
    char kind[WI_KIND_MAX + 1];
    uint32_t format_version;
    uint32_t databases_max;
    bool is_bare; /* no write permission: read without LMDB's lock, see wi_bare_begin() */
    struct wi_writer_lock lock;
    struct wi_wake wake;

    /* The gate: whoever uses `mdb` holds it shared, whoever replaces `mdb`, moves its map or opens
     * a database outside of a write holds it exclusively. Taken after the writer lock. */
    pthread_rwlock_t gate;
    MDB_env *mdb; /* NULL after a failed attempt to open it again */
    unsigned mdb_flags;
    uint64_t map_bytes;
    uint64_t map_bytes_max;
    uint64_t page_bytes;

    atomic_bool is_broken;         /* a commit failed: to be opened again before the next use */
    atomic_uint_least64_t version; /* newest transaction this process has seen */

    /* Guards the members below it; held for a few instructions. */
    pthread_mutex_t mutex;
    MDB_txn *idle_reads[WI_IDLE_READS_MAX];
    size_t idle_read_count;
    struct wi_database databases[WI_DATABASES_MAX]; /* in the order of their numbers */
    size_t database_count;
    struct wi_write_request *queue_head; /* writes that wait for a transaction, oldest first */
    struct wi_write_request *queue_tail;
    size_t queue_length;
    bool has_leader; /* some thread is in lead(): queue and wait */

    pthread_mutex_t bare_mutex; /* one bare read at a time: file locks belong to the descriptor */
    uint64_t write_count;       /* of the leader */
    uint64_t file_bytes;        /* of the leader: known length of data.mdb, see data_file.h */
};

/* An open directory: one share of the environment. */
struct wi_storage {
    const struct weir_env *env;
    struct wi_environment *environment;
    int64_t lock_patience_ms;
    bool read_only;
};

/* Open the LMDB environment in environment->directory_fd; flags and map_bytes are set. */
enum weir_error wi_environment_open_mdb(
    struct wi_environment *environment, struct weir_detail *detail);

/* Close it, with all idle read transactions. Exclusive gate, or nobody else knows it. */
void wi_environment_close_mdb(struct wi_environment *environment);

/* Take the gate shared; opens a broken environment again first. WEIR_EIO if that fails, WEIR_ESTATE
 * in a forked child: the gate is not taken then. */
enum weir_error wi_environment_enter(struct wi_environment *environment);
void wi_environment_leave(struct wi_environment *environment);

/* Close and open again, with other flags; the numbers of databases stay. */
enum weir_error wi_environment_reopen(struct wi_environment *environment, unsigned mdb_flags);

/* Double the map, if it is still as large as `seen_bytes`. WEIR_EFULL at its largest size. */
enum weir_error wi_environment_grow(struct wi_environment *environment, uint64_t seen_bytes);

/* Take over the map size that another process has set. */
enum weir_error wi_environment_adopt(struct wi_environment *environment);

/* A read transaction, from the idle ones if possible; the caller has the gate. Returns LMDB's code.
 */
int wi_environment_begin_read(struct wi_environment *environment, MDB_txn **ret);
void wi_environment_end_read(struct wi_environment *environment, MDB_txn *txn);

/* Pages that the free list of this snapshot holds. Returns LMDB's code. */
int wi_environment_count_free_pages(MDB_txn *txn, uint64_t *ret);

/* The process that reads the oldest snapshot, whose pages no writer may reuse; 0 if there is none.
 */
int32_t wi_environment_oldest_reader(struct wi_environment *environment);

/* Number and last page of the newest transaction whose meta page has been written, though it may
 * not have been synced, and no reader sees it yet; the caller has the gate. */
void wi_environment_info(
    struct wi_environment *environment, uint64_t *ret_version, uint64_t *ret_last_page);

#endif
