#include "sim/sim_node.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/mono.h"
#include "sim/sim.h"
#include "sim/sim_consumer.h"
#include "sim/sim_fault.h"
#include "sim/sim_row.h"
#include "sim/sim_store.h"
#include "sim/sim_transition.h"
#include "sim/sim_world.h"
#include "worker/lease_renewer.h"

/* As in worker/worker_runtime.[ch]. */
#define LOST_WAKE_MS   1000
#define DRAIN_RETRY_MS 100

#define PPM       INT64_C(1000000)
#define DRIFT_PPM 100000 /* 10 %, the stated bound */
#define NEVER_NS  INT64_MAX

/* --- the clock ------------------------------------------------------------------------------- */

/* CLOCK_BOOTTIME of this process's host: never stops, runs at its own rate. */
struct weir_mono
wi_sim_node_now(const struct wi_sim *sim, const struct wi_sim_node *node)
{
    int64_t now_ns = sim->world.now_ns;

    return (struct weir_mono){node->clock_offset_ns + now_ns / PPM * node->clock_ppm +
                              now_ns % PPM * node->clock_ppm / PPM};
}

int64_t
wi_sim_node_true_ns(const struct wi_sim_node *node, struct weir_mono instant)
{
    int64_t local_ns = instant.ns - node->clock_offset_ns;

    if (wi_mono_is_never(instant)) {
        return NEVER_NS;
    }
    if (local_ns <= 0) {
        return 0;
    }
    return local_ns / node->clock_ppm * PPM +
           (local_ns % node->clock_ppm * PPM + node->clock_ppm - 1) / node->clock_ppm;
}

bool
wi_sim_node_is_alive(const struct wi_sim_node *node)
{
    return node->phase != WI_SIM_NODE_OVER;
}

void
wi_sim_nodes_init(struct wi_sim *sim)
{
    bool drifts = sim->plan.config.rate[WI_SIM_DRIFT] > 0;
    int64_t host_offset_ns =
        wi_sim_between(&sim->world, WI_SIM_RANDOM_NODES, 1, 1000000) * WI_SIM_NS_PER_MS;

    if (drifts) {
        wi_sim_count_fault(sim, WI_SIM_DRIFT);
    }
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        struct wi_sim_node *node = &sim->nodes[i];
        int64_t rate = wi_sim_between(&sim->world, WI_SIM_RANDOM_NODES, -DRIFT_PPM, DRIFT_PPM);
        bool is_extreme = wi_sim_below(&sim->world, WI_SIM_RANDOM_NODES, 2) == 0;
        int64_t offset_ns =
            wi_sim_between(&sim->world, WI_SIM_RANDOM_NODES, 1, 1000000) * WI_SIM_NS_PER_MS;

        node->version = WI_SIM_VERSION_OLD;
        if (sim->plan.config.two_versions &&
            wi_sim_below(&sim->world, WI_SIM_RANDOM_NODES, 3) == 0) {
            node->version = WI_SIM_VERSION_NEW;
        }
        rate = is_extreme ? (rate < 0 ? -DRIFT_PPM : DRIFT_PPM) : rate;
        node->slot = i;
        node->clock_ppm = PPM + (drifts ? rate : 0);
        node->clock_offset_ns = sim->plan.config.remote ? offset_ns : host_offset_ns;
        node->timer_ns = NEVER_NS;
    }
}

void
wi_sim_node_post(
    struct wi_sim *sim,
    const struct wi_sim_node *node,
    int64_t after_ns,
    void (*run)(struct wi_sim *sim, const struct wi_sim_event *event),
    uint64_t argument)
{
    wi_sim_post(
        &sim->world,
        (struct wi_sim_event){.time_ns = sim->world.now_ns + after_ns,
                              .run = run,
                              .argument = argument,
                              .node = node->slot,
                              .life = node->life});
}

/* --- draining -------------------------------------------------------------------------------- */

void
wi_sim_node_begin_drain(struct wi_sim *sim, struct wi_sim_node *node)
{
    if (node->phase != WI_SIM_NODE_RUNNING) {
        return;
    }
    wi_sim_note(sim, "worker %u drains", (unsigned)node->number);
    wi_sim_node_tell_leaving(sim, node);
    node->phase = WI_SIM_NODE_DRAINING;
    node->drain_until =
        wi_mono_add_ms(wi_sim_node_now(sim, node), sim->plan.config.drain_timeout_ms);
    wi_sim_node_want_table(node);
}

static void
member_done(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    node->jobs &= ~(unsigned)WI_SIM_JOB_MEMBER;
    if (node->member_leaves && request->error == WEIR_ECONFLICT) {
        wi_sim_node_want_table(node); /* a lease was handed to it at the last moment */
        node->has_table = false;
    } else if (node->member_leaves) {
        wi_sim_node_leave(sim, node);
    } else {
        node->drain_written = request->error == WEIR_OK;
        node->drain_retry = wi_mono_add_ms(wi_sim_node_now(sim, node), DRAIN_RETRY_MS);
    }
}

static void
submit_member_job(struct wi_sim *sim, struct wi_sim_node *node, bool leaves)
{
    struct wi_sim_request *request = wi_sim_node_member_request(sim, node, true);

    request->operation = leaves ? WI_SIM_REMOVE_WORKER : WI_SIM_PUT_WORKER;
    request->answered = member_done;
    node->member_leaves = leaves;
    node->jobs |= WI_SIM_JOB_MEMBER;
    wi_sim_request_send(sim, request);
}

static struct weir_mono
drain_end(const struct wi_sim *sim, const struct wi_sim_node *node)
{
    return wi_mono_add_ms(node->drain_until, sim->plan.config.lease_duration_ms);
}

/* False if the process is over. */
static bool
drive_drain(struct wi_sim *sim, struct wi_sim_node *node)
{
    struct weir_mono now = wi_sim_node_now(sim, node);

    if (!wi_mono_before(now, node->drain_until)) {
        wi_sim_node_stop_all(sim, node);
    }
    if (!wi_mono_before(now, drain_end(sim, node))) {
        wi_sim_note(sim, "worker %u: the drain took too long", (unsigned)node->number);
        wi_sim_node_crash(sim, node);
        return false;
    }
    if (!node->joined) {
        if (node->consumer_count == 0 && (node->jobs & WI_SIM_JOB_JOIN) == 0) {
            wi_sim_node_leave(sim, node);
            return false;
        }
        return true;
    }
    if ((node->jobs & WI_SIM_JOB_MEMBER) != 0) {
        return true;
    }
    if (!node->drain_written) {
        if (!wi_mono_before(now, node->drain_retry)) {
            node->drain_written = true;
            submit_member_job(sim, node, false);
        }
    } else if (wi_sim_node_owns_nothing(node) && wi_sim_coordinator_has_left(node)) {
        submit_member_job(sim, node, true);
    }
    return true;
}

/* --- timers ---------------------------------------------------------------------------------- */

/* Consumers step and find that their deadline has passed (R2). */
static void
check_deadline(struct wi_sim *sim, struct wi_sim_node *node)
{
    if (node->expiry_told || wi_mono_before(wi_sim_node_now(sim, node), node->renewer.deadline)) {
        return;
    }
    node->expiry_told = true;
    for (size_t i = 0; i < node->consumer_count; i++) {
        node->consumers[i]->wake_at.ns = 0;
    }
}

/* R11. */
static bool
is_overrun(struct wi_sim *sim, const struct wi_sim_node *node)
{
    int64_t slack_ms = sim->plan.config.lease_duration_ms / 10;
    struct weir_mono now = wi_sim_node_now(sim, node);
    bool overrun = false;

    for (size_t i = 0; i < node->consumer_count && sim->plan.config.strict; i++) {
        const struct wi_sim_consumer *consumer = node->consumers[i];
        struct weir_mono deadline = wi_sim_consumer_deadline(node, consumer);

        overrun |= consumer->in_call && wi_mono_before(wi_mono_add_ms(deadline, slack_ms), now);
    }
    return overrun;
}

static struct weir_mono
next_of_consumers(const struct wi_sim_node *node)
{
    struct weir_mono next = WI_MONO_NEVER;

    for (size_t i = 0; i < node->consumer_count; i++) {
        const struct wi_sim_consumer *consumer = node->consumers[i];

        if (!consumer->in_flight && !consumer->is_done && !consumer->is_queued) {
            next = wi_mono_earlier(next, consumer->wake_at);
        }
    }
    return next;
}

static struct weir_mono
next_of_drain(const struct wi_sim *sim, const struct wi_sim_node *node, struct weir_mono now)
{
    if (node->joined && !node->drain_written && (node->jobs & WI_SIM_JOB_MEMBER) == 0) {
        return node->drain_retry;
    }
    return wi_mono_before(now, node->drain_until) ? node->drain_until : drain_end(sim, node);
}

static struct weir_mono
next_timer(const struct wi_sim *sim, const struct wi_sim_node *node)
{
    struct weir_mono now = wi_sim_node_now(sim, node);
    struct weir_mono next = wi_mono_add_ms(now, LOST_WAKE_MS);

    next = wi_mono_earlier(next, next_of_consumers(node));
    next = wi_mono_earlier(next, wi_lease_renewer_wake(&node->renewer));
    if (!node->expiry_told) {
        next = wi_mono_earlier(next, node->renewer.deadline);
    }
    if (!node->coordinator_wants_table && (node->jobs & WI_SIM_JOB_COORDINATOR) == 0) {
        next = wi_mono_earlier(next, node->coordinator_until);
    }
    if (node->table_wanted && (node->jobs & WI_SIM_JOB_TABLE) == 0) {
        next = wi_mono_earlier(next, node->table_not_before);
    }
    if (node->settings.automatic_checkpoints && (node->jobs & WI_SIM_JOB_FLUSH) == 0 &&
        node->consumer_count > 0) {
        next = wi_mono_earlier(next, node->next_flush);
    }
    if (node->phase == WI_SIM_NODE_DRAINING) {
        next = wi_mono_earlier(next, next_of_drain(sim, node, now));
    }
    return next;
}

static void
timer_fired(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->node];

    if (node->timer_ns == (int64_t)event->argument) {
        node->timer_ns = NEVER_NS;
        wi_sim_node_turn(sim, node);
    }
}

/* Milliseconds at least, as epoll_wait() has them: no loop without a pause. */
static void
post_timer(struct wi_sim *sim, struct wi_sim_node *node)
{
    struct weir_mono next = next_timer(sim, node);
    int64_t at_ns = wi_sim_node_true_ns(node, next);
    int64_t soonest_ns = sim->world.now_ns + WI_SIM_NS_PER_MS / 20;

    at_ns = at_ns < soonest_ns ? soonest_ns : at_ns;
    if (at_ns < node->timer_ns) {
        node->timer_ns = at_ns;
        wi_sim_node_post(sim, node, at_ns - sim->world.now_ns, timer_fired, (uint64_t)at_ns);
    }
}

/* --- the loop -------------------------------------------------------------------------------- */

static void
run_consumers(struct wi_sim *sim, struct wi_sim_node *node)
{
    struct weir_mono now = wi_sim_node_now(sim, node);
    struct wi_sim_consumer *waiting = NULL;

    while ((waiting = wi_sim_consumer_next_waiting(sim, node)) != NULL) {
        wi_sim_consumer_run(sim, node, waiting);
    }
    for (size_t i = 0; i < node->consumer_count; i++) {
        struct wi_sim_consumer *consumer = node->consumers[i];

        if (!consumer->in_flight && !consumer->is_done && !consumer->is_queued &&
            (consumer->facts != 0 || !wi_mono_before(now, consumer->wake_at))) {
            wi_sim_consumer_run(sim, node, consumer);
        }
    }
}

static enum wi_sim_worker_state
worker_state(const struct wi_sim_node *node)
{
    if (node->phase == WI_SIM_NODE_OVER) {
        return WI_SIM_WORKER_DOWN;
    }
    if (node->phase == WI_SIM_NODE_DRAINING) {
        return WI_SIM_WORKER_DRAINING;
    }
    return node->joined ? WI_SIM_WORKER_MEMBER : WI_SIM_WORKER_JOINING;
}

void
wi_sim_node_note_state(struct wi_sim *sim, struct wi_sim_node *node)
{
    unsigned now = worker_state(node);

    if (now != node->worker_state) {
        wi_sim_move(sim, WI_SIM_MACHINE_WORKER, node->worker_state, now);
        node->worker_state = now;
    }
}

void
wi_sim_node_turn(struct wi_sim *sim, struct wi_sim_node *node)
{
    if (!wi_sim_node_is_alive(node)) {
        return;
    }
    wi_sim_node_note_state(sim, node);
    check_deadline(sim, node);
    wi_sim_node_rejoin(sim, node);
    if (node->joined) {
        wi_sim_node_renew(sim, node);
        wi_sim_coordinator_tick(sim, node);
    }
    if ((node->jobs & WI_SIM_JOB_JOIN) == 0) {
        wi_sim_node_reap(sim, node);
        wi_sim_node_read_table(sim, node);
        wi_sim_node_flush(sim, node);
        if (node->phase == WI_SIM_NODE_DRAINING && !drive_drain(sim, node)) {
            return;
        }
    }
    run_consumers(sim, node);
    if (is_overrun(sim, node)) {
        wi_sim_note(sim, "worker %u is strict", (unsigned)node->number);
        wi_sim_node_crash(sim, node);
        return;
    }
    post_timer(sim, node);
}

/* --- news for everybody ---------------------------------------------------------------------- */

static int64_t
news_delay_ns(struct wi_sim *sim)
{
    bool is_lost =
        wi_sim_chance(&sim->world, WI_SIM_RANDOM_NODES, sim->plan.config.rate[WI_SIM_LOST_HINT]);
    int64_t high_us = sim->plan.config.remote ? 5000 : 100;
    int64_t delay_us = wi_sim_log_between(&sim->world, WI_SIM_RANDOM_NODES, 5, high_us);

    if (is_lost) {
        wi_sim_count_fault(sim, WI_SIM_LOST_HINT);
        return LOST_WAKE_MS * WI_SIM_NS_PER_MS;
    }
    return delay_us * WI_SIM_NS_PER_US;
}

static void
hear_of_records(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->node];

    for (size_t i = 0; i < node->consumer_count; i++) {
        if (node->consumers[i]->shard == event->argument) {
            wi_sim_consumer_tell(node->consumers[i], WI_SIM_FACT_WAKE);
        }
    }
    wi_sim_node_turn(sim, node);
}

void
wi_sim_nodes_wake_shard(struct wi_sim *sim, uint32_t shard)
{
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        const struct wi_sim_node *node = &sim->nodes[i];
        bool has_it = false;

        for (size_t c = 0; c < node->consumer_count; c++) {
            has_it |= node->consumers[c]->shard == shard && !node->consumers[c]->is_done;
        }
        if (has_it) {
            wi_sim_node_post(sim, node, news_delay_ns(sim), hear_of_records, shard);
        }
    }
}

static void
hear_of_table(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->node];

    node->table_hint = true;
    node->version_seen = (uint32_t)event->argument;
    wi_sim_node_turn(sim, node);
}

void
wi_sim_nodes_hint(struct wi_sim *sim)
{
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        const struct wi_sim_node *node = &sim->nodes[i];

        if (wi_sim_node_is_alive(node)) {
            wi_sim_node_post(
                sim, node, news_delay_ns(sim), hear_of_table, wi_sim_store_version(sim));
        }
    }
}
