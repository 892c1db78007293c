#include "bench/fleet.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/app.h>
#include <weir/error.h>
#include <weir/stream.h>

#include "bench/clock.h"
#include "bench/harness.h"
#include "bench/shared.h"

/* How long a fleet may take to settle. */
#define SETTLE_LIMIT_MS 60000
#define LOOK_NS         (20 * BENCH_MS)
/* Records that wait to be seen are looked for as often. */
#define SEEN_NS       (BENCH_MS / 5)
#define SEEN_LIMIT_MS 20000

bool
fleet_create(struct bench *bench, struct fleet *fleet, const char *name)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_detail detail = {""};

    bench_forget(bench);
    if (!bench_folder(bench, name, fleet->data)) {
        return false;
    }
    options.shards = fleet->shards;
    return bench_check(
        bench,
        weir_stream_create(bench->env, fleet->data, FLEET_STREAM, &options, &detail),
        &detail,
        "create a stream");
}

bool
fleet_worker(struct bench *bench, const struct fleet *fleet, size_t index)
{
    struct bench_slot *slot = bench_slot(bench, index, BENCH_ROLE_WORKER);

    slot->processor = fleet->processor;
    slot->lease_duration_ms = fleet->lease_duration_ms;
    (void)snprintf(slot->directory, sizeof slot->directory, "%s", fleet->data);
    (void)snprintf(slot->stream, sizeof slot->stream, "%s", FLEET_STREAM);
    (void)snprintf(slot->application, sizeof slot->application, "%s", FLEET_APPLICATION);
    return bench_start(bench, index);
}

size_t
fleet_shard_index(const char *shard_id)
{
    const char *digits = strrchr(shard_id, '-');
    size_t index = 0;

    for (digits = digits == NULL ? "" : digits + 1; *digits >= '0' && *digits <= '9'; digits++) {
        index = index * 10 + (size_t)(*digits - '0');
    }
    return index < BENCH_SHARDS_MAX ? index : BENCH_SHARDS_MAX - 1;
}

/* What fleet_balanced() waits for. */
struct balance {
    const struct fleet *fleet;
    size_t workers;
};

/* The table may not exist yet, and leases may be on their way. */
static bool
describe(struct bench *bench, const struct fleet *fleet, struct weir_app_description *ret)
{
    struct weir_detail detail = {""};
    const enum weir_error error =
        weir_app_describe(bench->env, fleet->data, FLEET_APPLICATION, ret, &detail);

    if (error != WEIR_OK && error != WEIR_ENOTFOUND && error != WEIR_EBUSY) {
        (void)bench_check(bench, error, &detail, "describe the application");
    }
    return error == WEIR_OK;
}

static bool
shares_are_equal(const struct weir_app_description *app, const struct balance *balance)
{
    const size_t least = app->shard_count / balance->workers;
    size_t with_leases = 0;

    for (size_t i = 0; i < app->shard_count; i++) {
        if (app->shards[i].state != WEIR_SHARD_PROCESSING) {
            return false;
        }
    }
    for (size_t i = 0; i < app->worker_count; i++) {
        const uint64_t leases = app->workers[i].leases;
        with_leases += leases > 0 ? 1 : 0;
        if (leases > 0 && (leases < least || leases > least + 1)) {
            return false;
        }
    }
    return with_leases == balance->workers && app->shard_count == balance->fleet->shards;
}

static bool
is_balanced(struct bench *bench, void *context)
{
    const struct balance *balance = context;
    struct weir_app_description app;
    bool balanced;

    if (!describe(bench, balance->fleet, &app)) {
        return false;
    }
    balanced = shares_are_equal(&app, balance);
    weir_app_description_free(bench->env, &app);
    return balanced;
}

bool
fleet_balanced(struct bench *bench, const struct fleet *fleet, size_t workers)
{
    struct balance balance = {fleet, workers};

    return bench_until(bench, is_balanced, &balance, LOOK_NS, SETTLE_LIMIT_MS) ||
           bench_fail(
               bench,
               "%" PRIu32 " shards were not in balance on %zu workers within %d s",
               fleet->shards,
               workers,
               SETTLE_LIMIT_MS / 1000);
}

bool
fleet_epochs(struct bench *bench, const struct fleet *fleet, uint64_t *ret)
{
    struct weir_app_description app;
    uint64_t sum = 0;

    if (!describe(bench, fleet, &app)) {
        return bench_fail(bench, "the application cannot be described");
    }
    for (size_t i = 0; i < app.shard_count; i++) {
        sum += app.shards[i].lease_epoch;
    }
    weir_app_description_free(bench->env, &app);
    *ret = sum;
    return true;
}

/* What fleet_seen() waits for. */
struct seen {
    uint32_t shards;
    uint64_t rounds;
};

static bool
is_seen(struct bench *bench, void *context)
{
    const struct seen *seen = context;

    for (uint32_t i = 0; i < seen->shards; i++) {
        if (bench->shared->shard[i].next_index < seen->rounds) {
            return false;
        }
    }
    return true;
}

bool
fleet_seen(struct bench *bench, const struct fleet *fleet, uint64_t rounds)
{
    struct seen seen = {fleet->shards, rounds};

    return bench_until(bench, is_seen, &seen, SEEN_NS, SEEN_LIMIT_MS) ||
           bench_fail(bench, "records were not processed within %d s", SEEN_LIMIT_MS / 1000);
}
