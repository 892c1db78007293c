/* Loaded into programs with LD_PRELOAD: every change of a file below $WEIR_DISK_ROOT goes into the
 * log $WEIR_DISK_LOG, with the syncs. Nothing is really synced: that is for the model to know. An
 * entry is appended after its call has ended, so what a log says was synced was written before. */
#include "tests/faults/disk_log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))
#define MODE_RIGHT 07777U
#define FILES_MAX  1024

/* Opened with O_DSYNC: what is written there counts as synced. Not passed on: it takes time. */
static bool is_synced[FILES_MAX];

EXPORT int open(const char *path, int flags, ...);
EXPORT int open64(const char *path, int flags, ...);
EXPORT int openat(int folder, const char *path, int flags, ...);
EXPORT int mkdir(const char *path, mode_t mode);
EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to);
EXPORT int unlinkat(int folder, const char *path, int flags);
EXPORT int unlink(const char *path);
EXPORT ssize_t write(int fd, const void *bytes, size_t size);
EXPORT ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at);
EXPORT ssize_t writev(int fd, const struct iovec *parts, int count);
EXPORT int ftruncate(int fd, off_t size);
EXPORT int ftruncate64(int fd, off_t size);
EXPORT int posix_fallocate(int fd, off_t at, off_t size);
EXPORT int fsync(int fd);
EXPORT int fdatasync(int fd);

static int
log_fd(void)
{
    static int fd = -1;

    if (fd < 0) {
        const char *path = getenv(DISK_LOG_FILE);

        fd = path == NULL
                 ? -1
                 : (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CLOEXEC);
    }
    return fd;
}

/* One call: entries of several programs do not mix. A log that cannot be written ends the program:
 * a state made from half a log would prove nothing. */
static void
append(struct disk_entry entry, const char *names, const void *bytes, size_t size)
{
    struct iovec parts[] = {{&entry, sizeof entry}, {NULL, entry.names_size}, {NULL, size}};
    const ssize_t length = (ssize_t)(sizeof entry + entry.names_size + size);

    memcpy(&parts[1].iov_base, &names, sizeof names); /* writev(2) does not change them */
    memcpy(&parts[2].iov_base, &bytes, sizeof bytes);
    if (syscall(SYS_writev, log_fd(), parts, 3) != length) {
        abort();
    }
}

/* The path of an open file relative to the root; false if it is not below it. */
static bool
find_name(int fd, char ret[PATH_MAX])
{
    const char *root = getenv(DISK_LOG_ROOT);
    const size_t length = root == NULL ? 0 : strlen(root);
    char link[64];
    char path[PATH_MAX];
    ssize_t size;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    if (length == 0 || size < (ssize_t)length || log_fd() < 0) {
        return false;
    }
    path[size] = '\0';
    if (memcmp(path, root, length) != 0 || (path[length] != '/' && path[length] != '\0')) {
        return false;
    }
    (void)snprintf(ret, PATH_MAX, "%s", path[length] == '/' ? path + length + 1 : "");
    return true;
}

/* The same for a name that need not exist: its folder must. */
static bool
find_entry(int folder, const char *path, char ret[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    char parent[PATH_MAX];
    char found[PATH_MAX];
    bool is_below;
    int fd;

    (void)snprintf(
        parent,
        sizeof parent,
        "%.*s",
        slash == NULL ? 1 : (int)(slash - path + 1),
        slash == NULL ? "." : path);
    fd = (int)syscall(SYS_openat, folder, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    is_below = fd >= 0 && find_name(fd, found);
    if (fd >= 0) {
        (void)syscall(SYS_close, fd);
    }
    if (is_below &&
        snprintf(ret, PATH_MAX, "%s%s%s", found, found[0] == '\0' ? "" : "/", name) < 0) {
        abort();
    }
    return is_below;
}

static void
append_name(enum disk_event event, const char *name)
{
    append(
        (struct disk_entry){.event = event, .names_size = (uint32_t)strlen(name) + 1},
        name,
        NULL,
        0);
}

/* The inode of a regular file below the root; false for everything else. */
static bool
find_file(int fd, uint64_t *ret)
{
    struct stat status;
    char name[PATH_MAX];

    if (fd == log_fd() || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) ||
        !find_name(fd, name)) {
        return false;
    }
    *ret = status.st_ino;
    return true;
}

/* --- files and folders --- */

static int
open_any(int folder, const char *path, int flags, unsigned mode)
{
    const int fd = (int)syscall(SYS_openat, folder, path, flags & ~(O_DSYNC | O_SYNC), mode);
    char name[PATH_MAX];
    uint64_t file;

    if (fd >= 0 && fd < FILES_MAX) {
        is_synced[fd] = (flags & O_DSYNC) != 0;
    }
    if (fd >= 0 && (flags & O_CREAT) != 0 && find_file(fd, &file) && find_name(fd, name)) {
        append(
            (struct disk_entry){
                .event = DISK_CREATE, .names_size = (uint32_t)strlen(name) + 1, .file = file},
            name,
            NULL,
            0);
    }
    if (fd >= 0 && (flags & O_TRUNC) != 0 && find_file(fd, &file)) {
        append((struct disk_entry){.event = DISK_RESIZE, .file = file}, NULL, NULL, 0);
    }
    return fd;
}

static unsigned
mode_of(int flags, va_list arguments)
{
    return (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) & MODE_RIGHT : 0;
}

int
open(const char *path, int flags, ...)
{
    va_list arguments;
    unsigned mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_any(AT_FDCWD, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
    va_list arguments;
    unsigned mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_any(AT_FDCWD, path, flags, mode);
}

int
openat(int folder, const char *path, int flags, ...)
{
    va_list arguments;
    unsigned mode;

    va_start(arguments, flags);
    mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_any(folder, path, flags, mode);
}

int
mkdir(const char *path, mode_t mode)
{
    const int result = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    char name[PATH_MAX];

    if (result == 0 && find_entry(AT_FDCWD, path, name)) {
        append_name(DISK_MAKE_DIRECTORY, name);
    }
    return result;
}

int
renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    char names[2 * PATH_MAX];
    char second[PATH_MAX];
    const bool is_below = find_entry(from_folder, from, names) && find_entry(to_folder, to, second);
    const int result = (int)syscall(SYS_renameat, from_folder, from, to_folder, to);

    if (result == 0 && is_below) {
        const size_t first_size = strlen(names) + 1;
        const size_t second_size = strlen(second) + 1;

        memcpy(names + first_size, second, second_size);
        append(
            (struct disk_entry){.event = DISK_RENAME,
                                .names_size = (uint32_t)(first_size + second_size)},
            names,
            NULL,
            0);
    }
    return result;
}

int
unlinkat(int folder, const char *path, int flags)
{
    char name[PATH_MAX];
    const bool is_below = find_entry(folder, path, name);
    const int result = (int)syscall(SYS_unlinkat, folder, path, flags);

    if (result == 0 && is_below) {
        append_name(DISK_UNLINK, name);
    }
    return result;
}

int
unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

/* --- contents --- */

static void
note_write(int fd, const void *bytes, size_t size, off_t at)
{
    struct disk_entry entry = {.event = DISK_WRITE, .at = (uint64_t)at, .size = size};

    if (!find_file(fd, &entry.file)) {
        return;
    }
    if (fd < FILES_MAX && is_synced[fd]) {
        entry.event = DISK_WRITE_SYNCED;
    }
    append(entry, NULL, bytes, size);
}

ssize_t
write(int fd, const void *bytes, size_t size)
{
    const off_t at = lseek(fd, 0, SEEK_CUR);
    const ssize_t written = syscall(SYS_write, fd, bytes, size);

    if (written > 0 && at >= 0) {
        note_write(fd, bytes, (size_t)written, at);
    }
    return written;
}

ssize_t
pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    const ssize_t written = syscall(SYS_pwrite64, fd, bytes, size, at);

    if (written > 0) {
        note_write(fd, bytes, (size_t)written, at);
    }
    return written;
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    const off_t at = lseek(fd, 0, SEEK_CUR);
    const ssize_t written = syscall(SYS_writev, fd, parts, count);
    ssize_t done = 0;

    for (int i = 0; at >= 0 && i < count && done < written; i++) {
        const ssize_t left = written - done;
        const size_t size = (ssize_t)parts[i].iov_len < left ? parts[i].iov_len : (size_t)left;

        note_write(fd, parts[i].iov_base, size, at + done);
        done += (ssize_t)size;
    }
    return written;
}

static void
note_size(int fd, uint64_t size)
{
    struct disk_entry entry = {.event = DISK_RESIZE, .size = size};

    if (find_file(fd, &entry.file)) {
        append(entry, NULL, NULL, 0);
    }
}

int
ftruncate(int fd, off_t size)
{
    const int result = (int)syscall(SYS_ftruncate, fd, size);

    if (result == 0) {
        note_size(fd, (uint64_t)size);
    }
    return result;
}

int
ftruncate64(int fd, off_t size)
{
    return ftruncate(fd, size);
}

int
posix_fallocate(int fd, off_t at, off_t size)
{
    struct stat status;

    if (fstat(fd, &status) == 0 && status.st_size < at + size) {
        return ftruncate(fd, at + size);
    }
    return 0;
}

int
fdatasync(int fd)
{
    struct disk_entry entry = {.event = DISK_SYNC};
    char name[PATH_MAX];

    if (find_file(fd, &entry.file)) {
        append(entry, NULL, NULL, 0);
    } else if (find_name(fd, name)) {
        append_name(DISK_SYNC_DIRECTORY, name);
    }
    return 0;
}

int
fsync(int fd)
{
    return fdatasync(fd);
}
