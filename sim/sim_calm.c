/* Calm runs: no fault keeps a write from the table, so takeovers and planned moves have narrow
 * bounds. Against these, one more thing goes wrong when everything else has come right: a process
 * dies, or one that is to leave has a call that does not return. */
#include <stdint.h>

#include "sim/sim.h"
#include "sim/sim_consumer.h"
#include "sim/sim_fault.h"
#include "sim/sim_node.h"
#include "sim/sim_world.h"

/* What is under way when the last thing goes wrong, and the leader's work: beside lease durations.
 */
#define CALM_SLACK_MS INT64_C(500)

int64_t
wi_sim_calm_takeover_ms(const struct wi_sim_config *config)
{
    return config->lease_duration_ms / 4 + CALM_SLACK_MS;
}

int64_t
wi_sim_calm_stop_ms(const struct wi_sim_config *config)
{
    return 3 * config->lease_duration_ms + config->handoff_timeout_ms + CALM_SLACK_MS;
}

int64_t
wi_sim_calm_watch_ms(const struct wi_sim_config *config)
{
    return 2 * config->lease_duration_ms + wi_sim_calm_stop_ms(config);
}

static bool
stays(const struct wi_sim_node *node)
{
    return wi_sim_node_is_alive(node) && node->phase == WI_SIM_NODE_RUNNING && node->returns;
}

static uint32_t
count_staying(const struct wi_sim *sim)
{
    uint32_t staying = 0;

    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        staying += stays(&sim->nodes[i]) ? 1 : 0;
    }
    return staying;
}

static void
die(struct wi_sim *sim, const struct wi_sim_event *event)
{
    (void)event;
    for (uint32_t i = 0; i < WI_SIM_SLOTS_MAX; i++) {
        struct wi_sim_node *node = &sim->nodes[i];

        if (stays(node) && count_staying(sim) > 1) {
            node->returns = false;
            wi_sim_node_crash(sim, node);
            return;
        }
    }
}

static void
leave(struct wi_sim *sim, const struct wi_sim_event *event)
{
    struct wi_sim_node *node = &sim->nodes[event->node];

    node->returns = false;
    wi_sim_node_begin_drain(sim, node);
    wi_sim_node_turn(sim, node);
}

void
wi_sim_calm_begin(struct wi_sim *sim)
{
    int64_t duration_ms = sim->plan.config.lease_duration_ms;

    if (sim->plan.config.remote || wi_sim_below(&sim->world, WI_SIM_RANDOM_NODES, 2) == 0) {
        sim->processors.is_to_stick = true;
        return;
    }
    wi_sim_post(
        &sim->world,
        (struct wi_sim_event){.time_ns = sim->world.now_ns + duration_ms * WI_SIM_NS_PER_MS,
                              .run = die,
                              .node = WI_SIM_NOBODY});
}

bool
wi_sim_calm_sticks(struct wi_sim *sim, const struct wi_sim_node *node, int64_t *ret_ns)
{
    const struct wi_sim_config *config = &sim->plan.config;

    if (!sim->processors.is_to_stick || sim->stage != WI_SIM_HEALED || !stays(node) ||
        count_staying(sim) < 2) {
        return false;
    }
    sim->processors.is_to_stick = false;
    wi_sim_node_post(sim, node, config->lease_duration_ms * WI_SIM_NS_PER_MS / 8, leave, 0);
    *ret_ns = 2 * wi_sim_calm_watch_ms(config) * WI_SIM_NS_PER_MS;
    return true;
}
