/* What a leader does to lease rows. Each write is conditional on the row as it was judged. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/memory.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_dynamodb.h"
#include "lease/lease_watch_dynamodb.h"

/* Java KCL takes a counter that is one higher than its own for a lost answer to its own renewal. */
#define REVOKE_RAISE 2U

/* --- creating ------------------------------------------------------------------------------- */

static bool
is_parent_of(const struct wi_lease *lease, const struct wi_lease *child)
{
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        if (strcmp(child->parent_shard_ids[i], lease->shard_id) == 0) {
            return true;
        }
    }
    return false;
}

/* How many leases from `leases` on may be written side by side: none is a child of another. A child
 * without its parent's row would hide that the parent was never read. */
static size_t
wave_length(const struct wi_lease *leases, size_t count)
{
    size_t length = 1;

    for (; length < count && length < WI_DYNAMODB_BATCH_MAX; length++) {
        for (size_t i = 0; i < length; i++) {
            if (is_parent_of(&leases[i], &leases[length])) {
                return length;
            }
        }
    }
    return length;
}

/* A refusal after a lost answer: the row is as the lost attempt made it, and nobody has touched it.
 */
static bool
is_created(const struct wi_dynamodb_request *request, const struct wi_lease *lease)
{
    struct wi_dynamodb_lease row;

    return request->error == WEIR_ECONFLICT && request->call.outcome_unknown &&
           wi_dynamodb_lease_read(request->item, &lease->checkpoint, &row) == WEIR_OK &&
           row.is_ours && row.lease.counter == 0 && row.lease.epoch == lease->epoch;
}

static enum weir_error
put_wave(
    struct wi_dynamodb_store *store,
    struct wi_dynamodb_request *requests,
    const struct wi_lease *leases,
    size_t count,
    size_t *created)
{
    enum weir_error error = WEIR_OK;

    for (size_t i = 0; i < count; i++) {
        struct wi_dynamodb_write write;

        wi_dynamodb_write_init(&write, store->env, true);
        wi_dynamodb_lease_create(&write, &leases[i]);
        wi_dynamodb_require_absent(&write, WI_DYNAMODB_LEASE_KEY);
        wi_dynamodb_build_put(&requests[i], &store->leases, &write);
        wi_dynamodb_write_free(&write);
    }
    wi_dynamodb_perform(&store->dynamodb, requests, count);
    for (size_t i = 0; i < count; i++) {
        if (requests[i].error == WEIR_OK || is_created(&requests[i], &leases[i])) {
            ++*created;
        } else if (requests[i].error != WEIR_ECONFLICT && error == WEIR_OK) {
            error = requests[i].error; /* it is not known to exist: what follows must wait */
        }
    }
    return error;
}

enum weir_error
wi_dynamodb_put_leases(
    struct wi_dynamodb_store *store,
    const struct wi_lease *leases,
    size_t count,
    size_t *ret_created)
{
    struct wi_dynamodb_request *requests = wi_dynamodb_requests_new(store, WI_DYNAMODB_BATCH_MAX);
    enum weir_error error = requests == NULL ? WEIR_ENOMEM : WEIR_OK;
    size_t created = 0;

    for (size_t first = 0; first < count && error == WEIR_OK;) {
        size_t length = wave_length(&leases[first], count - first);

        error = put_wave(store, requests, &leases[first], length, &created);
        first += length;
    }
    wi_dynamodb_requests_free(store, requests, WI_DYNAMODB_BATCH_MAX);
    if (created > 0) {
        wi_dynamodb_raise_hint(store);
    }
    if (error == WEIR_OK) {
        *ret_created = created;
    }
    return error;
}

enum weir_error
wi_dynamodb_create(
    void *context, uint64_t term, const struct wi_lease *leases, size_t count, size_t *ret_created)
{
    struct wi_dynamodb_store *store = context;
    struct wi_lease *rows = wi_alloc_array(store->env, count + 1, sizeof *rows);
    struct wi_dynamodb_state state = {.epoch_floor = 0};
    enum weir_error error = rows == NULL ? WEIR_ENOMEM : wi_dynamodb_check_term(store, term);

    if (error == WEIR_OK) {
        error = wi_dynamodb_get_state(store, &state);
    }
    for (size_t i = 0; i < count && error == WEIR_OK; i++) {
        error = wi_lease_create(&leases[i], state.epoch_floor, &rows[i]);
    }
    if (error == WEIR_OK) {
        error = wi_dynamodb_put_leases(store, rows, count, ret_created);
    }
    wi_free(store->env, rows);
    return error;
}

/* --- removing ------------------------------------------------------------------------------- */

static enum weir_error
lift_floor(struct wi_dynamodb_store *store, uint64_t epoch)
{
    struct wi_dynamodb_write write;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_write_init(&write, store->env, false);
    wi_dynamodb_state_lift_floor(&write, epoch);
    error = wi_dynamodb_update_row(store, wi_dynamodb_states(store), WI_DYNAMODB_STATE_KEY, &write);
    wi_dynamodb_write_free(&write);
    return error == WEIR_ECONFLICT ? WEIR_OK : error; /* it is as high already */
}

enum weir_error
wi_dynamodb_remove_lease(
    void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_request request;
    struct wi_dynamodb_write write;
    struct wi_dynamodb_lease row;
    enum weir_error error = wi_dynamodb_check_term(store, term);

    if (error == WEIR_OK) {
        error = wi_dynamodb_get_lease(store, lease_key, &row);
    }
    if (error == WEIR_OK && row.lease.epoch != expected_epoch) {
        error = WEIR_ECONFLICT;
    }
    if (error == WEIR_OK) {
        error = lift_floor(store, expected_epoch);
    }
    if (error != WEIR_OK) {
        return error;
    }
    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_write_init(&write, store->env, false);
    wi_dynamodb_require_as_read(&write, &row, WI_DYNAMODB_GUARD_NOTHING);
    wi_dynamodb_build_delete(&request, &store->leases, lease_key, &write);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    if (error == WEIR_ECONFLICT && request.item == NULL && request.call.outcome_unknown) {
        error = WEIR_OK; /* gone, by the attempt whose answer was lost */
    }
    wi_dynamodb_write_free(&write);
    wi_dynamodb_request_free(&request);
    if (error == WEIR_OK) {
        wi_dynamodb_raise_hint(store);
    }
    return error;
}

/* --- what workers are like: looked up once in a call ----------------------------------------- */

struct known_view {
    char owner[WEIR_OWNER_SIZE];
    struct wi_owner_view view;
};

struct views {
    struct wi_dynamodb_store *store;
    struct known_view *known;
    size_t count;
    size_t capacity;
};

static enum weir_error
view_of(struct views *views, const char *owner, struct wi_owner_view *ret)
{
    enum weir_error error = WEIR_OK;

    for (size_t i = 0; i < views->count; i++) {
        if (strcmp(views->known[i].owner, owner) == 0) {
            *ret = views->known[i].view;
            return WEIR_OK;
        }
    }
    error = wi_dynamodb_view(views->store, owner, ret);
    if (error == WEIR_OK && views->count == views->capacity) {
        size_t capacity = views->capacity * 2 + 4;
        void *grown =
            wi_resize_array(views->store->env, views->known, capacity, sizeof *views->known);

        if (grown == NULL) {
            return WEIR_ENOMEM;
        }
        views->known = grown;
        views->capacity = capacity;
    }
    if (error == WEIR_OK) {
        struct known_view *known = &views->known[views->count];

        if (wi_str_copy(known->owner, sizeof known->owner, wi_str(owner))) {
            known->view = *ret;
            views->count++;
        }
    }
    return error;
}

/* --- assigning ------------------------------------------------------------------------------ */

struct assignments {
    const struct wi_assignment *items;
    struct views views;
};

static const char *
assignment_key(void *context, size_t index)
{
    const struct assignments *assignments = context;

    return assignments->items[index].lease_key;
}

/* The counter that is to stand still is the row's own. Nothing is fenced: the condition is that
 * nobody has written since, and each lease of a silent owner is judged by itself. */
/* A lease that weir gave to a worker of Java KCL, which has not looked for it yet. */
static bool
is_on_its_way_to_java(struct wi_dynamodb_store *store, const struct wi_dynamodb_lease *row)
{
    struct wi_dynamodb_worker owner;
    int64_t age_ms = 0;
    int64_t duration_ms = 0;

    if (!row->is_ours || row->lease.owner[0] == '\0' || row->lease.revoked ||
        wi_dynamodb_get_worker(store, row->lease.owner, &owner) != WEIR_OK || owner.is_ours) {
        return false;
    }
    pthread_mutex_lock(&store->mutex);
    age_ms = wi_dynamodb_watch_age_ms(&store->watch, &row->lease, wi_dynamodb_now(store));
    duration_ms = store->application.lease_duration_ms;
    pthread_mutex_unlock(&store->mutex);
    return age_ms < WI_DYNAMODB_JAVA_GRACE * duration_ms;
}

static enum weir_error
judge_assignment(void *context, size_t index, struct wi_dynamodb_change *change)
{
    struct assignments *assignments = context;
    const struct wi_assignment *item = &assignments->items[index];
    struct wi_owner_view owner;
    struct wi_owner_view receiver;
    enum weir_error error = WEIR_OK;
    bool fence = false;

    if (change->row == NULL) {
        return WEIR_ECONFLICT;
    }
    error = view_of(&assignments->views, change->row->lease.owner, &owner);
    if (error == WEIR_OK) {
        error = view_of(&assignments->views, item->to, &receiver);
    }
    owner.counter = change->row->lease.counter;
    if (item->expected_counter == WI_COUNTER_OF_A_STEAL &&
        wi_dynamodb_mode(assignments->views.store) != WI_DYNAMODB_MODE_3X) {
        owner.counter = item->expected_counter; /* the write's condition is the row as just read */
    }
    if (error == WEIR_OK) {
        error = wi_lease_judge_assignment(&change->row->lease, item, &owner, &receiver, &fence);
    }
    if (error == WEIR_OK && is_on_its_way_to_java(assignments->views.store, change->row)) {
        error = WEIR_ECONFLICT;
    }
    if (error == WEIR_OK) {
        error = wi_lease_apply_assignment(&change->after, item);
    }
    return error;
}

static void
raise_hint_if_any(struct wi_dynamodb_store *store, const enum weir_error *results, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (results[i] == WEIR_OK || results[i] == WEIR_ETIMEOUT) {
            wi_dynamodb_raise_hint(store);
            return;
        }
    }
}

enum weir_error
wi_dynamodb_assign(
    void *context,
    uint64_t term,
    const struct wi_assignment *items,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_dynamodb_store *store = context;
    struct assignments assignments = {.items = items, .views = {.store = store}};
    const struct wi_dynamodb_changes changes = {
        .count = count, .key = assignment_key, .judge = judge_assignment, .context = &assignments};
    enum weir_error error = wi_dynamodb_check_term(store, term);

    if (error == WEIR_OK) {
        error = wi_dynamodb_change_leases(store, &changes, ret_results);
    }
    if (error == WEIR_OK) {
        raise_hint_if_any(store, ret_results, count);
    }
    wi_free(store->env, assignments.views.known);
    return error;
}

/* --- wishes --------------------------------------------------------------------------------- */

struct wishes {
    const struct wi_handoff_request *items;
    struct views views;
};

static const char *
wish_key(void *context, size_t index)
{
    const struct wishes *wishes = context;

    return wishes->items[index].lease_key;
}

/* Java's worker carries out the first wish that it sees, under the names that stood there then: a
 * second one would make it give up the lease. And it knows no wish without a receiver. */
static bool
is_beyond_java(const struct wi_dynamodb_lease *row, const struct wi_handoff *handoff)
{
    return !row->is_ours && (row->java_checkpoint_owner[0] != '\0' ||
                             handoff->reason == WI_HANDOFF_NONE || handoff->to[0] == '\0');
}

static enum weir_error
judge_wish(void *context, size_t index, struct wi_dynamodb_change *change)
{
    struct wishes *wishes = context;
    const struct wi_handoff_request *item = &wishes->items[index];
    struct wi_owner_view receiver;
    enum weir_error error = WEIR_ECONFLICT;

    if (change->row == NULL) {
        return WEIR_ECONFLICT;
    }
    error = view_of(&wishes->views, item->handoff.to, &receiver);
    if (error == WEIR_OK) {
        error = wi_lease_apply_handoff(&change->after, item, &receiver);
    }
    if (error == WEIR_OK && is_beyond_java(change->row, &item->handoff)) {
        error = WEIR_ECONFLICT;
    }
    change->raise = 0;
    change->condition = WI_CHANGE_IF_OWNERS;
    return error;
}

/* A worker of 2.x would go on with a lease whose leaseOwner is the receiver already. */
static enum weir_error
check_wishes(struct wi_dynamodb_store *store, uint64_t term)
{
    return wi_dynamodb_mode(store) == WI_DYNAMODB_MODE_3X ? wi_dynamodb_check_term(store, term)
                                                          : WEIR_EUNSUPPORTED;
}

enum weir_error
wi_dynamodb_request_handoff(
    void *context,
    uint64_t term,
    const struct wi_handoff_request *items,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_dynamodb_store *store = context;
    struct wishes wishes = {.items = items, .views = {.store = store}};
    const struct wi_dynamodb_changes changes = {
        .count = count, .key = wish_key, .judge = judge_wish, .context = &wishes};
    enum weir_error error = check_wishes(store, term);

    if (error == WEIR_OK) {
        error = wi_dynamodb_change_leases(store, &changes, ret_results);
    }
    if (error == WEIR_OK) {
        raise_hint_if_any(store, ret_results, count);
    }
    wi_free(store->env, wishes.views.known);
    return error;
}

/* --- revoking ------------------------------------------------------------------------------- */

struct revocation {
    const char *lease_key;
    uint64_t expected_epoch;
};

static const char *
revocation_key(void *context, size_t index)
{
    const struct revocation *revocation = context;

    (void)index;
    return revocation->lease_key;
}

static enum weir_error
judge_revocation(void *context, size_t index, struct wi_dynamodb_change *change)
{
    const struct revocation *revocation = context;

    (void)index;
    change->raise = REVOKE_RAISE;
    return change->row == NULL
               ? WEIR_ECONFLICT
               : wi_lease_apply_revocation(&change->after, revocation->expected_epoch);
}

enum weir_error
wi_dynamodb_revoke(void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch)
{
    struct wi_dynamodb_store *store = context;
    struct revocation revocation = {lease_key, expected_epoch};
    const struct wi_dynamodb_changes changes = {
        .count = 1, .key = revocation_key, .judge = judge_revocation, .context = &revocation};
    enum weir_error result = WEIR_ECONFLICT;
    enum weir_error error = check_wishes(store, term);

    if (error == WEIR_OK) {
        error = wi_dynamodb_change_leases(store, &changes, &result);
    }
    if (error == WEIR_OK) {
        raise_hint_if_any(store, &result, 1);
        error = result;
    }
    return error;
}
