#include "cli/shard_readers.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include <weir/types.h>

static int
compare_ids(const void *a, const void *b)
{
    const struct shard_reader *one = a;
    const struct shard_reader *other = b;

    return strcmp(one->shard_id, other->shard_id);
}

void
cli_shard_readers_free(struct shard_readers *readers)
{
    struct shard_reader *next;

    for (struct shard_reader *reader = readers->first; reader != NULL; reader = next) {
        next = reader->next;
        (void)tdelete(reader, &readers->by_id, compare_ids);
        free(reader);
    }
    *readers = (struct shard_readers){.first = NULL};
}

struct shard_reader *
cli_shard_readers_find(const struct shard_readers *readers, const char *shard_id)
{
    struct shard_reader wanted;
    struct shard_reader *const *found;

    if (strlen(shard_id) >= sizeof wanted.shard_id) {
        return NULL;
    }
    memcpy(wanted.shard_id, shard_id, strlen(shard_id) + 1);
    found = tfind(&wanted, &readers->by_id, compare_ids);
    return found == NULL ? NULL : *found;
}

bool
cli_shard_readers_add(
    struct shard_readers *readers, const struct weir_shard *shard, const struct weir_position *from)
{
    struct shard_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL) {
        return false;
    }
    memcpy(reader->shard_id, shard->shard_id, sizeof reader->shard_id);
    reader->position = *from;
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        reader->parents[i] = cli_shard_readers_find(readers, shard->parent_shard_ids[i]);
    }
    if (tsearch(reader, &readers->by_id, compare_ids) == NULL) {
        free(reader);
        return false;
    }
    if (readers->last == NULL) {
        readers->first = reader;
    } else {
        readers->last->next = reader;
    }
    readers->last = reader;
    return true;
}

bool
cli_shard_reader_may_read(const struct shard_reader *reader)
{
    if (reader->finished) {
        return false;
    }
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        if (reader->parents[i] != NULL && !reader->parents[i]->finished) {
            return false;
        }
    }
    return true;
}
