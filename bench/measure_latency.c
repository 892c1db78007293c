/* latency_put_to_process: an idle consumer in another process is woken by a put. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/error.h>

#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/harness.h"
#include "bench/lines.h"
#include "bench/redis_peer.h"
#include "bench/samples.h"
#include "bench/shared.h"

#define SHARDS 4
/* A put each 1 to 3 ms, so that the consumer waits each time. */
#define PUT_NS        BENCH_MS
#define PUT_SPREAD_US 2000
#define SETTLE_MS     1000
#define IDLE_MS       4000
#define END_MS        100

static void
collect(const struct bench *bench, struct samples *samples)
{
    const size_t count = bench->shared->sample_count;

    for (size_t i = 0; i < count && i < BENCH_SAMPLES_MAX; i++) {
        samples_add(samples, (double)bench->shared->sample_ns[i] / (double)BENCH_MS);
    }
    bench->shared->sample_count = 0;
}

/* One record each few milliseconds; rounds have one for each shard, so only the first is put. */
static bool
trickle(struct bench *bench, const struct fleet *fleet, size_t count)
{
    struct weir_detail detail = {""};
    struct rounds rounds;
    enum weir_error error = rounds_open(bench->env, fleet->data, &rounds, &detail);
    const size_t shards = rounds.count;

    for (size_t i = 0; error == WEIR_OK && i < count && !bench_interrupted(); i++) {
        rounds.count = shards > 0 ? 1 : 0;
        error = rounds_put(&rounds, &detail);
        bench_sleep_ns(PUT_NS + (int64_t)(i * 7919 % PUT_SPREAD_US) * (BENCH_MS / 1000));
    }
    rounds_close(&rounds);
    return bench_check(bench, error, &detail, "put");
}

static bool
measure_weir(struct bench *bench, const struct fleet *fleet, size_t count, struct samples *samples)
{
    bench->shared->sample_count = 0;
    if (!trickle(bench, fleet, count) || !bench_pause(bench, END_MS)) {
        return false;
    }
    collect(bench, samples);
    return samples->count > 0 || bench_fail(bench, "no record was processed");
}

/* CPU of the worker while nothing is put. */
static bool
measure_idle(struct bench *bench, struct bench_result *ret)
{
    const int64_t pause_ms = (int64_t)bench_count(bench, IDLE_MS, IDLE_MS / 2);
    int64_t cpu_ns;
    int64_t wall_ns;

    if (!bench_pause(bench, SETTLE_MS)) {
        return false;
    }
    cpu_ns = bench_cpu_of_ns(bench->pid[0]);
    wall_ns = bench_now_ns();
    if (!bench_pause(bench, pause_ms)) {
        return false;
    }
    cpu_ns = bench_cpu_of_ns(bench->pid[0]) - cpu_ns;
    wall_ns = bench_now_ns() - wall_ns;
    *ret = (struct bench_result){.value = 100.0 * (double)cpu_ns / (double)wall_ns};
    return true;
}

static bool
measure_redis(struct bench *bench, const char *directory, size_t count, struct samples *samples)
{
    struct bench_slot *slot = bench_slot(bench, 1, BENCH_ROLE_REDIS_READ);
    bool ok;

    bench->shared->sample_count = 0;
    (void)snprintf(slot->directory, sizeof slot->directory, "%s", directory);
    ok = bench_start(bench, 1) && bench_pause(bench, END_MS) &&
         redis_trickle(bench, directory, count) && bench_pause(bench, END_MS);
    slot->stop = true;
    if (!ok || !bench_finish(bench, 1, NULL)) {
        return false;
    }
    collect(bench, samples);
    return true;
}

static void
report(struct bench *bench, struct samples *weir, struct samples *redis)
{
    struct bench_result result = {
        .value = samples_quantile(weir, 0.5),
        .limit = samples_quantile(redis, 0.5),
        .min = samples_quantile(weir, 0),
        .max = samples_quantile(weir, 1)};

    result.note = redis_missing() == NULL ? "limit: Redis XREAD BLOCK" : redis_missing();
    bench_report(bench, "latency_put_to_process", &result);
    result.value = samples_quantile(weir, 0.99);
    result.limit = samples_quantile(redis, 0.99);
    bench_report(bench, "latency_put_to_process_p99", &result);
}

/* The two take turns in `turns` of `count` records. */
static bool
take_turns(struct bench *bench, const struct fleet *fleet, size_t turns, size_t count)
{
    static struct samples weir;
    static struct samples redis;
    char directory[BENCH_PATH_SIZE];
    const bool has_redis = redis_missing() == NULL;

    weir.count = 0;
    redis.count = 0;
    if (has_redis && !redis_start(bench, directory)) {
        return false;
    }
    for (size_t i = 0; i < turns; i++) {
        if (!measure_weir(bench, fleet, count, &weir) ||
            (has_redis && !measure_redis(bench, directory, count, &redis))) {
            return false;
        }
    }
    redis_stop(bench);
    report(bench, &weir, &redis);
    return true;
}

bool
bench_measure_latency(struct bench *bench)
{
    struct fleet fleet = {.shards = SHARDS, .processor = BENCH_LATENCY};
    struct bench_result idle;

    if (!fleet_create(bench, &fleet, "stream") || !fleet_worker(bench, &fleet, 0) ||
        !fleet_balanced(bench, &fleet, 1) || !measure_idle(bench, &idle) ||
        !take_turns(bench, &fleet, bench_count(bench, 3, 1), bench_count(bench, 500, 300))) {
        return false;
    }
    bench_report(bench, "latency_idle_cpu", &idle);
    bench_kill_all(bench);
    bench_remove(fleet.data);
    return true;
}
