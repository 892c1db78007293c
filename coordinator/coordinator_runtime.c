#include "coordinator/coordinator_runtime.h"

#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>

#include "coordinator/coordinator_step.h"
#include "core/check.h"
#include "core/memory.h"
#include "lease/lease_store.h"

static enum weir_error
write_leases(
    const struct wi_coordinator_place *place,
    const struct wi_coordinator_action *action,
    struct wi_coordinator_outcome *outcome)
{
    const struct wi_lease_store_ops *ops = place->store->ops;
    void *store = place->store->store;
    size_t created = 0;

    if (action->type == WI_COORDINATOR_CREATE_LEASES) {
        return ops->create(store, action->term, action->leases, action->count, &created);
    }
    outcome->results = wi_alloc_array(place->env, action->count, sizeof(enum weir_error));
    if (outcome->results == NULL) {
        return WEIR_ENOMEM;
    }
    if (action->type == WI_COORDINATOR_ASSIGN) {
        return ops->assign(
            store, action->term, action->assignments, action->count, outcome->results);
    }
    return ops->request_handoff(
        store, action->term, action->handoffs, action->count, outcome->results);
}

static enum weir_error
execute(
    const struct wi_coordinator_place *place,
    const struct wi_coordinator_action *action,
    struct wi_coordinator_outcome *outcome)
{
    const struct wi_lease_store_ops *ops = place->store->ops;
    void *store = place->store->store;

    switch (action->type) {
    case WI_COORDINATOR_LIST_SHARDS:
        outcome->error = weir_stream_describe(place->stream, &outcome->description, NULL);
        outcome->has_description = outcome->error == WEIR_OK;
        return outcome->error;
    case WI_COORDINATOR_TAKE_LEADER:
        return ops->take_leader(
            store, place->owner, action->expected_term, action->expected_counter, &outcome->term);
    case WI_COORDINATOR_RELEASE_LEADER:
        return ops->release_leader(store, place->owner, action->term);
    case WI_COORDINATOR_CREATE_LEASES:
    case WI_COORDINATOR_ASSIGN:
    case WI_COORDINATOR_REQUEST_HANDOFF:
        return write_leases(place, action, outcome);
    case WI_COORDINATOR_REVOKE:
        return ops->revoke(store, action->term, action->lease_key, action->expected_epoch);
    case WI_COORDINATOR_REMOVE_LEASE:
        return ops->remove(store, action->term, action->lease_key, action->expected_epoch);
    case WI_COORDINATOR_REMOVE_WORKER:
        return ops->remove_dead_worker(
            store, action->term, action->owner, action->expected_counter);
    case WI_COORDINATOR_WAIT:
    case WI_COORDINATOR_READ_TABLE:
        break;
    }
    WEIR_ASSERT(false);
    return WEIR_EINTERNAL;
}

void
wi_coordinator_execute(
    const struct wi_coordinator_place *place,
    const struct wi_coordinator_action *action,
    struct wi_coordinator_outcome *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->action = action->type;
    ret->error = execute(place, action, ret);
}

struct wi_coordinator_event
wi_coordinator_outcome_event(const struct wi_coordinator_outcome *outcome, struct weir_mono now)
{
    struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_RESULT,
        .now = now,
        .error = outcome->error,
        .results = outcome->results,
        .term = outcome->term};

    if (outcome->has_description) {
        event.type = WI_COORDINATOR_SHARDS;
        event.shards = outcome->description.shards;
        event.shard_count = outcome->description.shard_count;
    }
    return event;
}

void
wi_coordinator_outcome_free(
    const struct wi_coordinator_place *place, struct wi_coordinator_outcome *outcome)
{
    wi_free(place->env, outcome->results);
    outcome->results = NULL;
    if (outcome->has_description) {
        weir_stream_description_free(place->stream, &outcome->description);
        outcome->has_description = false;
    }
}
