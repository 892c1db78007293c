#include "sim/sim_transition.h"

#include <stdint.h>
#include <stdio.h>

#include <weir/sim.h>
#include <weir/types.h>

#include "coordinator/coordinator_step.h"
#include "core/check.h"
#include "lease/lease.h"
#include "sim/sim.h"
#include "worker/shard_consumer.h"

#define BIT(state)         (1U << (unsigned)(state))
#define STATES_MAX         7U
#define COORDINATOR_STATES (WI_COORDINATOR_STOPPED + 1U)
#define ROW_STATES         (WI_SIM_ROW_OVER + 1U)
#define WORKER_STATES      (WI_SIM_WORKER_DRAINING + 1U)

static const struct machine {
    const char *name;
    unsigned states;
    const char *names[STATES_MAX];
    unsigned allowed[STATES_MAX];
} machines[] = {
    [WI_SIM_MACHINE_CONSUMER] =
        {"consumer",
         WI_CONSUMER_STATES,
         {"WAITING_ON_PARENT_SHARDS",
          "INITIALIZING",
          "PROCESSING",
          "SHUTDOWN_REQUESTED",
          "SHUTTING_DOWN",
          "SHUTDOWN_COMPLETE"},
         {BIT(WI_CONSUMER_INITIALIZING) | BIT(WI_CONSUMER_SHUTTING_DOWN),
          BIT(WI_CONSUMER_PROCESSING) | BIT(WI_CONSUMER_SHUTTING_DOWN),
          BIT(WI_CONSUMER_SHUTDOWN_REQUESTED) | BIT(WI_CONSUMER_SHUTTING_DOWN),
          BIT(WI_CONSUMER_SHUTTING_DOWN),
          BIT(WI_CONSUMER_SHUTDOWN_COMPLETE),
          0}},
    [WI_SIM_MACHINE_COORDINATOR] =
        {"coordinator",
         COORDINATOR_STATES,
         {"FOLLOWING", "TAKING", "LEADING", "STOPPED"},
         {BIT(WI_COORDINATOR_TAKING) | BIT(WI_COORDINATOR_LEADING) | BIT(WI_COORDINATOR_STOPPED),
          BIT(WI_COORDINATOR_LEADING) | BIT(WI_COORDINATOR_FOLLOWING),
          BIT(WI_COORDINATOR_FOLLOWING) | BIT(WI_COORDINATOR_STOPPED),
          0}},
    [WI_SIM_MACHINE_ROW] =
        {"row",
         ROW_STATES,
         {"NONE", "UNOWNED", "OWNED", "WISHED", "REVOKED", "ENDED", "OVER"},
         {BIT(WI_SIM_ROW_UNOWNED),
          BIT(WI_SIM_ROW_OWNED),
          BIT(WI_SIM_ROW_OWNED) | BIT(WI_SIM_ROW_UNOWNED) | BIT(WI_SIM_ROW_WISHED) |
              BIT(WI_SIM_ROW_ENDED),
          BIT(WI_SIM_ROW_OWNED) | BIT(WI_SIM_ROW_UNOWNED) | BIT(WI_SIM_ROW_REVOKED) |
              BIT(WI_SIM_ROW_ENDED),
          BIT(WI_SIM_ROW_OWNED) | BIT(WI_SIM_ROW_UNOWNED) | BIT(WI_SIM_ROW_ENDED),
          BIT(WI_SIM_ROW_OVER) | BIT(WI_SIM_ROW_NONE),
          BIT(WI_SIM_ROW_NONE)}},
    [WI_SIM_MACHINE_WORKER] =
        {"worker",
         WORKER_STATES,
         {"DOWN", "JOINING", "MEMBER", "DRAINING"},
         {BIT(WI_SIM_WORKER_JOINING),
          BIT(WI_SIM_WORKER_MEMBER) | BIT(WI_SIM_WORKER_DRAINING) | BIT(WI_SIM_WORKER_DOWN),
          BIT(WI_SIM_WORKER_DRAINING) | BIT(WI_SIM_WORKER_DOWN) | BIT(WI_SIM_WORKER_JOINING),
          BIT(WI_SIM_WORKER_DOWN)}},
};
_Static_assert(WI_ARRAY_LENGTH(machines) == WI_SIM_MACHINES, "one row for each machine");
_Static_assert(
    WI_CONSUMER_STATES *WI_CONSUMER_STATES + COORDINATOR_STATES * COORDINATOR_STATES +
            ROW_STATES * ROW_STATES + WORKER_STATES * WORKER_STATES <=
        WI_SIM_TRANSITIONS_MAX,
    "the counters fit");

static bool
is_allowed(const struct machine *machine, unsigned from, unsigned to)
{
    return (machine->allowed[from] & BIT(to)) != 0;
}

/* The state between two that do not follow each other; the number of states if there is none. */
static unsigned
between(const struct machine *machine, unsigned from, unsigned to)
{
    unsigned state = 0;

    while (state < machine->states &&
           !(is_allowed(machine, from, state) && is_allowed(machine, state, to))) {
        state++;
    }
    return state;
}

static size_t
place_of(enum wi_sim_machine machine, unsigned from, unsigned to)
{
    size_t place = 0;

    for (unsigned i = 0; i < (unsigned)machine; i++) {
        place += (size_t)machines[i].states * machines[i].states;
    }
    return place + (size_t)from * machines[machine].states + to;
}

void
wi_sim_move(struct wi_sim *sim, enum wi_sim_machine machine, unsigned from, unsigned to)
{
    const struct machine *m = &machines[machine];
    unsigned middle = between(m, from, to);
    char text[WEIR_SIM_TEXT_SIZE];

    if (is_allowed(m, from, to)) {
        wi_sim_count_transition(sim, place_of(machine, from, to));
    } else if (middle < m->states) {
        wi_sim_count_transition(sim, place_of(machine, from, middle));
        wi_sim_count_transition(sim, place_of(machine, middle, to));
    } else {
        (void)snprintf(text, sizeof text, "%s: %s -> %s", m->name, m->names[from], m->names[to]);
        wi_sim_fail(sim, "M1", "allowed transitions", text);
    }
}

static enum wi_sim_row_state
state_of(const struct wi_lease *row)
{
    if (row == NULL) {
        return WI_SIM_ROW_NONE;
    }
    if (row->checkpoint.type == WEIR_SHARD_END) {
        return row->owner[0] == '\0' ? WI_SIM_ROW_OVER : WI_SIM_ROW_ENDED;
    }
    if (row->owner[0] == '\0') {
        return WI_SIM_ROW_UNOWNED;
    }
    if (row->revoked) {
        return WI_SIM_ROW_REVOKED;
    }
    return row->handoff.reason != WI_HANDOFF_NONE ? WI_SIM_ROW_WISHED : WI_SIM_ROW_OWNED;
}

void
wi_sim_row_moved(
    struct wi_sim *sim, unsigned *state, const struct wi_lease *row, bool has_new_owner)
{
    unsigned now = state_of(row);

    if (now != *state || (has_new_owner && now == WI_SIM_ROW_OWNED)) {
        wi_sim_move(sim, WI_SIM_MACHINE_ROW, *state, now);
        *state = now;
    }
}

/* --- names and shares ------------------------------------------------------------------------ */

void
wi_sim_transition_name(size_t index, char *text, size_t size)
{
    text[0] = '\0';
    for (unsigned i = 0; i < WI_SIM_MACHINES; i++) {
        const struct machine *machine = &machines[i];
        size_t count = (size_t)machine->states * machine->states;

        if (index < count) {
            unsigned from = (unsigned)index / machine->states;
            unsigned to = (unsigned)index % machine->states;

            if (is_allowed(machine, from, to)) {
                (void)snprintf(
                    text,
                    size,
                    "%s: %s -> %s",
                    machine->name,
                    machine->names[from],
                    machine->names[to]);
            }
            return;
        }
        index -= count;
    }
}

bool
weir_sim_coverage(
    size_t index, const struct weir_sim_statistics *statistics, struct weir_sim_coverage *ret)
{
    const struct machine *machine = NULL;

    if (index >= WI_SIM_MACHINES) {
        return false;
    }
    machine = &machines[index];
    *ret = (struct weir_sim_coverage){.machine = machine->name};
    for (unsigned from = 0; from < machine->states; from++) {
        for (unsigned to = 0; to < machine->states; to++) {
            if (is_allowed(machine, from, to)) {
                size_t place = place_of((enum wi_sim_machine)index, from, to);

                ret->allowed++;
                ret->reached += statistics->counters[wi_sim_transition_counter(place)] > 0 ? 1 : 0;
            }
        }
    }
    return true;
}
