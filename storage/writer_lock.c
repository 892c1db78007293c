#include "storage/writer_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"
#include "storage/filesystem.h"
#include "storage/process.h"
#include "storage/storage.h"

#define FILE_NAME         "writer"
#define PAGE_SIZE_BYTES   4096
#define LAYOUT_VERSION    1
#define SLICE_MIN_MS      1 /* a wait is cut in slices, to see whether the holder changes */
#define SLICE_MAX_MS      50
#define SLICES            8    /* slices of the caller's patience */
#define ENTER_PATIENCE_MS 1000 /* somebody reads without write permission: soon over */
#define HOLDER_TRIES      16   /* attempts to read the note while it changes */
#define NS_PER_MS         1000000
#define NS_PER_S          1000000000

/* Everybody must agree on it: two builds with another mutex inside must not meet. */
#define PAGE_MAGIC                                                                                 \
    (0x776569724c6f0000U ^ ((uint64_t)LAYOUT_VERSION << 8U) ^ sizeof(struct wi_writer_page))

struct wi_writer_page {
    uint64_t magic; /* written last: a page without it was never finished */
    char boot_id[16];
    uint64_t pid_namespace;
    pthread_mutex_t mutex;            /* guards the environment's write transactions */
    atomic_uint_least64_t generation; /* +1 at every acquisition */
    atomic_int_least64_t start_ticks; /* the note: valid while pid is not 0 and generation stays */
    atomic_int_least64_t since_ns;
    atomic_int_least32_t pid;
};

_Static_assert(sizeof(struct wi_writer_page) <= PAGE_SIZE_BYTES, "one page holds the lock");

static int64_t
read_clock_ns(clockid_t clock)
{
    struct timespec now = {0};

    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static enum weir_error
read_pid_namespace(uint64_t *ret)
{
    struct stat status;

    if (stat("/proc/self/ns/pid", &status) != 0) {
        return WEIR_EPLATFORM;
    }
    *ret = (uint64_t)status.st_ino;
    return WEIR_OK;
}

/* Open the file, for reading only where nothing else is possible and allowed. */
static enum weir_error
open_file(int directory_fd, bool read_only, struct wi_writer_lock *lock)
{
    lock->is_writable = true;
    lock->fd =
        openat(directory_fd, FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, WI_FILE_MODE);
    if (lock->fd < 0 && read_only && (errno == EACCES || errno == EROFS)) {
        lock->is_writable = false;
        lock->fd = openat(directory_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (lock->fd < 0 && errno == ENOENT) {
            return WEIR_OK;
        }
    }
    return lock->fd < 0 ? wi_error_from_errno(errno) : WEIR_OK;
}

/* The page must have its block on the disk: a store into a hole of a full disk is a SIGBUS. */
static enum weir_error
map_page(struct wi_writer_lock *lock)
{
    struct stat status;
    void *memory;
    int code =
        lock->is_first && lock->is_writable ? posix_fallocate(lock->fd, 0, PAGE_SIZE_BYTES) : 0;

    if (code != 0) {
        return wi_error_from_errno(code);
    }
    if (fstat(lock->fd, &status) != 0) {
        return WEIR_EIO;
    }
    if (status.st_size < PAGE_SIZE_BYTES) {
        return lock->is_writable ? WEIR_ECORRUPT : WEIR_OK;
    }
    memory = mmap(
        NULL,
        PAGE_SIZE_BYTES,
        lock->is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
        MAP_SHARED,
        lock->fd,
        0);
    if (memory == MAP_FAILED) {
        return wi_error_from_errno(errno);
    }
    lock->page = memory;
    return WEIR_OK;
}

enum weir_error
wi_writer_lock_open(
    int directory_fd, bool read_only, struct wi_writer_lock *ret, struct weir_detail *detail)
{
    struct wi_writer_lock lock = {.fd = -1};
    enum weir_error error = wi_process_self(&lock.self);

    if (error == WEIR_OK) {
        error = read_pid_namespace(&lock.pid_namespace);
    }
    if (error != WEIR_OK) {
        return wi_detail(
            detail, error, "/proc is needed to tell processes apart, but it is not mounted here");
    }
    error = open_file(directory_fd, read_only, &lock);
    if (error == WEIR_OK && lock.fd >= 0) {
        lock.is_first = wi_file_lock(lock.fd, true, 0) == WEIR_OK;
        error = map_page(&lock);
    }
    if (error != WEIR_OK) {
        wi_writer_lock_close(&lock);
        return wi_detail(
            detail, error, "cannot use the file '%s': %s", FILE_NAME, weir_error_text(error));
    }
    lock.is_same_boot =
        lock.page != NULL && lock.page->magic == PAGE_MAGIC &&
        strncmp(lock.page->boot_id, lock.self.boot_id, sizeof lock.self.boot_id) == 0;
    *ret = lock;
    return WEIR_OK;
}

/* Only while nobody else has the directory open: whoever had the mutex is dead. */
static enum weir_error
start_page(struct wi_writer_lock *lock)
{
    struct wi_writer_page *page = lock->page;
    pthread_mutexattr_t attributes;
    int code = pthread_mutexattr_init(&attributes);

    WEIR_ASSERT(lock->is_first);
    if (code != 0) {
        return wi_error_from_errno(code);
    }
    memset(page, 0, sizeof *page);
    (void)pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    (void)pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    code = pthread_mutex_init(&page->mutex, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    if (code != 0) {
        return wi_error_from_errno(code);
    }
    memcpy(page->boot_id, lock->self.boot_id, sizeof lock->self.boot_id);
    page->pid_namespace = lock->pid_namespace;
    atomic_init(&page->generation, 1);
    page->magic = PAGE_MAGIC;
    return WEIR_OK;
}

static enum weir_error
check_page(const struct wi_writer_lock *lock, struct weir_detail *detail)
{
    const struct wi_writer_page *page = lock->page;

    if (page->magic != PAGE_MAGIC) {
        return wi_detail(
            detail,
            WEIR_EVERSION,
            "processes with another layout of the writer lock use this directory; "
            "stop them or run the same version of weir");
    }
    if (page->pid_namespace != lock->pid_namespace) {
        return wi_detail(
            detail,
            WEIR_EPLATFORM,
            "processes of another pid namespace (container) use this directory; "
            "run all of them in one pid namespace");
    }
    return WEIR_OK;
}

enum weir_error
wi_writer_lock_enter(struct wi_writer_lock *lock, struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;

    if (!lock->is_writable) {
        /* Kept for the time of each read only: others may want to open the directory. */
        return lock->fd < 0 || flock(lock->fd, LOCK_UN) == 0 ? WEIR_OK : WEIR_EIO;
    }
    WEIR_ASSERT(lock->page != NULL);
    if (lock->is_first) {
        error = start_page(lock);
    } else {
        error = check_page(lock, detail);
    }
    if (error != WEIR_OK) {
        return error;
    }
    /* Exclusive becomes shared with a gap in between; the door keeps everybody else out of it. */
    error = wi_file_lock(lock->fd, false, ENTER_PATIENCE_MS);
    if (error != WEIR_OK) {
        return wi_detail(
            detail, error, "cannot lock the file '%s': %s", FILE_NAME, weir_error_text(error));
    }
    return WEIR_OK;
}

void
wi_writer_lock_close(struct wi_writer_lock *lock)
{
    if (lock->page != NULL) {
        (void)munmap(lock->page, PAGE_SIZE_BYTES);
        lock->page = NULL;
    }
    if (lock->fd >= 0) {
        close(lock->fd);
        lock->fd = -1;
    }
}

struct wi_lock_holder
wi_writer_lock_holder(const struct wi_writer_lock *lock)
{
    struct wi_writer_page *page = lock->page;
    struct wi_lock_holder holder = {0};

    for (int i = 0; page != NULL && i < HOLDER_TRIES; i++) {
        uint64_t generation = atomic_load_explicit(&page->generation, memory_order_acquire);

        holder.pid = atomic_load_explicit(&page->pid, memory_order_acquire);
        holder.start_ticks = atomic_load_explicit(&page->start_ticks, memory_order_acquire);
        holder.since.ns = atomic_load_explicit(&page->since_ns, memory_order_acquire);
        if (holder.pid == 0 ||
            atomic_load_explicit(&page->generation, memory_order_acquire) == generation) {
            break;
        }
        holder.pid = 0;
    }
    return holder.pid == 0 ? (struct wi_lock_holder){0} : holder;
}

/* The order matters to wi_writer_lock_holder(): a reader that sees a new member sees a new
 * generation too. */
static void
note_holder(struct wi_writer_lock *lock)
{
    struct wi_writer_page *page = lock->page;

    atomic_store_explicit(&page->pid, 0, memory_order_relaxed);
    atomic_fetch_add(&page->generation, 1);
    atomic_store_explicit(&page->start_ticks, lock->self.start_ticks, memory_order_release);
    atomic_store_explicit(&page->since_ns, read_clock_ns(CLOCK_BOOTTIME), memory_order_release);
    atomic_store_explicit(&page->pid, lock->self.pid, memory_order_release);
}

static enum weir_error
report_holder(const struct wi_writer_lock *lock, struct weir_detail *detail)
{
    struct wi_lock_holder holder = wi_writer_lock_holder(lock);

    if (holder.pid == 0) {
        return wi_detail(
            detail, WEIR_EBUSY, "the writer lock is held for too long, by a process without name");
    }
    return wi_detail(
        detail,
        WEIR_EBUSY,
        "process %d has held the writer lock for %lld ms; let it go on (SIGCONT) or kill it",
        (int)holder.pid,
        (long long)((read_clock_ns(CLOCK_BOOTTIME) - holder.since.ns) / NS_PER_MS));
}

static int
lock_for(pthread_mutex_t *mutex, int64_t wait_ms)
{
    int64_t end_ns = read_clock_ns(CLOCK_MONOTONIC) + wait_ms * NS_PER_MS;
    struct timespec end = {
        .tv_sec = (time_t)(end_ns / NS_PER_S),
        .tv_nsec = (long)(end_ns % NS_PER_S),
    };

    return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &end);
}

/* Wait in slices until we have the mutex, or one holding has lasted as long as our patience. */
static int
lock_patiently(struct wi_writer_page *page, int64_t patience_ms)
{
    int64_t slice_ms = patience_ms / SLICES;
    uint64_t generation = atomic_load(&page->generation);
    int64_t start_ns = read_clock_ns(CLOCK_MONOTONIC);
    int code;

    slice_ms = slice_ms < SLICE_MIN_MS ? SLICE_MIN_MS : slice_ms;
    slice_ms = slice_ms > SLICE_MAX_MS ? SLICE_MAX_MS : slice_ms;
    while ((code = lock_for(&page->mutex, slice_ms)) == ETIMEDOUT) {
        uint64_t now_generation = atomic_load(&page->generation);
        int64_t now_ns = read_clock_ns(CLOCK_MONOTONIC);

        if (now_generation != generation) {
            generation = now_generation;
            start_ns = now_ns;
        } else if ((now_ns - start_ns) / NS_PER_MS >= patience_ms) {
            break;
        }
    }
    return code;
}

enum weir_error
wi_writer_lock_acquire(struct wi_writer_lock *lock, int64_t patience_ms, struct weir_detail *detail)
{
    struct wi_writer_page *page = lock->page;
    int code;

    WEIR_ASSERT(page != NULL && lock->is_writable);
    code = pthread_mutex_trylock(&page->mutex);
    if (code == EBUSY) {
        code = lock_patiently(page, patience_ms);
    }
    if (code == EOWNERDEAD) {
        /* Nothing of ours is half done: LMDB drops what the dead process had not committed. */
        code = pthread_mutex_consistent(&page->mutex);
    }
    if (code == ETIMEDOUT) {
        return report_holder(lock, detail);
    }
    if (code != 0) {
        return wi_detail(detail, WEIR_EIO, "the writer lock failed: %s", wi_errno_text(code));
    }
    note_holder(lock);
    return WEIR_OK;
}

void
wi_writer_lock_release(struct wi_writer_lock *lock)
{
    int code;

    atomic_store_explicit(&lock->page->pid, 0, memory_order_release);
    code = pthread_mutex_unlock(&lock->page->mutex);
    WEIR_ASSERT(code == 0);
}
