#include "sim/sim_fault.h"

#include <stdint.h>
#include <string.h>

#include <weir/sim.h>
#include <weir/types.h>

#include "core/check.h"
#include "sim/sim_world.h"

/* A duration for incidents is drawn up to so many lease durations. */
#define LONGEST_IN_D 4
/* A bound on the leases of a worker; one worker alone must be able to hold all. */
#define LEASES_MAX 64

/* What a kind of fault needs to make sense. */
enum place {
    ANYWHERE,
    ONE_HOST, /* the table is a file of the same host */
    REMOTE    /* it lies beyond a network */
};

/* How a kind is drawn: `most` is the highest rate per million, or the most incidents. */
static const struct fault {
    const char *name;
    enum place place;
    bool is_incident;
    bool has_length;
    uint32_t most;
} faults[] = {
    [WI_SIM_LATE] = {"late", ANYWHERE, false, false, 50000},
    [WI_SIM_LOST] = {"lost", REMOTE, false, false, 100000},
    [WI_SIM_LOST_ANSWER] = {"lost-answer", REMOTE, false, false, 100000},
    [WI_SIM_DOUBLED] = {"doubled", REMOTE, false, false, 200000},
    [WI_SIM_UNKNOWN] = {"unknown", ANYWHERE, false, false, 50000},
    [WI_SIM_THROTTLED] = {"throttled", ANYWHERE, false, false, 100000},
    [WI_SIM_LOST_HINT] = {"lost-hint", ANYWHERE, false, false, 500000},
    [WI_SIM_STREAM_LATE] = {"stream-late", ANYWHERE, false, false, 50000},
    [WI_SIM_STREAM_LOST] = {"stream-lost", ANYWHERE, false, false, 100000},
    [WI_SIM_STREAM_THROTTLED] = {"stream-throttled", ANYWHERE, false, false, 100000},
    [WI_SIM_EXPIRED_ITERATOR] = {"expired-iterator", ANYWHERE, false, false, 50000},
    [WI_SIM_STALE_SHARDS] = {"stale-shards", REMOTE, false, false, 300000},
    [WI_SIM_SLOW_PROCESSOR] = {"slow-processor", ANYWHERE, false, false, 20000},
    [WI_SIM_FAILING_PROCESSOR] = {"failing-processor", ANYWHERE, false, false, 50000},
    [WI_SIM_DRIFT] = {"drift", REMOTE, false, false, 1000000},
    [WI_SIM_CRASH] = {"crash", ANYWHERE, true, true, 4},
    [WI_SIM_CRASH_LEADER] = {"crash-leader", ANYWHERE, true, true, 3},
    [WI_SIM_STOP] = {"stop", ANYWHERE, true, true, 4},
    [WI_SIM_STOP_LOCKED] = {"stop-locked", ONE_HOST, true, true, 2},
    [WI_SIM_SUSPEND] = {"suspend", ANYWHERE, true, true, 1},
    [WI_SIM_WALL_JUMP] = {"wall-jump", ANYWHERE, true, false, 3},
    [WI_SIM_CUT] = {"cut", REMOTE, true, true, 3},
    [WI_SIM_CUT_REQUESTS] = {"cut-requests", REMOTE, true, true, 2},
    [WI_SIM_CUT_ANSWERS] = {"cut-answers", REMOTE, true, true, 2},
    [WI_SIM_CUT_STREAM] = {"cut-stream", ANYWHERE, true, true, 2},
    [WI_SIM_SPLIT] = {"split", ANYWHERE, true, false, 4},
    [WI_SIM_MERGE] = {"merge", ANYWHERE, true, false, 3},
    [WI_SIM_STORM] = {"storm", ANYWHERE, true, false, 1},
    [WI_SIM_TRIM] = {"trim", ANYWHERE, true, false, 2},
    [WI_SIM_HANG] = {"hang", ANYWHERE, true, true, 2},
    [WI_SIM_POISON] = {"poison", ANYWHERE, true, true, 2},
    [WI_SIM_KILLER] = {"killer", ANYWHERE, true, true, 1},
    [WI_SIM_CORRUPT_RECORD] = {"corrupt-record", ANYWHERE, true, true, 2},
    [WI_SIM_FULL_DISK] = {"full-disk", ANYWHERE, true, true, 2},
    [WI_SIM_DAMAGED_ROW] = {"damaged-row", ANYWHERE, true, true, 2},
    [WI_SIM_NEWER_ROW] = {"newer-row", ANYWHERE, true, true, 2},
    [WI_SIM_JOIN] = {"join", ANYWHERE, true, false, 3},
    [WI_SIM_DRAIN] = {"drain", ANYWHERE, true, true, 3},
    [WI_SIM_OPERATOR_DRAIN] = {"operator-drain", ANYWHERE, true, true, 1},
    [WI_SIM_OPERATOR_MOVE] = {"operator-move", ANYWHERE, true, false, 3},
    [WI_SIM_UPGRADE] = {"upgrade", ANYWHERE, true, true, 1},
    [WI_SIM_POWER_LOSS] = {"power-loss", ONE_HOST, true, true, 1},
};
_Static_assert(WI_ARRAY_LENGTH(faults) == WI_SIM_FAULTS, "one row for each kind");

const char *
wi_sim_fault_name(enum wi_sim_fault fault)
{
    WEIR_ASSERT(fault < WI_SIM_FAULTS);
    return faults[fault].name;
}

bool
wi_sim_fault_find(const char *name, enum wi_sim_fault *ret)
{
    for (unsigned i = 0; i < WI_SIM_FAULTS; i++) {
        if (strcmp(faults[i].name, name) == 0) {
            *ret = (enum wi_sim_fault)i;
            return true;
        }
    }
    return false;
}

bool
wi_sim_fault_hinders_writes(enum wi_sim_fault fault)
{
    return (fault >= WI_SIM_LATE && fault <= WI_SIM_THROTTLED) ||
           (fault >= WI_SIM_STOP && fault <= WI_SIM_SUSPEND) ||
           (fault >= WI_SIM_CUT && fault <= WI_SIM_CUT_ANSWERS) ||
           (fault >= WI_SIM_FULL_DISK && fault <= WI_SIM_NEWER_ROW);
}

/* --- the shape ------------------------------------------------------------------------------- */

static int64_t
draw(struct wi_sim_world *world, int64_t low, int64_t high)
{
    return wi_sim_log_between(world, WI_SIM_RANDOM_CONFIG, low, high);
}

static uint64_t
one_of(struct wi_sim_world *world, uint64_t count)
{
    return wi_sim_below(world, WI_SIM_RANDOM_CONFIG, count);
}

static void
draw_times(struct wi_sim_world *world, struct wi_sim_config *config)
{
    int64_t duration_ms = draw(world, 200, 10000);

    config->lease_duration_ms = duration_ms;
    config->handoff_timeout_ms = draw(world, duration_ms / 4 + 1, 3 * duration_ms);
    config->drain_timeout_ms = draw(world, duration_ms, 6 * duration_ms);
    config->shard_sync_interval_ms = draw(world, 100, 10000);
    config->retry_base_ms = draw(world, 1, 100);
    config->retry_cap_ms = draw(world, config->retry_base_ms, 2000);
    config->chaos_ms = draw(world, 12 * duration_ms, 30 * duration_ms);
    config->put_interval_us =
        config->chaos_ms * 1000 / draw(world, 100, 2000);     /* so many puts in all */
    if (config->initial_position.type == WEIR_AT_TIMESTAMP) { /* in the past, or to come */
        int64_t after_ms = wi_sim_between(
            world, WI_SIM_RANDOM_CONFIG, -config->chaos_ms / 8, config->chaos_ms / 3);

        config->initial_position.timestamp_ms = wi_sim_wall_ms(world, after_ms * WI_SIM_NS_PER_MS);
    }
}

static void
draw_shape(struct wi_sim_world *world, struct wi_sim_config *config)
{
    config->remote = one_of(world, 2) == 0;
    config->workers = (uint32_t)draw(world, 1, 6);
    config->shards = (uint32_t)draw(world, 1, 12);
    config->keys = (uint32_t)draw(world, 1, 64);
    config->leases_max = one_of(world, 8) == 0 ? LEASES_MAX : 0;
    config->batch_records_max = (uint32_t)draw(world, 1, 64);
    config->buffer_fetches = (uint64_t)draw(world, 1, 64);
    config->automatic_checkpoints = one_of(world, 4) != 0;
    config->checkpoint_interval_ms = draw(world, 5, 1000);
    config->checkpoint_records = one_of(world, 3) == 0 ? (uint64_t)draw(world, 1, 200) : 0;
    config->strict = one_of(world, 8) == 0;
    config->sink = (enum wi_sim_sink_kind)one_of(world, 3);
    config->two_versions = one_of(world, 4) == 0;
    config->threads = one_of(world, 3) == 0 ? (uint32_t)draw(world, 1, 8) : 0;
    config->prepares = one_of(world, 2) == 0 && !config->automatic_checkpoints;
    config->initial_position.type = one_of(world, 6) == 0   ? WEIR_LATEST
                                    : one_of(world, 5) == 0 ? WEIR_AT_TIMESTAMP
                                                            : WEIR_TRIM_HORIZON;
}

/* One run in eight. There is time to see what a worker that leaves does not give up by itself. */
static void
draw_calm(struct wi_sim_world *world, struct wi_sim_config *config)
{
    config->calm = one_of(world, 8) == 0;
    if (config->calm) {
        config->drain_timeout_ms = 2 * wi_sim_calm_watch_ms(config);
    }
}

/* --- faults ---------------------------------------------------------------------------------- */

static bool
fits(enum wi_sim_fault fault, const struct wi_sim_config *config)
{
    enum place place = faults[fault].place;

    return (place == ANYWHERE || (place == REMOTE) == config->remote) &&
           !(config->calm && wi_sim_fault_hinders_writes(fault));
}

static void
draw_rates(struct wi_sim_world *world, uint64_t without, struct wi_sim_config *config)
{
    for (unsigned i = 0; i < WI_SIM_FAULTS; i++) {
        bool is_on = wi_sim_below(world, WI_SIM_RANDOM_FAULTS, 2) == 0;
        uint32_t rate =
            faults[i].is_incident
                ? 0
                : (uint32_t)wi_sim_log_between(world, WI_SIM_RANDOM_FAULTS, 100, faults[i].most);

        if (is_on && fits((enum wi_sim_fault)i, config) && (without >> i & 1) == 0) {
            config->rate[i] = rate;
        }
    }
}

/* One incident in four ends when others may just be taking over: between 3/4 D and 11/4 D. */
static int64_t
around_lease_duration(const struct wi_sim_config *config, uint64_t random)
{
    int64_t duration_ms = config->lease_duration_ms;

    return duration_ms * 3 / 4 + (int64_t)((random >> 16) % (uint64_t)(2 * duration_ms));
}

static void
draw_incident(struct wi_sim_world *world, enum wi_sim_fault fault, struct wi_sim_plan *plan)
{
    const struct wi_sim_config *config = &plan->config;
    int64_t chaos_ns = config->chaos_ms * WI_SIM_NS_PER_MS;
    struct wi_sim_incident incident = {
        .time_ns = wi_sim_between(world, WI_SIM_RANDOM_FAULTS, chaos_ns / 50, chaos_ns),
        .fault = fault,
        .slot = (uint32_t)wi_sim_below(world, WI_SIM_RANDOM_FAULTS, WI_SIM_SLOTS_MAX),
        .argument = wi_sim_below(world, WI_SIM_RANDOM_FAULTS, UINT64_MAX),
    };
    int64_t longest_ms = LONGEST_IN_D * config->lease_duration_ms;
    int64_t length_ms = wi_sim_log_between(world, WI_SIM_RANDOM_FAULTS, 1, longest_ms);

    if (incident.argument >> 62 == 0) {
        length_ms = around_lease_duration(config, incident.argument);
    }
    incident.duration_ms = faults[fault].has_length ? length_ms : 0;
    if (plan->incident_count < WI_SIM_INCIDENTS_MAX) {
        plan->incidents[plan->incident_count++] = incident;
    }
}

/* By time; equal ones stay in the order in which they were drawn. */
static void
sort_incidents(struct wi_sim_plan *plan)
{
    for (size_t i = 1; i < plan->incident_count; i++) {
        struct wi_sim_incident moved = plan->incidents[i];
        size_t place = i;

        while (place > 0 && moved.time_ns < plan->incidents[place - 1].time_ns) {
            plan->incidents[place] = plan->incidents[place - 1];
            place--;
        }
        plan->incidents[place] = moved;
    }
}

static void
draw_incidents(struct wi_sim_world *world, struct wi_sim_plan *plan)
{
    for (unsigned i = 0; i < WI_SIM_FAULTS; i++) {
        bool is_on = wi_sim_below(world, WI_SIM_RANDOM_FAULTS, 2) == 0;
        uint64_t count = 0;

        if (!faults[i].is_incident) {
            continue;
        }
        count = 1 + wi_sim_below(world, WI_SIM_RANDOM_FAULTS, faults[i].most);
        if (!is_on || !fits((enum wi_sim_fault)i, &plan->config)) {
            continue;
        }
        for (; count > 0; count--) {
            draw_incident(world, (enum wi_sim_fault)i, plan);
        }
    }
    sort_incidents(plan);
}

/* After everything is drawn, so that leaving something out does not change the rest. */
static void
apply_limits(const struct weir_sim_limits *limits, struct wi_sim_plan *plan)
{
    struct wi_sim_config *config = &plan->config;
    size_t kept = 0;

    if (limits->workers > 0 && limits->workers < config->workers) {
        config->workers = limits->workers;
    }
    if (limits->shards > 0 && limits->shards < config->shards) {
        config->shards = limits->shards;
    }
    if (limits->chaos_ms > 0 && limits->chaos_ms < config->chaos_ms) {
        config->chaos_ms = limits->chaos_ms;
    }
    for (size_t i = 0; i < plan->incident_count; i++) {
        if ((limits->skip >> i & 1) == 0 &&
            (limits->without >> plan->incidents[i].fault & 1) == 0 &&
            plan->incidents[i].time_ns <= config->chaos_ms * WI_SIM_NS_PER_MS) {
            plan->incidents[kept++] = plan->incidents[i];
        }
    }
    plan->incident_count = kept;
}

void
wi_sim_plan_draw(
    struct wi_sim_world *world, const struct weir_sim_limits *limits, struct wi_sim_plan *ret)
{
    *ret = (struct wi_sim_plan){0};
    draw_shape(world, &ret->config);
    draw_times(world, &ret->config);
    draw_calm(world, &ret->config);
    draw_rates(world, limits->without, &ret->config);
    draw_incidents(world, ret);
    apply_limits(limits, ret);
}
