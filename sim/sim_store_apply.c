/* Requests carried out on the memory backend, and what the history is told of them. */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "lease/lease.h"
#include "lease/lease_store.h"
#include "lease/lease_store_memory.h"
#include "sim/history.h"
#include "sim/sim.h"
#include "sim/sim_row.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_transition.h"
#include "sim/sim_world.h"

#define ITEMS_MAX 256U

static const enum wi_history_operation told_as[] = {
    [WI_SIM_LIST] = WI_OPERATION_NONE,
    [WI_SIM_GET_LEADER] = WI_OPERATION_NONE,
    [WI_SIM_CREATE] = WI_OPERATION_CREATE,
    [WI_SIM_REMOVE] = WI_OPERATION_NONE,
    [WI_SIM_ASSIGN] = WI_OPERATION_ASSIGN,
    [WI_SIM_HANDOFF] = WI_OPERATION_HANDOFF,
    [WI_SIM_REVOKE] = WI_OPERATION_REVOKE,
    [WI_SIM_RENEW] = WI_OPERATION_RENEW,
    [WI_SIM_CHECKPOINT] = WI_OPERATION_CHECKPOINT,
    [WI_SIM_PREPARE] = WI_OPERATION_CHECKPOINT,
    [WI_SIM_GET_PENDING] = WI_OPERATION_NONE,
    [WI_SIM_RELEASE] = WI_OPERATION_RELEASE,
    [WI_SIM_FINISH] = WI_OPERATION_FINISH,
    [WI_SIM_PUT_WORKER] = WI_OPERATION_NONE,
    [WI_SIM_REMOVE_WORKER] = WI_OPERATION_NONE,
    [WI_SIM_TAKE_LEADER] = WI_OPERATION_NONE,
    [WI_SIM_RELEASE_LEADER] = WI_OPERATION_NONE,
};
_Static_assert(WI_ARRAY_LENGTH(told_as) == WI_SIM_OPERATIONS, "one entry for each operation");

/* --- the history ----------------------------------------------------------------------------- */

static const struct wi_lease *
row_of(struct wi_sim *sim, const char *lease_key)
{
    const struct wi_memory_lease *row = wi_memory_find_lease(sim->store.store->store, lease_key);

    return row == NULL ? NULL : &row->lease;
}

/* What the row is as bytes, if there are two versions of them. */
static void
write_bytes(
    struct wi_sim *sim, const struct wi_sim_request *request, uint32_t shard, const char *lease_key)
{
    if (sim->plan.config.two_versions) {
        wi_sim_row_write(
            sim, shard, wi_memory_find_lease(sim->store.store->store, lease_key), request->version);
    }
}

static bool
is_unresolved(const struct wi_lease *row)
{
    return row->checkpoint.type == WEIR_LATEST || row->checkpoint.type == WEIR_AT_TIMESTAMP;
}

/* Where LATEST was resolved to: what came before it is none of the application's business. */
static void
note_anchor(struct wi_sim *sim, const struct wi_lease *row, enum wi_history_operation operation)
{
    uint32_t number = wi_sim_shard_number(row->shard_id);

    if (!sim->is_anchored[number - 1] && !is_unresolved(row)) {
        sim->is_anchored[number - 1] = true;
        if (operation != WI_OPERATION_CREATE) {
            wi_sim_count_scenario(sim, WI_SIM_RESOLVED);
        }
        sim->anchor[number - 1] = wi_sim_position(sim, number, &row->checkpoint);
    }
}

/* I6 where the history cannot tell: a shard that has ended before the initial time holds nothing
 * that arrived at or after it. */
static void
check_end_before_time(struct wi_sim *sim, const struct wi_lease *row, uint32_t number)
{
    const struct weir_position *start = &sim->plan.config.initial_position;
    const struct wi_sim_shard *shard = wi_sim_shard(sim, number);

    if (row->checkpoint.type != WEIR_SHARD_END || start->type != WEIR_AT_TIMESTAMP ||
        sim->is_anchored[number - 1] || shard->count == shard->trimmed) {
        return;
    }
    if (shard->records[shard->count - 1].arrival_ms >= start->timestamp_ms) {
        wi_sim_fail(
            sim, "I6", "no loss", "a shard ended before the initial time and holds later records");
    }
}

/* `item`: of an owner's write; NULL for a leader's. */
static void
tell_row(
    struct wi_sim *sim,
    const struct wi_sim_request *request,
    const struct wi_sim_item *item,
    const char *lease_key,
    enum wi_history_operation operation)
{
    const struct wi_lease *row = row_of(sim, lease_key);
    struct wi_history_event event = {
        .kind = WI_HISTORY_ROW,
        .operation = operation,
        .writer = request->writer,
        .term = request->term};

    WEIR_ASSERT(row != NULL);
    event.shard = wi_sim_shard_number(row->shard_id);
    write_bytes(sim, request, event.shard, lease_key);
    event.worker = wi_sim_owner_number(row->owner);
    event.epoch = row->epoch;
    event.last = wi_sim_position(sim, event.shard, &row->checkpoint);
    event.unresolved = is_unresolved(row);
    event.shard_end = row->checkpoint.type == WEIR_SHARD_END;
    if (item != NULL) {
        event.writer = wi_sim_owner_number(item->owner);
        event.under = item->epoch;
    }
    wi_sim_row_moved(
        sim,
        &sim->row_states[event.shard - 1],
        row,
        sim->row_epochs[event.shard - 1] != row->epoch);
    sim->row_epochs[event.shard - 1] = row->epoch;
    check_end_before_time(sim, row, event.shard);
    note_anchor(sim, row, operation);
    if (sim->pending[event.shard - 1].is_there &&
        (operation == WI_OPERATION_CREATE || event.shard_end ||
         event.last >= sim->pending[event.shard - 1].through)) {
        sim->pending[event.shard - 1].is_there = false;
        wi_sim_count_scenario(sim, WI_SIM_COMMITTED);
    }
    wi_sim_tell(sim, &event);
}

static void
tell_refusal(
    struct wi_sim *sim, const struct wi_sim_request *request, const struct wi_sim_item *item)
{
    struct wi_history_event event = {
        .kind = WI_HISTORY_REFUSED,
        .shard = wi_sim_shard_number(item->lease_key),
        .worker = wi_sim_owner_number(item->owner),
        .epoch = item->epoch,
        .operation = told_as[request->operation],
        .error = item->result};

    if (event.worker != 0) { /* an operator is nobody's worker */
        wi_sim_tell(sim, &event);
    }
}

static void
tell_items(struct wi_sim *sim, const struct wi_sim_request *request)
{
    for (size_t i = 0; i < request->count; i++) {
        const struct wi_sim_item *item = &request->items[i];

        wi_sim_count_operation(sim, request->operation, item->result);
        if (item->result != WEIR_OK) {
            tell_refusal(sim, request, item);
        } else if (request->operation != WI_SIM_RENEW) {
            bool is_leaders =
                request->operation == WI_SIM_ASSIGN || request->operation == WI_SIM_HANDOFF;

            tell_row(
                sim,
                request,
                is_leaders ? NULL : item,
                item->lease_key,
                told_as[request->operation]);
        }
    }
}

static void
tell_leader(struct wi_sim *sim)
{
    struct wi_leader leader = {0};
    struct wi_history_event event = {.kind = WI_HISTORY_LEADER};

    WEIR_ASSERT(wi_memory_get_leader(sim->store.store->store, &leader) == WEIR_OK);
    event.worker = wi_sim_owner_number(leader.owner);
    event.epoch = leader.term;
    wi_sim_tell(sim, &event);
}

/* --- damage ---------------------------------------------------------------------------------- */

static enum weir_error
damage_of(const struct wi_sim *sim, const char *lease_key)
{
    for (size_t i = 0; i < sim->store.damage_count; i++) {
        if (strcmp(sim->store.damages[i].lease_key, lease_key) == 0) {
            return sim->store.damages[i].error;
        }
    }
    return WEIR_OK;
}

/* Rows that cannot be read are not listed; they are counted. */
static void
hide_damaged(const struct wi_sim *sim, struct wi_lease_table *table)
{
    size_t kept = 0;

    for (size_t i = 0; i < table->lease_count; i++) {
        if (damage_of(sim, table->leases[i].lease_key) == WEIR_OK) {
            table->leases[kept++] = table->leases[i];
            continue;
        }
        if (table->damaged_count++ == 0) {
            memcpy(table->first_damaged, table->leases[i].lease_key, sizeof table->first_damaged);
        }
    }
    table->lease_count = kept;
}

/* --- operations on several rows -------------------------------------------------------------- */

/* The readable items, in the form that the backend takes. */
struct batch {
    size_t count;
    size_t place[ITEMS_MAX]; /* in the request */
    enum weir_error results[ITEMS_MAX];
    union {
        struct wi_assignment assignments[ITEMS_MAX];
        struct wi_handoff_request handoffs[ITEMS_MAX];
        struct wi_held_lease held[ITEMS_MAX];
        struct wi_checkpoint_update checkpoints[ITEMS_MAX];
        struct wi_release releases[ITEMS_MAX];
    } as;
};

static void
add_item(struct batch *batch, enum wi_sim_operation operation, const struct wi_sim_item *item)
{
    size_t i = batch->count++;

    if (operation == WI_SIM_ASSIGN) {
        batch->as.assignments[i] =
            (struct wi_assignment){item->lease_key, item->to, item->epoch, item->counter};
    } else if (operation == WI_SIM_HANDOFF) {
        batch->as.handoffs[i] =
            (struct wi_handoff_request){item->lease_key, item->epoch, item->handoff};
    } else if (operation == WI_SIM_RENEW) {
        batch->as.held[i] =
            (struct wi_held_lease){.lease_key = item->lease_key, .epoch = item->epoch};
    } else if (operation == WI_SIM_CHECKPOINT) {
        batch->as.checkpoints[i] = (struct wi_checkpoint_update){
            item->lease_key, item->owner, item->epoch, item->position};
    } else {
        batch->as.releases[i] = (struct wi_release){.lease_key = item->lease_key,
                                                    .owner = item->owner,
                                                    .epoch = item->epoch,
                                                    .to = item->to,
                                                    .has_checkpoint = item->has_checkpoint,
                                                    .checkpoint = item->position,
                                                    .handed_through = item->handed_through,
                                                    .covers_earlier = item->covers_earlier};
    }
}

static enum weir_error
call_batch(struct wi_sim *sim, struct wi_sim_request *request, struct batch *batch)
{
    const struct wi_lease_store_ops *ops = sim->store.store->ops;
    void *store = sim->store.store->store;
    enum weir_error *results = batch->results;
    size_t count = batch->count;

    switch (request->operation) {
    case WI_SIM_ASSIGN:
        return ops->assign(store, request->term, batch->as.assignments, count, results);
    case WI_SIM_HANDOFF:
        return ops->request_handoff(store, request->term, batch->as.handoffs, count, results);
    case WI_SIM_RENEW:
        return ops->renew(store, request->owner, batch->as.held, count, results, &request->renewal);
    case WI_SIM_CHECKPOINT:
        return ops->checkpoint(store, batch->as.checkpoints, count, results);
    case WI_SIM_RELEASE:
        return ops->release(store, batch->as.releases, count, results);
    case WI_SIM_LIST:
    case WI_SIM_GET_LEADER:
    case WI_SIM_CREATE:
    case WI_SIM_REMOVE:
    case WI_SIM_REVOKE:
    case WI_SIM_PREPARE:
    case WI_SIM_GET_PENDING:
    case WI_SIM_FINISH:
    case WI_SIM_PUT_WORKER:
    case WI_SIM_REMOVE_WORKER:
    case WI_SIM_TAKE_LEADER:
    case WI_SIM_RELEASE_LEADER:
    case WI_SIM_OPERATIONS:
        break;
    }
    WEIR_ASSERT(false);
    return WEIR_EINTERNAL;
}

static enum weir_error
apply_batch(struct wi_sim *sim, struct wi_sim_request *request)
{
    struct batch *batch = wi_sim_alloc(&sim->world, 1, sizeof *batch);
    enum weir_error error = WEIR_OK;

    WEIR_ASSERT(request->count <= ITEMS_MAX);
    for (size_t i = 0; i < request->count; i++) {
        struct wi_sim_item *item = &request->items[i];

        item->result = damage_of(sim, item->lease_key);
        if (item->result == WEIR_OK) {
            batch->place[batch->count] = i;
            add_item(batch, request->operation, item);
        }
    }
    error = call_batch(sim, request, batch);
    for (size_t i = 0; i < batch->count && error == WEIR_OK; i++) {
        request->items[batch->place[i]].result = batch->results[i];
    }
    wi_free(&sim->world.env, batch);
    if (error == WEIR_OK) {
        tell_items(sim, request);
    }
    return error;
}

/* --- the others ------------------------------------------------------------------------------ */

static void
tell_created(struct wi_sim *sim, const struct wi_sim_request *request, const bool *existed)
{
    for (size_t i = 0; i < request->lease_count; i++) {
        if (!existed[i]) {
            tell_row(sim, request, NULL, request->leases[i].lease_key, WI_OPERATION_CREATE);
        }
    }
}

static enum weir_error
apply_create(struct wi_sim *sim, const struct wi_sim_request *request)
{
    const struct wi_lease_store_ops *ops = sim->store.store->ops;
    bool existed[WI_SIM_SHARDS_MAX] = {false};
    size_t created = 0;
    enum weir_error error = WEIR_OK;

    WEIR_ASSERT(request->lease_count <= WI_SIM_SHARDS_MAX);
    for (size_t i = 0; i < request->lease_count; i++) {
        existed[i] = row_of(sim, request->leases[i].lease_key) != NULL;
    }
    error = ops->create(
        sim->store.store->store, request->term, request->leases, request->lease_count, &created);
    if (error == WEIR_OK) {
        tell_created(sim, request, existed);
    }
    return error;
}

static enum weir_error
apply_finish(struct wi_sim *sim, const struct wi_sim_request *request)
{
    const struct wi_lease_store_ops *ops = sim->store.store->ops;
    const struct wi_sim_item *item = &request->items[0];
    struct wi_shard_finish finish = {
        .lease_key = item->lease_key,
        .owner = item->owner,
        .epoch = item->epoch,
        .children = request->leases,
        .child_count = request->lease_count};
    bool existed[WEIR_CHILDREN_MAX] = {false};
    enum weir_error error = damage_of(sim, item->lease_key);

    for (size_t i = 0; i < request->lease_count; i++) {
        existed[i] = row_of(sim, request->leases[i].lease_key) != NULL;
    }
    if (error == WEIR_OK) {
        error = ops->finish_shard(sim->store.store->store, &finish);
    }
    if (error == WEIR_OK) {
        tell_created(sim, request, existed);
        tell_row(sim, request, item, item->lease_key, WI_OPERATION_FINISH);
    } else {
        request->items[0].result = error;
        tell_refusal(sim, request, item);
    }
    return error;
}

static enum weir_error
apply_remove(struct wi_sim *sim, const struct wi_sim_request *request)
{
    enum weir_error error = damage_of(sim, request->lease_key);
    struct wi_history_event event = {
        .kind = WI_HISTORY_ROW_DELETED,
        .shard = wi_sim_shard_number(request->lease_key),
        .epoch = request->expected_epoch,
        .writer = request->writer,
        .term = request->term};

    if (error == WEIR_OK) {
        error = sim->store.store->ops->remove(
            sim->store.store->store, request->term, request->lease_key, request->expected_epoch);
    }
    if (error == WEIR_OK) {
        wi_sim_row_moved(sim, &sim->row_states[event.shard - 1], NULL, false);
        wi_sim_row_remove(sim, event.shard);
        wi_sim_tell(sim, &event);
    }
    return error;
}

static enum weir_error
apply_revoke(struct wi_sim *sim, const struct wi_sim_request *request)
{
    enum weir_error error = damage_of(sim, request->lease_key);

    if (error == WEIR_OK) {
        error = sim->store.store->ops->revoke(
            sim->store.store->store, request->term, request->lease_key, request->expected_epoch);
    }
    if (error == WEIR_OK) {
        tell_row(sim, request, NULL, request->lease_key, WI_OPERATION_REVOKE);
    }
    return error;
}

/* --- prepared checkpoints -------------------------------------------------------------------- */

static enum weir_error
apply_prepare(struct wi_sim *sim, const struct wi_sim_request *request)
{
    struct wi_sim_item *item = &request->items[0];
    const struct wi_checkpoint_update update = {
        item->lease_key, item->owner, item->epoch, item->position};
    uint32_t shard = wi_sim_shard_number(item->lease_key);
    struct wi_sim_pending *pending = &sim->pending[shard - 1];
    enum weir_error error = damage_of(sim, item->lease_key);

    if (error == WEIR_OK) {
        error = sim->store.store->ops->prepare(
            sim->store.store->store,
            &update,
            (struct weir_bytes){request->state, request->state_length});
    }
    item->result = error;
    if (error != WEIR_OK) {
        tell_refusal(sim, request, item);
        return error;
    }
    if (wi_sim_position(sim, shard, &item->position) <=
        wi_sim_position(sim, shard, &row_of(sim, item->lease_key)->checkpoint)) {
        return WEIR_OK; /* a second copy after the commit: nothing is pending */
    }
    *pending = (struct wi_sim_pending){.is_there = true,
                                       .through = wi_sim_position(sim, shard, &item->position),
                                       .state_length = request->state_length};
    memcpy(pending->state, request->state, request->state_length);
    wi_sim_count_scenario(sim, WI_SIM_PREPARED);
    write_bytes(sim, request, shard, item->lease_key);
    wi_sim_note(
        sim, "shard %u: checkpoint %" PRIu64 " is prepared", (unsigned)shard, pending->through);
    return WEIR_OK;
}

static enum weir_error
apply_get_pending(struct wi_sim *sim, struct wi_sim_request *request)
{
    struct wi_sim_item *item = &request->items[0];
    enum weir_error error = damage_of(sim, item->lease_key);

    if (error == WEIR_OK) {
        error = sim->store.store->ops->get_pending(
            sim->store.store->store,
            item->lease_key,
            &item->position,
            request->state,
            &request->state_length);
        wi_sim_check_pending(sim, request, error);
    }
    item->result = error;
    return error;
}

static enum weir_error
apply_leader(struct wi_sim *sim, struct wi_sim_request *request)
{
    const struct wi_lease_store_ops *ops = sim->store.store->ops;
    void *store = sim->store.store->store;
    enum weir_error error = request->operation == WI_SIM_TAKE_LEADER
                                ? ops->take_leader(
                                      store,
                                      request->owner,
                                      request->expected_term,
                                      request->expected_counter,
                                      &request->won_term)
                                : ops->release_leader(store, request->owner, request->term);

    if (error == WEIR_OK) {
        tell_leader(sim);
    }
    return error;
}

static enum weir_error
apply_list(struct wi_sim *sim, struct wi_sim_request *request)
{
    enum weir_error error = WEIR_OK;

    if (request->table.leases != NULL) {
        wi_lease_table_free(&sim->world.env, &request->table); /* doubled: the later one counts */
    }
    error = sim->store.store->ops->list(sim->store.store->store, &request->table);
    if (error == WEIR_OK) {
        hide_damaged(sim, &request->table);
    }
    return error;
}

static enum weir_error
apply(struct wi_sim *sim, struct wi_sim_request *request)
{
    const struct wi_lease_store_ops *ops = sim->store.store->ops;
    void *store = sim->store.store->store;

    switch (request->operation) {
    case WI_SIM_LIST:
        return apply_list(sim, request);
    case WI_SIM_GET_LEADER:
        return ops->get_leader(store, &request->leader);
    case WI_SIM_CREATE:
        return apply_create(sim, request);
    case WI_SIM_REMOVE:
        return apply_remove(sim, request);
    case WI_SIM_REVOKE:
        return apply_revoke(sim, request);
    case WI_SIM_ASSIGN:
    case WI_SIM_HANDOFF:
    case WI_SIM_RENEW:
    case WI_SIM_CHECKPOINT:
    case WI_SIM_RELEASE:
        return apply_batch(sim, request);
    case WI_SIM_PREPARE:
        return apply_prepare(sim, request);
    case WI_SIM_GET_PENDING:
        return apply_get_pending(sim, request);
    case WI_SIM_FINISH:
        return apply_finish(sim, request);
    case WI_SIM_PUT_WORKER:
        return ops->put_worker(store, &request->worker);
    case WI_SIM_REMOVE_WORKER:
        /* A worker that leaves names no term. */
        return request->term == 0
                   ? ops->remove_worker(store, request->owner)
                   : ops->remove_dead_worker(
                         store, request->term, request->owner, request->expected_counter);
    case WI_SIM_TAKE_LEADER:
    case WI_SIM_RELEASE_LEADER:
        return apply_leader(sim, request);
    case WI_SIM_OPERATIONS:
        break;
    }
    WEIR_ASSERT(false);
    return WEIR_EINTERNAL;
}

void
wi_sim_store_apply(struct wi_sim *sim, struct wi_sim_request *request)
{
    request->error = apply(sim, request);
    wi_sim_count_operation(sim, request->operation, request->error);
}
