/* Drives the coordinator engine, as worker/worker_coordinator.c and coordinator_runtime.c do. */
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/coordinator_step.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"
#include "lease/lease_store.h"
#include "sim/sim.h"
#include "sim/sim_fault.h"
#include "sim/sim_node.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_transition.h"
#include "sim/sim_world.h"

/* A stale list of shards is so old at most. */
#define STALE_MS 500

static void step(
    struct wi_sim *sim, struct wi_sim_node *node, const struct wi_coordinator_event *event);

void
wi_sim_coordinator_start(struct wi_sim *sim, struct wi_sim_node *node)
{
    const struct wi_coordinator_settings settings = {
        .owner = node->owner,
        .lease_duration_ms = sim->plan.config.lease_duration_ms,
        .handoff_timeout_ms = sim->plan.config.handoff_timeout_ms,
        .shard_sync_interval_ms = sim->plan.config.shard_sync_interval_ms};

    wi_coordinator_free(node->coordinator);
    node->coordinator = NULL;
    WEIR_ASSERT(wi_coordinator_new(&sim->world.env, &settings, &node->coordinator) == WEIR_OK);
    node->coordinator_was = WI_COORDINATOR_FOLLOWING;
    node->coordinator_wants_table = true;
    wi_sim_node_want_table(node);
    node->leave_told = false;
}

static bool
is_leading(const struct wi_sim_node *node)
{
    return node->coordinator != NULL &&
           wi_coordinator_state(node->coordinator) == WI_COORDINATOR_LEADING;
}

/* --- actions become requests ----------------------------------------------------------------- */

static enum wi_sim_operation
operation_of(enum wi_coordinator_action_type type)
{
    switch (type) {
    case WI_COORDINATOR_TAKE_LEADER:
        return WI_SIM_TAKE_LEADER;
    case WI_COORDINATOR_RELEASE_LEADER:
        return WI_SIM_RELEASE_LEADER;
    case WI_COORDINATOR_CREATE_LEASES:
        return WI_SIM_CREATE;
    case WI_COORDINATOR_ASSIGN:
        return WI_SIM_ASSIGN;
    case WI_COORDINATOR_REQUEST_HANDOFF:
        return WI_SIM_HANDOFF;
    case WI_COORDINATOR_REVOKE:
        return WI_SIM_REVOKE;
    case WI_COORDINATOR_REMOVE_LEASE:
        return WI_SIM_REMOVE;
    case WI_COORDINATOR_REMOVE_WORKER:
        return WI_SIM_REMOVE_WORKER;
    case WI_COORDINATOR_WAIT:
    case WI_COORDINATOR_READ_TABLE:
    case WI_COORDINATOR_LIST_SHARDS:
        break;
    }
    WEIR_ASSERT(false);
    return WI_SIM_OPERATIONS;
}

static void
copy_items(struct wi_sim_request *request, const struct wi_coordinator_action *action)
{
    for (size_t i = 0; i < request->count; i++) {
        struct wi_sim_item *item = &request->items[i];

        if (action->type == WI_COORDINATOR_ASSIGN) {
            const struct wi_assignment *from = &action->assignments[i];

            (void)wi_str_copy(item->lease_key, sizeof item->lease_key, wi_str(from->lease_key));
            (void)wi_str_copy(item->to, sizeof item->to, wi_str(from->to));
            item->epoch = from->expected_epoch;
            item->counter = from->expected_counter;
        } else {
            const struct wi_handoff_request *from = &action->handoffs[i];

            (void)wi_str_copy(item->lease_key, sizeof item->lease_key, wi_str(from->lease_key));
            item->epoch = from->expected_epoch;
            item->handoff = from->handoff;
        }
        /* For the history: a leader's write is refused under its own name. */
        memcpy(item->owner, request->owner, sizeof item->owner);
    }
}

static struct wi_sim_request *
request_of(
    struct wi_sim *sim, const struct wi_sim_node *node, const struct wi_coordinator_action *action)
{
    bool has_items =
        action->type == WI_COORDINATOR_ASSIGN || action->type == WI_COORDINATOR_REQUEST_HANDOFF;
    struct wi_sim_request *request = wi_sim_request_new(
        sim, node->slot, operation_of(action->type), has_items ? action->count : 0);
    const char *owner = action->type == WI_COORDINATOR_REMOVE_WORKER ? action->owner : node->owner;

    (void)wi_str_copy(request->owner, sizeof request->owner, wi_str(owner));
    (void)wi_str_copy(request->lease_key, sizeof request->lease_key, wi_str(action->lease_key));
    request->term = action->term;
    request->expected_term = action->expected_term;
    request->expected_counter = action->expected_counter;
    request->expected_epoch = action->expected_epoch;
    if (has_items) {
        copy_items(request, action);
    }
    if (action->type == WI_COORDINATOR_CREATE_LEASES) {
        request->leases = wi_sim_alloc(&sim->world, action->count, sizeof *request->leases);
        memcpy(request->leases, action->leases, action->count * sizeof *request->leases);
        request->lease_count = action->count;
    }
    return request;
}

static void
write_done(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request)
{
    struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_RESULT,
        .now = wi_sim_node_now(sim, node),
        .error = request->error,
        .term = request->won_term};
    enum weir_error *results = NULL;

    node->jobs &= ~(unsigned)WI_SIM_JOB_COORDINATOR;
    if (!node->joined) {
        return;
    }
    if (request->count > 0) {
        results = wi_sim_alloc(&sim->world, request->count, sizeof *results);
        for (size_t i = 0; i < request->count; i++) {
            results[i] = request->items[i].result;
        }
        event.results = results;
    }
    step(sim, node, &event);
    wi_free(&sim->world.env, results);
}

/* --- shards ---------------------------------------------------------------------------------- */

static bool
stream_fault(struct wi_sim *sim, enum wi_sim_fault fault)
{
    bool happens = wi_sim_chance(&sim->world, WI_SIM_RANDOM_STREAM, sim->plan.config.rate[fault]);

    if (happens) {
        wi_sim_count_fault(sim, fault);
    }
    return happens;
}

static void
shards_listed(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->node];
    struct wi_coordinator_event answer = {
        .type = WI_COORDINATOR_SHARDS, .now = wi_sim_node_now(sim, node)};
    struct weir_shard *shards = wi_sim_alloc(&sim->world, WI_SIM_SHARDS_MAX, sizeof *shards);
    bool is_lost = stream_fault(sim, WI_SIM_STREAM_LOST);
    int64_t stale_ms = stream_fault(sim, WI_SIM_STALE_SHARDS)
                           ? wi_sim_between(&sim->world, WI_SIM_RANDOM_STREAM, 1, STALE_MS)
                           : 0;

    node->jobs &= ~(unsigned)WI_SIM_JOB_COORDINATOR;
    answer.shard_count =
        wi_sim_stream_list(sim, sim->world.now_ns - stale_ms * WI_SIM_NS_PER_MS, shards);
    answer.shards = shards;
    if (is_lost || (node->cuts & WI_SIM_CUT_OFF_STREAM) != 0) {
        answer.type = WI_COORDINATOR_RESULT;
        answer.error = WEIR_ETIMEOUT;
    }
    if (node->joined) {
        step(sim, node, &answer);
    }
    wi_free(&sim->world.env, shards);
    wi_sim_node_turn(sim, node);
}

static void
list_shards(struct wi_sim *sim, struct wi_sim_node *node)
{
    int64_t after_us = wi_sim_log_between(&sim->world, WI_SIM_RANDOM_STREAM, 20, 3000);

    node->jobs |= WI_SIM_JOB_COORDINATOR;
    wi_sim_node_post(sim, node, after_us * WI_SIM_NS_PER_US, shards_listed, 0);
}

/* --- steps ----------------------------------------------------------------------------------- */

static void
handle_action(
    struct wi_sim *sim, struct wi_sim_node *node, const struct wi_coordinator_action *action)
{
    struct wi_sim_request *request = NULL;

    node->coordinator_until = WI_MONO_NEVER;
    wi_sim_count_coordinator_action(sim, action->type);
    if (action->type == WI_COORDINATOR_WAIT) {
        node->coordinator_until = action->until;
    } else if (action->type == WI_COORDINATOR_READ_TABLE) {
        node->coordinator_wants_table = true;
        node->coordinator_wants_since = wi_sim_node_now(sim, node);
        node->table_wanted = true;
        node->full_table_wanted |= is_leading(node) || node->phase == WI_SIM_NODE_DRAINING;
    } else if (action->type == WI_COORDINATOR_LIST_SHARDS) {
        list_shards(sim, node);
    } else {
        request = request_of(sim, node, action);
        request->answered = write_done;
        node->jobs |= WI_SIM_JOB_COORDINATOR;
        wi_sim_request_send(sim, request);
    }
}

static void
count_other_versions(struct wi_sim *sim, const struct wi_sim_node *leader)
{
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        const struct wi_sim_node *node = &sim->nodes[i];

        if (leader->was_leader && wi_sim_node_is_alive(node) && node->version != leader->version) {
            wi_sim_count_scenario(sim, WI_SIM_LEADS_OLDER);
        }
    }
}

static void
step(struct wi_sim *sim, struct wi_sim_node *node, const struct wi_coordinator_event *event)
{
    struct wi_coordinator_action action = wi_coordinator_step(node->coordinator, event);
    enum wi_coordinator_state state = wi_coordinator_state(node->coordinator);

    if (state != node->coordinator_was) {
        wi_sim_move(sim, WI_SIM_MACHINE_COORDINATOR, node->coordinator_was, state);
        node->coordinator_was = state;
    }
    if (is_leading(node) != node->was_leader) {
        node->was_leader = is_leading(node);
        count_other_versions(sim, node);
        wi_sim_note(
            sim,
            "worker %u %s",
            (unsigned)node->number,
            node->was_leader ? "leads" : "leads no more");
    }
    handle_action(sim, node, &action);
}

static bool
is_free(const struct wi_sim_node *node)
{
    return node->coordinator != NULL && (node->jobs & WI_SIM_JOB_COORDINATOR) == 0;
}

void
wi_sim_coordinator_table(struct wi_sim *sim, struct wi_sim_node *node, struct weir_mono started)
{
    struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_TABLE, .now = wi_sim_node_now(sim, node), .table = &node->table};

    if (is_free(node) && !(node->coordinator_wants_table &&
                           wi_mono_before(started, node->coordinator_wants_since))) {
        node->coordinator_wants_table = false;
        step(sim, node, &event);
    }
}

void
wi_sim_coordinator_table_failed(struct wi_sim *sim, struct wi_sim_node *node, enum weir_error error)
{
    struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_RESULT, .now = wi_sim_node_now(sim, node), .error = error};

    if (is_free(node) && node->coordinator_wants_table) {
        node->coordinator_wants_table = false;
        step(sim, node, &event);
    }
}

void
wi_sim_coordinator_tick(struct wi_sim *sim, struct wi_sim_node *node)
{
    struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_TICK, .now = wi_sim_node_now(sim, node)};

    if (!is_free(node) || node->coordinator_wants_table) {
        return;
    }
    if (node->phase == WI_SIM_NODE_DRAINING && !node->leave_told) {
        node->leave_told = true;
        event.type = WI_COORDINATOR_LEAVE;
        step(sim, node, &event);
    } else if (!wi_mono_before(event.now, node->coordinator_until)) {
        step(sim, node, &event);
    }
}

bool
wi_sim_coordinator_has_left(const struct wi_sim_node *node)
{
    return node->coordinator == NULL ||
           wi_coordinator_state(node->coordinator) == WI_COORDINATOR_STOPPED;
}
