/*
 * One LMDB environment, made safe for many processes: a timed outer writer lock that names its
 * holder, group commit, growth of the map, checks of version, boot, pid namespace and file system,
 * and a futex that wakes readers of other processes. stream/ and lease/ keep their data in it.
 *
 * Files in the directory: data.mdb, lock.mdb (LMDB's), `format` (stamp), `writer` (lock page),
 * `wake` (wake page).
 */
#ifndef WI_STORAGE_STORAGE_H
#define WI_STORAGE_STORAGE_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

struct wi_storage;

/* How commits reach the disk. */
enum wi_storage_sync {
    WI_SYNC_FULL,    /* acknowledged commits survive power loss */
    WI_SYNC_RELAXED, /* MDB_NOMETASYNC: consistent, the newest commit may go */
    WI_SYNC_NONE     /* MDB_NOSYNC: power loss may destroy the environment */
};

struct wi_storage_options {
    const char *directory;      /* created with mode 0700 if missing, unless read_only */
    const char *kind;           /* "stream", "leases", "liveness": part of the format stamp */
    uint32_t format_version;    /* refuse files stamped with another one: WEIR_EVERSION */
    enum wi_storage_sync sync;  /* of this process; see wi_storage_write() for single commits */
    uint64_t map_bytes_initial; /* first map size; grows by doubling */
    uint64_t map_bytes_max;     /* where growth stops */
    uint32_t databases_max;     /* named databases */
    bool must_exist;            /* WEIR_ENOTFOUND instead of creating */
    bool read_only;             /* no write, works without write permission */
    bool discard_at_boot;       /* liveness: start empty when the boot id has changed */
    int64_t lock_patience_ms;   /* the same holder for longer than this: WEIR_EBUSY */
};

/*
 * Open the environment, or share the one that this process already has open (same device and inode;
 * LMDB must never be opened twice in a process). Refuses network file systems, and a directory that
 * live processes of another pid namespace use (WEIR_EPLATFORM); foreign or damaged files give
 * WEIR_EVERSION or WEIR_ECORRUPT. Clears dead readers. Thread-safe.
 */
enum weir_error wi_storage_open(
    const struct weir_env *env,
    const struct wi_storage_options *options,
    struct wi_storage **ret,
    struct weir_detail *detail);

/* Drop one share; the last one closes the environment. NULL is a no-op. */
void wi_storage_close(struct wi_storage *storage);

/*
 * A function that works inside a transaction. It must be repeatable: after MDB_MAP_FULL or
 * MDB_MAP_RESIZED the transaction is aborted, the map grown or adopted, and it runs again. No
 * network, log or user code inside. An error of class USAGE or CONTENTION promises that the
 * function has written nothing; any other error aborts the transaction.
 */
typedef enum weir_error (*wi_storage_fn)(MDB_txn *txn, void *context);

/*
 * Run `fn` in a read transaction. Copy out; keep no pointer into the map. WEIR_ESTATE after fork.
 */
enum weir_error wi_storage_read(struct wi_storage *storage, wi_storage_fn fn, void *context);

/* How wi_storage_write() treats one commit. */
enum wi_write_flags {
    WI_WRITE_DEFAULT = 0,
    WI_WRITE_RESERVE = 1 /* may use the last 10 % of the map: renewals, checkpoints, deletes */
};

/*
 * Run `fn` in a write transaction and commit. Calls of several threads share transactions and syncs
 * (group commit): functions run one after another in one transaction; one that fails takes no other
 * with it, but if the commit fails, all get its error. On WEIR_OK the commit is as durable as the
 * environment's sync mode says. Errors: those of `fn`; WEIR_EFULL; WEIR_EBUSY (lock_patience_ms
 * passed; detail names pid and age of the holder); WEIR_EIO (the outcome of this commit is
 * unknown); WEIR_ENOMEM; WEIR_ESTATE after fork.
 */
enum weir_error wi_storage_write(
    struct wi_storage *storage,
    enum wi_write_flags flags,
    wi_storage_fn fn,
    void *context,
    struct weir_detail *detail);

/* Write to the disk what has been committed, whatever the sync mode. WEIR_EIO: unknown how much of
 * it is there; the environment is opened again before its next use. */
enum weir_error wi_storage_sync(struct wi_storage *storage);

/* Open (create, unless read-only) a named database; cached, so cheap when repeated. */
enum weir_error wi_storage_database(
    struct wi_storage *storage, const char *name, unsigned lmdb_flags, MDB_dbi *ret);

/* Number of the transaction that a read would see now: the truth behind the wake hint. Blocks no
 * longer than a read transaction takes to begin. */
uint64_t wi_storage_version(struct wi_storage *storage);

/* Bytes of the data file in use by the newest snapshot, and the size of the map. */
void wi_storage_usage(struct wi_storage *storage, uint64_t *ret_used, uint64_t *ret_map);

/* Translate an LMDB return code. Never called with MDB_SUCCESS's absence of meaning hidden: 0 is
 * OK, MDB_NOTFOUND is WEIR_ENOTFOUND, MDB_MAP_FULL and ENOSPC are WEIR_EFULL, and so on. */
enum weir_error wi_error_from_lmdb(int code);

/* --- who holds the writer lock (for `weir` and for eviction of stopped writers) --- */

struct wi_lock_holder {
    int32_t pid;         /* 0: free */
    int64_t start_ticks; /* of that process, field 22 of /proc/pid/stat */
    struct weir_mono since;
};

/* Best effort, lock-free. */
struct wi_lock_holder wi_storage_lock_holder(struct wi_storage *storage);

/* --- wake-up: shared words that grow; a hint, never the truth --- */

/* Slots that tell apart what changed (a shard's number modulo this); one more word counts all. */
#define WI_WAKE_SLOTS 4096U

/* Raise the slot's word and the common word, and wake every waiter. After the commit, not inside.
 */
void wi_storage_wake(struct wi_storage *storage, uint32_t slot);

/* The common word, and one slot's word. Plain atomic loads. */
uint32_t wi_storage_wake_word(struct wi_storage *storage);
uint32_t wi_storage_wake_slot(struct wi_storage *storage, uint32_t slot);

/*
 * Sleep until the common word differs from `seen` or `timeout_ms` has passed; returns the word. A
 * second thread may end the wait early with wi_storage_wake_interrupt().
 */
uint32_t wi_storage_wake_wait(struct wi_storage *storage, uint32_t seen, int64_t timeout_ms);
void wi_storage_wake_interrupt(struct wi_storage *storage);

#endif
