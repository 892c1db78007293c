#include "storage/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"

#define FOLDERS_ABOVE 4U      /* DATA/apps/APP/leases: up to where DATA itself is named */
#define LOCK_POLL_NS  1000000 /* how often a file lock is asked for again: 1 ms */
#define NS_PER_MS     1000000
#define MS_PER_S      1000

enum weir_error
wi_error_from_errno(int code)
{
    switch (code) {
    case 0:
        return WEIR_OK;
    case EACCES:
    case EPERM:
    case EROFS:
        return WEIR_EACCESS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return WEIR_EFULL;
    case ENOENT:
        return WEIR_ENOTFOUND;
    case ENOMEM:
        return WEIR_ENOMEM;
    case EMFILE:
    case ENFILE:
        return WEIR_ELIMIT;
    case ENAMETOOLONG:
    case ENOTDIR:
    case ELOOP:
        return WEIR_EINVAL;
    case ENOSYS:
    case EOPNOTSUPP:
        return WEIR_EPLATFORM;
    default:
        return WEIR_EIO;
    }
}

const char *
wi_errno_text(int code)
{
    const char *text = strerrordesc_np(code);

    return text == NULL ? "unknown error" : text;
}

const char *
wi_filesystem_refused(uint64_t type)
{
    static const struct {
        uint64_t type;
        const char *name;
    } refused[] = {
        {0x6969, "NFS"},
        {0x517B, "SMB"},
        {0xFF534D42, "CIFS"},
        {0xFE534D42, "SMB2"},
        {0x5346414F, "AFS"},
        {0x6B414653, "AFS"},
        {0x73757245, "Coda"},
        {0x00C36400, "Ceph"},
        {0x01021997, "9p"},
        {0x65735546, "FUSE"}, /* locks and shared maps depend on the program behind it */
        {0x0BD00BD0, "Lustre"},
        {0x01161970, "GFS2"},
        {0x7461636F, "OCFS2"},
        {0x47504653, "GPFS"},
        {0x19830326, "BeeGFS"},
        {0x786F4256, "a shared folder of VirtualBox"},
    };

    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (refused[i].type == type) {
            return refused[i].name;
        }
    }
    return NULL;
}

/* Make what happened inside a directory durable. Some file systems cannot sync a directory and
 * say EINVAL: they have nothing to lose there. */
static bool
sync_directory(int fd)
{
    return fsync(fd) == 0 || errno == EINVAL;
}

/* Make one directory and sync its parent, so that it is still there after a power loss. */
static bool
make_one_directory(const char *path)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    int fd;
    bool is_synced;

    if (mkdir(path, WI_DIRECTORY_MODE) != 0) {
        return errno == EEXIST;
    }
    memcpy(parent, path, length);
    parent[length] = '\0';
    fd = open(slash == NULL ? "." : length == 0 ? "/" : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == EACCES; /* a parent that may be passed but not listed */
    }
    is_synced = sync_directory(fd);
    close(fd);
    return is_synced;
}

/* mkdir -p; false leaves errno. */
static bool
make_directories(const char *path)
{
    char part[PATH_MAX];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof part) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        bool is_end = i == length;

        if (part[i] != '/' && !is_end) {
            continue;
        }
        part[i] = '\0';
        if (part[i - 1] != '/' && part[i - 1] != '\0' && !make_one_directory(part)) {
            return false;
        }
        if (!is_end) {
            part[i] = '/';
        }
    }
    return true;
}

enum weir_error
wi_directory_sync_above(int directory_fd)
{
    int fd = fcntl(directory_fd, F_DUPFD_CLOEXEC, 0);
    bool is_synced = fd >= 0;

    for (unsigned i = 0; i < FOLDERS_ABOVE && is_synced; i++) {
        int above = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (above < 0) {
            is_synced = errno == EACCES; /* one that may be passed but not listed */
            break;
        }
        close(fd);
        fd = above;
        is_synced = sync_directory(fd);
    }
    const int code = is_synced ? 0 : errno;
    if (fd >= 0) {
        close(fd);
    }
    return wi_error_from_errno(code);
}

static enum weir_error
check_filesystem(int fd, const char *path, struct weir_detail *detail)
{
    struct statfs status;
    const char *name;

    if (fstatfs(fd, &status) != 0) {
        return wi_detail(
            detail, WEIR_EIO, "%s: cannot ask for its file system: %s", path, wi_errno_text(errno));
    }
    name = wi_filesystem_refused((uint64_t)status.f_type & UINT32_MAX);
    if (name != NULL) {
        return wi_detail(
            detail,
            WEIR_EPLATFORM,
            "%s is on %s, where locks and shared memory do not hold; use a local file system",
            path,
            name);
    }
    return WEIR_OK;
}

enum weir_error
wi_directory_open(const char *path, bool create, int *ret_fd, struct weir_detail *detail)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum weir_error error;

    if (fd < 0 && errno == ENOENT && create && make_directories(path)) {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0) {
        return wi_detail(
            detail,
            wi_error_from_errno(errno),
            "cannot open directory %s: %s",
            path,
            wi_errno_text(errno));
    }
    error = check_filesystem(fd, path, detail);
    if (error != WEIR_OK) {
        close(fd);
        return error;
    }
    *ret_fd = fd;
    return WEIR_OK;
}

static int64_t
monotonic_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * MS_PER_S * NS_PER_MS + now.tv_nsec;
}

enum weir_error
wi_file_lock(int fd, bool exclusive, int64_t patience_ms)
{
    static const struct timespec pause = {.tv_nsec = LOCK_POLL_NS};
    int64_t start_ns = monotonic_ns();

    WEIR_ASSERT(fd >= 0);
    while (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return wi_error_from_errno(errno);
        }
        if ((monotonic_ns() - start_ns) / NS_PER_MS >= patience_ms) {
            return WEIR_EBUSY;
        }
        (void)nanosleep(&pause, NULL);
    }
    return WEIR_OK;
}

enum weir_error
wi_file_read(int directory_fd, const char *name, void *memory, size_t size, size_t *ret_length)
{
    int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *place = memory;
    size_t length = 0;
    ssize_t count = 1;
    char excess;

    if (fd < 0) {
        return wi_error_from_errno(errno);
    }
    while (count > 0 && length < size) {
        count = read(fd, place + length, size - length);
        length += count > 0 ? (size_t)count : 0;
    }
    if (count > 0) {
        count = read(fd, &excess, 1) > 0 ? 1 : 0;
    }
    close(fd);
    if (count < 0) {
        return WEIR_EIO;
    }
    if (count > 0) {
        return WEIR_ECORRUPT;
    }
    *ret_length = length;
    return WEIR_OK;
}

/* Write and sync; false leaves errno. */
static bool
write_all(int fd, const char *place, size_t size)
{
    while (size > 0) {
        ssize_t count = write(fd, place, size);

        if (count < 0 && errno != EINTR) {
            return false;
        }
        place += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return fsync(fd) == 0;
}

enum weir_error
wi_file_write_durably(int directory_fd, const char *name, const void *memory, size_t size)
{
    char temporary[NAME_MAX + 1];
    int length = snprintf(temporary, sizeof temporary, "%s.new", name);
    int code = 0;
    int fd;

    WEIR_ASSERT(length > 0 && (size_t)length < sizeof temporary);
    fd = openat(
        directory_fd,
        temporary,
        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
        WI_FILE_MODE);
    if (fd < 0) {
        return wi_error_from_errno(errno);
    }
    if (!write_all(fd, memory, size)) {
        code = errno;
    }
    close(fd);
    if (code == 0 && (renameat(directory_fd, temporary, directory_fd, name) != 0 ||
                      !sync_directory(directory_fd))) {
        code = errno;
    }
    if (code != 0) {
        (void)unlinkat(directory_fd, temporary, 0);
    }
    return wi_error_from_errno(code);
}
