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
#include "sim/sim_transition.h"
#include "worker/shard_consumer.h"

#define CLASSES             10U
#define CONSUMER_ACTIONS    (WI_CONSUMER_DONE + 1U)
#define COORDINATOR_ACTIONS (WI_COORDINATOR_REMOVE_WORKER + 1U)

/* Where each group of counters begins. */
enum {
    AT_FAULTS = 0,
    AT_OPERATIONS = AT_FAULTS + WI_SIM_FAULTS,
    AT_TRANSITIONS = AT_OPERATIONS + WI_SIM_OPERATIONS * CLASSES,
    AT_ACTIONS = AT_TRANSITIONS + WI_SIM_TRANSITIONS_MAX,
    AT_COORDINATOR_ACTIONS = AT_ACTIONS + CONSUMER_ACTIONS,
    AT_SCENARIOS = AT_COORDINATOR_ACTIONS + COORDINATOR_ACTIONS,
    AT_END = AT_SCENARIOS + WI_SIM_SCENARIOS
};
_Static_assert(AT_END <= WEIR_SIM_COUNTERS_MAX, "the counters fit");

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

static const char *const scenarios[] = {
    [WI_SIM_STARTED_AT_HORIZON] = "started at TRIM_HORIZON",
    [WI_SIM_STARTED_AT_LATEST] = "started at LATEST",
    [WI_SIM_STARTED_AT_TIMESTAMP] = "started at a time that had passed",
    [WI_SIM_STARTED_AT_TIME_TO_COME] = "started at a time to come",
    [WI_SIM_RESOLVED] = "LATEST or AT_TIMESTAMP became a number",
    [WI_SIM_PREPARED] = "checkpoint prepared",
    [WI_SIM_COMMITTED] = "prepared checkpoint reached",
    [WI_SIM_FOUND_PREPARED] = "prepared checkpoint found by the next owner",
    [WI_SIM_FEWER_THREADS] = "more shards than threads",
    [WI_SIM_WAITED_FOR_THREAD] = "shard waited for a thread",
    [WI_SIM_STARTED_NEWER] = "worker of a newer version started",
    [WI_SIM_LEADS_OLDER] = "leader of another version than a worker",
    [WI_SIM_WRITTEN_BY_NEWER] = "row written by a newer version",
    [WI_SIM_NEWER_KEPT_BY_OLDER] = "row of a newer version written by an older",
    [WI_SIM_YIELDED] = "shard gave its thread to another",
};
_Static_assert(WI_ARRAY_LENGTH(scenarios) == WI_SIM_SCENARIOS, "one name each");

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
wi_sim_count_scenario(struct wi_sim *sim, enum wi_sim_scenario scenario)
{
    count(sim, AT_SCENARIOS + (size_t)scenario);
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
wi_sim_count_transition(struct wi_sim *sim, size_t place)
{
    count(sim, AT_TRANSITIONS + place);
}

size_t
wi_sim_transition_counter(size_t place)
{
    WEIR_ASSERT(place < WI_SIM_TRANSITIONS_MAX);
    return AT_TRANSITIONS + place;
}

void
wi_sim_count_action(struct wi_sim *sim, enum wi_consumer_action_type action)
{
    count(sim, AT_ACTIONS + (size_t)action);
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
    } else if (index < AT_TRANSITIONS) {
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
        wi_sim_transition_name(index - AT_TRANSITIONS, text, WEIR_SIM_NAME_SIZE);
    } else if (index < AT_COORDINATOR_ACTIONS) {
        (void)snprintf(
            text, WEIR_SIM_NAME_SIZE, "consumer: %s", consumer_actions[index - AT_ACTIONS]);
    } else if (index < AT_SCENARIOS) {
        (void)snprintf(
            text,
            WEIR_SIM_NAME_SIZE,
            "coordinator: %s",
            coordinator_actions[index - AT_COORDINATOR_ACTIONS]);
    } else {
        (void)snprintf(text, WEIR_SIM_NAME_SIZE, "scenario: %s", scenarios[index - AT_SCENARIOS]);
    }
    return text;
}
