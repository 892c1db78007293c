#include "chaos/control.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static struct chaos_control *
map(const char *path, int flags)
{
    const int fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
    void *memory = MAP_FAILED;

    if (fd >= 0 && ((flags & O_CREAT) == 0 || ftruncate(fd, sizeof(struct chaos_control)) == 0)) {
        memory =
            mmap(NULL, sizeof(struct chaos_control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return memory == MAP_FAILED ? NULL : memory;
}

struct chaos_control *
chaos_control_create(const char *path)
{
    return map(path, O_CREAT | O_TRUNC);
}

struct chaos_control *
chaos_control_open(const char *path)
{
    return map(path, 0);
}

void
chaos_control_close(struct chaos_control *control)
{
    if (control != NULL) {
        (void)munmap(control, sizeof *control);
    }
}
