/* coordination, memory_4, memory_1000: what a fleet costs that has nothing to do. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/harness.h"
#include "bench/lines.h"
#include "bench/shared.h"

#define FLEET_SHARDS   1000
#define FLEET_WORKERS  50
#define FLEET_LEASE_MS 4000 /* a heartbeat each second */
#define SETTLE_MS      2000
#define WATCH_MS       12000
#define WATCH_QUICK_MS 6000
#define FEW_SHARDS     4
#define KIB_PER_MIB    1024.0
#define LINE_SIZE      256

static int64_t
cpu_of_all(const struct bench *bench)
{
    int64_t cpu_ns = 0;

    for (size_t i = 0; i < FLEET_WORKERS; i++) {
        cpu_ns += bench_cpu_of_ns(bench->pid[i]);
    }
    return cpu_ns;
}

bool
bench_measure_coordination(struct bench *bench)
{
    struct fleet fleet = {
        .shards = FLEET_SHARDS, .lease_duration_ms = FLEET_LEASE_MS, .processor = BENCH_COUNT};
    const int64_t watch_ms = (int64_t)bench_count(bench, WATCH_MS, WATCH_QUICK_MS);
    struct bench_result result;
    uint64_t epochs = 0;
    uint64_t epochs_after = 0;
    int64_t cpu_ns;
    int64_t wall_ns;
    bool ok = fleet_create(bench, &fleet, "stream");

    for (size_t i = 0; ok && i < FLEET_WORKERS; i++) {
        ok = fleet_worker(bench, &fleet, i);
    }
    if (!ok || !fleet_balanced(bench, &fleet, FLEET_WORKERS) || !bench_pause(bench, SETTLE_MS) ||
        !fleet_epochs(bench, &fleet, &epochs)) {
        return false;
    }
    cpu_ns = cpu_of_all(bench);
    wall_ns = bench_now_ns();
    if (!bench_pause(bench, watch_ms)) {
        return false;
    }
    cpu_ns = cpu_of_all(bench) - cpu_ns;
    wall_ns = bench_now_ns() - wall_ns;
    if (!fleet_epochs(bench, &fleet, &epochs_after)) {
        return false;
    }
    result = (struct bench_result){.value = 100.0 * (double)cpu_ns / (double)wall_ns,
                                   .note = "all 50 workers together"};
    bench_report(bench, "coordination", &result);
    result = (struct bench_result){.value = (double)(epochs_after - epochs)};
    bench_report(bench, "coordination_expiries", &result);
    bench_kill_all(bench);
    return true;
}

/* "RssAnon:      1234 kB" of /proc/PID/status. */
static bool
resident_mib(int pid, double *ret_anonymous, double *ret_file)
{
    char path[LINE_SIZE];
    char line[LINE_SIZE];
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/status", pid);
    file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "RssAnon:", sizeof "RssAnon:" - 1) == 0) {
            *ret_anonymous = strtod(line + sizeof "RssAnon:" - 1, NULL) / KIB_PER_MIB;
        } else if (strncmp(line, "RssFile:", sizeof "RssFile:" - 1) == 0) {
            *ret_file = strtod(line + sizeof "RssFile:" - 1, NULL) / KIB_PER_MIB;
        }
    }
    (void)fclose(file);
    return true;
}

static bool
measure_memory(struct bench *bench, const char *line, uint32_t shards)
{
    struct fleet fleet = {.shards = shards, .processor = BENCH_COUNT};
    struct bench_result result;
    char note[LINE_SIZE];
    double anonymous = 0;
    double file = 0;

    if (!fleet_create(bench, &fleet, "stream") || !fleet_worker(bench, &fleet, 0) ||
        !fleet_balanced(bench, &fleet, 1) || !bench_pause(bench, SETTLE_MS)) {
        return false;
    }
    if (!resident_mib(bench->pid[0], &anonymous, &file)) {
        return bench_fail(bench, "the kernel does not say how much memory the worker has");
    }
    (void)snprintf(note, sizeof note, "RssAnon %.2f, RssFile %.2f", anonymous, file);
    result = (struct bench_result){.value = anonymous + file, .note = note};
    bench_report(bench, line, &result);
    bench_kill_all(bench);
    return true;
}

bool
bench_measure_memory_4(struct bench *bench)
{
    return measure_memory(bench, "memory_4", FEW_SHARDS);
}

bool
bench_measure_memory_1000(struct bench *bench)
{
    return measure_memory(bench, "memory_1000", FLEET_SHARDS);
}
