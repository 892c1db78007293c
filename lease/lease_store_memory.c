#include "lease/lease_store_memory.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/memory.h"
#include "lease/lease.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_table.h"
#include "lease/session_rules.h"

#define MS_PER_S  1000
#define NS_PER_MS 1000000
#define NS_PER_S  1000000000

/* Longer waits end early; the caller looks and waits again. */
#define WAIT_MAX_MS 3600000

static void
store_close(void *context)
{
    struct wi_memory_store *store = context;

    (void)pthread_cond_destroy(&store->changed);
    (void)pthread_mutex_destroy(&store->mutex);
    wi_free(store->env, store->leases);
    wi_free(store->env, store->sessions);
    wi_free(store->env, store);
}

/* The row with what its owner's session says. */
static struct wi_lease
joined(struct wi_memory_store *store, const struct wi_memory_lease *row)
{
    struct wi_owner_view view = wi_memory_view(store, row->lease.owner);
    struct wi_lease lease = row->lease;

    lease.counter = view.counter;
    lease.owner_state = wi_owner_view_state(lease.owner, &view);
    return lease;
}

static void
fill_table(struct wi_memory_store *store, struct wi_lease_table *table)
{
    struct wi_owner_view view = wi_memory_view(store, store->leader.owner);

    for (size_t i = 0; i < store->lease_count; i++) {
        table->leases[i] = joined(store, &store->leases[i]);
    }
    for (size_t i = 0; i < store->session_count; i++) {
        const struct wi_memory_session *row = &store->sessions[i];
        table->workers[i] = wi_session_worker(&row->session, row->process_gone);
    }
    table->lease_count = store->lease_count;
    table->worker_count = store->session_count;
    table->leader = store->leader;
    table->leader.counter = view.counter;
    table->leader.owner_state = wi_owner_view_state(store->leader.owner, &view);
    table->application = store->application;
    table->version = store->version;
}

static enum weir_error
store_list(void *context, struct wi_lease_table *ret)
{
    struct wi_memory_store *store = context;
    enum weir_error error;

    pthread_mutex_lock(&store->mutex);
    error = wi_lease_table_new(store->env, store->lease_count, store->session_count, ret);
    if (error == WEIR_OK) {
        fill_table(store, ret);
    }
    pthread_mutex_unlock(&store->mutex);
    return error;
}

static enum weir_error
store_get(void *context, const char *lease_key, struct wi_lease *ret)
{
    struct wi_memory_store *store = context;
    const struct wi_memory_lease *row;

    pthread_mutex_lock(&store->mutex);
    row = wi_memory_find_lease(store, lease_key);
    if (row != NULL) {
        *ret = joined(store, row);
    }
    pthread_mutex_unlock(&store->mutex);
    return row == NULL ? WEIR_ENOTFOUND : WEIR_OK;
}

static uint32_t
store_version(void *context)
{
    struct wi_memory_store *store = context;
    uint32_t version;

    pthread_mutex_lock(&store->mutex);
    version = store->version;
    pthread_mutex_unlock(&store->mutex);
    return version;
}

static struct timespec
instant_after(int64_t timeout_ms)
{
    int64_t ms = timeout_ms < 0 ? 0 : timeout_ms;
    struct timespec end = {0};

    ms = ms > WAIT_MAX_MS ? WAIT_MAX_MS : ms;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (time_t)(ms / MS_PER_S);
    end.tv_nsec += (long)(ms % MS_PER_S * NS_PER_MS);
    if (end.tv_nsec >= NS_PER_S) {
        end.tv_sec++;
        end.tv_nsec -= NS_PER_S;
    }
    return end;
}

static uint32_t
store_wait(void *context, uint32_t seen, int64_t timeout_ms)
{
    struct wi_memory_store *store = context;
    struct timespec end = instant_after(timeout_ms);
    uint32_t version;
    int code = 0;

    pthread_mutex_lock(&store->mutex);
    while (store->version == seen && code == 0) {
        code = pthread_cond_timedwait(&store->changed, &store->mutex, &end);
    }
    version = store->version;
    pthread_mutex_unlock(&store->mutex);
    return version;
}

static void
store_interrupt(void *context)
{
    struct wi_memory_store *store = context;

    pthread_mutex_lock(&store->mutex);
    wi_memory_raise_hint(store);
    pthread_mutex_unlock(&store->mutex);
}

void
wi_lease_store_memory_set_process_gone(struct wi_lease_store *base, const char *owner)
{
    struct wi_memory_store *store = base->store;
    struct wi_memory_session *row;

    pthread_mutex_lock(&store->mutex);
    row = wi_memory_find_session(store, owner);
    if (row != NULL) {
        row->process_gone = true;
        wi_memory_raise_hint(store);
    }
    pthread_mutex_unlock(&store->mutex);
}

static const struct wi_lease_store_ops memory_ops = {
    .close = store_close,
    .open_application = wi_memory_open_application,
    .list = store_list,
    .get = store_get,
    .get_leader = wi_memory_get_leader,
    .create = wi_memory_create,
    .remove = wi_memory_remove,
    .assign = wi_memory_assign,
    .request_handoff = wi_memory_request_handoff,
    .revoke = wi_memory_revoke,
    .renew = wi_memory_renew,
    .checkpoint = wi_memory_checkpoint,
    .prepare = wi_memory_prepare,
    .get_pending = wi_memory_get_pending,
    .release = wi_memory_release,
    .finish_shard = wi_memory_finish_shard,
    .put_worker = wi_memory_put_worker,
    .remove_worker = wi_memory_remove_worker,
    .remove_dead_worker = wi_memory_remove_dead_worker,
    .request_drain = wi_memory_request_drain,
    .take_leader = wi_memory_take_leader,
    .release_leader = wi_memory_release_leader,
    .reset = wi_memory_reset,
    .version = store_version,
    .wait = store_wait,
    .interrupt = store_interrupt,
    .stopped_writer = NULL,
};

static enum weir_error
init_waiting(struct wi_memory_store *store)
{
    pthread_condattr_t attributes;

    if (pthread_mutex_init(&store->mutex, NULL) != 0) {
        return WEIR_ENOMEM;
    }
    if (pthread_condattr_init(&attributes) != 0) {
        (void)pthread_mutex_destroy(&store->mutex);
        return WEIR_ENOMEM;
    }
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&store->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return WEIR_OK;
}

enum weir_error
wi_lease_store_open_memory(const struct weir_env *env, struct wi_lease_store **ret)
{
    struct wi_memory_store *store = wi_alloc(env, sizeof *store);
    enum weir_error error = store == NULL ? WEIR_ENOMEM : init_waiting(store);

    if (error != WEIR_OK) {
        wi_free(env, store);
        return error;
    }
    store->env = env;
    store->base = (struct wi_lease_store){&memory_ops, store, env};
    *ret = &store->base;
    return WEIR_OK;
}
