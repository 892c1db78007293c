/* The faults that are none: split, merge, scale. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "chaos/base.h"
#include "chaos/fault.h"
#include "chaos/ledger.h"
#include "chaos/run.h"

/* Open shards stay between these. */
#define OPEN_MIN 2U

static uint32_t
open_most(const struct chaos_run *run)
{
    return run->options->shards * 2 + OPEN_MIN;
}

static struct weir_str
id_of(const struct weir_shard *shard)
{
    return (struct weir_str){shard->shard_id, strlen(shard->shard_id)};
}

static uint32_t
number_of(const struct weir_shard *shard)
{
    return chaos_shard_number(shard->shard_id, strlen(shard->shard_id));
}

static bool
touches(const struct weir_shard *a, const struct weir_shard *b)
{
    struct weir_hash_key end = a->range.end;

    end.low++;
    end.high += end.low == 0 ? 1 : 0;
    return a != b && weir_hash_key_compare(end, b->range.start) == 0;
}

static bool
split(struct chaos_run *run, const struct weir_shard *shard, uint32_t *ret_shard, char *text)
{
    *ret_shard = number_of(shard);
    (void)snprintf(text, CHAOS_TEXT_SIZE, "shard %u is split", *ret_shard);
    return weir_stream_split(run->stream, id_of(shard), NULL, NULL) == WEIR_OK;
}

/* The first of the open shards from a random one on that touches another. */
static bool
merge(
    struct chaos_run *run,
    const struct weir_shard **shards,
    size_t count,
    uint32_t *ret_shard,
    char *text)
{
    for (size_t i = 0; i < count * count; i++) {
        const struct weir_shard *a = shards[i / count];
        const struct weir_shard *b = shards[i % count];

        if (touches(a, b)) {
            *ret_shard = number_of(a);
            (void)snprintf(
                text, CHAOS_TEXT_SIZE, "shards %u and %u are merged", *ret_shard, number_of(b));
            return weir_stream_merge(run->stream, id_of(a), id_of(b), NULL) == WEIR_OK;
        }
    }
    return false;
}

static bool
scale(struct chaos_run *run, size_t count, uint64_t *random, char *text)
{
    uint32_t target = OPEN_MIN + (uint32_t)chaos_random_below(random, open_most(run) - OPEN_MIN);

    target += target == count ? 1 : 0;
    (void)snprintf(
        text, CHAOS_TEXT_SIZE, "from %zu to %u open shards, of equal range", count, target);
    return weir_stream_scale(run->stream, target, NULL) == WEIR_OK;
}

bool
chaos_reshard(
    struct chaos_run *run,
    enum chaos_fault_kind kind,
    uint64_t random,
    uint32_t *ret_shard,
    char text[CHAOS_TEXT_SIZE])
{
    struct weir_stream_description description = {.shard_count = 0};
    const struct weir_shard **open;
    size_t count = 0;
    bool done = false;

    if (weir_stream_describe(run->stream, &description, NULL) != WEIR_OK) {
        return false;
    }
    open = chaos_zeroed(description.shard_count, sizeof *open);
    for (size_t i = 0; i < description.shard_count; i++) {
        if (!description.shards[i].closed) {
            open[count++] = &description.shards[i];
        }
    }
    if (description.shard_count + (size_t)open_most(run) * 2 >= CHAOS_LEDGER_SHARDS || count == 0) {
        done = false;
    } else if (kind == CHAOS_FAULT_SCALE) {
        done = scale(run, count, &random, text);
    } else if (kind == CHAOS_FAULT_SPLIT && count < open_most(run)) {
        done = split(run, open[chaos_random_below(&random, count)], ret_shard, text);
    } else if (kind == CHAOS_FAULT_MERGE && count > OPEN_MIN) {
        /* Begin at a random one. */
        const size_t first = chaos_random_below(&random, count);
        const struct weir_shard *swap = open[0];

        open[0] = open[first];
        open[first] = swap;
        done = merge(run, open, count, ret_shard, text);
    }
    free(open);
    weir_stream_description_free(run->stream, &description);
    chaos_note_shards(run);
    return done;
}
