#include "chaos/place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos/base.h"

#define REMOVE_DESCRIPTORS 16
#define BALLAST            "ballast"
#define FILL_CHUNK         (1U << 20)
/* The smallest piece that the ballast still grows by. */
#define FILL_MIN 4096U

void
chaos_place_data(const char *work, char path[CHAOS_PATH_SIZE])
{
    chaos_place_file(work, "data", path);
}

void
chaos_place_file(const char *work, const char *name, char path[CHAOS_PATH_SIZE])
{
    const int length = snprintf(path, CHAOS_PATH_SIZE, "%s/%s", work, name);

    if (length < 0 || length >= CHAOS_PATH_SIZE) {
        *path = '\0'; /* no file has that name: opening it fails */
    }
}

void
chaos_place_numbered(
    const char *work, const char *kind, uint32_t number, char path[CHAOS_PATH_SIZE])
{
    char name[64];

    (void)snprintf(name, sizeof name, "%s-%u", kind, number);
    chaos_place_file(work, name, path);
}

static int
remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    (void)remove(path);
    return 0;
}

static void
remove_tree(const char *path)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    (void)nftw(path, remove_one, REMOVE_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
}

/* A file system that only this process and its children see. */
static bool
mount_small(const char *path, uint32_t mib)
{
    char size[64];

    (void)snprintf(size, sizeof size, "size=%um,mode=0700", mib);
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("weir-chaos", path, "tmpfs", MS_NODEV | MS_NOSUID, size) == 0;
}

bool
chaos_place_open(struct chaos_place *place, const char *directory, uint32_t tmpfs_mib)
{
    const char *parent = directory;
    char data[CHAOS_PATH_SIZE];
    char template[sizeof place->work];
    char whole[CHAOS_PATH_SIZE];
    int length;

    if (parent == NULL) {
        parent = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): one thread yet */
        parent = parent == NULL || *parent == '\0' ? "/tmp" : parent;
    }
    length = snprintf(template, sizeof template, "%s/weir-chaos-XXXXXX", parent);
    if (length < 0 || (size_t)length >= sizeof template) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (mkdtemp(template) == NULL) {
        return false;
    }
    if (realpath(template, whole) == NULL || strlen(whole) >= sizeof place->work) {
        (void)rmdir(template);
        return false;
    }
    memcpy(place->work, whole, strlen(whole) + 1);
    place->made = true;
    chaos_place_data(place->work, data);
    if (mkdir(data, S_IRWXU) != 0) {
        return false;
    }
    if (tmpfs_mib > 0) {
        place->mounted = mount_small(data, tmpfs_mib);
        place->disk = place->mounted ? CHAOS_DISK_TMPFS : CHAOS_DISK_LIMIT;
    }
    return true;
}

/* cp -a, for a folder that somebody wants to look at. */
static void
copy_tree(const char *from, const char *to)
{
    const pid_t pid = fork();

    if (pid == 0) {
        execlp("cp", "cp", "-a", from, to, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

void
chaos_place_close(struct chaos_place *place, bool keep)
{
    char data[CHAOS_PATH_SIZE];
    char copy[CHAOS_PATH_SIZE];

    if (!place->made) {
        return;
    }
    chaos_place_data(place->work, data);
    if (place->mounted) {
        chaos_place_unfill(place);
        chaos_place_file(place->work, "data.kept", copy);
        if (keep) {
            copy_tree(data, copy);
        }
        (void)umount2(data, MNT_DETACH);
        if (keep && rmdir(data) == 0) {
            (void)rename(copy, data);
        }
        place->mounted = false;
    }
    if (!keep) {
        remove_tree(place->work);
    }
    place->made = false;
}

bool
chaos_place_fill(const struct chaos_place *place)
{
    char data[CHAOS_PATH_SIZE];
    char path[CHAOS_PATH_SIZE];
    off_t at = 0;
    off_t chunk = FILL_CHUNK;
    int fd;

    chaos_place_data(place->work, data);
    chaos_place_file(data, BALLAST, path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return false;
    }
    while (chunk >= FILL_MIN) {
        if (posix_fallocate(fd, at, chunk) == 0) {
            at += chunk;
        } else {
            chunk /= 2;
        }
    }
    (void)close(fd);
    return true;
}

void
chaos_place_unfill(const struct chaos_place *place)
{
    char data[CHAOS_PATH_SIZE];
    char path[CHAOS_PATH_SIZE];

    chaos_place_data(place->work, data);
    chaos_place_file(data, BALLAST, path);
    (void)unlink(path);
}
