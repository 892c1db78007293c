/* How processes begin and end; what the history is told of them. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/coordinator_step.h"
#include "core/check.h"
#include "core/memory.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_consumer.h"
#include "sim/sim_fault.h"
#include "sim/sim_node.h"
#include "sim/sim_row.h"
#include "sim/sim_store.h"
#include "sim/sim_transition.h"
#include "sim/sim_user.h"
#include "sim/sim_world.h"
#include "worker/fetch_budget.h"
#include "worker/lease_renewer.h"
#include "worker/past_leases.h"
#include "worker/shard_consumer.h"

/* As in worker/worker_runtime.[ch]. */
#define IDLE_POLL_MS 60000

#define FETCH_BYTES   1048576U
#define RESTART_MS    5
#define SUPERVISOR_MS 50

/* --- life and death -------------------------------------------------------------------------- */

static void start_again(struct wi_sim *sim, const struct wi_sim_event *event);

static void
tell_worker(struct wi_sim *sim, uint32_t number, enum wi_history_kind kind, bool on)
{
    struct wi_history_event event = {.kind = kind, .worker = number, .on = on};

    wi_sim_tell(sim, &event);
}

/* Sessions that the process had before and whose consumers still run; each number once. */
static void
tell_old_sessions(
    struct wi_sim *sim, const struct wi_sim_node *node, enum wi_history_kind kind, bool on)
{
    for (size_t i = 0; i < node->consumer_count; i++) {
        uint32_t number = wi_sim_owner_number(node->consumers[i]->lease.owner);
        bool is_told = number == node->number;

        for (size_t before = 0; before < i; before++) {
            is_told |= wi_sim_owner_number(node->consumers[before]->lease.owner) == number;
        }
        if (!is_told) {
            tell_worker(sim, number, kind, on);
        }
    }
}

void
wi_sim_node_tell_leaving(struct wi_sim *sim, const struct wi_sim_node *node)
{
    if (!node->is_session_over) {
        tell_worker(sim, node->number, WI_HISTORY_LEAVING, false);
    }
}

void
wi_sim_node_session_over(struct wi_sim *sim, struct wi_sim_node *node, uint32_t number)
{
    bool is_present = number == node->number;
    bool goes_on = number == 0 || (is_present && (node->joined || node->is_session_over));

    for (size_t i = 0; i < node->consumer_count; i++) {
        goes_on |= wi_sim_owner_number(node->consumers[i]->lease.owner) == number;
    }
    if (!goes_on) {
        node->is_session_over = node->is_session_over || is_present;
        tell_worker(sim, number, WI_HISTORY_GONE, false);
    }
}

/* The process is over: what it had in memory is gone, and what it believed. */
static void
end_process(struct wi_sim *sim, struct wi_sim_node *node)
{
    struct weir_env *env = &sim->world.env;

    wi_sim_node_note_state(sim, node);
    wi_sim_move(sim, WI_SIM_MACHINE_WORKER, node->worker_state, WI_SIM_WORKER_DOWN);
    tell_old_sessions(sim, node, WI_HISTORY_GONE, false);
    if (!node->is_session_over) {
        tell_worker(sim, node->number, WI_HISTORY_GONE, false);
    }
    wi_sim_user_end(sim, node);
    for (size_t i = 0; i < node->consumer_count; i++) {
        wi_sim_consumer_free(sim, node->consumers[i]);
    }
    wi_free(env, node->consumers);
    wi_past_leases_free(&node->past);
    wi_coordinator_free(node->coordinator);
    wi_lease_table_free(env, &node->table);
    if (!sim->plan.config.remote) {
        wi_sim_store_process_gone(sim, node->owner);
    }
    if (sim->store.locked_by == node->slot + 1) {
        sim->store.locked_by = 0; /* the lock is robust */
    }
    *node = (struct wi_sim_node){.slot = node->slot,
                                 .life = node->life + 1,
                                 .clock_ppm = node->clock_ppm,
                                 .clock_offset_ns = node->clock_offset_ns,
                                 .cuts = node->cuts,
                                 .version = node->is_upgraded ? WI_SIM_VERSION_NEW : node->version,
                                 .returns = node->returns,
                                 .is_member = node->is_member,
                                 .timer_ns = INT64_MAX};
}

/* A supervisor starts it anew. */
static void
post_restart(struct wi_sim *sim, const struct wi_sim_node *node, int64_t after_ms)
{
    wi_sim_post(
        &sim->world,
        (struct wi_sim_event){.time_ns = sim->world.now_ns + after_ms * WI_SIM_NS_PER_MS,
                              .run = start_again,
                              .argument = (uint64_t)node->slot << 32 | node->life,
                              .node = WI_SIM_NOBODY});
}

static void
start_again(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->argument >> 32];

    if (!wi_sim_node_is_alive(node) && node->returns && node->life == (uint32_t)event->argument &&
        sim->stage < WI_SIM_LEAVING) {
        wi_sim_node_start(sim, node);
    }
}

/* The kernel tells whoever watches the process: the leader everybody, everybody the leader. */
static void
hear_of_death(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->node];

    node->table_not_before.ns = 0;
    wi_sim_node_want_table(node);
    wi_sim_node_turn(sim, node);
}

static bool
watches(const struct wi_sim_node *node, const char *owner)
{
    bool is_listed = false;

    for (size_t i = 0; i < node->table.worker_count; i++) {
        is_listed |= strcmp(node->table.workers[i].owner, owner) == 0;
    }
    return is_listed && (node->was_leader || strcmp(node->table.leader.owner, owner) == 0);
}

void
wi_sim_node_crash(struct wi_sim *sim, struct wi_sim_node *node)
{
    char owner[WEIR_OWNER_SIZE];

    WEIR_ASSERT(wi_sim_node_is_alive(node));
    memcpy(owner, node->owner, sizeof owner);
    wi_sim_note(sim, "worker %u dies", (unsigned)node->number);
    end_process(sim, node);
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX && !sim->plan.config.remote; i++) {
        struct wi_sim_node *other = &sim->nodes[i];

        if (wi_sim_node_is_alive(other) && watches(other, owner)) {
            int64_t after_us = wi_sim_between(&sim->world, WI_SIM_RANDOM_NODES, 47, 400);

            wi_sim_node_post(sim, other, after_us * WI_SIM_NS_PER_US, hear_of_death, 0);
        }
    }
    if (node->returns) {
        post_restart(
            sim,
            node,
            wi_sim_log_between(
                &sim->world,
                WI_SIM_RANDOM_NODES,
                RESTART_MS,
                2 * sim->plan.config.lease_duration_ms));
    }
}

/* It has left in order. */
void
wi_sim_node_leave(struct wi_sim *sim, struct wi_sim_node *node)
{
    wi_sim_note(sim, "worker %u has left", (unsigned)node->number);
    end_process(sim, node);
    if (node->returns) {
        post_restart(sim, node, RESTART_MS);
    } else {
        node->is_member = false;
    }
}

static void
tell_hang(struct wi_sim *sim, struct wi_sim_node *node, bool on)
{
    if (node->hang_told == on) {
        return;
    }
    node->hang_told = on;
    tell_old_sessions(sim, node, WI_HISTORY_HANG, on);
    if (!node->is_session_over) {
        tell_worker(sim, node->number, WI_HISTORY_HANG, on);
    }
}

static void
wake_up(struct wi_sim *sim, const struct wi_sim_event *event)
{
    tell_hang(sim, &sim->nodes[event->node], false);
    wi_sim_node_turn(sim, &sim->nodes[event->node]);
}

void
wi_sim_node_stop(struct wi_sim *sim, struct wi_sim_node *node, int64_t duration_ms)
{
    int64_t until_ns = sim->world.now_ns + duration_ms * WI_SIM_NS_PER_MS;

    tell_hang(sim, node, true);
    node->stopped_until_ns = until_ns > node->stopped_until_ns ? until_ns : node->stopped_until_ns;
    /* The check of the deadline is the first thing that runs afterwards (R2). */
    wi_sim_node_post(sim, node, 0, wake_up, 0);
}

/* --- joining --------------------------------------------------------------------------------- */

struct wi_sim_request *
wi_sim_node_member_request(struct wi_sim *sim, const struct wi_sim_node *node, bool draining)
{
    struct wi_sim_request *request = wi_sim_request_new(sim, node->slot, WI_SIM_PUT_WORKER, 0);

    request->worker = (struct wi_worker){.max_leases = sim->plan.config.leases_max,
                                         .protocol_version = node->version,
                                         .draining = draining,
                                         .state = WI_OWNER_ALIVE};
    memcpy(request->worker.owner, node->owner, sizeof request->worker.owner);
    memcpy(request->owner, node->owner, sizeof request->owner);
    return request;
}

static void
join_done(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    node->jobs &= ~(unsigned)WI_SIM_JOB_JOIN;
    if (request->error != WEIR_OK) {
        if (node->coordinator == NULL) { /* weir_worker_run() fails */
            end_process(sim, node);
            post_restart(sim, node, SUPERVISOR_MS);
        }
        return;
    }
    wi_lease_renewer_init(&node->renewer, sim->plan.config.lease_duration_ms, request->sent);
    node->joined = true;
    node->expiry_told = false;
    node->drain_written = false;
    wi_sim_coordinator_start(sim, node);
}

/* Register under a new identity. The loop is in this call until it is answered. */
static void
join(struct wi_sim *sim, struct wi_sim_node *node)
{
    struct wi_sim_request *request = NULL;
    struct wi_history_event event = {.kind = WI_HISTORY_WORKER};

    wi_sim_node_session_over(sim, node, node->number);
    node->number = ++sim->sessions;
    node->is_session_over = false;
    event.worker = node->number;
    (void)snprintf(
        node->owner, sizeof node->owner, "w%u/%06u", (unsigned)node->slot, (unsigned)node->number);
    wi_sim_tell(sim, &event);
    request = wi_sim_node_member_request(sim, node, false);
    request->answered = join_done;
    node->jobs |= WI_SIM_JOB_JOIN;
    wi_sim_request_send(sim, request);
}

void
wi_sim_node_start(struct wi_sim *sim, struct wi_sim_node *node)
{
    const struct wi_sim_config *config = &sim->plan.config;

    WEIR_ASSERT(!wi_sim_node_is_alive(node));
    node->life++;
    node->phase = WI_SIM_NODE_RUNNING;
    wi_sim_node_note_state(sim, node);
    node->is_member = true;
    if (node->version == WI_SIM_VERSION_NEW) {
        wi_sim_count_scenario(sim, WI_SIM_STARTED_NEWER);
    }
    node->stopped_until_ns = 0;
    node->past.env = &sim->world.env;
    node->settings =
        (struct wi_consumer_settings){.automatic_checkpoints = config->automatic_checkpoints,
                                      .retry_base_ms = config->retry_base_ms,
                                      .retry_cap_ms = config->retry_cap_ms,
                                      .idle_poll_ms = IDLE_POLL_MS};
    wi_fetch_budget_init(&node->budget, config->buffer_fetches * FETCH_BYTES, FETCH_BYTES);
    if (wi_sim_has_user(sim)) {
        wi_sim_user_start(sim, node);
    }
    join(sim, node);
}

void
wi_sim_node_session_lost(struct wi_sim *sim, struct wi_sim_node *node)
{
    wi_sim_note(sim, "worker %u has lost its session", (unsigned)node->number);
    for (size_t i = 0; i < node->consumer_count; i++) {
        node->consumers[i]->told_to_stop = true;
        node->consumers[i]->verified = WI_LEASE_LOST_WITH_ITS_SESSION;
        wi_sim_consumer_tell(node->consumers[i], WI_SIM_FACT_LEASE_LOST);
    }
    node->joined = false;
    wi_sim_node_tell_leaving(sim, node);
    wi_sim_node_session_over(sim, node, node->number);
}

void
wi_sim_node_rejoin(struct wi_sim *sim, struct wi_sim_node *node)
{
    const unsigned blocking =
        WI_SIM_JOB_COORDINATOR | WI_SIM_JOB_MEMBER | WI_SIM_JOB_RENEW | WI_SIM_JOB_JOIN;

    if (!node->joined && (node->jobs & blocking) == 0 && node->phase == WI_SIM_NODE_RUNNING) {
        join(sim, node);
    }
}
