/* Under which rules the fleet is: those of Java KCL 2.x, where workers take leases from each other
 * and only leases are in the table, those of 3.x, or on the way. They may change at any time. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/dynamodb_api.h"
#include "core/log.h"
#include "core/mono.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_store_dynamodb.h"

/* As often as Java KCL's ClientVersionChangeMonitor, where no listing shows the row anyhow. */
#define LOOK_MS 60000

const struct wi_dynamodb_table *
wi_dynamodb_states(const struct wi_dynamodb_store *store)
{
    return atomic_load(&store->is_single) ? &store->leases : &store->own_states;
}

const struct wi_dynamodb_table *
wi_dynamodb_workers(const struct wi_dynamodb_store *store)
{
    return atomic_load(&store->is_single) ? &store->leases : &store->own_workers;
}

enum wi_dynamodb_mode
wi_dynamodb_mode(struct wi_dynamodb_store *store)
{
    enum wi_dynamodb_mode mode;

    pthread_mutex_lock(&store->mutex);
    mode = store->mode;
    pthread_mutex_unlock(&store->mutex);
    return mode;
}

static const char *
words_of(enum wi_dynamodb_mode mode)
{
    switch (mode) {
    case WI_DYNAMODB_MODE_2X:
        return "Java KCL 2.x: workers take leases from each other";
    case WI_DYNAMODB_MODE_UPGRADE:
        return "Java KCL 2.x, on the way to 3.x: workers take leases from each other";
    case WI_DYNAMODB_MODE_3X:
        return "Java KCL 3.x: a leader assigns leases";
    case WI_DYNAMODB_MODE_NONE:
        break;
    }
    return "nobody";
}

/* A worker's row is to be written at once where it is new, and everybody is to look. A leader lock
 * means nothing under 2.x. */
void
wi_dynamodb_note_mode(struct wi_dynamodb_store *store, enum wi_dynamodb_mode found, bool has_leases)
{
    enum wi_dynamodb_mode mode = found;

    store->mode_looked = wi_dynamodb_now(store);
    if (found == WI_DYNAMODB_MODE_NONE) {
        mode = has_leases ? WI_DYNAMODB_MODE_2X : store->mode;
    }
    if (mode == store->mode) {
        return;
    }
    if (store->mode != WI_DYNAMODB_MODE_NONE) {
        wi_log(
            store->env,
            WEIR_LOG_WARN,
            "lease",
            "the application changes its rules to those of %s",
            words_of(mode));
    }
    store->mode = mode;
    store->lock.held = store->lock.held && mode == WI_DYNAMODB_MODE_3X;
    store->reported = (struct weir_mono){0};
    store->version++;
    (void)pthread_cond_broadcast(&store->changed);
}

enum weir_error
wi_dynamodb_look_at_mode(struct wi_dynamodb_store *store)
{
    struct wi_dynamodb_state state;
    struct weir_mono now = wi_dynamodb_now(store);
    enum weir_error error = wi_dynamodb_look_at_layout(store);
    bool is_due = false;

    if (error != WEIR_OK) {
        return error;
    }
    pthread_mutex_lock(&store->mutex);
    is_due = !wi_mono_before(now, wi_mono_add_ms(store->mode_looked, LOOK_MS));
    pthread_mutex_unlock(&store->mutex);
    if (!is_due) {
        return WEIR_OK;
    }
    error = wi_dynamodb_get_state(store, &state);
    if (error == WEIR_OK) {
        pthread_mutex_lock(&store->mutex);
        wi_dynamodb_note_mode(store, state.mode, true);
        pthread_mutex_unlock(&store->mutex);
    }
    return error;
}
