/* put_full_*, put_none_*: CPU and rate of puts beside a bare append with the same sync mode. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/harness.h"
#include "bench/lines.h"
#include "bench/samples.h"
#include "bench/shared.h"

#define SHARDS       4
#define RECORD_BYTES 100
#define REPETITIONS  5
#define MILLION      1000000.0

/* CPU seconds per million and records per second. */
struct figures {
    struct samples cpu;
    struct samples rate;
};

/* One durability. */
struct put {
    bool sync;
    uint64_t records;
    struct figures weir;
    struct figures hashed; /* with explicit hash keys: no MD5 */
    struct figures bare;
};

/* One process that writes everything, into a new and empty store. */
static bool
write_once(
    struct bench *bench,
    const struct put *put,
    enum bench_role role,
    const char *directory,
    struct figures *figures)
{
    struct bench_slot *slot = bench_slot(bench, 0, role);

    slot->sync = put->sync;
    slot->hashed = figures == &put->hashed;
    slot->records = put->records;
    slot->record_bytes = RECORD_BYTES;
    (void)snprintf(slot->directory, sizeof slot->directory, "%s", directory);
    if (!bench_start(bench, 0) || !bench_finish(bench, 0, NULL)) {
        return false;
    }
    samples_add(
        &figures->cpu, (double)slot->cpu_ns / (double)BENCH_S * MILLION / (double)put->records);
    samples_add(&figures->rate, (double)put->records * (double)BENCH_S / (double)slot->wall_ns);
    return true;
}

static void
report(
    struct bench *bench,
    const char *line,
    struct samples *weir,
    struct samples *hashed,
    struct samples *bare)
{
    char note[BENCH_TEXT_SIZE];
    const struct bench_result result = {
        .value = samples_quantile(weir, 0.5),
        .limit = samples_quantile(bare, 0.5),
        .min = samples_quantile(weir, 0),
        .max = samples_quantile(weir, 1),
        .note = note};

    (void)snprintf(
        note,
        sizeof note,
        "with explicit hash keys %.2fx",
        samples_quantile(hashed, 0.5) / result.limit);
    bench_report(bench, line, &result);
}

static bool
measure(struct bench *bench, struct put *put)
{
    struct fleet fleet = {.shards = SHARDS};
    char directory[BENCH_PATH_SIZE];
    const size_t repetitions = bench_count(bench, REPETITIONS, 1);

    for (size_t i = 0; i < repetitions; i++) {
        if (!fleet_create(bench, &fleet, "stream") ||
            !write_once(bench, put, BENCH_ROLE_PUT, fleet.data, &put->weir) ||
            !fleet_create(bench, &fleet, "stream") ||
            !write_once(bench, put, BENCH_ROLE_PUT, fleet.data, &put->hashed) ||
            !bench_folder(bench, "bare", directory) ||
            !write_once(bench, put, BENCH_ROLE_APPEND, directory, &put->bare)) {
            return false;
        }
    }
    report(
        bench,
        put->sync ? "put_full_cpu" : "put_none_cpu",
        &put->weir.cpu,
        &put->hashed.cpu,
        &put->bare.cpu);
    report(
        bench,
        put->sync ? "put_full_rate" : "put_none_rate",
        &put->weir.rate,
        &put->hashed.rate,
        &put->bare.rate);
    bench_remove(directory);
    bench_remove(fleet.data);
    return true;
}

bool
bench_measure_put_full(struct bench *bench)
{
    static struct put put;

    put = (struct put){.sync = true, .records = bench_count(bench, 300000, 200000)};
    return measure(bench, &put);
}

bool
bench_measure_put_none(struct bench *bench)
{
    static struct put put;

    put = (struct put){.sync = false, .records = bench_count(bench, 2000000, 1000000)};
    return measure(bench, &put);
}
