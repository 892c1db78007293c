/*
 * The outer writer lock of one storage directory: a robust mutex in a shared page, with a note of
 * who holds it. LMDB's own lock has no time limit and names nobody; a writer that is stopped inside
 * a transaction would block the host without a trace. The same file says who may use the directory:
 * each opener keeps a shared file lock on it, so that the first one knows that it is alone.
 */
#ifndef WI_STORAGE_WRITER_LOCK_H
#define WI_STORAGE_WRITER_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>

#include "storage/process.h"
#include "storage/storage.h"

struct wi_writer_page;

struct wi_writer_lock {
    int fd;                      /* holds the file lock; -1: no file (read-only copy) */
    bool is_writable;            /* the page is mapped for writing */
    bool is_first;               /* nobody else has the directory open */
    bool is_same_boot;           /* the page was written since the machine started */
    struct wi_writer_page *page; /* NULL: no file */
    struct wi_process self;      /* what acquire notes in the page */
    uint64_t pid_namespace;      /* inode of this process's pid namespace */
};

/*
 * Open the file in `directory_fd`, find out whether this process is the first, map the page. The
 * caller holds the directory's own file lock ("the door") until wi_writer_lock_enter() is done.
 * `read_only` accepts a file that cannot be written or is missing.
 */
enum weir_error wi_writer_lock_open(
    int directory_fd, bool read_only, struct wi_writer_lock *ret, struct weir_detail *detail);

/*
 * Become one of the users. The first starts the page anew; any other is refused with
 * WEIR_EPLATFORM if the users live in another pid namespace, with WEIR_EVERSION if the page has
 * another layout.
 */
enum weir_error wi_writer_lock_enter(struct wi_writer_lock *lock, struct weir_detail *detail);

/* Unmap and close; the file lock goes with it. A lock that was never opened has fd -1, page NULL.
 */
void wi_writer_lock_close(struct wi_writer_lock *lock);

/*
 * Wait for the lock. WEIR_EBUSY only when one and the same holding has lasted `patience_ms` while
 * we waited: a long queue that moves is no error. A holder that died is no obstacle.
 */
enum weir_error wi_writer_lock_acquire(
    struct wi_writer_lock *lock, int64_t patience_ms, struct weir_detail *detail);

/* Give it back; by the thread that has it. */
void wi_writer_lock_release(struct wi_writer_lock *lock);

/* Who holds it now; pid 0 if nobody does, or while it changes hands. */
struct wi_lock_holder wi_writer_lock_holder(const struct wi_writer_lock *lock);

#endif
