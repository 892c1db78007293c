/*
 * The user's own processors: their processes, their calls, and what they are judged by. Each call
 * runs in a fiber; what blocks in it posts an event and yields.
 */
#ifndef WI_SIM_SIM_USER_H
#define WI_SIM_SIM_USER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/processor.h>
#include <weir/sim.h>

#include "sim/sim_fault.h"
#include "sim/sim_fiber.h"
#include "sim/sim_sink.h"
#include "worker/shard_consumer.h"

struct wi_sim;
struct wi_sim_node;
struct wi_sim_consumer;
struct wi_sim_user_call;

/* The user's part of a worker process. */
struct wi_sim_user_process {
    bool is_started;
    struct weir_sim_sink sink;
    struct weir_processor processor;
};

struct wi_sim_users {
    struct wi_sim_database database;
    struct wi_sim_user_process processes[WI_SIM_SLOTS_MAX];
    struct wi_sim_fibers fibers;
    struct wi_sim_user_call *running; /* whose fiber runs; NULL: none does */
};

/* Whether this run has a processor of the user's. */
bool wi_sim_has_user(const struct wi_sim *sim);

/* --- processes ------------------------------------------------------------------------------- */

void wi_sim_user_start(struct wi_sim *sim, const struct wi_sim_node *node);
/* Before its consumers are freed: calls return, states are destroyed. */
void wi_sim_user_end(struct wi_sim *sim, struct wi_sim_node *node);

/* --- calls ----------------------------------------------------------------------------------- */

void wi_sim_user_call(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    enum wi_consumer_action_type type);
void wi_sim_user_destroy(
    struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer);

/* For what blocks within a call: false if its process is over. Outside of calls no time passes. */
bool wi_sim_user_wait(struct wi_sim *sim, int64_t after_ns);
bool wi_sim_user_is_in_call(const struct wi_sim *sim);
/* The batch of the call that runs has a record that cannot be processed for now. */
bool wi_sim_user_is_poisoned(struct wi_sim *sim);
bool wi_sim_user_fault(struct wi_sim *sim, enum wi_sim_fault kind);

/* --- at the end; sim_user_ledger.c ----------------------------------------------------------- */

void wi_sim_user_judge(struct wi_sim *sim);

#endif
