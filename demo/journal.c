#include "demo/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/types.h>

#define PATH_SIZE      4096
#define CAPACITY_FIRST 4096
/* Entries read at once. */
#define READ_MAX 1024

static bool
journal_path(char path[PATH_SIZE], const char *directory, uint32_t worker)
{
    const int length = snprintf(path, PATH_SIZE, "%s/journal-%u", directory, (unsigned)worker + 1);

    return length > 0 && length < PATH_SIZE;
}

int
demo_journal_create(const char *directory, uint32_t worker)
{
    char path[PATH_SIZE];

    if (!journal_path(path, directory, worker)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

bool
demo_journal_append(int fd, const struct demo_entry *entries, size_t count)
{
    const size_t length = count * sizeof *entries;
    ssize_t written;

    do {
        written = write(fd, entries, length);
    } while (written == -1 && errno == EINTR);
    return written >= 0 && (size_t)written == length;
}

static bool
make_room(struct demo_journal *journal)
{
    size_t capacity = journal->capacity == 0 ? CAPACITY_FIRST : journal->capacity * 2;
    struct demo_entry *entries;

    if (journal->capacity - journal->count >= READ_MAX) {
        return true;
    }
    entries = realloc(journal->entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return false;
    }
    journal->entries = entries;
    journal->capacity = capacity;
    return true;
}

bool
demo_journal_follow(struct demo_journal *journal, const char *directory, uint32_t worker)
{
    char path[PATH_SIZE];

    if (journal->fd < 0) {
        if (!journal_path(path, directory, worker)) {
            return false;
        }
        journal->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (journal->fd < 0) {
            return errno == ENOENT;
        }
    }
    for (;;) {
        ssize_t length;
        size_t whole;
        if (!make_room(journal)) {
            return false;
        }
        length = pread(
            journal->fd,
            journal->entries + journal->count,
            READ_MAX * sizeof *journal->entries,
            journal->offset);
        if (length < 0) {
            return errno == EINTR;
        }
        /* Half an entry: its process is still writing, or was killed meanwhile. */
        whole = (size_t)length / sizeof *journal->entries;
        if (whole == 0) {
            return true;
        }
        journal->count += whole;
        journal->offset += (off_t)(whole * sizeof *journal->entries);
    }
}

void
demo_journal_close(struct demo_journal *journal)
{
    if (journal->fd >= 0) {
        (void)close(journal->fd);
    }
    free(journal->entries);
    *journal = (struct demo_journal){.fd = -1};
}

void
demo_shard_id_copy(char ret[DEMO_SHARD_ID_SIZE], struct weir_str shard_id)
{
    const size_t length =
        shard_id.length < DEMO_SHARD_ID_SIZE ? shard_id.length : DEMO_SHARD_ID_SIZE - 1;

    memset(ret, 0, DEMO_SHARD_ID_SIZE);
    memcpy(ret, shard_id.data, length);
}

int64_t
demo_now_ns(const struct weir_env *env)
{
    return env->clock.mono(env->clock.context).ns;
}
