/* start_to_first_record: from exec to the first record, stream and table being there. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/harness.h"
#include "bench/lines.h"
#include "bench/samples.h"
#include "bench/shared.h"

#define SHARDS         4
#define FIRST_LOOK_NS  (BENCH_MS / 2)
#define FIRST_LIMIT_MS 20000

static bool
has_first(struct bench *bench, void *context)
{
    (void)context;
    return bench->shared->slot[0].first_ns != 0;
}

/* One worker, from exec to a clean end. */
static bool
start_once(struct bench *bench, const struct fleet *fleet, struct rounds *rounds, double *ret_ms)
{
    struct weir_detail detail = {""};
    int64_t start_ns;

    if (!bench_check(bench, rounds_put(rounds, &detail), &detail, "put")) {
        return false;
    }
    start_ns = bench_now_ns();
    if (!fleet_worker(bench, fleet, 0)) {
        return false;
    }
    if (!bench_until(bench, has_first, NULL, FIRST_LOOK_NS, FIRST_LIMIT_MS)) {
        return bench_fail(bench, "a worker saw no record");
    }
    *ret_ms = (double)(bench->shared->slot[0].first_ns - start_ns) / (double)BENCH_MS;
    return fleet_seen(bench, fleet, rounds->index) && bench_drain(bench);
}

static bool
repeat(struct bench *bench, const struct fleet *fleet, struct rounds *rounds)
{
    static struct samples samples;
    const size_t repetitions = bench_count(bench, 20, 10);
    struct bench_result result;
    double ms = 0;

    samples.count = 0;
    /* The first one makes the table; it does not count. */
    for (size_t i = 0; i <= repetitions; i++) {
        if (!start_once(bench, fleet, rounds, &ms)) {
            return false;
        }
        if (i > 0) {
            samples_add(&samples, ms);
        }
    }
    result = (struct bench_result){.value = samples_quantile(&samples, 0.5),
                                   .min = samples_quantile(&samples, 0),
                                   .max = samples_quantile(&samples, 1)};
    bench_report(bench, "start_to_first_record", &result);
    return true;
}

bool
bench_measure_start(struct bench *bench)
{
    struct fleet fleet = {.shards = SHARDS, .processor = BENCH_TRACK};
    struct weir_detail detail = {""};
    struct rounds rounds = {0};
    bool ok;

    if (!fleet_create(bench, &fleet, "stream")) {
        return false;
    }
    ok = bench_check(
             bench,
             rounds_open(bench->env, fleet.data, &rounds, &detail),
             &detail,
             "open the stream") &&
         repeat(bench, &fleet, &rounds);
    rounds_close(&rounds);
    return ok;
}
