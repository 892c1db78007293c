#include "coordinator/lease_cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/lease_search.h"
#include "core/memory.h"
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
    size_t count = 0;

    if (obstacles == NULL) {
        return WEIR_ENOMEM;
    }
    find_obstacles(table, shards, shard_count, obstacles);
    /* C41: an empty list says that something is wrong, not that every shard is out of retention. */
    for (size_t i = 0; i < table->lease_count && shard_count > 0; i++) {
        if (!obstacles[i].child_not_begun && !obstacles[i].is_listed &&
            row_allows(table, &table->leases[i])) {
            ret_indices[count++] = i;
        }
    }
    wi_free(env, obstacles);
    *ret_count = count;
    return WEIR_OK;
}
