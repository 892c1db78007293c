#include "bench/lines.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/harness.h"

/* Hang takeover: lease duration 1 s, a heartbeat each quarter of it, and 100 ms. */
#define HANG_BUDGET_MS 1350.0

/* DESIGN 9, line by line. */
static const struct bench_line lines[] = {
    {"consume_100b",
     NULL,
     "CPU s/M",
     BENCH_RATIO_AT_MOST,
     2.5,
     0,
     bench_measure_consume_100b,
     "CPU of a worker per million records of 100 B; limit: bare LMDB scan"},
    {"consume_vs_redis",
     NULL,
     "CPU s/M",
     BENCH_RATIO_AT_MOST,
     1.0 / 20,
     0,
     bench_measure_consume_100b,
     "the same; limit: Redis Streams, client and server"},
    {"consume_vs_kafka",
     NULL,
     "CPU s/M",
     BENCH_RATIO_AT_MOST,
     1.0 / 8,
     0,
     bench_measure_consume_100b,
     "the same; limit: Kafka, client and broker, a published figure"},
    {"consume_1k",
     NULL,
     "CPU s/M",
     BENCH_RATIO_AT_MOST,
     2,
     0,
     bench_measure_consume_1k,
     "CPU of a worker per million records of 1 KiB; limit: bare LMDB scan"},
    {"put_full_cpu",
     NULL,
     "CPU s/M",
     BENCH_RATIO_AT_MOST,
     1.5,
     0,
     bench_measure_put_full,
     "CPU of puts of 500 x 100 B, durability full; limit: bare LMDB append with sync"},
    {"put_full_rate",
     NULL,
     "rec/s",
     BENCH_RATIO_AT_LEAST,
     0.8,
     0,
     bench_measure_put_full,
     "rate of the same"},
    {"put_none_cpu",
     NULL,
     "CPU s/M",
     BENCH_RATIO_AT_MOST,
     1.5,
     0,
     bench_measure_put_none,
     "CPU of puts of 500 x 100 B, durability none; limit: bare LMDB append without sync"},
    {"put_none_rate",
     NULL,
     "rec/s",
     BENCH_RATIO_AT_LEAST,
     0.8,
     0,
     bench_measure_put_none,
     "rate of the same"},
    {"latency_put_to_process",
     NULL,
     "ms p50",
     BENCH_VALUE_AT_MOST,
     0.15,
     0.064,
     bench_measure_latency,
     "put to process_records in another process; limit: Redis blocked read"},
    {"latency_put_to_process_p99",
     "latency_put_to_process",
     "ms p99",
     BENCH_VALUE_AT_MOST,
     2,
     2,
     bench_measure_latency,
     ""},
    {"latency_idle_cpu",
     "latency_put_to_process",
     "% of a core",
     BENCH_VALUE_AT_MOST,
     0.2,
     0,
     bench_measure_latency,
     ""},
    {"failover_kill9",
     NULL,
     "ms p50",
     BENCH_VALUE_AT_MOST,
     15,
     4,
     bench_measure_failover,
     "kill -9 of the owner of 100 leases to the first record at the next owner"},
    {"failover_kill9_p99",
     "failover_kill9",
     "ms p99",
     BENCH_VALUE_AT_MOST,
     60,
     14,
     bench_measure_failover,
     ""},
    {"hang_takeover",
     NULL,
     "ms",
     BENCH_VALUE_AT_MOST,
     HANG_BUDGET_MS,
     0,
     bench_measure_hang,
     "SIGSTOP of the owner to the first record at the next one; lease duration 1 s"},
    {"handoff",
     NULL,
     "ms p50",
     BENCH_VALUE_AT_MOST,
     5,
     0,
     bench_measure_handoff,
     "planned move under load: last record at the old owner to the first at the new"},
    {"handoff_p99", "handoff", "ms p99", BENCH_VALUE_AT_MOST, 20, 0, bench_measure_handoff, ""},
    {"handoff_duplicates",
     "handoff",
     "records",
     BENCH_VALUE_AT_MOST,
     0,
     0,
     bench_measure_handoff,
     ""},
    {"scale_out",
     NULL,
     "ms",
     BENCH_VALUE_AT_MOST,
     500,
     0,
     bench_measure_scale_out,
     "1 to 4 workers on 64 shards under load: exec to balanced"},
    {"scale_out_duplicates",
     "scale_out",
     "records",
     BENCH_VALUE_AT_MOST,
     0,
     0,
     bench_measure_scale_out,
     ""},
    {"scale_out_unmoved_gap",
     "scale_out",
     "ms max",
     BENCH_VALUE_AT_MOST,
     25,
     10,
     bench_measure_scale_out,
     ""},
    {"coordination",
     NULL,
     "% of a core",
     BENCH_VALUE_AT_MOST,
     3,
     0,
     bench_measure_coordination,
     "1,000 shards and 50 idle workers, heartbeat 1/s: CPU of all together"},
    {"coordination_expiries",
     "coordination",
     "leases",
     BENCH_VALUE_AT_MOST,
     0,
     0,
     bench_measure_coordination,
     ""},
    {"memory_4",
     NULL,
     "MiB",
     BENCH_VALUE_AT_MOST,
     8,
     0,
     bench_measure_memory_4,
     "resident memory of an idle worker with 4 shards"},
    {"memory_1000",
     NULL,
     "MiB",
     BENCH_VALUE_AT_MOST,
     32,
     0,
     bench_measure_memory_1000,
     "the same with 1,000 shards"},
    {"start_to_first_record",
     NULL,
     "ms p50",
     BENCH_VALUE_AT_MOST,
     50,
     0,
     bench_measure_start,
     "exec of a worker to its first record; stream and table exist"},
    {NULL, NULL, NULL, BENCH_VALUE_AT_MOST, 0, 0, NULL, NULL},
};

const struct bench_line *
bench_lines(void)
{
    return lines;
}

/* Line `index` of those that can be asked for. */
static const struct bench_line *
askable(size_t index)
{
    for (const struct bench_line *line = lines; line->name != NULL; line++) {
        if (line->parent != NULL) {
            continue;
        }
        if (index == 0) {
            return line;
        }
        index--;
    }
    return NULL;
}

const char *
bench_line_name(size_t index)
{
    const struct bench_line *line = askable(index);

    return line == NULL ? NULL : line->name;
}

const char *
bench_line_help(size_t index)
{
    const struct bench_line *line = askable(index);

    return line == NULL ? NULL : line->help;
}

static const struct bench_line *
find(const char *name)
{
    for (const struct bench_line *line = lines; line->name != NULL; line++) {
        if (strcmp(line->name, name) == 0) {
            return line;
        }
    }
    return NULL;
}

bool
bench_wanted(const struct bench *bench, const char *name)
{
    const struct bench_options *options = bench->options;
    const struct bench_line *line = find(name);

    for (size_t i = 0; line != NULL && i < options->name_count; i++) {
        const char *parent = line->parent == NULL ? line->name : line->parent;
        if (strcmp(options->names[i], parent) == 0) {
            return true;
        }
    }
    return options->name_count == 0;
}
