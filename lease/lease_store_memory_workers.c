/* The memory backend's operations on application, workers and leader. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_memory.h"
#include "lease/session_rules.h"
#include "storage/process.h"

enum weir_error
wi_memory_open_application(
    void *context, const struct wi_application *wish, struct wi_application *ret)
{
    struct wi_memory_store *store = context;
    struct wi_application_facts facts;
    enum weir_error error;
    bool changed = false;

    pthread_mutex_lock(&store->mutex);
    facts = (struct wi_application_facts){.exists = store->application.stream_url[0] != '\0',
                                          .has_live_worker = wi_memory_has_live_worker(store),
                                          .has_leases = store->lease_count > 0};
    error = wi_application_join(&store->application, wish, &facts, &changed);
    if (error == WEIR_OK) {
        *ret = store->application;
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_renew(
    void *context,
    const char *owner,
    const struct wi_held_lease *held,
    size_t count,
    enum weir_error *ret_results,
    struct wi_renew_answer *ret_answer)
{
    struct wi_memory_store *store = context;
    struct wi_memory_session *session;
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    session = wi_memory_find_session(store, owner);
    error = wi_session_renew(session == NULL ? NULL : &session->session, ret_answer);
    for (size_t i = 0; error == WEIR_OK && i < count; i++) {
        const struct wi_memory_lease *row = wi_memory_find_lease(store, held[i].lease_key);
        ret_results[i] = row == NULL ? WEIR_ELEASELOST
                                     : wi_lease_check_renewal(&row->lease, owner, held[i].epoch);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_put_worker(void *context, const struct wi_worker *worker)
{
    struct wi_memory_store *store = context;
    struct wi_memory_session *row;
    struct wi_session session;
    enum weir_error error = WEIR_EINVAL;

    pthread_mutex_lock(&store->mutex);
    if (wi_lease_text_is_valid(worker->owner, sizeof worker->owner)) {
        error = wi_memory_reserve_session(store);
    }
    if (error == WEIR_OK) {
        row = wi_memory_find_session(store, worker->owner);
        error = wi_session_put(row == NULL ? &session : &row->session, row == NULL, worker);
        if (error == WEIR_OK && row == NULL) {
            wi_memory_add_session(store, &session);
        }
    }
    if (error == WEIR_OK) {
        wi_memory_raise_hint(store);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

static bool
owns_a_lease(const struct wi_memory_store *store, const char *owner)
{
    for (size_t i = 0; i < store->lease_count; i++) {
        if (strcmp(store->leases[i].lease.owner, owner) == 0) {
            return true;
        }
    }
    return false;
}

static enum weir_error
remove_worker(struct wi_memory_store *store, const char *owner)
{
    if (wi_memory_find_session(store, owner) == NULL) {
        return WEIR_ENOTFOUND;
    }
    if (owns_a_lease(store, owner)) {
        return WEIR_ECONFLICT;
    }
    wi_memory_remove_session(store, owner);
    wi_memory_raise_hint(store);
    return WEIR_OK;
}

enum weir_error
wi_memory_remove_worker(void *context, const char *owner)
{
    struct wi_memory_store *store = context;
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    error = remove_worker(store, owner);
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_remove_dead_worker(
    void *context, uint64_t term, const char *owner, uint64_t expected_counter)
{
    struct wi_memory_store *store = context;
    struct wi_owner_view view;
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    view = wi_memory_view(store, owner);
    error = view.registered ? wi_session_check_removal(&view, expected_counter) : WEIR_ENOTFOUND;
    if (error == WEIR_OK) {
        error = wi_leader_check_term(&store->leader, term);
    }
    if (error == WEIR_OK) {
        error = remove_worker(store, owner);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_request_drain(void *context, const char *worker_name)
{
    struct wi_memory_store *store = context;
    enum weir_error error = WEIR_ENOTFOUND;

    pthread_mutex_lock(&store->mutex);
    for (size_t i = 0; i < store->session_count; i++) {
        struct wi_memory_session *row = &store->sessions[i];
        struct wi_worker worker = wi_session_worker(&row->session, row->process_gone);
        if (worker.state == WI_OWNER_ALIVE &&
            wi_str_equal_z(wi_owner_name(wi_str(worker.owner)), worker_name)) {
            row->session.drain_requested = true;
            error = WEIR_OK;
        }
    }
    if (error == WEIR_OK) {
        wi_memory_raise_hint(store);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_get_leader(void *context, struct wi_leader *ret)
{
    struct wi_memory_store *store = context;
    struct wi_owner_view view;

    pthread_mutex_lock(&store->mutex);
    view = wi_memory_view(store, store->leader.owner);
    *ret = store->leader;
    ret->counter = view.counter;
    ret->owner_state = wi_owner_view_state(ret->owner, &view);
    pthread_mutex_unlock(&store->mutex);
    return WEIR_OK;
}

static enum weir_error
take_leader(struct wi_memory_store *store, const struct wi_leader_take *take)
{
    struct wi_owner_view present = wi_memory_view(store, store->leader.owner);
    struct wi_owner_view caller = wi_memory_view(store, take->owner);
    struct wi_memory_session *session = wi_memory_find_session(store, store->leader.owner);
    struct wi_session tombstone;
    bool fence = false;
    enum weir_error error = wi_leader_judge_take(&store->leader, take, &present, &caller, &fence);

    if (error == WEIR_OK && fence && session != NULL) {
        error =
            wi_session_fence(&session->session, false, store->leader.owner, take->expected_counter);
    } else if (error == WEIR_OK && fence) {
        error = wi_memory_reserve_session(store);
        if (error == WEIR_OK) {
            error = wi_session_fence(&tombstone, true, store->leader.owner, take->expected_counter);
        }
        if (error == WEIR_OK) {
            wi_memory_add_session(store, &tombstone);
        }
    }
    return error == WEIR_OK ? wi_leader_apply_take(&store->leader, take) : error;
}

enum weir_error
wi_memory_take_leader(
    void *context,
    const char *owner,
    uint64_t expected_term,
    uint64_t expected_counter,
    uint64_t *ret_term)
{
    struct wi_memory_store *store = context;
    const struct wi_leader_take take = {owner, expected_term, expected_counter};
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    error = take_leader(store, &take);
    if (error == WEIR_OK) {
        *ret_term = store->leader.term;
        wi_memory_note_change(store, 0);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_release_leader(void *context, const char *owner, uint64_t term)
{
    struct wi_memory_store *store = context;
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    error = wi_leader_apply_release(&store->leader, owner, term);
    if (error == WEIR_OK) {
        wi_memory_note_change(store, 0);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

enum weir_error
wi_memory_reset(void *context, const struct weir_position *position)
{
    struct wi_memory_store *store = context;
    enum weir_error error = WEIR_OK;

    pthread_mutex_lock(&store->mutex);
    if (position->type < WEIR_TRIM_HORIZON || position->type >= WEIR_SHARD_END) {
        error = WEIR_EINVAL;
    } else if (store->application.stream_url[0] == '\0') {
        error = WEIR_ENOTFOUND;
    } else if (wi_memory_has_live_worker(store)) {
        error = WEIR_ESTATE;
    } else {
        store->lease_count = 0;
        store->session_count = 0;
        store->leader.owner[0] = '\0';
        store->application.initial_position = *position;
        wi_table_note_reset(&store->counters);
        wi_memory_raise_hint(store);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}
