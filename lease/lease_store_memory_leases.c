/* The memory backend's operations on lease rows. Each holds the mutex from its first look to its
 * last change, so all of them are one after another. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_memory.h"
#include "lease/session_rules.h"

enum weir_error
wi_memory_create(
    void *context, uint64_t term, const struct wi_lease *leases, size_t count, size_t *ret_created)
{
    struct wi_memory_store *store = context;
    enum weir_error error;
    size_t created = 0;
    struct wi_lease row;

    pthread_mutex_lock(&store->mutex);
    error = wi_leader_check_term(&store->leader, term);
    for (size_t i = 0; error == WEIR_OK && i < count; i++) {
        error = wi_lease_create(&leases[i], store->counters.epoch_floor, &row);
    }
    if (error == WEIR_OK) {
        error = wi_memory_reserve_leases(store, count);
    }
    for (size_t i = 0; error == WEIR_OK && i < count; i++) {
        error = wi_lease_create(&leases[i], store->counters.epoch_floor, &row);
        if (error == WEIR_OK && wi_memory_add_lease(store, &row)) {
            wi_memory_note_change(store, row.epoch);
            created++;
        }
    }
    pthread_mutex_unlock(&store->mutex);
    if (error == WEIR_OK) {
        *ret_created = created;
    }
    return error;
}

enum weir_error
wi_memory_remove(void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch)
{
    struct wi_memory_store *store = context;
    const struct wi_memory_lease *row;
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    error = wi_leader_check_term(&store->leader, term);
    row = wi_memory_find_lease(store, lease_key);
    if (error == WEIR_OK && row == NULL) {
        error = WEIR_ENOTFOUND;
    }
    if (error == WEIR_OK && row->lease.epoch != expected_epoch) {
        error = WEIR_ECONFLICT;
    }
    if (error == WEIR_OK) {
        wi_table_note_removal(&store->counters, expected_epoch);
        wi_memory_remove_lease(store, lease_key);
        wi_memory_raise_hint(store);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

static enum weir_error
judge_assignment(struct wi_memory_store *store, const struct wi_assignment *item, bool *ret_fence)
{
    const struct wi_memory_lease *row = wi_memory_find_lease(store, item->lease_key);
    struct wi_owner_view owner;
    struct wi_owner_view receiver = wi_memory_view(store, item->to);

    if (row == NULL) {
        return WEIR_ECONFLICT;
    }
    owner = wi_memory_view(store, row->lease.owner);
    return wi_lease_judge_assignment(&row->lease, item, &owner, &receiver, ret_fence);
}

/* Fence the owner of the item's lease if it is judged by its counter. */
static enum weir_error
fence_owner(struct wi_memory_store *store, const struct wi_assignment *item)
{
    const struct wi_memory_lease *row = wi_memory_find_lease(store, item->lease_key);
    struct wi_owner_view owner = wi_memory_view(store, row->lease.owner);
    struct wi_memory_session *session = wi_memory_find_session(store, row->lease.owner);
    struct wi_session tombstone;
    enum weir_error error;

    if (row->lease.revoked || wi_owner_view_state(row->lease.owner, &owner) != WI_OWNER_ALIVE) {
        return WEIR_OK;
    }
    if (session != NULL) {
        return wi_session_fence(&session->session, false, row->lease.owner, item->expected_counter);
    }
    error = wi_memory_reserve_session(store);
    if (error == WEIR_OK) {
        error = wi_session_fence(&tombstone, true, row->lease.owner, item->expected_counter);
    }
    if (error == WEIR_OK) {
        wi_memory_add_session(store, &tombstone);
    }
    return error;
}

static enum weir_error
assign_one(struct wi_memory_store *store, const struct wi_assignment *item)
{
    struct wi_memory_lease *row = wi_memory_find_lease(store, item->lease_key);
    enum weir_error error = wi_lease_apply_assignment(&row->lease, item);

    if (error == WEIR_OK) {
        wi_memory_note_change(store, row->lease.epoch);
    }
    return error;
}

enum weir_error
wi_memory_assign(
    void *context,
    uint64_t term,
    const struct wi_assignment *items,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_memory_store *store = context;
    enum weir_error error;
    bool fence = false;

    pthread_mutex_lock(&store->mutex);
    error = wi_leader_check_term(&store->leader, term);
    /* The same three steps as in a store whose sessions and leases are two transactions. */
    for (size_t i = 0; error == WEIR_OK && i < count; i++) {
        ret_results[i] = judge_assignment(store, &items[i], &fence);
    }
    for (size_t i = 0; error == WEIR_OK && i < count; i++) {
        if (ret_results[i] == WEIR_OK) {
            ret_results[i] = fence_owner(store, &items[i]);
        }
        error = ret_results[i] == WEIR_ENOMEM ? WEIR_ENOMEM : WEIR_OK;
    }
    for (size_t i = 0; error == WEIR_OK && i < count; i++) {
        if (ret_results[i] == WEIR_OK) {
            ret_results[i] = assign_one(store, &items[i]);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_request_handoff(
    void *context,
    uint64_t term,
    const struct wi_handoff_request *items,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_memory_store *store = context;
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    error = wi_leader_check_term(&store->leader, term);
    for (size_t i = 0; error == WEIR_OK && i < count; i++) {
        struct wi_memory_lease *row = wi_memory_find_lease(store, items[i].lease_key);
        struct wi_owner_view receiver = wi_memory_view(store, items[i].handoff.to);
        ret_results[i] = row == NULL ? WEIR_ECONFLICT
                                     : wi_lease_apply_handoff(&row->lease, &items[i], &receiver);
        if (ret_results[i] == WEIR_OK) {
            wi_memory_note_change(store, 0);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_revoke(void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch)
{
    struct wi_memory_store *store = context;
    struct wi_memory_lease *row;
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    row = wi_memory_find_lease(store, lease_key);
    error = wi_leader_check_term(&store->leader, term);
    if (error == WEIR_OK) {
        error =
            row == NULL ? WEIR_ECONFLICT : wi_lease_apply_revocation(&row->lease, expected_epoch);
    }
    if (error == WEIR_OK) {
        wi_memory_note_change(store, 0);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_checkpoint(
    void *context,
    const struct wi_checkpoint_update *items,
    size_t count,
    enum weir_error *ret_results)
{
    struct wi_memory_store *store = context;

    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < count; i++) {
        struct wi_memory_lease *row = wi_memory_find_lease(store, items[i].lease_key);
        ret_results[i] =
            row == NULL ? WEIR_ELEASELOST : wi_lease_apply_checkpoint(&row->lease, &items[i]);
    }
    pthread_mutex_unlock(&store->mutex);
    return WEIR_OK;
}

enum weir_error
wi_memory_prepare(void *context, const struct wi_checkpoint_update *item, struct weir_bytes state)
{
    struct wi_memory_store *store = context;
    struct wi_memory_lease *row;
    enum weir_error error = WEIR_ELEASELOST;

    pthread_mutex_lock(&store->mutex);
    row = wi_memory_find_lease(store, item->lease_key);
    if (row != NULL) {
        error = wi_lease_apply_prepare(&row->lease, item, state.length);
    }
    if (error == WEIR_OK && wi_lease_is_prepared(&row->lease, &item->position)) {
        row->state_length = state.length;
        if (state.length > 0) {
            memcpy(row->state, state.data, state.length);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_get_pending(
    void *context,
    const char *lease_key,
    struct weir_position *ret,
    uint8_t *ret_state,
    size_t *ret_length)
{
    struct wi_memory_store *store = context;
    const struct wi_memory_lease *row;
    enum weir_error error = WEIR_ENOTFOUND;

    pthread_mutex_lock(&store->mutex);
    row = wi_memory_find_lease(store, lease_key);
    if (row != NULL && row->lease.has_pending) {
        *ret = row->lease.pending_checkpoint;
        memcpy(ret_state, row->state, row->state_length);
        *ret_length = row->state_length;
        error = WEIR_OK;
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_release(
    void *context, const struct wi_release *items, size_t count, enum weir_error *ret_results)
{
    struct wi_memory_store *store = context;

    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < count; i++) {
        struct wi_memory_lease *row = wi_memory_find_lease(store, items[i].lease_key);
        struct wi_owner_view receiver = wi_memory_view(store, items[i].to);
        ret_results[i] = row == NULL ? WEIR_ELEASELOST
                                     : wi_lease_apply_release(&row->lease, &items[i], &receiver);
        if (ret_results[i] == WEIR_OK) {
            wi_memory_note_change(store, row->lease.epoch);
        }
    }
    pthread_mutex_unlock(&store->mutex);
    return WEIR_OK;
}

/* Check everything that can be refused, so that what follows cannot fail. */
static enum weir_error
check_finish(struct wi_memory_store *store, const struct wi_shard_finish *finish)
{
    struct wi_memory_lease *row = wi_memory_find_lease(store, finish->lease_key);
    struct wi_lease trial;
    enum weir_error error;

    if (row == NULL) {
        return WEIR_ELEASELOST;
    }
    trial = row->lease;
    error = wi_lease_apply_finish(&trial, finish);
    for (size_t i = 0; error == WEIR_OK && i < finish->child_count; i++) {
        error = wi_lease_create(&finish->children[i], store->counters.epoch_floor, &trial);
    }
    return error == WEIR_OK ? wi_memory_reserve_leases(store, finish->child_count) : error;
}

enum weir_error
wi_memory_finish_shard(void *context, const struct wi_shard_finish *finish)
{
    struct wi_memory_store *store = context;
    struct wi_lease child;
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    error = check_finish(store, finish);
    for (size_t i = 0; error == WEIR_OK && i < finish->child_count; i++) {
        error = wi_lease_create(&finish->children[i], store->counters.epoch_floor, &child);
        if (error == WEIR_OK && wi_memory_add_lease(store, &child)) {
            wi_memory_note_change(store, child.epoch);
        }
    }
    if (error == WEIR_OK) {
        struct wi_memory_lease *row = wi_memory_find_lease(store, finish->lease_key);
        error = wi_lease_apply_finish(&row->lease, finish);
        wi_memory_note_change(store, 0);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}
