/*
 * Preloaded into the processes of a run: a wall clock that jumps, a disk that is slow, as the
 * control file says. Everything else is left alone; other clocks above all.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "chaos/control.h"

#define EXPORTED __attribute__((visibility("default")))

#define NS_PER_MS 1000000
#define NS_PER_S  1000000000

/* The one global: a library that stands between a program and libc has no other place. */
static struct chaos_seat *_Atomic orders;

__attribute__((constructor)) static void
find_orders(void)
{
    const char *path =
        getenv(CHAOS_CONTROL_FILE); /* NOLINT(concurrency-mt-unsafe): no thread yet */
    const char *seat =
        getenv(CHAOS_CONTROL_SEAT); /* NOLINT(concurrency-mt-unsafe): no thread yet */
    const unsigned long number = seat == NULL ? CHAOS_SEATS_MAX : strtoul(seat, NULL, 10);
    struct chaos_control *control = MAP_FAILED;
    struct stat status;
    const int fd = path == NULL || number >= CHAOS_SEATS_MAX ? -1 : open(path, O_RDWR | O_CLOEXEC);

    if (fd >= 0) {
        if (fstat(fd, &status) == 0 && status.st_size == (off_t)sizeof *control) {
            control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        }
        (void)close(fd);
    }
    if (control != MAP_FAILED) {
        atomic_store(&control->seats[number].preloaded, 1);
        atomic_store(&orders, &control->seats[number]);
    }
}

static int64_t
offset_ms(void)
{
    struct chaos_seat *seat = atomic_load(&orders);
    const int64_t offset = seat == NULL ? 0 : atomic_load(&seat->clock_offset_ms);

    if (offset != 0) {
        atomic_fetch_add(&seat->clock_reads, 1);
    }
    return offset;
}

/* The system's own: the next function of the name, or the call of the kernel while there is none.
 */
EXPORTED int
clock_gettime(clockid_t clock, struct timespec *now)
{
    static _Atomic(void *) next;
    void *found = atomic_load(&next);
    int64_t ns;
    int (*call)(clockid_t, struct timespec *) = NULL;
    int result;

    if (found == NULL) {
        found = dlsym(RTLD_NEXT, "clock_gettime");
        atomic_store(&next, found);
    }
    memcpy(&call, &found, sizeof call);
    result = call == NULL ? (int)syscall(SYS_clock_gettime, clock, now) : call(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        ns = now->tv_nsec + offset_ms() % 1000 * NS_PER_MS;
        now->tv_sec += offset_ms() / 1000 + (ns >= NS_PER_S) - (ns < 0);
        now->tv_nsec = (long)((ns + NS_PER_S) % NS_PER_S);
    }
    return result;
}

EXPORTED time_t
time(time_t *ret)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (ret != NULL) {
        *ret = now.tv_sec;
    }
    return now.tv_sec;
}

EXPORTED int
gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    struct timespec now = {0, 0};

    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    ret->tv_sec = now.tv_sec;
    ret->tv_usec = now.tv_nsec / 1000;
    return 0;
}

static void
delay(void)
{
    struct chaos_seat *seat = atomic_load(&orders);
    const uint32_t us = seat == NULL ? 0 : atomic_load(&seat->sync_delay_us);
    const int error = errno;

    if (us > 0 && us <= CHAOS_SYNC_DELAY_MAX) {
        const struct timespec pause = {us / 1000000, (long)(us % 1000000) * 1000};

        atomic_fetch_add(&seat->syncs_delayed, 1);
        (void)nanosleep(&pause, NULL);
    }
    errno = error;
}

EXPORTED int
fdatasync(int fd)
{
    delay();
    return (int)syscall(SYS_fdatasync, fd);
}

EXPORTED int
fsync(int fd)
{
    delay();
    return (int)syscall(SYS_fsync, fd);
}

EXPORTED int
msync(void *address, size_t length, int flags)
{
    if ((flags & MS_SYNC) != 0) {
        delay();
    }
    return (int)syscall(SYS_msync, address, length, flags);
}
