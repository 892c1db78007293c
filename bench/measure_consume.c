/* consume_100b, consume_1k, consume_vs_redis, consume_vs_kafka: CPU per million records. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/bare_lmdb.h"
#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/harness.h"
#include "bench/lines.h"
#include "bench/redis_peer.h"
#include "bench/samples.h"
#include "bench/shared.h"

#define SHARDS 4
/* The worker and the scan take turns so often. */
#define REPETITIONS       5
#define REDIS_REPETITIONS 3
/* Client and broker of Kafka 4.1 at 100 B with librdkafka; measured elsewhere. */
#define KAFKA_CPU_S 0.54
#define MILLION     1000000

/* One size of records. */
struct consume {
    const char *line;
    uint32_t record_bytes;
    uint64_t records;
    struct fleet fleet;
    char bare[BENCH_PATH_SIZE];
    struct samples weir;
    struct samples scan;
    struct samples warm; /* a second scan by the same process */
    struct samples redis;
};

static bool
prepare(struct bench *bench, struct consume *consume)
{
    struct bare bare;
    bool ok;

    consume->fleet = (struct fleet){.shards = SHARDS, .processor = BENCH_COUNT};
    if (!fleet_create(bench, &consume->fleet, "stream") ||
        !fleet_fill(bench, &consume->fleet, consume->records, consume->record_bytes) ||
        !bench_folder(bench, "bare", consume->bare)) {
        return false;
    }
    ok = bare_open(consume->bare, false, &bare, bench->failure) &&
         bare_append(&bare, consume->records, consume->record_bytes, bench->failure);
    bare_close(&bare);
    return ok;
}

static void
add_cpu(struct samples *samples, int64_t cpu_ns, uint64_t records)
{
    samples_add(samples, (double)cpu_ns / (double)BENCH_S * MILLION / (double)records);
}

/* Everything once, by a worker of a new application. */
static bool
consume_weir(struct bench *bench, struct consume *consume, size_t repetition)
{
    struct bench_slot *slot = bench_slot(bench, 0, BENCH_ROLE_WORKER);
    int64_t cpu_ns = 0;

    slot->processor = BENCH_COUNT;
    slot->records = consume->records;
    (void)snprintf(slot->directory, sizeof slot->directory, "%s", consume->fleet.data);
    (void)snprintf(slot->stream, sizeof slot->stream, "%s", FLEET_STREAM);
    (void)snprintf(slot->application, sizeof slot->application, "consume-%zu", repetition);
    if (!bench_start(bench, 0) || !bench_finish(bench, 0, &cpu_ns)) {
        return false;
    }
    if (slot->done != consume->records) {
        return bench_fail(bench, "the worker did not see each record once");
    }
    add_cpu(&consume->weir, cpu_ns, consume->records);
    return true;
}

static bool
consume_bare(struct bench *bench, struct consume *consume)
{
    struct bench_slot *slot = bench_slot(bench, 0, BENCH_ROLE_SCAN);
    int64_t cpu_ns = 0;

    (void)snprintf(slot->directory, sizeof slot->directory, "%s", consume->bare);
    if (!bench_start(bench, 0) || !bench_finish(bench, 0, &cpu_ns)) {
        return false;
    }
    if (slot->done != consume->records) {
        return bench_fail(bench, "the bare scan did not see each record once");
    }
    /* The worker reads pages that its process has not mapped yet, so that is what is compared. */
    add_cpu(&consume->scan, cpu_ns - slot->warm_cpu_ns, consume->records);
    add_cpu(&consume->warm, slot->warm_cpu_ns, consume->records);
    return true;
}

/* Client and server together. */
static bool
consume_redis(struct bench *bench, struct samples *samples, const char *directory, uint64_t records)
{
    struct bench_slot *slot = bench_slot(bench, 0, BENCH_ROLE_REDIS_CONSUME);
    int64_t before_ns = 0;
    int64_t after_ns = 0;
    int64_t client_ns = 0;

    slot->records = records;
    (void)snprintf(slot->directory, sizeof slot->directory, "%s", directory);
    if (!redis_group(bench, directory) || !redis_cpu_ns(bench, directory, &before_ns) ||
        !bench_start(bench, 0) || !bench_finish(bench, 0, &client_ns) ||
        !redis_cpu_ns(bench, directory, &after_ns)) {
        return false;
    }
    add_cpu(samples, client_ns + after_ns - before_ns, records);
    return true;
}

static struct bench_result
result_of(struct samples *value, struct samples *limit)
{
    return (struct bench_result){.value = samples_quantile(value, 0.5),
                                 .limit = limit == NULL ? 0 : samples_quantile(limit, 0.5),
                                 .min = samples_quantile(value, 0),
                                 .max = samples_quantile(value, 1)};
}

static bool
compare_scan(struct bench *bench, struct consume *consume)
{
    const size_t repetitions = bench_count(bench, REPETITIONS, 1);
    struct bench_result result;
    char note[BENCH_TEXT_SIZE];

    if (!prepare(bench, consume)) {
        return false;
    }
    for (size_t i = 0; i < repetitions; i++) {
        if (!consume_weir(bench, consume, i) || !consume_bare(bench, consume)) {
            return false;
        }
    }
    result = result_of(&consume->weir, &consume->scan);
    (void)snprintf(
        note,
        sizeof note,
        "a second scan by the same process: %.4f",
        samples_quantile(&consume->warm, 0.5));
    result.note = note;
    bench_report(bench, consume->line, &result);
    bench_remove(consume->bare);
    return true;
}

static bool
compare_redis(struct bench *bench, struct consume *consume)
{
    const size_t repetitions = bench_count(bench, REDIS_REPETITIONS, 1);
    const uint64_t records = bench_count(bench, 200000, 100000);
    struct bench_result result = result_of(&consume->weir, NULL);
    char directory[BENCH_PATH_SIZE];

    if (!bench_wanted(bench, "consume_vs_redis")) {
        return true;
    }
    if (redis_missing() != NULL) {
        bench_report_missing(bench, "consume_vs_redis", &result, redis_missing());
        return true;
    }
    if (!redis_start(bench, directory) ||
        !redis_fill(bench, directory, records, consume->record_bytes)) {
        return false;
    }
    for (size_t i = 0; i < repetitions; i++) {
        if (!consume_weir(bench, consume, REPETITIONS + i) ||
            !consume_redis(bench, &consume->redis, directory, records)) {
            return false;
        }
    }
    redis_stop(bench);
    result = result_of(&consume->weir, &consume->redis);
    result.note = "XREADGROUP COUNT 500, XACK; client and server";
    bench_report(bench, "consume_vs_redis", &result);
    return true;
}

bool
bench_measure_consume_100b(struct bench *bench)
{
    static struct consume consume;
    struct bench_result result;

    consume = (struct consume){.line = "consume_100b", .record_bytes = 100};
    consume.records = bench_count(bench, 4, 2) * (uint64_t)MILLION;
    if (!compare_scan(bench, &consume) || !compare_redis(bench, &consume)) {
        return false;
    }
    result = result_of(&consume.weir, NULL);
    result.limit = KAFKA_CPU_S;
    result.note = "Kafka's figure is a published one, not measured in this run";
    bench_report(bench, "consume_vs_kafka", &result);
    bench_remove(consume.fleet.data);
    return true;
}

bool
bench_measure_consume_1k(struct bench *bench)
{
    static struct consume consume;

    consume = (struct consume){.line = "consume_1k", .record_bytes = 1024};
    consume.records = bench_count(bench, MILLION, MILLION / 2);
    if (!compare_scan(bench, &consume)) {
        return false;
    }
    bench_remove(consume.fleet.data);
    return true;
}
