#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/memory.h"
#include "lease/lease.h"
#include "lease/lease_rules.h"
#include "lease/lease_store_memory.h"
#include "lease/session_rules.h"

#define CAPACITY_MIN 16U

/* Where the key stands, or would have to stand. */
static size_t
lease_place(const struct wi_memory_store *store, const char *lease_key)
{
    size_t low = 0;
    size_t high = store->lease_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(store->leases[middle].lease.lease_key, lease_key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t
session_place(const struct wi_memory_store *store, const char *owner)
{
    size_t place = 0;

    while (place < store->session_count &&
           strcmp(store->sessions[place].session.worker.owner, owner) < 0) {
        place++;
    }
    return place;
}

struct wi_memory_lease *
wi_memory_find_lease(struct wi_memory_store *store, const char *lease_key)
{
    size_t place = lease_place(store, lease_key);
    bool found =
        place < store->lease_count && strcmp(store->leases[place].lease.lease_key, lease_key) == 0;

    return found ? &store->leases[place] : NULL;
}

struct wi_memory_session *
wi_memory_find_session(struct wi_memory_store *store, const char *owner)
{
    size_t place = session_place(store, owner);
    bool found = place < store->session_count &&
                 strcmp(store->sessions[place].session.worker.owner, owner) == 0;

    return found ? &store->sessions[place] : NULL;
}

struct wi_owner_view
wi_memory_view(struct wi_memory_store *store, const char *owner)
{
    const struct wi_memory_session *row = wi_memory_find_session(store, owner);

    return row == NULL ? wi_session_view(NULL, false)
                       : wi_session_view(&row->session, row->process_gone);
}

bool
wi_memory_has_live_worker(struct wi_memory_store *store)
{
    for (size_t i = 0; i < store->session_count; i++) {
        const struct wi_memory_session *row = &store->sessions[i];
        if (wi_session_worker(&row->session, row->process_gone).state == WI_OWNER_ALIVE) {
            return true;
        }
    }
    return false;
}

static size_t
grown(size_t capacity, size_t needed)
{
    size_t doubled = capacity < CAPACITY_MIN / 2 ? CAPACITY_MIN : capacity * 2;

    return doubled < needed ? needed : doubled;
}

enum weir_error
wi_memory_reserve_leases(struct wi_memory_store *store, size_t more)
{
    size_t needed = store->lease_count + more;
    struct wi_memory_lease *leases;
    size_t capacity;

    if (needed <= store->lease_capacity) {
        return WEIR_OK;
    }
    capacity = grown(store->lease_capacity, needed);
    leases = wi_resize_array(store->env, store->leases, capacity, sizeof *leases);
    if (leases == NULL) {
        return WEIR_ENOMEM;
    }
    store->leases = leases;
    store->lease_capacity = capacity;
    return WEIR_OK;
}

enum weir_error
wi_memory_reserve_session(struct wi_memory_store *store)
{
    struct wi_memory_session *sessions;
    size_t capacity;

    if (store->session_count < store->session_capacity) {
        return WEIR_OK;
    }
    capacity = grown(store->session_capacity, store->session_count + 1);
    sessions = wi_resize_array(store->env, store->sessions, capacity, sizeof *sessions);
    if (sessions == NULL) {
        return WEIR_ENOMEM;
    }
    store->sessions = sessions;
    store->session_capacity = capacity;
    return WEIR_OK;
}

bool
wi_memory_add_lease(struct wi_memory_store *store, const struct wi_lease *lease)
{
    size_t place = lease_place(store, lease->lease_key);
    struct wi_memory_lease *row = &store->leases[place];

    if (wi_memory_find_lease(store, lease->lease_key) != NULL) {
        return false;
    }
    WEIR_ASSERT(store->lease_count < store->lease_capacity);
    memmove(row + 1, row, (store->lease_count - place) * sizeof *row);
    store->lease_count++;
    row->lease = *lease;
    row->state_length = 0;
    return true;
}

void
wi_memory_remove_lease(struct wi_memory_store *store, const char *lease_key)
{
    size_t place = lease_place(store, lease_key);
    struct wi_memory_lease *row = &store->leases[place];

    WEIR_ASSERT(place < store->lease_count);
    store->lease_count--;
    memmove(row, row + 1, (store->lease_count - place) * sizeof *row);
}

void
wi_memory_add_session(struct wi_memory_store *store, const struct wi_session *session)
{
    size_t place = session_place(store, session->worker.owner);
    struct wi_memory_session *row = &store->sessions[place];

    WEIR_ASSERT(store->session_count < store->session_capacity);
    memmove(row + 1, row, (store->session_count - place) * sizeof *row);
    store->session_count++;
    *row = (struct wi_memory_session){.session = *session};
}

void
wi_memory_remove_session(struct wi_memory_store *store, const char *owner)
{
    size_t place = session_place(store, owner);
    struct wi_memory_session *row = &store->sessions[place];

    WEIR_ASSERT(place < store->session_count);
    store->session_count--;
    memmove(row, row + 1, (store->session_count - place) * sizeof *row);
}

void
wi_memory_raise_hint(struct wi_memory_store *store)
{
    store->version++;
    (void)pthread_cond_broadcast(&store->changed);
}

void
wi_memory_note_change(struct wi_memory_store *store, uint64_t epoch)
{
    wi_table_note_epoch(&store->counters, epoch);
    wi_memory_raise_hint(store);
}
