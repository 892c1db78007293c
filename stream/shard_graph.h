/*
 * Shards as a graph: parents, children, hash ranges. Pure. Used by the coordinator's shard sync and
 * by checks of an embedded stream.
 */
#ifndef WI_STREAM_SHARD_GRAPH_H
#define WI_STREAM_SHARD_GRAPH_H

#include <weir/env.h>
#include <weir/types.h>

/* Index of the shard with this id, or SIZE_MAX. Linear; callers with many look-ups use the index.
 */
size_t wi_shard_find(const struct weir_shard *shards, size_t count, struct weir_str shard_id);

/* A map from shard id to index in `shards`, which it borrows. */
struct wi_shard_index;
enum weir_error wi_shard_index_new(
    const struct weir_env *env,
    const struct weir_shard *shards,
    size_t count,
    struct wi_shard_index **ret);
void wi_shard_index_free(struct wi_shard_index *index);
size_t wi_shard_index_find(const struct wi_shard_index *index, struct weir_str shard_id);

/* Sort in place so that every parent in the list stands before its children; ties by starting
 * sequence number, then id. A cycle (hostile list) gives WEIR_ECORRUPT. */
enum weir_error wi_shards_sort(const struct weir_env *env, struct weir_shard *shards, size_t count);

/* The first gap or overlap that ranges leave in 0 .. 2^128-1. Sorts `ranges` in place. */
enum wi_range_fault {
    WI_RANGE_COMPLETE,
    WI_RANGE_HOLE,
    WI_RANGE_OVERLAP
};
enum wi_range_fault wi_ranges_audit(
    struct weir_hash_range *ranges, size_t count, struct weir_hash_range *ret_where);

#endif
