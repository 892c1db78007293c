/* How a runner carries out the actions of its engine. Processor thread only. */
#ifndef WI_WORKER_RUNNER_ACTIONS_H
#define WI_WORKER_RUNNER_ACTIONS_H

#include "worker/shard_runner.h"

/* Carry out `action` (not WAIT, not DONE); blocks as long as it takes. Fills the event that tells
 * the engine how it ended. */
void wi_runner_perform(
    struct wi_runner *runner,
    const struct wi_consumer_action *action,
    struct weir_batch *batch,
    struct wi_consumer_event *ret_event);

/* The engine is done: destroy the processor's state. */
void wi_runner_finish(struct wi_runner *runner);

#endif
