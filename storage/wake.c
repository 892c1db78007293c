#include "storage/wake.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "core/detail.h"
#include "storage/filesystem.h"
#include "storage/storage.h"

#define FILE_NAME   "wake"
#define POLL_MS     10                  /* where a waiter cannot write the page */
#define WAIT_MAX_MS ((int64_t)1 << 40U) /* 34 years: keeps the sum below 2^63 ns */
#define NS_PER_MS   1000000
#define NS_PER_S    1000000000

struct wi_wake_page {
    atomic_uint_least32_t common;  /* +1 at every wake */
    atomic_uint_least32_t waiters; /* at least the number of processes asleep on `common` */
    uint32_t reserved[14];
    atomic_uint_least32_t slots[WI_WAKE_SLOTS];
};

_Static_assert(sizeof(atomic_uint_least32_t) == sizeof(uint32_t), "a futex is 32 bits");
_Static_assert(offsetof(struct wi_wake_page, slots) == 64, "the words everybody polls stand apart");

static enum weir_error
open_file(int directory_fd, bool read_only, bool *ret_is_writable, int *ret_fd)
{
    int fd =
        openat(directory_fd, FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, WI_FILE_MODE);

    *ret_is_writable = fd >= 0;
    if (fd < 0 && read_only && (errno == EACCES || errno == EROFS)) {
        fd = openat(directory_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 && errno == ENOENT) {
            *ret_fd = -1;
            return WEIR_OK;
        }
    }
    if (fd < 0) {
        return wi_error_from_errno(errno);
    }
    *ret_fd = fd;
    return WEIR_OK;
}

static enum weir_error
map_page(int fd, struct wi_wake *wake)
{
    struct stat status;
    void *memory;
    /* Blocks on the disk first: a store into a hole of a full disk is a SIGBUS. */
    int code = wake->is_writable ? posix_fallocate(fd, 0, (off_t)sizeof(struct wi_wake_page)) : 0;

    if (code != 0) {
        return wi_error_from_errno(code);
    }
    if (fstat(fd, &status) != 0) {
        return WEIR_EIO;
    }
    if (status.st_size < (off_t)sizeof(struct wi_wake_page)) {
        return WEIR_OK;
    }
    memory = mmap(
        NULL,
        sizeof(struct wi_wake_page),
        wake->is_writable ? PROT_READ | PROT_WRITE : PROT_READ,
        MAP_SHARED,
        fd,
        0);
    if (memory == MAP_FAILED) {
        return wi_error_from_errno(errno);
    }
    wake->page = memory;
    return WEIR_OK;
}

enum weir_error
wi_wake_open(
    int directory_fd,
    bool read_only,
    bool is_first,
    struct wi_wake *ret,
    struct weir_detail *detail)
{
    enum weir_error error;
    int fd = -1;

    ret->page = NULL;
    atomic_init(&ret->interrupts, 0);
    error = open_file(directory_fd, read_only, &ret->is_writable, &fd);
    if (error == WEIR_OK && fd >= 0) {
        error = map_page(fd, ret);
        close(fd);
    }
    if (error != WEIR_OK) {
        return wi_detail(
            detail, error, "cannot use the file '%s': %s", FILE_NAME, weir_error_text(error));
    }
    if (is_first && ret->is_writable && ret->page != NULL) {
        atomic_store(&ret->page->waiters, 0);
    }
    return WEIR_OK;
}

void
wi_wake_close(struct wi_wake *wake)
{
    if (wake->page != NULL) {
        (void)munmap(wake->page, sizeof *wake->page);
        wake->page = NULL;
    }
}

static void
raise_common(struct wi_wake_page *page)
{
    atomic_fetch_add(&page->common, 1);
    if (atomic_load(&page->waiters) > 0) {
        (void)syscall(SYS_futex, &page->common, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    }
}

void
wi_wake_raise(struct wi_wake *wake, uint32_t slot)
{
    if (wake->page != NULL && wake->is_writable) {
        atomic_fetch_add(&wake->page->slots[slot % WI_WAKE_SLOTS], 1);
        raise_common(wake->page);
    }
}

void
wi_wake_interrupt(struct wi_wake *wake)
{
    atomic_fetch_add(&wake->interrupts, 1);
    if (wake->page != NULL && wake->is_writable) {
        raise_common(wake->page);
    }
}

uint32_t
wi_wake_word(const struct wi_wake *wake)
{
    return wake->page == NULL ? 0 : atomic_load(&wake->page->common);
}

uint32_t
wi_wake_slot(const struct wi_wake *wake, uint32_t slot)
{
    return wake->page == NULL ? 0 : atomic_load(&wake->page->slots[slot % WI_WAKE_SLOTS]);
}

static int64_t
monotonic_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

static struct timespec
to_timespec(int64_t ns)
{
    return (struct timespec){
        .tv_sec = (time_t)(ns / NS_PER_S),
        .tv_nsec = (long)(ns % NS_PER_S),
    };
}

/* Sleep on the futex. The waiter counts itself before the kernel compares the word; the waker
 * raises the word before it looks at the count: one of the two always sees the other. */
static void
sleep_on_word(struct wi_wake_page *page, uint32_t seen, int64_t end_ns)
{
    struct timespec end = to_timespec(end_ns);
    long code = 0;

    atomic_fetch_add(&page->waiters, 1);
    while (atomic_load(&page->common) == seen && (code == 0 || errno == EINTR)) {
        code = syscall(
            SYS_futex,
            &page->common,
            FUTEX_WAIT_BITSET, /* unlike FUTEX_WAIT: ends at an instant of CLOCK_MONOTONIC */
            seen,
            &end,
            NULL,
            FUTEX_BITSET_MATCH_ANY);
    }
    atomic_fetch_sub(&page->waiters, 1);
}

/* Without write permission nobody would wake us: look again and again. */
static void
poll_word(const struct wi_wake *wake, uint32_t seen, int64_t end_ns)
{
    const struct timespec pause = to_timespec((int64_t)POLL_MS * NS_PER_MS);
    unsigned interrupts = atomic_load(&wake->interrupts);

    while (wi_wake_word(wake) == seen && atomic_load(&wake->interrupts) == interrupts &&
           monotonic_ns() < end_ns) {
        (void)nanosleep(&pause, NULL);
    }
}

uint32_t
wi_wake_wait(struct wi_wake *wake, uint32_t seen, int64_t timeout_ms)
{
    int64_t end_ns;

    if (wi_wake_word(wake) != seen || timeout_ms <= 0) {
        return wi_wake_word(wake);
    }
    end_ns = monotonic_ns() + (timeout_ms > WAIT_MAX_MS ? WAIT_MAX_MS : timeout_ms) * NS_PER_MS;
    if (wake->page != NULL && wake->is_writable) {
        sleep_on_word(wake->page, seen, end_ns);
    } else {
        poll_word(wake, seen, end_ns);
    }
    return wi_wake_word(wake);
}
