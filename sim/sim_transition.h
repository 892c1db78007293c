/*
 * The state machines of a run and the transitions that each allows, for the statistics: what is
 * never reached was never judged. The tables of the engines stand in their own files; a step of an
 * engine may pass through a state without resting in it.
 */
#ifndef WI_SIM_SIM_TRANSITION_H
#define WI_SIM_SIM_TRANSITION_H

#include <stdbool.h>
#include <stddef.h>

struct wi_sim;
struct wi_lease;

enum wi_sim_machine {
    WI_SIM_MACHINE_CONSUMER,    /* enum wi_consumer_state */
    WI_SIM_MACHINE_COORDINATOR, /* enum wi_coordinator_state */
    WI_SIM_MACHINE_ROW,
    WI_SIM_MACHINE_WORKER,
    WI_SIM_MACHINES
};

/* A row of the lease table. */
enum wi_sim_row_state {
    WI_SIM_ROW_NONE,
    WI_SIM_ROW_UNOWNED,
    WI_SIM_ROW_OWNED,
    WI_SIM_ROW_WISHED,  /* owned, and a hand-off is asked for */
    WI_SIM_ROW_REVOKED, /* owned, and its renewals fail */
    WI_SIM_ROW_ENDED,   /* at SHARD_END, owned */
    WI_SIM_ROW_OVER     /* at SHARD_END, unowned */
};

/* A worker process. */
enum wi_sim_worker_state {
    WI_SIM_WORKER_DOWN,
    WI_SIM_WORKER_JOINING,
    WI_SIM_WORKER_MEMBER,
    WI_SIM_WORKER_DRAINING
};

/* All counters of transitions; the place of one of them. */
#define WI_SIM_TRANSITIONS_MAX 128U

/* Count the transitions that lead from one state to the other. A change that no path allows is a
 * violation (M1). */
void wi_sim_move(struct wi_sim *sim, enum wi_sim_machine machine, unsigned from, unsigned to);

/* The row is like this now; NULL: deleted. */
void wi_sim_row_moved(
    struct wi_sim *sim, unsigned *state, const struct wi_lease *row, bool has_new_owner);

/* "row: OWNED -> WISHED"; "" for a transition that is not allowed. `index` among all of them. */
void wi_sim_transition_name(size_t index, char *text, size_t size);

#endif
