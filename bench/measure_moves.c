/* handoff, scale_out: planned moves under load. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/app.h>
#include <weir/error.h>
#include <weir/types.h>

#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/harness.h"
#include "bench/lines.h"
#include "bench/samples.h"
#include "bench/shared.h"

#define HANDOFF_SHARDS      4
#define HANDOFF_INTERVAL_US 500
#define SCALE_SHARDS        64
#define SCALE_WORKERS       4
#define SCALE_INTERVAL_US   5000
#define LOAD_SLOT           (BENCH_SLOTS_MAX - 1)
#define MOVE_LOOK_NS        (BENCH_MS / 2)
#define MOVE_LIMIT_MS       10000
#define BETWEEN_MS          20
#define BEFORE_MS           600
#define AFTER_MS            500

static bool
start_load(struct bench *bench, const struct fleet *fleet, uint32_t interval_us)
{
    struct bench_slot *slot = bench_slot(bench, LOAD_SLOT, BENCH_ROLE_LOAD);

    slot->interval_us = interval_us;
    (void)snprintf(slot->directory, sizeof slot->directory, "%s", fleet->data);
    return bench_start(bench, LOAD_SLOT);
}

/* End the load, wait for its last record, sum up. */
static bool
finish_load(struct bench *bench, const struct fleet *fleet, uint64_t *ret_duplicates)
{
    struct bench_slot *slot = &bench->shared->slot[LOAD_SLOT];
    uint64_t duplicates = 0;
    uint64_t missing = 0;

    slot->stop = true;
    if (!bench_finish(bench, LOAD_SLOT, NULL) || !fleet_seen(bench, fleet, slot->done)) {
        return false;
    }
    for (size_t i = 0; i < fleet->shards; i++) {
        duplicates += bench->shared->shard[i].duplicates;
        missing += bench->shared->shard[i].missing;
    }
    *ret_duplicates = duplicates;
    return missing == 0 || bench_fail(bench, "%" PRIu64 " records were lost", missing);
}

/* A shard, and how often it had moved before. */
struct move {
    size_t shard;
    uint_fast32_t moves;
};

static bool
has_moved(struct bench *bench, void *context)
{
    const struct move *move = context;

    return bench->shared->shard[move->shard].moves != move->moves;
}

static bool
has_owner(struct bench *bench, void *context)
{
    const struct fleet *fleet = context;

    for (size_t i = 0; i < fleet->shards; i++) {
        if (bench->shared->shard[i].owner == 0) {
            return false;
        }
    }
    return true;
}

/* Move a shard to the other of workers 0 and 1. */
static bool
move_once(struct bench *bench, const struct fleet *fleet, size_t index, struct samples *samples)
{
    const struct bench_shard *shard = &bench->shared->shard[index];
    struct move move = {index, shard->moves};
    struct weir_detail detail = {""};
    char shard_id[WEIR_NAME_SIZE];
    const int length = snprintf(shard_id, sizeof shard_id, "shardId-%012zu", index);
    const struct weir_str id = {shard_id, (size_t)length};
    const char *to = shard->owner == 1 ? "w1" : "w0";

    if (!bench_check(
            bench,
            weir_app_move(bench->env, fleet->data, FLEET_APPLICATION, id, to, &detail),
            &detail,
            "move a shard")) {
        return false;
    }
    if (!bench_until(bench, has_moved, &move, MOVE_LOOK_NS, MOVE_LIMIT_MS)) {
        return bench_fail(bench, "a shard did not move");
    }
    samples_add(samples, (double)shard->handover_ns / (double)BENCH_MS);
    return bench_pause(bench, BETWEEN_MS);
}

static void
report_handoff(struct bench *bench, struct samples *samples, uint64_t duplicates)
{
    struct bench_result result = {
        .value = samples_quantile(samples, 0.5),
        .min = samples_quantile(samples, 0),
        .max = samples_quantile(samples, 1)};

    bench_report(bench, "handoff", &result);
    result.value = samples_quantile(samples, 0.99);
    bench_report(bench, "handoff_p99", &result);
    result = (struct bench_result){.value = (double)duplicates};
    bench_report(bench, "handoff_duplicates", &result);
}

bool
bench_measure_handoff(struct bench *bench)
{
    static struct samples samples;
    struct fleet fleet = {.shards = HANDOFF_SHARDS, .processor = BENCH_TRACK};
    const size_t moves = bench_count(bench, 60, 20);
    uint64_t duplicates = 0;

    samples.count = 0;
    if (!fleet_create(bench, &fleet, "stream") || !fleet_worker(bench, &fleet, 0) ||
        !fleet_worker(bench, &fleet, 1) || !fleet_balanced(bench, &fleet, 2) ||
        !start_load(bench, &fleet, HANDOFF_INTERVAL_US) ||
        !bench_until(bench, has_owner, &fleet, MOVE_LOOK_NS, MOVE_LIMIT_MS)) {
        return false;
    }
    for (size_t i = 0; i < moves; i++) {
        /* There and back again. */
        if (!move_once(bench, &fleet, i / 2 % fleet.shards, &samples)) {
            return false;
        }
    }
    if (!finish_load(bench, &fleet, &duplicates)) {
        return false;
    }
    report_handoff(bench, &samples, duplicates);
    bench_kill_all(bench);
    return true;
}

/* The records of each worker come from an equal share of the shards. */
static bool
is_spread(struct bench *bench, void *context)
{
    size_t shards[SCALE_WORKERS + 1] = {0};

    (void)context;
    for (size_t i = 0; i < SCALE_SHARDS; i++) {
        const uint_fast32_t owner = bench->shared->shard[i].owner;
        shards[owner <= SCALE_WORKERS ? owner : 0]++;
    }
    for (size_t i = 1; i <= SCALE_WORKERS; i++) {
        if (shards[i] != SCALE_SHARDS / SCALE_WORKERS) {
            return false;
        }
    }
    return true;
}

/* Longest wait of a record since the last call, at the shards that worker 0 has. Not the time
 * between two records: that would count pauses of the producer as well. */
static double
take_wait_ms(struct bench *bench)
{
    int64_t wait_ns = 0;

    for (size_t i = 0; i < SCALE_SHARDS; i++) {
        struct bench_shard *shard = &bench->shared->shard[i];
        if (shard->owner == 1 && shard->wait_ns > wait_ns) {
            wait_ns = shard->wait_ns;
        }
        shard->wait_ns = 0;
    }
    return (double)wait_ns / (double)BENCH_MS;
}

/* What the repetitions of scale_out have found. */
struct scale_out {
    struct samples spread_ms;
    struct samples wait_ms;
    struct samples wait_before_ms;
    uint64_t duplicates;
};

static bool
scale_once(struct bench *bench, struct scale_out *scale)
{
    struct fleet fleet = {.shards = SCALE_SHARDS, .processor = BENCH_TRACK};
    uint64_t duplicates = 0;
    int64_t start_ns;

    if (!fleet_create(bench, &fleet, "stream") || !fleet_worker(bench, &fleet, 0) ||
        !fleet_balanced(bench, &fleet, 1) || !start_load(bench, &fleet, SCALE_INTERVAL_US) ||
        !bench_until(bench, has_owner, &fleet, MOVE_LOOK_NS, MOVE_LIMIT_MS)) {
        return false;
    }
    (void)take_wait_ms(bench);
    if (!bench_pause(bench, BEFORE_MS)) {
        return false;
    }
    samples_add(&scale->wait_before_ms, take_wait_ms(bench));
    start_ns = bench_now_ns();
    for (size_t i = 1; i < SCALE_WORKERS; i++) {
        if (!fleet_worker(bench, &fleet, i)) {
            return false;
        }
    }
    if (!bench_until(bench, is_spread, NULL, MOVE_LOOK_NS, MOVE_LIMIT_MS)) {
        return bench_fail(bench, "the shards were not spread over the workers");
    }
    samples_add(&scale->spread_ms, (double)(bench_now_ns() - start_ns) / (double)BENCH_MS);
    if (!bench_pause(bench, AFTER_MS)) {
        return false;
    }
    samples_add(&scale->wait_ms, take_wait_ms(bench));
    if (!finish_load(bench, &fleet, &duplicates)) {
        return false;
    }
    scale->duplicates += duplicates;
    bench_kill_all(bench);
    return true;
}

bool
bench_measure_scale_out(struct bench *bench)
{
    static struct scale_out scale;
    const size_t repetitions = bench_count(bench, 5, 1);
    struct bench_result result;

    scale = (struct scale_out){.duplicates = 0};
    for (size_t i = 0; i < repetitions; i++) {
        if (!scale_once(bench, &scale)) {
            return false;
        }
    }
    result = (struct bench_result){.value = samples_quantile(&scale.spread_ms, 0.5),
                                   .min = samples_quantile(&scale.spread_ms, 0),
                                   .max = samples_quantile(&scale.spread_ms, 1)};
    bench_report(bench, "scale_out", &result);
    result = (struct bench_result){.value = (double)scale.duplicates};
    bench_report(bench, "scale_out_duplicates", &result);
    result = (struct bench_result){
        .value = samples_quantile(&scale.wait_ms, 0.5),
        .limit = samples_quantile(&scale.wait_before_ms, 0.5),
        .min = samples_quantile(&scale.wait_ms, 0),
        .max = samples_quantile(&scale.wait_ms, 1),
        .note = "longest wait of a record at a shard that stays; limit: before the start"};
    bench_report(bench, "scale_out_unmoved_gap", &result);
    return true;
}
