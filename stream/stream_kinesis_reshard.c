/* Split, merge and scale of Kinesis: begin the change, then wait until the stream is active. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_api.h"
#include "core/detail.h"
#include "core/hash_key.h"
#include "stream/shard_graph.h"
#include "stream/stream_kinesis.h"

/* The shard as it is now; WEIR_ESTATE if it is closed. */
static enum weir_error
find_open(
    struct wi_kinesis_stream *stream,
    struct weir_str shard_id,
    struct weir_shard *ret,
    struct weir_detail *detail)
{
    enum weir_error error = wi_kinesis_refresh(stream, detail);
    size_t at;

    if (error != WEIR_OK) {
        return error;
    }
    pthread_mutex_lock(&stream->lock);
    at = wi_shard_find(stream->shards, stream->shard_count, shard_id);
    if (at != SIZE_MAX) {
        *ret = stream->shards[at];
    }
    pthread_mutex_unlock(&stream->lock);
    if (at == SIZE_MAX) {
        return WEIR_ENOTFOUND;
    }
    return ret->closed
               ? wi_detail(detail, WEIR_ESTATE, "shard '%s' is closed already", ret->shard_id)
               : WEIR_OK;
}

static enum weir_error
finish(struct wi_kinesis_stream *stream, enum weir_error error, struct weir_detail *detail)
{
    return error == WEIR_OK ? wi_kinesis_wait_active(stream, detail) : error;
}

enum weir_error
wi_kinesis_split(
    void *source,
    struct weir_str shard_id,
    const struct weir_hash_key *at,
    struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = source;
    struct weir_shard shard;
    struct weir_hash_key cut;
    enum weir_error error = find_open(stream, shard_id, &shard, detail);

    if (error != WEIR_OK) {
        return error;
    }
    cut = at == NULL ? wi_hash_range_midpoint(shard.range) : *at;
    if (weir_hash_key_compare(cut, shard.range.start) <= 0 ||
        weir_hash_key_compare(cut, shard.range.end) > 0) {
        return wi_detail(
            detail, WEIR_EINVAL, "the hash key is not inside the range of '%s'", shard.shard_id);
    }
    return finish(stream, wi_kinesis_split_shard(&stream->api, shard_id, cut, detail), detail);
}

enum weir_error
wi_kinesis_merge(void *source, struct weir_str a, struct weir_str b, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = source;
    struct weir_shard one;
    struct weir_shard other;
    bool is_lower;
    enum weir_error error = find_open(stream, a, &one, detail);

    if (error == WEIR_OK) {
        error = find_open(stream, b, &other, detail);
    }
    if (error != WEIR_OK) {
        return error;
    }
    if (!wi_hash_range_is_adjacent(one.range, other.range)) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "the ranges of '%s' and '%s' do not touch",
            one.shard_id,
            other.shard_id);
    }
    /* Kinesis takes only the one with the lower hash keys as the first. */
    is_lower = weir_hash_key_compare(one.range.start, other.range.start) < 0;
    error = wi_kinesis_merge_shards(&stream->api, is_lower ? a : b, is_lower ? b : a, detail);
    return finish(stream, error, detail);
}

enum weir_error
wi_kinesis_scale(void *source, uint32_t shards, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = source;

    return finish(stream, wi_kinesis_update_shard_count(&stream->api, shards, detail), detail);
}
