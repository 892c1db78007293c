/* Calls for files that may fail. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/faults/fail_plan.h"

#define MODE_RIGHT 07777U

static unsigned
mode_of(int flags, va_list arguments)
{
    return (flags & (int)O_CREAT) != 0 ? va_arg(arguments, unsigned) & MODE_RIGHT : 0;
}

EXPORT int
open(const char *path, int flags, ...)
{
    static const struct call call = {"open", {EMFILE, EACCES, EIO}, false};
    int (*real)(const char *, int, ...);
    va_list arguments;
    unsigned mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    find("open", &real, sizeof real);
    return call_fails(&call) ? -1 : real(path, flags, mode);
}

EXPORT int
open64(const char *path, int flags, ...)
{
    static const struct call call = {"open64", {EMFILE, EACCES, EIO}, false};
    int (*real)(const char *, int, ...);
    va_list arguments;
    unsigned mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    find("open64", &real, sizeof real);
    return call_fails(&call) ? -1 : real(path, flags, mode);
}

EXPORT int
openat(int folder, const char *path, int flags, ...)
{
    static const struct call call = {"openat", {EMFILE, EACCES, EIO}, false};
    int (*real)(int, const char *, int, ...);
    va_list arguments;
    unsigned mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    find("openat", &real, sizeof real);
    return call_fails(&call) ? -1 : real(folder, path, flags, mode);
}

EXPORT int
mkdir(const char *path, mode_t mode)
{
    static const struct call call = {"mkdir", {ENOSPC, EACCES, EROFS}, false};
    int (*real)(const char *path, mode_t mode);

    find("mkdir", &real, sizeof real);
    return call_fails(&call) ? -1 : real(path, mode);
}

EXPORT int
renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    static const struct call call = {"renameat", {EIO, ENOSPC, EACCES}, false};
    int (*real)(int from_folder, const char *from, int to_folder, const char *to);

    find("renameat", &real, sizeof real);
    return call_fails(&call) ? -1 : real(from_folder, from, to_folder, to);
}

EXPORT int
unlinkat(int folder, const char *path, int flags)
{
    static const struct call call = {"unlinkat", {EIO, EACCES}, false};
    int (*real)(int folder, const char *path, int flags);

    find("unlinkat", &real, sizeof real);
    return call_fails(&call) ? -1 : real(folder, path, flags);
}

EXPORT int
unlink(const char *path)
{
    static const struct call call = {"unlink", {EIO, EACCES}, false};
    int (*real)(const char *path);

    find("unlink", &real, sizeof real);
    return call_fails(&call) ? -1 : real(path);
}

/* eventfd(2) and signalfd(2) are memory: nothing goes wrong there. */
static bool
is_event(int fd)
{
    int (*real)(int fd, struct stat *ret);
    struct stat status;

    find("fstat", &real, sizeof real);
    return real(fd, &status) == 0 && (status.st_mode & S_IFMT) == 0;
}

EXPORT ssize_t
read(int fd, void *bytes, size_t size)
{
    static const struct call call = {"read", {EIO}, false};
    ssize_t (*real)(int fd, void *bytes, size_t size);

    find("read", &real, sizeof real);
    return !is_event(fd) && call_fails(&call) ? -1 : real(fd, bytes, size);
}

EXPORT ssize_t
pread(int fd, void *bytes, size_t size, off_t at)
{
    static const struct call call = {"pread", {EIO}, false};
    ssize_t (*real)(int fd, void *bytes, size_t size, off_t at);

    find("pread", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, bytes, size, at);
}

EXPORT ssize_t
write(int fd, const void *bytes, size_t size)
{
    static const struct call call = {"write", {ENOSPC, EIO}, false};
    ssize_t (*real)(int fd, const void *bytes, size_t size);

    find("write", &real, sizeof real);
    return fd != STDERR_FILENO && !is_event(fd) && call_fails(&call) ? -1 : real(fd, bytes, size);
}

EXPORT ssize_t
pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    static const struct call call = {"pwrite", {ENOSPC, EIO}, false};
    ssize_t (*real)(int fd, const void *bytes, size_t size, off_t at);

    find("pwrite", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, bytes, size, at);
}

EXPORT ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    static const struct call call = {"writev", {ENOSPC, EIO}, false};
    ssize_t (*real)(int fd, const struct iovec *parts, int count);

    find("writev", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, parts, count);
}

EXPORT int
fsync(int fd)
{
    static const struct call call = {"fsync", {EIO, ENOSPC}, false};
    int (*real)(int fd);

    find("fsync", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd);
}

EXPORT int
fdatasync(int fd)
{
    static const struct call call = {"fdatasync", {EIO, ENOSPC}, false};
    int (*real)(int fd);

    find("fdatasync", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd);
}

EXPORT int
msync(void *memory, size_t size, int flags)
{
    static const struct call call = {"msync", {EIO}, false};
    int (*real)(void *memory, size_t size, int flags);

    find("msync", &real, sizeof real);
    return call_fails(&call) ? -1 : real(memory, size, flags);
}

EXPORT int
ftruncate(int fd, off_t size)
{
    static const struct call call = {"ftruncate", {ENOSPC, EIO}, false};
    int (*real)(int fd, off_t size);

    find("ftruncate", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, size);
}

EXPORT int
ftruncate64(int fd, off_t size)
{
    static const struct call call = {"ftruncate64", {ENOSPC, EIO}, false};
    int (*real)(int fd, off_t size);

    find("ftruncate64", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, size);
}

EXPORT int
posix_fallocate(int fd, off_t at, off_t size)
{
    static const struct call call = {"posix_fallocate", {ENOSPC, EIO}, false};
    int (*real)(int fd, off_t at, off_t size);

    find("posix_fallocate", &real, sizeof real);
    return call_fails(&call) ? errno : real(fd, at, size);
}

EXPORT int
flock(int fd, int operation)
{
    static const struct call call = {"flock", {ENOLCK, EIO}, false};
    int (*real)(int fd, int operation);

    find("flock", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, operation);
}

EXPORT int
fstat(int fd, struct stat *ret)
{
    static const struct call call = {"fstat", {EIO}, false};
    int (*real)(int fd, struct stat *ret);

    find("fstat", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, ret);
}

EXPORT int
stat(const char *path, struct stat *ret)
{
    static const struct call call = {"stat", {EIO, EACCES}, false};
    int (*real)(const char *path, struct stat *ret);

    find("stat", &real, sizeof real);
    return call_fails(&call) ? -1 : real(path, ret);
}

EXPORT int
fstatat(int folder, const char *path, struct stat *ret, int flags)
{
    static const struct call call = {"fstatat", {EIO, EACCES}, false};
    int (*real)(int folder, const char *path, struct stat *ret, int flags);

    find("fstatat", &real, sizeof real);
    return call_fails(&call) ? -1 : real(folder, path, ret, flags);
}

EXPORT int
fstatfs(int fd, struct statfs *ret)
{
    static const struct call call = {"fstatfs", {EIO}, false};
    int (*real)(int fd, struct statfs *ret);

    find("fstatfs", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, ret);
}

EXPORT off_t
lseek(int fd, off_t at, int whence)
{
    static const struct call call = {"lseek", {EIO}, false};
    off_t (*real)(int fd, off_t at, int whence);

    find("lseek", &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, at, whence);
}

EXPORT DIR *
fdopendir(int fd)
{
    static const struct call call = {"fdopendir", {ENOMEM}, false};
    DIR *(*real)(int fd);

    find("fdopendir", &real, sizeof real);
    return call_fails(&call) ? NULL : real(fd);
}

EXPORT DIR *
opendir(const char *path)
{
    static const struct call call = {"opendir", {EMFILE, ENOMEM, EACCES}, false};
    DIR *(*real)(const char *path);

    find("opendir", &real, sizeof real);
    return call_fails(&call) ? NULL : real(path);
}

static int
control(const char *name, int fd, int command, void *argument)
{
    static const struct call call = {"fcntl", {ENOLCK, EMFILE, EIO}, false};
    int (*real)(int, int, ...);

    find(name, &real, sizeof real);
    return call_fails(&call) ? -1 : real(fd, command, argument);
}

EXPORT int
fcntl(int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    return control("fcntl", fd, command, argument);
}

EXPORT int
fcntl64(int fd, int command, ...)
{
    va_list arguments;
    void *argument;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    return control("fcntl64", fd, command, argument);
}
