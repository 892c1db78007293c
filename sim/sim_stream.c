#include "sim/sim_stream.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/sequence_number.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_node.h"
#include "sim/sim_world.h"

/* Sequence numbers begin here: the place before the first one is a number, too. */
#define SEQUENCE_FIRST 1000U
/* Spreads keys over the range of hash keys. */
#define KEY_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)
#define SHARD_PREFIX   "shardId-"
#define RECORDS_FIRST  64U

/* --- shards ---------------------------------------------------------------------------------- */

uint32_t
wi_sim_shard_number(const char *shard_id)
{
    uint32_t number = 0;

    if (strncmp(shard_id, SHARD_PREFIX, sizeof SHARD_PREFIX - 1) != 0) {
        return 0;
    }
    for (const char *digit = shard_id + sizeof SHARD_PREFIX - 1; *digit != '\0'; digit++) {
        number = number * 10 + (uint32_t)(*digit - '0');
    }
    return number + 1;
}

struct wi_sim_shard *
wi_sim_shard(struct wi_sim *sim, uint32_t number)
{
    WEIR_ASSERT(number >= 1 && number <= sim->stream.count);
    return &sim->stream.shards[number - 1];
}

static void
format_id(uint32_t number, char ret[WEIR_NAME_SIZE])
{
    (void)snprintf(ret, WEIR_NAME_SIZE, SHARD_PREFIX "%012u", (unsigned)(number - 1));
}

static struct wi_sim_shard *
add_shard(struct wi_sim *sim, struct weir_hash_range range, uint32_t parent, uint32_t other_parent)
{
    struct wi_sim_stream *stream = &sim->stream;
    uint32_t number = ++stream->count;
    struct wi_sim_shard *shard = wi_sim_shard(sim, number);
    struct wi_history_event event = {
        .kind = WI_HISTORY_SHARD,
        .shard = number,
        .parents = {parent, other_parent},
        .first = range.start.high,
        .last = range.end.high};

    WEIR_ASSERT(number <= WI_SIM_SHARDS_MAX);
    *shard = (struct wi_sim_shard){.parents = {parent, other_parent}};
    format_id(number, shard->shard.shard_id);
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        if (shard->parents[i] != 0) {
            format_id(shard->parents[i], shard->shard.parent_shard_ids[i]);
        }
    }
    shard->shard.range = range;
    shard->shard.starting_sequence_number = wi_sequence_number_from_u64(stream->next_sequence++);
    wi_sim_tell(sim, &event);
    return shard;
}

static void
close_shard(struct wi_sim *sim, struct wi_sim_shard *shard)
{
    uint32_t number = wi_sim_shard_number(shard->shard.shard_id);
    struct wi_history_event event = {.kind = WI_HISTORY_CLOSE, .shard = number};

    WEIR_ASSERT(!shard->shard.closed);
    shard->shard.closed = true;
    shard->shard.ending_sequence_number = wi_sequence_number_from_u64(sim->stream.next_sequence++);
    shard->closed_ns = sim->world.now_ns;
    sim->stream.changed_ns = sim->world.now_ns;
    wi_sim_tell(sim, &event);
    wi_sim_nodes_wake_shard(sim, number);
}

void
wi_sim_stream_init(struct wi_sim *sim)
{
    uint32_t shards = sim->plan.config.shards;
    uint64_t width = UINT64_MAX / shards;

    sim->stream = (struct wi_sim_stream){.next_sequence = SEQUENCE_FIRST};
    sim->stream.shards = wi_sim_alloc(&sim->world, WI_SIM_SHARDS_MAX, sizeof(struct wi_sim_shard));
    for (uint32_t i = 0; i < shards; i++) {
        struct weir_hash_range range = {
            {i * width, 0}, {i + 1 == shards ? UINT64_MAX : (i + 1) * width - 1, UINT64_MAX}};

        (void)add_shard(sim, range, 0, 0);
    }
}

void
wi_sim_stream_free(struct wi_sim *sim)
{
    for (uint32_t i = 0; i < sim->stream.count; i++) {
        wi_free(&sim->world.env, sim->stream.shards[i].records);
    }
    wi_free(&sim->world.env, sim->stream.shards);
    sim->stream = (struct wi_sim_stream){0};
}

/* --- puts ------------------------------------------------------------------------------------ */

static struct wi_sim_shard *
shard_of_key(struct wi_sim *sim, uint32_t key)
{
    uint64_t hash = key * KEY_MULTIPLIER;

    for (uint32_t number = 1; number <= sim->stream.count; number++) {
        struct wi_sim_shard *shard = wi_sim_shard(sim, number);

        if (!shard->shard.closed && shard->shard.range.start.high <= hash &&
            hash <= shard->shard.range.end.high) {
            return shard;
        }
    }
    WEIR_ASSERT(false);
    return NULL;
}

static void
append(struct wi_sim *sim, struct wi_sim_shard *shard, const struct wi_sim_record *record)
{
    if (shard->count == shard->capacity) {
        size_t capacity = shard->capacity == 0 ? RECORDS_FIRST : shard->capacity * 2;
        void *grown =
            wi_resize_array(&sim->world.env, shard->records, capacity, sizeof *shard->records);

        WEIR_ASSERT(grown != NULL);
        shard->records = grown;
        shard->capacity = capacity;
    }
    shard->records[shard->count++] = *record;
}

/* The wall clock may jump; arrival times do not go back. */
static int64_t
arrival_now(struct wi_sim *sim)
{
    int64_t now_ms = wi_sim_wall_ms(&sim->world, sim->world.now_ns);

    if (sim->stream.last_arrival_ms < now_ms) {
        sim->stream.last_arrival_ms = now_ms;
    }
    return sim->stream.last_arrival_ms;
}

void
wi_sim_stream_put(struct wi_sim *sim)
{
    uint64_t keys = sim->plan.config.keys;
    struct wi_sim_record record = {
        .sequence = sim->stream.next_sequence++,
        .key = 1 + (uint32_t)wi_sim_below(&sim->world, WI_SIM_RANDOM_WORKLOAD, keys),
        .arrival_ns = sim->world.now_ns,
        .arrival_ms = arrival_now(sim),
        .number = ++sim->stream.puts};
    struct wi_sim_shard *shard = shard_of_key(sim, record.key);
    uint32_t number = wi_sim_shard_number(shard->shard.shard_id);
    struct wi_history_event event = {
        .kind = WI_HISTORY_PUT, .shard = number, .first = record.sequence, .key = record.key};

    append(sim, shard, &record);
    wi_sim_tell(sim, &event);
    wi_sim_nodes_wake_shard(sim, number);
}

/* --- resharding and retention ---------------------------------------------------------------- */

/* The open shard number `random` modulo their count; NULL if `more` shards would be too many. */
static struct wi_sim_shard *
open_shard(struct wi_sim *sim, uint64_t random, uint32_t more)
{
    uint32_t open[WI_SIM_SHARDS_MAX];
    uint32_t count = 0;

    if (sim->stream.count + more > WI_SIM_SHARDS_MAX) {
        return NULL;
    }
    for (uint32_t number = 1; number <= sim->stream.count; number++) {
        if (!wi_sim_shard(sim, number)->shard.closed) {
            open[count++] = number;
        }
    }
    WEIR_ASSERT(count > 0);
    return wi_sim_shard(sim, open[random % count]);
}

void
wi_sim_stream_split(struct wi_sim *sim, uint64_t random)
{
    struct wi_sim_shard *parent = open_shard(sim, random, 2);
    struct weir_hash_range low;
    struct weir_hash_range high;
    uint32_t number = 0;

    if (parent == NULL || parent->shard.range.end.high - parent->shard.range.start.high < 2) {
        return;
    }
    low = parent->shard.range;
    high = parent->shard.range;
    high.start.high = low.start.high + (low.end.high - low.start.high) / 2 + 1;
    high.start.low = 0;
    low.end.high = high.start.high - 1;
    low.end.low = UINT64_MAX;
    number = wi_sim_shard_number(parent->shard.shard_id);
    close_shard(sim, parent);
    (void)add_shard(sim, low, number, 0);
    parent->children[0] = sim->stream.count;
    (void)add_shard(sim, high, number, 0);
    parent->children[1] = sim->stream.count;
}

static struct wi_sim_shard *
neighbour_of(struct wi_sim *sim, const struct wi_sim_shard *shard)
{
    for (uint32_t number = 1; number <= sim->stream.count; number++) {
        struct wi_sim_shard *other = wi_sim_shard(sim, number);

        if (!other->shard.closed &&
            other->shard.range.start.high == shard->shard.range.end.high + 1) {
            return other;
        }
    }
    return NULL;
}

void
wi_sim_stream_merge(struct wi_sim *sim, uint64_t random)
{
    struct wi_sim_shard *left = open_shard(sim, random, 1);
    struct wi_sim_shard *right =
        left == NULL || left->shard.range.end.high == UINT64_MAX ? NULL : neighbour_of(sim, left);
    struct weir_hash_range range;

    if (right == NULL) {
        return;
    }
    range = (struct weir_hash_range){left->shard.range.start, right->shard.range.end};
    close_shard(sim, left);
    close_shard(sim, right);
    (void)add_shard(
        sim,
        range,
        wi_sim_shard_number(left->shard.shard_id),
        wi_sim_shard_number(right->shard.shard_id));
    left->children[0] = sim->stream.count;
    right->children[0] = sim->stream.count;
}

static void
trim_shard(struct wi_sim *sim, struct wi_sim_shard *shard, size_t count)
{
    struct wi_history_event event = {
        .kind = WI_HISTORY_TRIM, .shard = wi_sim_shard_number(shard->shard.shard_id)};

    if (count > shard->trimmed) {
        shard->trimmed = count;
        shard->trimmed_through = shard->records[count - 1].sequence;
        event.last = shard->trimmed_through;
        wi_sim_tell(sim, &event);
    }
}

static void
unlist(struct wi_sim *sim, struct wi_sim_shard *shard, uint32_t number)
{
    struct wi_history_event event = {.kind = WI_HISTORY_UNLISTED, .shard = number};

    if (!shard->removed) {
        shard->removed = true;
        wi_sim_tell(sim, &event);
    }
}

/* Retention goes by age: what arrived in the first half of the run so far, in all shards. */
void
wi_sim_stream_trim(struct wi_sim *sim, uint64_t random)
{
    int64_t keep_ns = sim->world.now_ns / 2 + (int64_t)(random % 1000) * WI_SIM_NS_PER_MS;
    int64_t expired_ns = sim->world.now_ns - keep_ns;

    for (uint32_t number = 1; number <= sim->stream.count; number++) {
        struct wi_sim_shard *shard = wi_sim_shard(sim, number);
        size_t count = shard->trimmed;

        while (count < shard->count && shard->records[count].arrival_ns < expired_ns) {
            count++;
        }
        trim_shard(sim, shard, count);
        if (shard->shard.closed && shard->closed_ns < expired_ns && count == shard->count) {
            unlist(sim, shard, number);
        }
    }
}

/* --- reads ----------------------------------------------------------------------------------- */

static struct weir_position
after(uint64_t sequence)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = wi_sequence_number_from_u64(sequence)};
}

/* Number of the first record that arrived at or after the time; the next one to come if none did.
 */
static uint64_t
first_at(const struct wi_sim *sim, const struct wi_sim_shard *shard, int64_t time_ms)
{
    for (size_t i = 0; i < shard->count; i++) {
        if (shard->records[i].arrival_ms >= time_ms) {
            return shard->records[i].sequence;
        }
    }
    return sim->stream.next_sequence;
}

/* The smallest number that a position lets through, and where it stands if nothing follows. */
static uint64_t
resolve(
    const struct wi_sim *sim,
    const struct wi_sim_shard *shard,
    const struct weir_position *from,
    struct weir_position *ret_idle)
{
    uint64_t start = 0;
    uint64_t number = 0;

    WEIR_ASSERT(
        wi_sequence_number_to_u64(&shard->shard.starting_sequence_number, &start) == WEIR_OK);
    if (from->type == WEIR_LATEST) {
        *ret_idle = after(sim->stream.next_sequence - 1);
        return sim->stream.next_sequence;
    }
    if (from->type == WEIR_TRIM_HORIZON) {
        *ret_idle = after(shard->trimmed_through > start - 1 ? shard->trimmed_through : start - 1);
        return start;
    }
    if (from->type == WEIR_AT_TIMESTAMP) {
        *ret_idle = from->timestamp_ms <= sim->stream.last_arrival_ms
                        ? after(sim->stream.next_sequence - 1)
                        : *from;
        return first_at(sim, shard, from->timestamp_ms);
    }
    WEIR_ASSERT(wi_sequence_number_to_u64(&from->sequence_number, &number) == WEIR_OK);
    *ret_idle = *from;
    return from->type == WEIR_AFTER_SEQUENCE_NUMBER ? number + 1 : number;
}

static void
read_records(
    const struct wi_sim_shard *shard, uint64_t wanted, uint32_t records_max, struct wi_sim_get *ret)
{
    size_t at = shard->trimmed;

    while (at < shard->count && shard->records[at].sequence < wanted) {
        at++;
    }
    ret->first = at;
    for (; at < shard->count && ret->count < records_max; at++) {
        if (shard->records[at].sequence == shard->corrupt) {
            ret->error = WEIR_ECORRUPT;
            return;
        }
        ret->count++;
    }
    ret->at_shard_end = at == shard->count && shard->shard.closed;
}

struct wi_sim_get
wi_sim_stream_get(
    struct wi_sim *sim, uint32_t number, const struct weir_position *from, uint32_t records_max)
{
    const struct wi_sim_shard *shard = wi_sim_shard(sim, number);
    struct wi_sim_get get = {.error = WEIR_OK};
    bool is_numbered =
        from->type == WEIR_AT_SEQUENCE_NUMBER || from->type == WEIR_AFTER_SEQUENCE_NUMBER;
    uint64_t wanted = 0;

    if (shard->removed) {
        get.error = WEIR_ENOTFOUND;
        return get;
    }
    wanted = resolve(sim, shard, from, &get.next);
    if (is_numbered && wanted <= shard->trimmed_through) {
        get.error = WEIR_ETRIMMED;
        get.next = (struct weir_position){.type = WEIR_TRIM_HORIZON};
        return get;
    }
    read_records(shard, wanted, records_max, &get);
    if (get.count > 0) {
        get.next = after(shard->records[get.first + get.count - 1].sequence);
    }
    return get;
}

size_t
wi_sim_stream_list(struct wi_sim *sim, int64_t before_ns, struct weir_shard *ret_shards)
{
    size_t count = 0;

    for (uint32_t number = 1; number <= sim->stream.count; number++) {
        const struct wi_sim_shard *shard = wi_sim_shard(sim, number);
        const struct wi_sim_shard *parent =
            shard->parents[0] == 0 ? NULL : wi_sim_shard(sim, shard->parents[0]);

        if (shard->removed || (parent != NULL && parent->closed_ns > before_ns)) {
            continue;
        }
        ret_shards[count] = shard->shard;
        ret_shards[count++].closed = shard->shard.closed && shard->closed_ns <= before_ns;
    }
    return count;
}
