/* One seed from start to end: chaos, then no faults and everything is to come right, then everybody
 * leaves, then it is quiet. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/sim.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "sim/checker.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_fault.h"
#include "sim/sim_fiber.h"
#include "sim/sim_node.h"
#include "sim/sim_row.h"
#include "sim/sim_sink.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_user.h"
#include "sim/sim_world.h"

#define HASH_START UINT64_C(0xcbf29ce484222325)
/* Records go on for so many lease durations after the end of the faults. */
#define PUTS_AFTER_D 6
/* What a fault has delayed is over so many lease durations, and a timeout, after the last one. */
#define AFTERMATH_D 3
/* Everything is to be right so many lease durations, and this time, after it. */
#define SETTLE_D  24
#define SETTLE_MS 60000
/* Steps of one run; more means a loop without progress in time. */
#define STEPS_MAX 3000000U

static int64_t
duration_ns(const struct wi_sim *sim)
{
    return sim->plan.config.lease_duration_ms * WI_SIM_NS_PER_MS;
}

static void
post_plain(
    struct wi_sim *sim,
    int64_t after_ns,
    void (*run)(struct wi_sim *sim, const struct wi_sim_event *event))
{
    wi_sim_post(
        &sim->world,
        (struct wi_sim_event){
            .time_ns = sim->world.now_ns + after_ns, .run = run, .node = WI_SIM_NOBODY});
}

/* How long faults are felt after the last one. */
static int64_t
aftermath_ns(const struct wi_sim *sim)
{
    return AFTERMATH_D * duration_ns(sim) + WI_SIM_REQUEST_TIMEOUT_MS * WI_SIM_NS_PER_MS;
}

/* In a calm run something goes wrong after the last fault, among records. */
static int64_t
puts_end_ns(const struct wi_sim *sim)
{
    return sim->plan.config.chaos_ms * WI_SIM_NS_PER_MS + PUTS_AFTER_D * duration_ns(sim) +
           (sim->plan.config.calm ? aftermath_ns(sim) : 0);
}

/* --- workload -------------------------------------------------------------------------------- */

static void
put(struct wi_sim *sim, const struct wi_sim_event *event)
{
    int64_t mean_us = sim->plan.config.put_interval_us;
    int64_t end_ns = puts_end_ns(sim);
    uint64_t burst = wi_sim_below(&sim->world, WI_SIM_RANDOM_WORKLOAD, 5);

    (void)event;
    for (uint64_t i = 0; i <= burst; i++) {
        wi_sim_stream_put(sim);
    }
    if (sim->world.now_ns < end_ns) {
        post_plain(
            sim,
            wi_sim_between(&sim->world, WI_SIM_RANDOM_WORKLOAD, 1, 6 * mean_us) * WI_SIM_NS_PER_US,
            put);
    }
}

static void
start_node(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->argument];

    if (!wi_sim_node_is_alive(node) && !node->is_member) {
        node->returns = true;
        wi_sim_node_start(sim, node);
    }
}

static void
start_fleet(struct wi_sim *sim)
{
    bool at_once = wi_sim_below(&sim->world, WI_SIM_RANDOM_NODES, 2) == 0;

    for (uint32_t i = 0; i < sim->plan.config.workers; i++) {
        int64_t latest_ms = at_once ? 1 : sim->plan.config.lease_duration_ms;

        wi_sim_post(
            &sim->world,
            (struct wi_sim_event){
                .time_ns = wi_sim_between(&sim->world, WI_SIM_RANDOM_NODES, 0, latest_ms) *
                           WI_SIM_NS_PER_MS,
                .run = start_node,
                .argument = i,
                .node = WI_SIM_NOBODY});
    }
}

/* --- stages ---------------------------------------------------------------------------------- */

/* Closed before anybody asked what LATEST means in it: nothing of it is wanted. */
static bool
is_out_of_scope(struct wi_sim *sim, uint32_t number)
{
    return sim->plan.config.initial_position.type == WEIR_LATEST && !sim->is_anchored[number - 1] &&
           wi_sim_shard(sim, number)->shard.closed;
}

static bool
is_processed(struct wi_sim *sim, uint32_t number)
{
    const struct wi_sim_shard *shard = wi_sim_shard(sim, number);
    uint64_t last = shard->count > 0 ? shard->records[shard->count - 1].sequence : 0;
    const struct weir_position *start = &sim->plan.config.initial_position;

    if (shard->count > 0 && start->type == WEIR_AT_TIMESTAMP &&
        shard->records[shard->count - 1].arrival_ms < start->timestamp_ms) {
        return true; /* nothing of it is wanted */
    }
    return shard->count == shard->trimmed || sim->covered[number - 1] >= last ||
           sim->anchor[number - 1] >= last;
}

/* Every record that retention has left was processed, and every closed shard has ended. */
static bool
is_settled(struct wi_sim *sim, uint32_t *ret_shard)
{
    for (uint32_t number = 1; number <= sim->stream.count; number++) {
        const struct wi_sim_shard *shard = wi_sim_shard(sim, number);
        bool has_ended = !shard->shard.closed || shard->removed ||
                         wi_sim_store_has_ended(sim, shard->shard.shard_id);

        if (!is_out_of_scope(sim, number) && (!is_processed(sim, number) || !has_ended)) {
            *ret_shard = number;
            return false;
        }
    }
    return true;
}

static uint32_t
count_alive(const struct wi_sim *sim)
{
    uint32_t alive = 0;

    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        alive += wi_sim_node_is_alive(&sim->nodes[i]) ? 1 : 0;
    }
    return alive;
}

/* All have left: nobody comes back, and nothing is under way. */
static void
quiet(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_history_event told = {.kind = WI_HISTORY_QUIET};
    int64_t end_ns = (int64_t)event->argument;

    if (count_alive(sim) > 0 && sim->world.now_ns < end_ns) {
        wi_sim_post(
            &sim->world,
            (struct wi_sim_event){.time_ns = sim->world.now_ns + duration_ns(sim) / 4,
                                  .run = quiet,
                                  .argument = event->argument,
                                  .node = WI_SIM_NOBODY});
        return;
    }
    sim->stage = WI_SIM_QUIET;
    if (count_alive(sim) > 0) {
        wi_sim_fail(sim, "L7", "no wedge", "a worker that was told to leave is still there");
    }
    wi_sim_tell(sim, &told);
    if (wi_sim_has_user(sim) && !sim->is_violated) {
        wi_sim_user_judge(sim);
    }
}

static void
ask_to_leave(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->argument];

    if (wi_sim_node_is_alive(node)) {
        node->returns = false;
        wi_sim_node_begin_drain(sim, node);
        wi_sim_node_turn(sim, node);
    }
}

static void
leave(struct wi_sim *sim)
{
    const struct wi_sim_config *config = &sim->plan.config;
    int64_t longest_ms = config->drain_timeout_ms + 8 * config->lease_duration_ms + SETTLE_MS;
    int64_t end_ns = sim->world.now_ns + longest_ms * WI_SIM_NS_PER_MS;

    sim->stage = WI_SIM_LEAVING;
    wi_sim_note(sim, "everybody leaves");
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        wi_sim_post(
            &sim->world,
            (struct wi_sim_event){
                .time_ns = sim->world.now_ns +
                           wi_sim_between(&sim->world, WI_SIM_RANDOM_NODES, 0, duration_ns(sim)),
                .run = ask_to_leave,
                .argument = i,
                .node = WI_SIM_NOBODY});
    }
    wi_sim_post(
        &sim->world,
        (struct wi_sim_event){.time_ns = sim->world.now_ns + duration_ns(sim) + 1,
                              .run = quiet,
                              .argument = (uint64_t)end_ns,
                              .node = WI_SIM_NOBODY});
}

static void
look(struct wi_sim *sim, const struct wi_sim_event *event)
{
    int64_t chaos_ns = sim->plan.config.chaos_ms * WI_SIM_NS_PER_MS;
    int64_t watch_ns =
        sim->plan.config.calm ? wi_sim_calm_watch_ms(&sim->plan.config) * WI_SIM_NS_PER_MS : 0;
    int64_t stay_ns = puts_end_ns(sim) + 2 * duration_ns(sim) + watch_ns;
    int64_t end_ns = stay_ns + SETTLE_D * duration_ns(sim) + SETTLE_MS * WI_SIM_NS_PER_MS;
    uint32_t shard = 0;
    bool settled = is_settled(sim, &shard);
    char text[128];

    (void)event;
    if (!settled && sim->world.now_ns >= end_ns) {
        (void)snprintf(
            text,
            sizeof text,
            "shard %u was not processed to its end %" PRId64 " ms after the last fault",
            (unsigned)shard,
            (sim->world.now_ns - chaos_ns) / WI_SIM_NS_PER_MS);
        wi_sim_fail(sim, "L5", "drain", text);
    } else if (settled && sim->world.now_ns >= stay_ns) {
        leave(sim);
    } else {
        post_plain(sim, duration_ns(sim) / 2, look);
    }
}

/* What the faults had left under way has arrived, or was given up: from now on the bounds hold. */
static void
healed(struct wi_sim *sim, const struct wi_sim_event *event)
{
    const struct wi_history_event told = {.kind = WI_HISTORY_HEALED};

    (void)event;
    wi_sim_tell(sim, &told);
    if (sim->plan.config.calm) {
        wi_sim_calm_begin(sim);
    }
    post_plain(sim, duration_ns(sim), look);
}

static void
heal(struct wi_sim *sim, const struct wi_sim_event *event)
{
    (void)event;
    sim->stage = WI_SIM_HEALED;
    wi_sim_note(sim, "no faults from now on");
    wi_sim_incidents_heal(sim);
    post_plain(sim, aftermath_ns(sim), healed);
}

/* --- the run --------------------------------------------------------------------------------- */

static void
dispatch(struct wi_sim *sim, struct wi_sim_event *event)
{
    if (event->node != WI_SIM_NOBODY) {
        const struct wi_sim_node *node = &sim->nodes[event->node];

        if (node->life != event->life) {
            if (event->drop != NULL) {
                event->drop(sim, event);
            }
            return;
        }
        if (node->stopped_until_ns > sim->world.now_ns) {
            event->time_ns = node->stopped_until_ns;
            wi_sim_post(&sim->world, *event);
            return;
        }
    }
    wi_sim_mix(sim, (uint64_t)event->time_ns);
    wi_sim_mix(sim, (uint64_t)event->node << 32 | event->life);
    event->run(sim, event);
}

static void
run(struct wi_sim *sim)
{
    struct wi_sim_event event;

    while (!sim->is_violated && sim->stage != WI_SIM_QUIET && wi_sim_next(&sim->world, &event)) {
        dispatch(sim, &event);
        if (sim->world.steps > STEPS_MAX || sim->world.now_ns > WI_SIM_END_NS) {
            wi_sim_fail(sim, "L7", "no wedge", "the run does not come to an end");
        }
    }
}

/* Whether writes to the table may fail: then a planned move may end as a lost lease (G5). */
static bool
has_write_faults(const struct wi_sim *sim)
{
    const struct wi_sim_plan *plan = &sim->plan;
    bool has = false;

    for (unsigned i = 0; i < WI_SIM_FAULTS; i++) {
        has |= plan->config.rate[i] > 0 && wi_sim_fault_hinders_writes((enum wi_sim_fault)i);
    }
    for (size_t i = 0; i < plan->incident_count; i++) {
        has |= wi_sim_fault_hinders_writes(plan->incidents[i].fault);
    }
    return has;
}

/* Bounds after the last fault, with room for what is still on its way then: a request that times
 * out, a slow batch. */
static enum weir_error
open_checker(struct wi_sim *sim)
{
    const struct wi_sim_config *config = &sim->plan.config;
    int64_t duration_ms = config->lease_duration_ms;
    int64_t slack_ms = INT64_C(3) * WI_SIM_REQUEST_TIMEOUT_MS;
    const struct wi_checker_settings settings = {
        .lease_duration_ms = duration_ms,
        .crash_takeover_ms = config->calm && !config->remote ? wi_sim_calm_takeover_ms(config)
                                                             : 3 * duration_ms + slack_ms,
        .hang_takeover_ms = 3 * duration_ms + slack_ms,
        .balance_ms = 8 * duration_ms + config->handoff_timeout_ms + slack_ms,
        .progress_ms = 6 * duration_ms + config->retry_cap_ms + slack_ms,
        .reshard_ms = 4 * duration_ms + config->shard_sync_interval_ms + slack_ms,
        .stop_ms = config->calm ? wi_sim_calm_stop_ms(config)
                                : 4 * duration_ms + config->drain_timeout_ms + slack_ms,
        .free_moves = config->automatic_checkpoints && !has_write_faults(sim),
        .starts_at_tip = config->initial_position.type == WEIR_LATEST,
        .fenced_sink = config->sink != WI_SIM_SINK_PLAIN,
        .exactly_once_sink = config->sink == WI_SIM_SINK_EXACTLY_ONCE,
        .starts_at_time = config->initial_position.type == WEIR_AT_TIMESTAMP};

    return wi_checker_new(&sim->world.env, &settings, &sim->checker);
}

static void
note_plan(struct wi_sim *sim, uint64_t seed)
{
    const struct wi_sim_config *config = &sim->plan.config;

    wi_sim_note(
        sim,
        "seed %" PRIu64 ": %s, %u workers, %u shards, D %" PRId64 " ms, chaos %" PRId64
        " ms, %s checkpoints, sink %d, %u threads, start %d",
        seed,
        config->remote ? "remote table" : "one host",
        (unsigned)config->workers,
        (unsigned)config->shards,
        config->lease_duration_ms,
        config->chaos_ms,
        config->automatic_checkpoints ? "automatic" : "explicit",
        (int)config->sink,
        (unsigned)config->threads,
        (int)config->initial_position.type);
    for (unsigned i = 0; i < WI_SIM_FAULTS; i++) {
        if (config->rate[i] > 0) {
            wi_sim_note(
                sim,
                "rate of %s: %u in a million",
                wi_sim_fault_name((enum wi_sim_fault)i),
                (unsigned)config->rate[i]);
        }
    }
}

static void
count_start(struct wi_sim *sim)
{
    const struct weir_position *start = &sim->plan.config.initial_position;
    bool is_to_come = start->timestamp_ms > wi_sim_wall_ms(&sim->world, 0);

    if (start->type == WEIR_AT_TIMESTAMP) {
        wi_sim_count_scenario(
            sim, is_to_come ? WI_SIM_STARTED_AT_TIME_TO_COME : WI_SIM_STARTED_AT_TIMESTAMP);
    } else {
        wi_sim_count_scenario(
            sim, start->type == WEIR_LATEST ? WI_SIM_STARTED_AT_LATEST : WI_SIM_STARTED_AT_HORIZON);
    }
}

static void
close_all(struct wi_sim *sim)
{
    struct wi_sim_event event;

    sim->is_violated = true; /* nothing is told any more */
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        sim->nodes[i].returns = false;
        if (wi_sim_node_is_alive(&sim->nodes[i])) {
            wi_sim_node_crash(sim, &sim->nodes[i]);
        }
    }
    while (wi_sim_next(&sim->world, &event)) {
        if (event.drop != NULL) {
            event.drop(sim, &event);
        }
    }
    for (uint32_t i = 0; i < WI_SIM_SHARDS_MAX; i++) {
        wi_sim_row_remove(sim, i + 1);
    }
    wi_sim_stream_free(sim);
    wi_sim_store_free(sim);
    wi_sim_database_free(sim);
    wi_sim_fibers_free(&sim->users.fibers);
    wi_checker_free(sim->checker);
    wi_sim_world_free(&sim->world);
}

static void
copy_text(char *to, size_t size, const char *from)
{
    (void)snprintf(to, size, "%s", from == NULL ? "" : from);
}

static void
judge(const struct wi_sim *sim, struct weir_sim_verdict *ret)
{
    *ret = (struct weir_sim_verdict){
        .failed = sim->is_violated,
        .trace_hash = sim->hash,
        .steps = sim->world.steps,
        .events = sim->events,
        .records = sim->stream.puts,
        .simulated_ms = sim->world.now_ns / WI_SIM_NS_PER_MS,
        .failed_at_ms = sim->is_violated ? sim->world.now_ns / WI_SIM_NS_PER_MS : 0,
        .incidents = (uint32_t)sim->plan.incident_count,
        .workers = sim->plan.config.workers,
        .shards = sim->plan.config.shards,
        .chaos_ms = sim->plan.config.chaos_ms};
    if (sim->is_violated) {
        copy_text(ret->property, sizeof ret->property, sim->violation.property);
        copy_text(ret->name, sizeof ret->name, sim->violation.name);
        copy_text(ret->text, sizeof ret->text, sim->violation.text);
    }
}

static void
add_up(struct weir_sim_statistics *statistics, const struct weir_sim_verdict *verdict)
{
    statistics->seeds++;
    statistics->failures += verdict->failed ? 1 : 0;
    statistics->steps += verdict->steps;
    statistics->records += verdict->records;
    statistics->simulated_ms += verdict->simulated_ms;
}

static bool
is_sound(const struct weir_sim_application *application)
{
    return application == NULL ||
           (application->struct_size == sizeof *application && application->worker_start != NULL);
}

enum weir_error
weir_sim_run(
    const struct weir_env *env,
    uint64_t seed,
    const struct weir_sim_options *options,
    struct weir_sim_verdict *ret,
    struct weir_sim_statistics *statistics)
{
    struct weir_sim_statistics unwanted = {0};
    struct wi_sim *sim = NULL;
    enum weir_error error = WEIR_OK;

    if (env == NULL || options == NULL || ret == NULL || options->struct_size != sizeof *options ||
        !is_sound(options->application)) {
        return WEIR_EINVAL;
    }
    sim = wi_alloc(env, sizeof *sim);
    if (sim == NULL) {
        return WEIR_ENOMEM;
    }
    sim->options = options;
    sim->statistics = statistics == NULL ? &unwanted : statistics;
    sim->hash = HASH_START;
    wi_sim_world_init(&sim->world, env, seed);
    wi_sim_plan_draw(&sim->world, &options->limits, &sim->plan);
    if (options->application != NULL) {
        sim->plan.config.sink = WI_SIM_SINK_PLAIN;
        sim->plan.config.automatic_checkpoints = !options->application->explicit_checkpoints;
    }
    note_plan(sim, seed);
    count_start(sim);
    error = open_checker(sim);
    if (error == WEIR_OK) {
        wi_sim_store_init(sim);
        wi_sim_nodes_init(sim);
        wi_sim_stream_init(sim);
        wi_sim_incidents_post(sim);
        start_fleet(sim);
        post_plain(sim, 0, put);
        post_plain(sim, sim->plan.config.chaos_ms * WI_SIM_NS_PER_MS, heal);
        run(sim);
        judge(sim, ret);
        add_up(sim->statistics, ret);
        close_all(sim);
        WEIR_ASSERT(sim->world.live_blocks == 0);
    }
    wi_free(env, sim);
    return error;
}
