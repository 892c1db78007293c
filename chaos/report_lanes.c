/* Lanes: several shards follow one another in one, children after their parents. */
#include <stdint.h>
#include <stdlib.h>

#include "chaos/base.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "chaos/picture.h"

struct lane_order {
    int64_t begin_ns;
    uint32_t shard;
};

static int
by_begin(const void *a, const void *b)
{
    const struct lane_order *x = a;
    const struct lane_order *y = b;

    if (x->begin_ns != y->begin_ns) {
        return x->begin_ns < y->begin_ns ? -1 : 1;
    }
    return x->shard < y->shard ? -1 : x->shard > y->shard;
}

static const struct chaos_shard *
shard_of(const struct chaos_picture *picture, uint32_t number)
{
    for (size_t i = 0; i < picture->ledger->shard_count; i++) {
        if (picture->ledger->shards[i].number == number) {
            return &picture->ledger->shards[i];
        }
    }
    return NULL;
}

/* A child goes on in the lane of its parent, or in the free one that is nearest to it. */
static uint32_t
choose_lane(const struct chaos_picture *picture, const int64_t *free_ns, uint32_t shard)
{
    const struct chaos_lane_place *place = &picture->places[shard];
    const struct chaos_shard *info = shard_of(picture, shard);
    uint32_t wanted = 0;

    if (info != NULL && info->parents[0] != CHAOS_NONE && picture->places[info->parents[0]].used) {
        wanted = picture->places[info->parents[0]].lane;
    }
    for (uint32_t distance = 0; distance <= picture->lanes; distance++) {
        if (wanted + distance < picture->lanes && free_ns[wanted + distance] <= place->begin_ns) {
            return wanted + distance;
        }
        if (distance <= wanted && wanted < picture->lanes &&
            free_ns[wanted - distance] <= place->begin_ns) {
            return wanted - distance;
        }
    }
    return picture->lanes;
}

static void
measure_shards(struct chaos_picture *picture)
{
    const struct chaos_verdict *verdict = picture->verdict;

    for (size_t i = 0; i < verdict->span_count; i++) {
        const struct chaos_span *span = &verdict->spans[i];
        struct chaos_lane_place *place = &picture->places[span->shard];

        place->begin_ns = place->used ? place->begin_ns : span->begin_ns;
        place->used = true;
        place->end_ns = span->end == CHAOS_SPAN_FINISHED ? span->end_ns : picture->ledger->end_ns;
    }
}

void
chaos_lanes_arrange(struct chaos_picture *picture)
{
    struct lane_order *order = chaos_zeroed(CHAOS_LEDGER_SHARDS, sizeof *order);
    int64_t *free_ns = chaos_zeroed(CHAOS_LEDGER_SHARDS, sizeof *free_ns);
    size_t count = 0;

    measure_shards(picture);
    for (uint32_t shard = 0; shard < CHAOS_LEDGER_SHARDS; shard++) {
        if (picture->places[shard].used) {
            /* Those that were there at first come in the order of their hash ranges. */
            const struct chaos_shard *info = shard_of(picture, shard);
            const bool first = info == NULL || info->parents[0] == CHAOS_NONE;

            order[count++] =
                (struct lane_order){first ? 0 : picture->places[shard].begin_ns, shard};
        }
    }
    qsort(order, count, sizeof *order, by_begin);
    for (size_t i = 0; i < count; i++) {
        struct chaos_lane_place *place = &picture->places[order[i].shard];

        place->lane = choose_lane(picture, free_ns, order[i].shard);
        picture->lanes += place->lane == picture->lanes ? 1 : 0;
        free_ns[place->lane] = place->end_ns;
    }
    free(free_ns);
    free(order);
}
