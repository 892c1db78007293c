/* Collects the history. */
#include "tests/torture/ledger.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/torture/journal.h"

static void *
grown(void *array, size_t count, size_t size)
{
    void *memory = NULL;

    if (count != 0 && (count & (count - 1)) != 0) {
        return array; /* room up to the next power of two */
    }
    memory = realloc(array, (count == 0 ? 1 : count * 2) * size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

void
ledger_fault(struct ledger *ledger, enum fault_kind kind, uint32_t worker)
{
    ledger->faults = grown(ledger->faults, ledger->fault_count, sizeof *ledger->faults);
    ledger->faults[ledger->fault_count++] =
        (struct fault){.kind = kind, .worker = worker, .time_ns = boot_ns()};
}

static bool
load_file(struct ledger *ledger, const char *path)
{
    FILE *file = fopen(path, "rb");
    struct entry entry;
    size_t got = 0;

    if (file == NULL) {
        return false;
    }
    while ((got = fread(&entry, 1, sizeof entry, file)) == sizeof entry) {
        ledger->entries = grown(ledger->entries, ledger->entry_count, sizeof entry);
        ledger->entries[ledger->entry_count++] = entry;
    }
    (void)fclose(file);
    return got == 0;
}

/* Records stand behind the BEGIN of their batch, at the same time, in the order of the file. */
static int
by_time(const void *a, const void *b)
{
    const struct entry *x = a;
    const struct entry *y = b;

    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    if (x->shard != y->shard) {
        return x->shard < y->shard ? -1 : 1;
    }
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

bool
ledger_load(struct ledger *ledger, const char *directory)
{
    DIR *dir = opendir(directory);
    const struct dirent *item = NULL;
    bool whole = dir != NULL;
    char path[4096];

    while (whole && (item = readdir(dir)) != NULL) {
        if (strncmp(item->d_name, "journal-", 8) == 0) {
            (void)snprintf(path, sizeof path, "%s/%s", directory, item->d_name);
            whole = load_file(ledger, path);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    if (ledger->entry_count > 0) {
        qsort(ledger->entries, ledger->entry_count, sizeof *ledger->entries, by_time);
    }
    return whole;
}
