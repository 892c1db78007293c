/* Calls for maps, threads and events that may fail. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/faults/fail_plan.h"

EXPORT void *
mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
    static const struct call call = {"mmap", {ENOMEM, EACCES}, false};
    void *(*real)(void *at, size_t size, int access, int flags, int fd, off_t offset);

    find("mmap", &real, sizeof real);
    return call_fails(&call) ? MAP_FAILED : real(at, size, access, flags, fd, offset);
}

EXPORT void *
mmap64(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
    static const struct call call = {"mmap64", {ENOMEM, EACCES}, false};
    void *(*real)(void *at, size_t size, int access, int flags, int fd, off_t offset);

    find("mmap64", &real, sizeof real);
    return call_fails(&call) ? MAP_FAILED : real(at, size, access, flags, fd, offset);
}

EXPORT int
pthread_create(
    pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *context)
{
    static const struct call call = {"pthread_create", {EAGAIN}, false};
    int (*real)(
        pthread_t *ret, const pthread_attr_t *attributes, void *(*run)(void *), void *context);

    find("pthread_create", &real, sizeof real);
    return call_fails(&call) ? errno : real(ret, attributes, run, context);
}

EXPORT int
eventfd(unsigned count, int flags)
{
    static const struct call call = {"eventfd", {EMFILE, ENOMEM}, false};
    int (*real)(unsigned count, int flags);

    find("eventfd", &real, sizeof real);
    return call_fails(&call) ? -1 : real(count, flags);
}

EXPORT int
epoll_create1(int flags)
{
    static const struct call call = {"epoll_create1", {EMFILE, ENOMEM}, false};
    int (*real)(int flags);

    find("epoll_create1", &real, sizeof real);
    return call_fails(&call) ? -1 : real(flags);
}

EXPORT int
epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    static const struct call call = {"epoll_ctl", {ENOMEM, ENOSPC}, false};
    int (*real)(int set, int operation, int fd, struct epoll_event *event);

    find("epoll_ctl", &real, sizeof real);
    return call_fails(&call) ? -1 : real(set, operation, fd, event);
}

EXPORT int
epoll_wait(int set, struct epoll_event *events, int max, int timeout_ms)
{
    static const struct call call = {"epoll_wait", {EINTR}, true};
    int (*real)(int set, struct epoll_event *events, int max, int timeout_ms);

    find("epoll_wait", &real, sizeof real);
    return call_fails(&call) ? -1 : real(set, events, max, timeout_ms);
}

EXPORT int
poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    static const struct call call = {"poll", {EINTR}, true};
    int (*real)(struct pollfd *fds, nfds_t count, int timeout_ms);

    find("poll", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fds, count, timeout_ms);
}

EXPORT int
signalfd(int fd, const sigset_t *signals, int flags)
{
    static const struct call call = {"signalfd", {EMFILE, ENOMEM}, false};
    int (*real)(int fd, const sigset_t *signals, int flags);

    find("signalfd", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, signals, flags);
}

EXPORT ssize_t
getrandom(void *bytes, size_t size, unsigned flags)
{
    static const struct call call = {"getrandom", {EINTR}, true};
    ssize_t (*real)(void *bytes, size_t size, unsigned flags);

    find("getrandom", &real, sizeof real);
    return call_fails(&call) ? -1 : real(bytes, size, flags);
}

/* What the C library has no function for. */
EXPORT long
syscall(long number, ...)
{
    static const struct call pidfd = {"pidfd_open", {EMFILE, EPERM, ENOSYS}, false};
    static const struct call futex = {"futex", {EINTR, EAGAIN}, true};
    long (*real)(long, ...);
    va_list arguments;
    long words[6];

    va_start(arguments, number);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        words[i] = va_arg(arguments, long);
    }
    va_end(arguments);
    find("syscall", &real, sizeof real);
    if ((number == SYS_pidfd_open && call_fails(&pidfd)) ||
        (number == SYS_futex && call_fails(&futex))) {
        return -1;
    }
    return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
}
