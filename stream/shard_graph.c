#include "stream/shard_graph.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/hash_key.h"
#include "core/memory.h"
#include "core/sequence_number.h"
#include "core/str.h"

struct index_entry {
    const char *shard_id; /* in the shard that `place` names */
    size_t place;
};

struct wi_shard_index {
    const struct weir_env *env;
    size_t count;
    struct index_entry *entries; /* by shard id */
};

size_t
wi_shard_find(const struct weir_shard *shards, size_t count, struct weir_str shard_id)
{
    for (size_t i = 0; i < count; i++) {
        if (wi_str_equal_z(shard_id, shards[i].shard_id)) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* --- index --- */

static int
compare_entries(const void *a, const void *b)
{
    const struct index_entry *left = a;
    const struct index_entry *right = b;

    return strcmp(left->shard_id, right->shard_id);
}

enum weir_error
wi_shard_index_new(
    const struct weir_env *env,
    const struct weir_shard *shards,
    size_t count,
    struct wi_shard_index **ret)
{
    struct wi_shard_index *index = wi_alloc(env, sizeof *index);

    if (index == NULL) {
        return WEIR_ENOMEM;
    }
    index->env = env;
    index->count = count;
    index->entries = wi_alloc_array(env, count, sizeof *index->entries);
    if (index->entries == NULL) {
        wi_free(env, index);
        return WEIR_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        index->entries[i] = (struct index_entry){shards[i].shard_id, i};
    }
    qsort(index->entries, count, sizeof *index->entries, compare_entries);
    *ret = index;
    return WEIR_OK;
}

void
wi_shard_index_free(struct wi_shard_index *index)
{
    if (index != NULL) {
        const struct weir_env *env = index->env;

        wi_free(env, index->entries);
        wi_free(env, index);
    }
}

size_t
wi_shard_index_find(const struct wi_shard_index *index, struct weir_str shard_id)
{
    size_t low = 0;
    size_t high = index->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = wi_str_compare(shard_id, wi_str(index->entries[middle].shard_id));

        if (order == 0) {
            return index->entries[middle].place;
        }
        low = order > 0 ? middle + 1 : low;
        high = order < 0 ? middle : high;
    }
    return SIZE_MAX;
}

/* --- order --- */

static int
compare_shards(const void *a, const void *b)
{
    const struct weir_shard *left = a;
    const struct weir_shard *right = b;
    const int order = wi_sequence_number_compare(
        &left->starting_sequence_number, &right->starting_sequence_number);

    return order != 0 ? order : strcmp(left->shard_id, right->shard_id);
}

/* Work space of a sort: shards in the order of ties, and how many parents each one waits for. */
struct sorter {
    struct weir_shard *shards;
    size_t count;
    struct wi_shard_index *index;
    struct weir_shard *sorted;
    size_t sorted_count;
    size_t *waits_for;  /* parents in the list that do not stand yet */
    size_t *next_child; /* [2 * shard + k]: next entry in the list of parent k's children */
    size_t *children;   /* first entry of each shard's list */
    size_t *heap;       /* shards that may stand now; the smallest place is first */
    size_t heap_count;
};

static void
heap_push(struct sorter *sorter, size_t place)
{
    size_t at = sorter->heap_count++;

    while (at > 0 && sorter->heap[(at - 1) / 2] > place) {
        sorter->heap[at] = sorter->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sorter->heap[at] = place;
}

static size_t
heap_pop(struct sorter *sorter)
{
    const size_t smallest = sorter->heap[0];
    const size_t last = sorter->heap[--sorter->heap_count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < sorter->heap_count && sorter->heap[child + 1] < sorter->heap[child]) {
            child++;
        }
        if (child >= sorter->heap_count || sorter->heap[child] >= last) {
            break;
        }
        sorter->heap[at] = sorter->heap[child];
        at = child;
    }
    sorter->heap[at] = last;
    return smallest;
}

/* Enter every shard into the lists of its parents; those that are not in the list do not count. */
static void
link_children(struct sorter *sorter)
{
    for (size_t i = 0; i < sorter->count; i++) {
        sorter->children[i] = SIZE_MAX;
    }
    for (size_t i = 0; i < sorter->count; i++) {
        for (size_t k = 0; k < WEIR_PARENTS_MAX; k++) {
            const struct weir_str parent_id = wi_str(sorter->shards[i].parent_shard_ids[k]);
            const size_t parent = wi_shard_index_find(sorter->index, parent_id);

            if (parent_id.length == 0 || parent == SIZE_MAX) {
                continue;
            }
            sorter->waits_for[i]++;
            sorter->next_child[WEIR_PARENTS_MAX * i + k] = sorter->children[parent];
            sorter->children[parent] = WEIR_PARENTS_MAX * i + k;
        }
    }
}

static enum weir_error
order_shards(struct sorter *sorter)
{
    link_children(sorter);
    for (size_t i = 0; i < sorter->count; i++) {
        if (sorter->waits_for[i] == 0) {
            heap_push(sorter, i);
        }
    }
    while (sorter->heap_count > 0) {
        const size_t place = heap_pop(sorter);

        sorter->sorted[sorter->sorted_count++] = sorter->shards[place];
        for (size_t link = sorter->children[place]; link != SIZE_MAX;
             link = sorter->next_child[link]) {
            const size_t child = link / WEIR_PARENTS_MAX;

            WEIR_ASSERT(sorter->waits_for[child] > 0);
            if (--sorter->waits_for[child] == 0) {
                heap_push(sorter, child);
            }
        }
    }
    return sorter->sorted_count == sorter->count ? WEIR_OK : WEIR_ECORRUPT;
}

enum weir_error
wi_shards_sort(const struct weir_env *env, struct weir_shard *shards, size_t count)
{
    struct sorter sorter = {.shards = shards, .count = count};
    enum weir_error error = WEIR_ENOMEM;

    if (count < 2) {
        return count == 1 && (strcmp(shards->parent_shard_ids[0], shards->shard_id) == 0 ||
                              strcmp(shards->parent_shard_ids[1], shards->shard_id) == 0)
                   ? WEIR_ECORRUPT
                   : WEIR_OK;
    }
    qsort(shards, count, sizeof *shards, compare_shards);
    sorter.sorted = wi_alloc_array(env, count, sizeof *sorter.sorted);
    sorter.waits_for = wi_alloc_array(env, count, sizeof *sorter.waits_for);
    sorter.children = wi_alloc_array(env, count, sizeof *sorter.children);
    sorter.heap = wi_alloc_array(env, count, sizeof *sorter.heap);
    sorter.next_child = wi_alloc_array(env, count, WEIR_PARENTS_MAX * sizeof *sorter.next_child);
    if (sorter.sorted == NULL || sorter.waits_for == NULL || sorter.children == NULL ||
        sorter.heap == NULL || sorter.next_child == NULL) {
        goto out;
    }
    error = wi_shard_index_new(env, shards, count, &sorter.index);
    if (error == WEIR_OK) {
        error = order_shards(&sorter);
    }
    if (error == WEIR_OK) {
        memcpy(shards, sorter.sorted, count * sizeof *shards);
    }
out:
    wi_shard_index_free(sorter.index);
    wi_free(env, sorter.next_child);
    wi_free(env, sorter.heap);
    wi_free(env, sorter.children);
    wi_free(env, sorter.waits_for);
    wi_free(env, sorter.sorted);
    return error;
}

/* --- ranges --- */

static int
compare_ranges(const void *a, const void *b)
{
    const struct weir_hash_range *left = a;
    const struct weir_hash_range *right = b;
    const int order = weir_hash_key_compare(left->start, right->start);

    return order != 0 ? order : weir_hash_key_compare(left->end, right->end);
}

enum wi_range_fault
wi_ranges_audit(struct weir_hash_range *ranges, size_t count, struct weir_hash_range *ret_where)
{
    static const struct weir_hash_key one = {0, 1};
    struct weir_hash_key next = WI_HASH_KEY_MIN; /* smallest key not covered yet */
    bool is_complete = false;                    /* the largest key is covered */

    if (count > 0) {
        qsort(ranges, count, sizeof *ranges, compare_ranges);
    }
    for (size_t i = 0; i < count; i++) {
        const struct weir_hash_range *range = &ranges[i];

        if (is_complete || weir_hash_key_compare(range->start, next) < 0) {
            const struct weir_hash_key covered =
                is_complete ? WI_HASH_KEY_MAX : wi_hash_key_sub(next, one);
            const bool inside = weir_hash_key_compare(range->end, covered) < 0;

            *ret_where = (struct weir_hash_range){range->start, inside ? range->end : covered};
            return WI_RANGE_OVERLAP;
        }
        if (weir_hash_key_compare(range->start, next) > 0) {
            *ret_where = (struct weir_hash_range){next, wi_hash_key_sub(range->start, one)};
            return WI_RANGE_HOLE;
        }
        is_complete = weir_hash_key_compare(range->end, WI_HASH_KEY_MAX) == 0;
        next = wi_hash_key_add(range->end, one);
    }
    if (!is_complete) {
        *ret_where = (struct weir_hash_range){next, WI_HASH_KEY_MAX};
        return WI_RANGE_HOLE;
    }
    return WI_RANGE_COMPLETE;
}
