/* Look at rows, judge them by the rules, write on the condition that they are still as judged. */
#include <cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/memory.h"
#include "core/position.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_store_dynamodb.h"

/* One item of a change on its way. */
struct item {
    struct wi_dynamodb_lease row;
    struct wi_lease after;
    struct wi_dynamodb_request *request;
    enum weir_error *result;
    size_t index;
    bool has_row;
    bool in_doubt; /* an attempt to write it has no answer */
    bool is_sent;  /* in this round */
    bool is_done;
};

struct run {
    struct wi_dynamodb_store *store;
    const struct wi_dynamodb_changes *changes;
    struct weir_position initial;
    enum weir_error *results;
    struct item *items;
    struct wi_dynamodb_request *requests; /* packed: of the items that are not done */
    size_t count;
    size_t open;
};

static void
finish(struct item *item, enum weir_error result)
{
    *item->result = result;
    item->is_done = true;
}

/* Hand out one request to each item that goes on. */
static void
hand_out(struct run *run)
{
    run->open = 0;
    for (size_t i = 0; i < run->count; i++) {
        if (!run->items[i].is_done) {
            run->items[i].request = &run->requests[run->open++];
        }
    }
}

static void
note_row(struct run *run, struct item *item, const cJSON *found)
{
    enum weir_error error = WEIR_OK;

    item->has_row = found != NULL && wi_dynamodb_row_kind(found) == WI_DYNAMODB_ROW_LEASE;
    if (item->has_row) {
        error = wi_dynamodb_lease_read(found, &run->initial, &item->row);
    }
    if (error != WEIR_OK) {
        finish(item, error);
    }
}

static void
look(struct run *run)
{
    hand_out(run);
    for (size_t i = 0; i < run->count; i++) {
        struct item *item = &run->items[i];
        const char *key = run->changes->key(run->changes->context, item->index);

        if (!item->is_done) {
            wi_dynamodb_build_get(item->request, &run->store->leases, key, true);
        }
    }
    wi_dynamodb_perform(&run->store->dynamodb, run->requests, run->open);
    for (size_t i = 0; i < run->count; i++) {
        struct item *item = &run->items[i];

        if (item->is_done) {
            continue;
        }
        if (item->request->error != WEIR_OK) {
            /* What is in doubt stays so. */
            finish(item, item->in_doubt ? WEIR_ETIMEOUT : item->request->error);
        } else {
            note_row(run, item, item->request->item);
        }
    }
}

/* Whether the row is what this change was to make of it: then the lost answer was yes. */
static bool
is_written(const struct item *item)
{
    const struct wi_lease *row = &item->row.lease;

    return item->has_row && item->row.is_ours && row->epoch == item->after.epoch &&
           strcmp(row->owner, item->after.owner) == 0 && row->revoked == item->after.revoked &&
           row->handoff.reason == item->after.handoff.reason &&
           strcmp(row->handoff.to, item->after.handoff.to) == 0 &&
           row->has_pending == item->after.has_pending &&
           wi_checkpoint_compare(&row->pending_checkpoint, &item->after.pending_checkpoint) == 0 &&
           wi_checkpoint_compare(&row->checkpoint, &item->after.checkpoint) == 0;
}

/* Lists are worked through in their order: a second item for one row comes after the first. */
static bool
must_wait(const struct run *run, const struct item *item)
{
    const struct wi_dynamodb_changes *changes = run->changes;
    const char *key = changes->key(changes->context, item->index);

    for (const struct item *other = run->items; other < item; other++) {
        if (!other->is_done && strcmp(changes->key(changes->context, other->index), key) == 0) {
            return true;
        }
    }
    return false;
}

static void
build(struct run *run, struct item *item, const struct wi_dynamodb_change *change)
{
    struct wi_dynamodb_write write;
    const struct wi_lease *before = &item->row.lease;

    wi_dynamodb_write_init(&write, run->store->env, false);
    wi_dynamodb_lease_change(&write, &item->row, &change->after, change->raise);
    if (change->has_state) {
        wi_dynamodb_lease_set_pending(&write, &change->after.pending_checkpoint, change->state);
    }
    if (change->condition == WI_CHANGE_IF_HELD && item->row.is_ours) {
        wi_dynamodb_require_held(&write, before->owner, before->epoch);
        wi_dynamodb_require_checkpoint(&write, &before->checkpoint);
        wi_dynamodb_require_wish_as_read(&write, &item->row);
    } else {
        wi_dynamodb_require_as_read(
            &write,
            &item->row,
            change->condition == WI_CHANGE_IF_OWNERS ? WI_DYNAMODB_GUARD_OWNERS
                                                     : WI_DYNAMODB_GUARD_NOTHING);
    }
    wi_dynamodb_build_update(item->request, &run->store->leases, before->lease_key, &write, false);
    wi_dynamodb_write_free(&write);
}

static void
judge(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        struct item *item = &run->items[i];
        struct wi_dynamodb_change change = {.row = item->has_row ? &item->row : NULL, .raise = 1};
        enum weir_error error = WEIR_OK;

        item->is_sent = false;
        if (item->is_done || must_wait(run, item)) {
            continue;
        }
        if (item->in_doubt && is_written(item)) {
            finish(item, WEIR_OK);
            continue;
        }
        change.after = item->row.lease;
        error = run->changes->judge(run->changes->context, item->index, &change);
        if (error != WEIR_OK) {
            finish(item, error);
        } else {
            item->after = change.after;
            item->is_sent = true;
            item->request = &run->requests[run->open++];
            build(run, item, &change);
        }
    }
}

/* Refused: somebody was first, or an earlier attempt of this very write. Either way the row, as
 * DynamoDB sent it along, is judged again. */
static void
note_written(struct item *item)
{
    const struct wi_dynamodb_request *request = item->request;

    item->in_doubt = item->in_doubt || request->call.outcome_unknown;
    if (request->error == WEIR_OK) {
        finish(item, WEIR_OK);
    } else if (request->error != WEIR_ECONFLICT && request->error != WEIR_ETIMEOUT) {
        finish(item, item->in_doubt ? WEIR_ETIMEOUT : request->error);
    }
}

/* One look, one judgement, one write. False: everything is done. */
static bool
make_round(struct run *run)
{
    bool goes_on = false;

    look(run);
    run->open = 0;
    judge(run);
    wi_dynamodb_perform(&run->store->dynamodb, run->requests, run->open);
    for (size_t i = 0; i < run->count; i++) {
        if (!run->items[i].is_done) {
            if (run->items[i].is_sent) {
                note_written(&run->items[i]);
            }
            goes_on = goes_on || !run->items[i].is_done;
        }
    }
    return goes_on;
}

static enum weir_error
change_some(struct run *run, size_t first, size_t count)
{
    unsigned rounds = 0;

    run->count = count;
    for (size_t i = 0; i < count; i++) {
        run->items[i] = (struct item){.index = first + i, .result = &run->results[first + i]};
    }
    while (make_round(run)) {
        if (++rounds == WI_DYNAMODB_ROUNDS_MAX) {
            break;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!run->items[i].is_done) {
            finish(&run->items[i], run->items[i].in_doubt ? WEIR_ETIMEOUT : WEIR_ECONFLICT);
        }
    }
    return WEIR_OK;
}

enum weir_error
wi_dynamodb_change_leases(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_changes *changes,
    enum weir_error *ret_results)
{
    size_t most = changes->count < WI_DYNAMODB_BATCH_MAX ? changes->count : WI_DYNAMODB_BATCH_MAX;
    struct run run = {
        .store = store,
        .changes = changes,
        .results = ret_results,
        .initial = wi_dynamodb_initial(store)};
    enum weir_error error = WEIR_OK;

    if (changes->count == 0) {
        return WEIR_OK;
    }
    run.items = wi_alloc_array(store->env, most, sizeof *run.items);
    run.requests = wi_dynamodb_requests_new(store, most);
    if (run.items == NULL || run.requests == NULL) {
        error = WEIR_ENOMEM;
    }
    for (size_t first = 0; first < changes->count && error == WEIR_OK; first += most) {
        size_t left = changes->count - first;

        error = change_some(&run, first, left < most ? left : most);
    }
    wi_free(store->env, run.items);
    wi_dynamodb_requests_free(store, run.requests, most);
    return error;
}
