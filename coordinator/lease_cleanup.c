#include "coordinator/lease_cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/lease_search.h"
#include "core/memory.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "lease/lease.h"

/* What speaks against deleting a lease, beside what stands in its own row. */
struct obstacle {
    bool child_not_begun; /* a shard that names it as a parent has no lease, or has not begun */
    bool is_listed;       /* the stream still has the shard */
};

static bool
has_begun(const struct wi_lease *lease)
{
    return lease->checkpoint.type == WEIR_AT_SEQUENCE_NUMBER ||
           lease->checkpoint.type == WEIR_AFTER_SEQUENCE_NUMBER ||
           lease->checkpoint.type == WEIR_SHARD_END;
}

/* The lease of this shard, or NULL. */
static const struct wi_lease *
find_lease(const struct wi_lease_table *table, const char *shard_id)
{
    size_t at = wi_lease_find(table->leases, table->lease_count, shard_id);

    return at == SIZE_MAX ? NULL : &table->leases[at];
}

/* A child of this shard has not begun. */
static void
block_parent(const struct wi_lease_table *table, const char *parent_id, struct obstacle *obstacles)
{
    size_t parent = wi_lease_find(table->leases, table->lease_count, parent_id);

    if (parent != SIZE_MAX) {
        obstacles[parent].child_not_begun = true;
    }
}

/* What the rows of children, and the list, say against deleting their parents. */
static void
find_obstacles(
    const struct wi_lease_table *table,
    const struct weir_shard *shards,
    size_t shard_count,
    struct obstacle *obstacles)
{
    for (size_t i = 0; i < table->lease_count; i++) {
        for (size_t p = 0; p < WEIR_PARENTS_MAX && !has_begun(&table->leases[i]); p++) {
            block_parent(table, table->leases[i].parent_shard_ids[p], obstacles);
        }
    }
    for (size_t i = 0; i < shard_count; i++) {
        size_t own = wi_lease_find(table->leases, table->lease_count, shards[i].shard_id);

        if (own != SIZE_MAX) {
            obstacles[own].is_listed = true;
        }
        for (size_t p = 0; p < WEIR_PARENTS_MAX && own == SIZE_MAX; p++) {
            block_parent(table, shards[i].parent_shard_ids[p], obstacles);
        }
    }
}

/* C40: SHARD_END is written, every child that the row names has begun, no parent has a lease. */
static bool
row_allows(const struct wi_lease_table *table, const struct wi_lease *lease)
{
    if (lease->checkpoint.type != WEIR_SHARD_END) {
        return false;
    }
    for (size_t c = 0; c < WEIR_CHILDREN_MAX; c++) {
        const char *child_id = lease->child_shard_ids[c];
        const struct wi_lease *child = find_lease(table, child_id);

        if (child_id[0] != '\0' && (child == NULL || !has_begun(child))) {
            return false;
        }
    }
    for (size_t p = 0; p < WEIR_PARENTS_MAX; p++) {
        if (find_lease(table, lease->parent_shard_ids[p]) != NULL) {
            return false;
        }
    }
    return true;
}

static int
compare_stream(const void *left, const void *right)
{
    return wi_str_compare(*(const struct weir_str *)left, *(const struct weir_str *)right);
}

/* The streams of the listed shards, sorted, each as often as it has shards. NULL: no memory. */
static struct weir_str *
listed_streams(const struct weir_env *env, const struct weir_shard *shards, size_t count)
{
    struct weir_str *streams = wi_alloc_array(env, count + 1, sizeof *streams);

    for (size_t i = 0; i < count && streams != NULL; i++) {
        streams[i] = wi_shard_key_stream(wi_str(shards[i].shard_id));
    }
    if (streams != NULL) {
        qsort(streams, count, sizeof *streams, compare_stream);
    }
    return streams;
}

/* C41: of a stream without any shard in the list it is not known which shards it has: it could not
 * be listed, or the application reads it no more, or something is wrong. */
static bool
is_stream_listed(const struct weir_str *streams, size_t count, const struct wi_lease *lease)
{
    const struct weir_str stream = wi_shard_key_stream(wi_str(lease->lease_key));

    return count > 0 && bsearch(&stream, streams, count, sizeof *streams, compare_stream) != NULL;
}

enum weir_error
wi_lease_cleanup(
    const struct weir_env *env,
    const struct wi_lease_table *table,
    const struct weir_shard *shards,
    size_t shard_count,
    size_t *ret_indices,
    size_t *ret_count)
{
    struct obstacle *obstacles = wi_alloc_array(env, table->lease_count + 1, sizeof *obstacles);
    struct weir_str *streams = listed_streams(env, shards, shard_count);
    size_t count = 0;

    if (obstacles == NULL || streams == NULL) {
        wi_free(env, obstacles);
        wi_free(env, streams);
        return WEIR_ENOMEM;
    }
    find_obstacles(table, shards, shard_count, obstacles);
    for (size_t i = 0; i < table->lease_count; i++) {
        if (!obstacles[i].child_not_begun && !obstacles[i].is_listed &&
            row_allows(table, &table->leases[i]) &&
            is_stream_listed(streams, shard_count, &table->leases[i])) {
            ret_indices[count++] = i;
        }
    }
    wi_free(env, obstacles);
    wi_free(env, streams);
    *ret_count = count;
    return WEIR_OK;
}
