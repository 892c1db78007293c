/* failover_kill9, hang_takeover: from the end of an owner to the first record at the next one. */
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/error.h>

#include "bench/bare_lmdb.h"
#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/harness.h"
#include "bench/lines.h"
#include "bench/samples.h"
#include "bench/shared.h"

/* Two workers share the shards, so each owner has 100 leases. */
#define FAILOVER_SHARDS 200
#define FAILOVER_LEASES 100
#define HANG_SHARDS     16
#define HANG_LEASE_MS   1000
#define FIRST_LOOK_NS   (BENCH_MS / 10)
#define FIRST_LIMIT_MS  20000
/* Workers take slots 0, 1, 2, 3 in turn; the bare victim has another. */
#define SLOTS     4
#define BARE_SLOT 8
#define DEATH_MS  5000
#define SETTLE_MS 300

/* One experiment: the fleet, its two workers, the records. */
struct takeover {
    struct fleet fleet;
    struct rounds rounds;
    size_t older; /* slots of the two workers */
    size_t newer;
    int64_t start_ns; /* kill or stop of the victim */
    bool was_victims[BENCH_SHARDS_MAX];
};

static bool
put_round(struct bench *bench, struct takeover *takeover)
{
    struct weir_detail detail = {""};

    return bench_check(bench, rounds_put(&takeover->rounds, &detail), &detail, "put");
}

static bool
prepare(struct bench *bench, struct takeover *takeover)
{
    struct weir_detail detail = {""};

    takeover->older = 0;
    takeover->newer = 1;
    return fleet_create(bench, &takeover->fleet, "stream") &&
           bench_check(
               bench,
               rounds_open(bench->env, takeover->fleet.data, &takeover->rounds, &detail),
               &detail,
               "open the stream") &&
           fleet_worker(bench, &takeover->fleet, 0) && fleet_worker(bench, &takeover->fleet, 1);
}

/* Both have their share, and everything is processed. */
static bool
settle(struct bench *bench, struct takeover *takeover)
{
    return fleet_balanced(bench, &takeover->fleet, 2) && put_round(bench, takeover) &&
           fleet_seen(bench, &takeover->fleet, takeover->rounds.index) &&
           bench_pause(bench, SETTLE_MS);
}

/* Whether a shard of the victim has a new owner; *ret_ns is since takeover->start_ns. */
static int64_t
first_elsewhere(const struct bench *bench, const struct takeover *takeover)
{
    int64_t first_ns = INT64_MAX;

    for (size_t i = 0; i < takeover->fleet.shards; i++) {
        const struct bench_shard *shard = &bench->shared->shard[i];
        if (takeover->was_victims[i] && shard->first_ns > takeover->start_ns &&
            shard->first_ns < first_ns) {
            first_ns = shard->first_ns;
        }
    }
    return first_ns;
}

static bool
is_elsewhere(struct bench *bench, void *context)
{
    return first_elsewhere(bench, context) != INT64_MAX;
}

/* Send the signal, put a record to each shard, wait for the first at the next owner. */
static bool
measure_once(
    struct bench *bench,
    struct takeover *takeover,
    size_t victim,
    int signal_number,
    struct samples *samples)
{
    size_t leases = 0;

    if (!settle(bench, takeover)) {
        return false;
    }
    for (size_t i = 0; i < takeover->fleet.shards; i++) {
        takeover->was_victims[i] = bench->shared->shard[i].owner == victim + 1;
        leases += takeover->was_victims[i] ? 1 : 0;
    }
    if (leases != takeover->fleet.shards / 2) {
        return bench_fail(bench, "the owner has %zu leases", leases);
    }
    takeover->start_ns = bench_now_ns();
    bench_signal(bench, victim, signal_number);
    if (!put_round(bench, takeover) ||
        !bench_until(bench, is_elsewhere, takeover, FIRST_LOOK_NS, FIRST_LIMIT_MS)) {
        return bench_fail(bench, "no record arrived at the next owner");
    }
    samples_add(
        samples,
        (double)(first_elsewhere(bench, takeover) - takeover->start_ns) / (double)BENCH_MS);
    bench_kill(bench, victim);
    return fleet_seen(bench, &takeover->fleet, takeover->rounds.index);
}

/* A new worker in place of the victim; every second victim is the older one, which leads. */
static bool
replace(struct bench *bench, struct takeover *takeover, bool older)
{
    const size_t survivor = older ? takeover->newer : takeover->older;

    takeover->older = survivor;
    takeover->newer = (takeover->newer + 1) % SLOTS;
    if (takeover->newer == survivor) {
        takeover->newer = (takeover->newer + 1) % SLOTS;
    }
    return fleet_worker(bench, &takeover->fleet, takeover->newer);
}

/* What nobody can undercut: the kernel's word, one durable transaction, one look-up. */
static bool
bare_once(
    struct bench *bench,
    struct bare *table,
    struct bare *stream,
    uint64_t stamp,
    struct samples *samples)
{
    struct pollfd poll_fd = {.events = POLLIN};
    int64_t start_ns;
    bool ok;

    (void)bench_slot(bench, BARE_SLOT, BENCH_ROLE_SLEEP);
    if (!bench_start(bench, BARE_SLOT)) {
        return false;
    }
    while (!bench->shared->slot[BARE_SLOT].ready && !bench_interrupted()) {
        bench_sleep_ns(BENCH_MS);
    }
    poll_fd.fd = (int)syscall(SYS_pidfd_open, bench->pid[BARE_SLOT], 0);
    start_ns = bench_now_ns();
    bench_signal(bench, BARE_SLOT, SIGKILL);
    ok = poll(&poll_fd, 1, DEATH_MS) == 1 &&
         bare_update(table, FAILOVER_LEASES, stamp, bench->failure) &&
         bare_seek(stream, stamp, bench->failure);
    samples_add(samples, (double)(bench_now_ns() - start_ns) / (double)BENCH_MS);
    bench_kill(bench, BARE_SLOT);
    if (poll_fd.fd >= 0) {
        (void)close(poll_fd.fd);
    }
    return ok || bench_fail(bench, "the bare takeover failed");
}

/* Every second victim led the fleet: then the survivor has to win the lead first. */
static void
report(struct bench *bench, struct samples *weir, struct samples *leaders, struct samples *bare)
{
    char note[BENCH_TEXT_SIZE];
    struct bench_result result = {
        .value = samples_quantile(weir, 0.5),
        .limit = samples_quantile(bare, 0.5),
        .min = samples_quantile(weir, 0),
        .max = samples_quantile(weir, 1),
        .note = note};

    (void)snprintf(
        note,
        sizeof note,
        "leaders only: %.1f; limit: pidfd, one synced transaction of 100 rows, seek",
        samples_quantile(leaders, 0.5));
    bench_report(bench, "failover_kill9", &result);
    result.value = samples_quantile(weir, 0.99);
    result.limit = samples_quantile(bare, 0.99);
    (void)snprintf(note, sizeof note, "leaders only: %.1f", samples_quantile(leaders, 0.99));
    bench_report(bench, "failover_kill9_p99", &result);
}

/* The two take turns. */
static bool
alternate(struct bench *bench, struct takeover *takeover, struct bare *table, struct bare *stream)
{
    static struct samples weir;
    static struct samples leaders;
    static struct samples bare;
    const size_t repetitions = bench_count(bench, 24, 6);

    weir.count = 0;
    leaders.count = 0;
    bare.count = 0;
    for (size_t i = 0; i < repetitions; i++) {
        const bool older = i % 2 == 0;
        const size_t victim = older ? takeover->older : takeover->newer;
        if (!measure_once(bench, takeover, victim, SIGKILL, &weir) ||
            !bare_once(bench, table, stream, i, &bare) || !replace(bench, takeover, older)) {
            return false;
        }
        if (older) {
            samples_add(&leaders, weir.value[i]);
        }
    }
    report(bench, &weir, &leaders, &bare);
    return true;
}

bool
bench_measure_failover(struct bench *bench)
{
    static struct takeover takeover;
    struct bare table = {NULL, 0};
    struct bare stream = {NULL, 0};
    char table_path[BENCH_PATH_SIZE];
    char stream_path[BENCH_PATH_SIZE];
    bool ok;

    takeover = (struct takeover){.fleet = {.shards = FAILOVER_SHARDS, .processor = BENCH_TRACK}};
    ok = prepare(bench, &takeover) && bench_folder(bench, "table", table_path) &&
         bench_folder(bench, "records", stream_path) &&
         bare_open(table_path, true, &table, bench->failure) &&
         bare_open(stream_path, false, &stream, bench->failure) &&
         bare_append(&stream, 10000, 100, bench->failure) &&
         alternate(bench, &takeover, &table, &stream);
    bare_close(&table);
    bare_close(&stream);
    rounds_close(&takeover.rounds);
    bench_kill_all(bench);
    return ok;
}

bool
bench_measure_hang(struct bench *bench)
{
    static struct takeover takeover;
    static struct samples samples;
    const size_t repetitions = bench_count(bench, 4, 1);
    bool ok;

    takeover = (struct takeover){
        .fleet = {
            .shards = HANG_SHARDS, .lease_duration_ms = HANG_LEASE_MS, .processor = BENCH_TRACK}};
    samples.count = 0;
    ok = prepare(bench, &takeover);
    for (size_t i = 0; ok && i < repetitions; i++) {
        const bool older = i % 2 == 0;
        const size_t victim = older ? takeover.older : takeover.newer;
        ok = measure_once(bench, &takeover, victim, SIGSTOP, &samples) &&
             replace(bench, &takeover, older);
    }
    rounds_close(&takeover.rounds);
    if (ok) {
        const struct bench_result result = {
            .value = samples_quantile(&samples, 1),
            .limit = HANG_LEASE_MS,
            .min = samples_quantile(&samples, 0),
            .max = samples_quantile(&samples, 1),
            .note = "the longest; limit: the lease duration"};
        bench_report(bench, "hang_takeover", &result);
    }
    bench_kill_all(bench);
    return ok;
}
