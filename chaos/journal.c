#include "chaos/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

int
chaos_journal_create(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

bool
chaos_journal_append(int fd, const struct chaos_entry *entries, size_t count)
{
    const size_t size = count * sizeof *entries;
    struct stat status;
    ssize_t written;

    do {
        written = write(fd, entries, size);
    } while (written < 0 && errno == EINTR);
    /* Entries stay whole, if the file system lets them. */
    if (written > 0 && written < (ssize_t)size && fstat(fd, &status) == 0 &&
        ftruncate(fd, status.st_size - written) != 0) {
        return false;
    }
    return written == (ssize_t)size;
}
