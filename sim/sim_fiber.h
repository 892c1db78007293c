/*
 * A call of the user's code that can wait in virtual time: a stack of its own in the one thread of
 * the simulation. Who goes on is decided by events, so the same seed stays the same run.
 */
#ifndef WI_SIM_SIM_FIBER_H
#define WI_SIM_SIM_FIBER_H

#include <stdbool.h>
#include <stddef.h>

struct wi_sim_fiber;

/* Fibers that have ended are kept for the next ones. */
struct wi_sim_fibers {
    struct wi_sim_fiber *idle;
};

void wi_sim_fibers_free(struct wi_sim_fibers *fibers);

/* `run` does not begin before the first resume. Ends the process if there is no memory. */
struct wi_sim_fiber *wi_sim_fiber_new(
    struct wi_sim_fibers *fibers, void (*run)(void *argument), void *argument);

/* Let it run until it yields or ends; true: it has ended. Not from within a fiber. */
bool wi_sim_fiber_resume(struct wi_sim_fiber *fiber);

/* From within: let the others go on until the next resume. */
void wi_sim_fiber_yield(struct wi_sim_fiber *fiber);

/* It has ended. */
void wi_sim_fiber_free(struct wi_sim_fibers *fibers, struct wi_sim_fiber *fiber);

#endif
