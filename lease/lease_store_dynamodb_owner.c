/* What an owner does to its lease rows, renewals excepted. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_dynamodb.h"

/* --- claiming ------------------------------------------------------------------------------- */

/* A refusal after a lost answer: was it this very claim that came first? */
static bool
is_claimed(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_request *request,
    const char *owner,
    const struct wi_lease *lease)
{
    const struct weir_position initial = wi_dynamodb_initial(store);
    struct wi_dynamodb_lease row;

    return request->call.outcome_unknown && request->item != NULL &&
           wi_dynamodb_lease_read(request->item, &initial, &row) == WEIR_OK && row.is_ours &&
           row.lease.epoch == lease->epoch && strcmp(row.lease.owner, owner) == 0;
}

static void
claim_some(
    struct wi_dynamodb_store *store,
    struct wi_dynamodb_request *requests,
    const char *owner,
    const struct wi_lease *leases,
    size_t count,
    enum weir_error *results)
{
    for (size_t i = 0; i < count; i++) {
        struct wi_dynamodb_write write;

        wi_dynamodb_write_init(&write, store->env, false);
        wi_dynamodb_lease_claim(&write, owner, &leases[i]);
        wi_dynamodb_build_update(&requests[i], &store->leases, leases[i].lease_key, &write, false);
        wi_dynamodb_write_free(&write);
    }
    wi_dynamodb_perform(&store->dynamodb, requests, count);
    for (size_t i = 0; i < count; i++) {
        results[i] = requests[i].error;
        if (results[i] == WEIR_ECONFLICT && is_claimed(store, &requests[i], owner, &leases[i])) {
            results[i] = WEIR_OK;
        }
    }
}

enum weir_error
wi_dynamodb_claim(
    void *context,
    const char *owner,
    const struct wi_lease *leases,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_request *requests = wi_dynamodb_requests_new(store, WI_DYNAMODB_BATCH_MAX);

    if (requests == NULL) {
        return WEIR_ENOMEM;
    }
    for (size_t first = 0; first < count; first += WI_DYNAMODB_BATCH_MAX) {
        size_t left = count - first;

        claim_some(
            store,
            requests,
            owner,
            &leases[first],
            left < WI_DYNAMODB_BATCH_MAX ? left : WI_DYNAMODB_BATCH_MAX,
            &ret_results[first]);
    }
    wi_dynamodb_requests_free(store, requests, WI_DYNAMODB_BATCH_MAX);
    return WEIR_OK;
}

/* --- checkpoints ---------------------------------------------------------------------------- */

struct checkpoints {
    const struct wi_checkpoint_update *items;
    const size_t *index; /* of those that have to be looked at */
};

static const char *
checkpoint_key(void *context, size_t index)
{
    const struct checkpoints *checkpoints = context;

    return checkpoints->items[checkpoints->index[index]].lease_key;
}

static enum weir_error
judge_checkpoint(void *context, size_t index, struct wi_dynamodb_change *change)
{
    const struct checkpoints *checkpoints = context;
    const struct wi_checkpoint_update *item = &checkpoints->items[checkpoints->index[index]];

    change->condition = WI_CHANGE_IF_HELD;
    return change->row == NULL ? WEIR_ELEASELOST : wi_lease_apply_checkpoint(&change->after, item);
}

/* SHARD_END and sentinels are for the rules to refuse, and a second item for one row has to wait.
 */
static bool
is_plain(const struct wi_checkpoint_update *items, size_t index)
{
    enum weir_position_type type = items[index].position.type;

    if (items[index].owner[0] == '\0' || items[index].lease_key[0] == '\0' ||
        (type != WEIR_AFTER_SEQUENCE_NUMBER && type != WEIR_AT_SEQUENCE_NUMBER)) {
        return false;
    }
    for (size_t i = 0; i < index; i++) {
        if (strcmp(items[i].lease_key, items[index].lease_key) == 0) {
            return false;
        }
    }
    return true;
}

/* One write for each row, without a look at it. What is refused is kept in `ret_index`. */
static size_t
checkpoint_some(
    struct wi_dynamodb_store *store,
    struct wi_dynamodb_request *requests,
    const struct wi_checkpoint_update *items,
    size_t count,
    size_t *ret_index,
    enum weir_error *results)
{
    size_t sent[WI_DYNAMODB_BATCH_MAX];
    size_t sent_count = 0;
    size_t refused = 0;

    for (size_t i = 0; i < count; i++) {
        struct wi_dynamodb_write write;

        if (!is_plain(items, i)) {
            ret_index[refused++] = i;
            continue;
        }
        wi_dynamodb_write_init(&write, store->env, false);
        wi_dynamodb_lease_checkpoint(&write, &items[i]);
        wi_dynamodb_build_update(
            &requests[sent_count], &store->leases, items[i].lease_key, &write, false);
        wi_dynamodb_write_free(&write);
        sent[sent_count++] = i;
    }
    wi_dynamodb_perform(&store->dynamodb, requests, sent_count);
    for (size_t i = 0; i < sent_count; i++) {
        results[sent[i]] = requests[i].error;
        if (requests[i].error == WEIR_ECONFLICT || requests[i].error == WEIR_ETIMEOUT) {
            ret_index[refused++] = sent[i];
        }
    }
    return refused;
}

static int
compare_indexes(const void *a, const void *b)
{
    const size_t *left = a;
    const size_t *right = b;

    return (*left > *right) - (*left < *right);
}

static enum weir_error
look_at_refused(
    struct wi_dynamodb_store *store,
    const struct wi_checkpoint_update *items,
    size_t *index,
    size_t count,
    enum weir_error *results)
{
    enum weir_error found[WI_DYNAMODB_BATCH_MAX];
    struct checkpoints checkpoints = {.items = items, .index = index};
    const struct wi_dynamodb_changes changes = {
        .count = count, .key = checkpoint_key, .judge = judge_checkpoint, .context = &checkpoints};
    enum weir_error error = WEIR_OK;

    qsort(index, count, sizeof *index, compare_indexes);
    error = wi_dynamodb_change_leases(store, &changes, found);
    for (size_t i = 0; i < count && error == WEIR_OK; i++) {
        results[index[i]] = found[i];
    }
    return error;
}

enum weir_error
wi_dynamodb_checkpoint(
    void *context,
    const struct wi_checkpoint_update *items,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_request *requests = wi_dynamodb_requests_new(store, WI_DYNAMODB_BATCH_MAX);
    enum weir_error error = requests == NULL ? WEIR_ENOMEM : WEIR_OK;

    for (size_t first = 0; first < count && error == WEIR_OK; first += WI_DYNAMODB_BATCH_MAX) {
        size_t index[WI_DYNAMODB_BATCH_MAX];
        size_t left = count - first;
        size_t refused = checkpoint_some(
            store,
            requests,
            &items[first],
            left < WI_DYNAMODB_BATCH_MAX ? left : WI_DYNAMODB_BATCH_MAX,
            index,
            &ret_results[first]);

        if (refused > 0) {
            error = look_at_refused(store, &items[first], index, refused, &ret_results[first]);
        }
    }
    wi_dynamodb_requests_free(store, requests, WI_DYNAMODB_BATCH_MAX);
    return error;
}

/* --- prepared checkpoints ------------------------------------------------------------------- */

struct preparation {
    const struct wi_checkpoint_update *item;
    struct weir_bytes state;
};

static const char *
preparation_key(void *context, size_t index)
{
    const struct preparation *preparation = context;

    (void)index;
    return preparation->item->lease_key;
}

static enum weir_error
judge_preparation(void *context, size_t index, struct wi_dynamodb_change *change)
{
    const struct preparation *preparation = context;
    enum weir_error error = WEIR_ELEASELOST;

    (void)index;
    if (change->row != NULL) {
        error =
            wi_lease_apply_prepare(&change->after, preparation->item, preparation->state.length);
    }
    change->condition = WI_CHANGE_IF_HELD;
    change->has_state = error == WEIR_OK && change->after.has_pending &&
                        wi_lease_is_prepared(&change->after, &preparation->item->position);
    change->state = preparation->state;
    return error;
}

enum weir_error
wi_dynamodb_prepare(void *context, const struct wi_checkpoint_update *item, struct weir_bytes state)
{
    struct preparation preparation = {item, state};
    const struct wi_dynamodb_changes changes = {
        .count = 1, .key = preparation_key, .judge = judge_preparation, .context = &preparation};
    enum weir_error result = WEIR_ELEASELOST;
    enum weir_error error = wi_dynamodb_change_leases(context, &changes, &result);

    return error == WEIR_OK ? result : error;
}

enum weir_error
wi_dynamodb_get_pending(
    void *context,
    const char *lease_key,
    struct weir_position *ret,
    uint8_t *ret_state,
    size_t *ret_length)
{
    struct wi_dynamodb_lease row;
    enum weir_error error = wi_dynamodb_get_lease(context, lease_key, &row);

    if (error == WEIR_OK && !row.lease.has_pending) {
        error = WEIR_ENOTFOUND;
    }
    if (error == WEIR_OK) {
        *ret = row.lease.pending_checkpoint;
        memcpy(ret_state, row.state, row.state_length);
        *ret_length = row.state_length;
    }
    return error;
}

/* --- letting go ----------------------------------------------------------------------------- */

struct releases {
    struct wi_dynamodb_store *store;
    const struct wi_release *items;
};

static const char *
release_key(void *context, size_t index)
{
    const struct releases *releases = context;

    return releases->items[index].lease_key;
}

/* A lease that was never claimed is given back too: then nothing may have happened to it. */
static enum weir_error
judge_release(void *context, size_t index, struct wi_dynamodb_change *change)
{
    const struct releases *releases = context;
    const struct wi_release *item = &releases->items[index];
    struct wi_owner_view receiver = {.registered = false};
    enum weir_error error = WEIR_OK;

    if (change->row == NULL) {
        return WEIR_ELEASELOST;
    }
    if (item->to[0] != '\0') {
        error = wi_dynamodb_view(releases->store, item->to, &receiver);
    }
    if (error == WEIR_OK) {
        error = wi_lease_apply_release(&change->after, item, &receiver);
    }
    change->condition = WI_CHANGE_IF_HELD;
    return error;
}

enum weir_error
wi_dynamodb_release(
    void *context, const struct wi_release *items, size_t count, enum weir_error *ret_results)
{
    struct releases releases = {.store = context, .items = items};
    const struct wi_dynamodb_changes changes = {
        .count = count, .key = release_key, .judge = judge_release, .context = &releases};
    enum weir_error error = wi_dynamodb_change_leases(context, &changes, ret_results);

    if (error == WEIR_OK) {
        wi_dynamodb_raise_hint(context);
    }
    return error;
}

/* --- ending a shard ------------------------------------------------------------------------- */

static const char *
finish_key(void *context, size_t index)
{
    const struct wi_shard_finish *finish = context;

    (void)index;
    return finish->lease_key;
}

static enum weir_error
judge_finish(void *context, size_t index, struct wi_dynamodb_change *change)
{
    const struct wi_shard_finish *finish = context;

    (void)index;
    change->condition = WI_CHANGE_IF_HELD;
    return change->row == NULL ? WEIR_ELEASELOST : wi_lease_apply_finish(&change->after, finish);
}

/* The children's rows, if the lease is held and all of them are sound. A row for a child does no
 * harm if the parent's lease is lost in the next moment: the child waits for its parents. */
static enum weir_error
create_children(struct wi_dynamodb_store *store, const struct wi_shard_finish *finish)
{
    struct wi_lease rows[WEIR_CHILDREN_MAX];
    struct wi_dynamodb_state state;
    struct wi_dynamodb_lease row;
    size_t created = 0;
    enum weir_error error = wi_dynamodb_get_lease(store, finish->lease_key, &row);

    if (error == WEIR_ENOTFOUND) {
        return WEIR_ELEASELOST;
    }
    if (error == WEIR_OK) {
        error = wi_lease_apply_finish(&row.lease, finish);
    }
    if (error == WEIR_OK) {
        error = wi_dynamodb_get_state(store, &state);
    }
    for (size_t i = 0; i < finish->child_count && error == WEIR_OK; i++) {
        error = wi_lease_create(&finish->children[i], state.epoch_floor, &rows[i]);
    }
    return error == WEIR_OK && finish->child_count > 0
               ? wi_dynamodb_put_leases(store, rows, finish->child_count, &created)
               : error;
}

enum weir_error
wi_dynamodb_finish_shard(void *context, const struct wi_shard_finish *finish)
{
    struct wi_dynamodb_store *store = context;
    struct wi_shard_finish copy = *finish;
    const struct wi_dynamodb_changes changes = {
        .count = 1, .key = finish_key, .judge = judge_finish, .context = &copy};
    enum weir_error result = WEIR_ELEASELOST;
    enum weir_error error = create_children(store, finish);

    if (error == WEIR_OK) {
        error = wi_dynamodb_change_leases(store, &changes, &result);
    }
    if (error == WEIR_OK) {
        error = result;
    }
    if (error == WEIR_OK) {
        wi_dynamodb_raise_hint(store);
    }
    return error;
}
