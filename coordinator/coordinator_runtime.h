/* Carries out the coordinator engine's actions on a lease table and a stream. Blocking calls only.
 */
#ifndef WI_COORDINATOR_COORDINATOR_RUNTIME_H
#define WI_COORDINATOR_COORDINATOR_RUNTIME_H

#include <weir/stream.h>

#include "coordinator/coordinator_step.h"

/* How an action ended; becomes an event with wi_coordinator_outcome_event(). */
struct wi_coordinator_outcome {
    enum wi_coordinator_action_type action;
    enum weir_error error;
    uint64_t term;
    enum weir_error *results; /* one per item */
    struct weir_stream_description description;
    bool has_description;
};

struct wi_coordinator_place {
    const struct weir_env *env;
    struct wi_lease_store *store;
    struct weir_stream *stream;
    const char *owner;
};

/* Any action but WAIT and READ_TABLE. Blocks for one operation of the table or the stream. */
void wi_coordinator_execute(
    const struct wi_coordinator_place *place,
    const struct wi_coordinator_action *action,
    struct wi_coordinator_outcome *ret);

/* The event for the engine; borrows from `outcome`. */
struct wi_coordinator_event wi_coordinator_outcome_event(
    const struct wi_coordinator_outcome *outcome, struct weir_mono now);

/* Free what the outcome owns. */
void wi_coordinator_outcome_free(
    const struct wi_coordinator_place *place, struct wi_coordinator_outcome *outcome);

#endif
