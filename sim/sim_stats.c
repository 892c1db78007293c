/* What runs have reached: one counter each, so that a simulator that does little is noticed. */
#include <stdint.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/sim.h>

#include "coordinator/coordinator_step.h"
#include "core/check.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_fault.h"
#include "sim/sim_store.h"
#include "worker/shard_consumer.h"

#define BIT(state)          (1U << (state))
#define CLASSES             10U
#define CONSUMER_ACTIONS    (WI_CONSUMER_DONE + 1U)
#define COORDINATOR_STATES  (WI_COORDINATOR_STOPPED + 1U)
#define COORDINATOR_ACTIONS (WI_COORDINATOR_REMOVE_WORKER + 1U)

/* Where each group of counters begins. */
enum {
    AT_FAULTS = 0,
    AT_OPERATIONS = AT_FAULTS + WI_SIM_FAULTS,
    AT_CONSUMER = AT_OPERATIONS + WI_SIM_OPERATIONS * CLASSES,
    AT_ACTIONS = AT_CONSUMER + WI_CONSUMER_STATES * WI_CONSUMER_STATES,
    AT_COORDINATOR = AT_ACTIONS + CONSUMER_ACTIONS,
    AT_COORDINATOR_ACTIONS = AT_COORDINATOR + COORDINATOR_STATES * COORDINATOR_STATES,
    AT_END = AT_COORDINATOR_ACTIONS + COORDINATOR_ACTIONS
};
_Static_assert(AT_END <= WEIR_SIM_COUNTERS_MAX, "the counters fit");

static const char *const consumer_states[] = {
    "WAITING_ON_PARENT_SHARDS",
    "INITIALIZING",
    "PROCESSING",
    "SHUTDOWN_REQUESTED",
    "SHUTTING_DOWN",
    "SHUTDOWN_COMPLETE",
};
_Static_assert(WI_ARRAY_LENGTH(consumer_states) == WI_CONSUMER_STATES, "one name each");

/* From one step to the next: states in between are passed within a step. */
static const unsigned consumer_steps[] = {
    [WI_CONSUMER_WAITING_ON_PARENT_SHARDS] = BIT(WI_CONSUMER_INITIALIZING) |
                                             BIT(WI_CONSUMER_SHUTTING_DOWN) |
                                             BIT(WI_CONSUMER_SHUTDOWN_COMPLETE),
    [WI_CONSUMER_INITIALIZING] = BIT(WI_CONSUMER_PROCESSING) | BIT(WI_CONSUMER_SHUTDOWN_REQUESTED) |
                                 BIT(WI_CONSUMER_SHUTTING_DOWN) |
                                 BIT(WI_CONSUMER_SHUTDOWN_COMPLETE),
    [WI_CONSUMER_PROCESSING] = BIT(WI_CONSUMER_SHUTDOWN_REQUESTED) |
                               BIT(WI_CONSUMER_SHUTTING_DOWN) | BIT(WI_CONSUMER_SHUTDOWN_COMPLETE),
    [WI_CONSUMER_SHUTDOWN_REQUESTED] =
        BIT(WI_CONSUMER_SHUTTING_DOWN) | BIT(WI_CONSUMER_SHUTDOWN_COMPLETE),
    [WI_CONSUMER_SHUTTING_DOWN] = BIT(WI_CONSUMER_SHUTDOWN_COMPLETE),
    [WI_CONSUMER_SHUTDOWN_COMPLETE] = 0,
};

static const char *const consumer_actions[] = {
    "WAIT",
    "CALL_INITIALIZE",
    "FETCH",
    "ANCHOR",
    "CALL_PROCESS_RECORDS",
    "CALL_LEASE_LOST",
    "CALL_SHARD_ENDED",
    "CALL_SHUTDOWN_REQUESTED",
    "FINISH_SHARD",
    "RELEASE",
    "DONE",
};
_Static_assert(WI_ARRAY_LENGTH(consumer_actions) == CONSUMER_ACTIONS, "one name each");

static const char *const coordinator_states[] = {"FOLLOWING", "TAKING", "LEADING", "STOPPED"};
_Static_assert(WI_ARRAY_LENGTH(coordinator_states) == COORDINATOR_STATES, "one name each");

static const unsigned coordinator_steps[] = {
    [WI_COORDINATOR_FOLLOWING] =
        BIT(WI_COORDINATOR_TAKING) | BIT(WI_COORDINATOR_LEADING) | BIT(WI_COORDINATOR_STOPPED),
    [WI_COORDINATOR_TAKING] = BIT(WI_COORDINATOR_FOLLOWING) | BIT(WI_COORDINATOR_LEADING),
    [WI_COORDINATOR_LEADING] =
        BIT(WI_COORDINATOR_FOLLOWING) | BIT(WI_COORDINATOR_STOPPED) | BIT(WI_COORDINATOR_TAKING),
    [WI_COORDINATOR_STOPPED] = 0,
};

static const char *const coordinator_actions[] = {
    "WAIT",
    "READ_TABLE",
    "LIST_SHARDS",
    "TAKE_LEADER",
    "RELEASE_LEADER",
    "CREATE_LEASES",
    "ASSIGN",
    "REQUEST_HANDOFF",
    "REVOKE",
    "REMOVE_LEASE",
    "REMOVE_WORKER",
};
_Static_assert(WI_ARRAY_LENGTH(coordinator_actions) == COORDINATOR_ACTIONS, "one name each");

static const char *const classes[] = {
    "OK",
    "usage error",
    "no resource",
    "contention",
    "transient",
    "bad data",
    "system",
    "processor",
    "",
    "internal error",
};
_Static_assert(WI_ARRAY_LENGTH(classes) == CLASSES, "one name each");

/* --- counting -------------------------------------------------------------------------------- */

static void
count(struct wi_sim *sim, size_t index)
{
    WEIR_ASSERT(index < AT_END);
    sim->statistics->counters[index]++;
}

void
wi_sim_count_fault(struct wi_sim *sim, enum wi_sim_fault fault)
{
    count(sim, AT_FAULTS + (size_t)fault);
}

void
wi_sim_count_operation(struct wi_sim *sim, enum wi_sim_operation operation, enum weir_error error)
{
    count(sim, AT_OPERATIONS + (size_t)operation * CLASSES + (size_t)weir_error_class(error));
}

void
wi_sim_count_history(struct wi_sim *sim, enum wi_history_kind kind)
{
    (void)kind;
    sim->statistics->events++;
}

void
wi_sim_count_consumer(struct wi_sim *sim, enum wi_consumer_state from, enum wi_consumer_state to)
{
    count(sim, AT_CONSUMER + (size_t)from * WI_CONSUMER_STATES + (size_t)to);
}

void
wi_sim_count_action(struct wi_sim *sim, enum wi_consumer_action_type action)
{
    count(sim, AT_ACTIONS + (size_t)action);
}

void
wi_sim_count_coordinator(
    struct wi_sim *sim, enum wi_coordinator_state from, enum wi_coordinator_state to)
{
    count(sim, AT_COORDINATOR + (size_t)from * COORDINATOR_STATES + (size_t)to);
}

void
wi_sim_count_coordinator_action(struct wi_sim *sim, enum wi_coordinator_action_type action)
{
    count(sim, AT_COORDINATOR_ACTIONS + (size_t)action);
}

/* --- names ----------------------------------------------------------------------------------- */

/* Reads neither conflict nor need room. */
static bool
is_possible(size_t operation, size_t class)
{
    switch (class) {
    case WEIR_CLASS_OK:
    case WEIR_CLASS_TRANSIENT:
    case WEIR_CLASS_SYSTEM:
        return true;
    case WEIR_CLASS_RESOURCE:
    case WEIR_CLASS_CONTENTION:
        return operation != WI_SIM_LIST && operation != WI_SIM_GET_LEADER &&
               operation != WI_SIM_GET_PENDING;
    default:
        return false;
    }
}

static void
name_step(size_t index, size_t states, const char *machine, const char *const *names, char *text)
{
    (void)snprintf(
        text,
        WEIR_SIM_NAME_SIZE,
        "%s: %s -> %s",
        machine,
        names[index / states],
        names[index % states]);
}

const char *
weir_sim_counter_name(size_t index, char text[WEIR_SIM_NAME_SIZE])
{
    size_t at = 0;

    text[0] = '\0';
    if (index >= AT_END) {
        return NULL;
    }
    if (index < AT_OPERATIONS) {
        (void)snprintf(
            text, WEIR_SIM_NAME_SIZE, "fault: %s", wi_sim_fault_name((enum wi_sim_fault)index));
    } else if (index < AT_CONSUMER) {
        at = index - AT_OPERATIONS;
        if (is_possible(at / CLASSES, at % CLASSES)) {
            (void)snprintf(
                text,
                WEIR_SIM_NAME_SIZE,
                "table: %s: %s",
                wi_sim_operation_name((enum wi_sim_operation)(at / CLASSES)),
                classes[at % CLASSES]);
        }
    } else if (index < AT_ACTIONS) {
        at = index - AT_CONSUMER;
        if ((consumer_steps[at / WI_CONSUMER_STATES] & BIT(at % WI_CONSUMER_STATES)) != 0) {
            name_step(at, WI_CONSUMER_STATES, "consumer", consumer_states, text);
        }
    } else if (index < AT_COORDINATOR) {
        (void)snprintf(
            text, WEIR_SIM_NAME_SIZE, "consumer: %s", consumer_actions[index - AT_ACTIONS]);
    } else if (index < AT_COORDINATOR_ACTIONS) {
        at = index - AT_COORDINATOR;
        if ((coordinator_steps[at / COORDINATOR_STATES] & BIT(at % COORDINATOR_STATES)) != 0) {
            name_step(at, COORDINATOR_STATES, "coordinator", coordinator_states, text);
        }
    } else {
        (void)snprintf(
            text,
            WEIR_SIM_NAME_SIZE,
            "coordinator: %s",
            coordinator_actions[index - AT_COORDINATOR_ACTIONS]);
    }
    return text;
}
