/* The memory backend's own extras and, for its files, its rows. */
#ifndef WI_LEASE_LEASE_STORE_MEMORY_H
#define WI_LEASE_LEASE_STORE_MEMORY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/session_rules.h"

/* Simulation and tests: from now on "the kernel says" that this registered owner's process is gone.
 */
void wi_lease_store_memory_set_process_gone(struct wi_lease_store *store, const char *owner);

/* --- for the files of this backend --- */

struct wi_memory_lease {
    struct wi_lease lease;
    size_t state_length;
    uint8_t state[WI_PENDING_STATE_MAX]; /* of the pending checkpoint */
};

struct wi_memory_session {
    struct wi_session session;
    bool process_gone;
};

struct wi_memory_store {
    struct wi_lease_store base;
    const struct weir_env *env;
    struct wi_memory_lease *leases; /* sorted by key */
    size_t lease_count;
    size_t lease_capacity;
    struct wi_memory_session *sessions; /* sorted by owner */
    size_t session_count;
    size_t session_capacity;
    struct wi_leader leader;
    struct wi_application application;
    struct wi_table_counters counters;
    uint32_t version;      /* of the hint */
    pthread_mutex_t mutex; /* guards every member above except base and env */
    pthread_cond_t changed;
};

/* The row, or NULL. Pointers are valid until rows are added or removed. */
struct wi_memory_lease *wi_memory_find_lease(struct wi_memory_store *store, const char *lease_key);
struct wi_memory_session *wi_memory_find_session(struct wi_memory_store *store, const char *owner);
struct wi_owner_view wi_memory_view(struct wi_memory_store *store, const char *owner);
bool wi_memory_has_live_worker(struct wi_memory_store *store);

/* Make room for `more` rows; WEIR_ENOMEM. Adding that many then cannot fail. */
WEIR_MUST_CHECK enum weir_error wi_memory_reserve_leases(
    struct wi_memory_store *store, size_t more);
WEIR_MUST_CHECK enum weir_error wi_memory_reserve_session(struct wi_memory_store *store);

/* Into the room that was reserved; false, and nothing done, if the key exists. */
bool wi_memory_add_lease(struct wi_memory_store *store, const struct wi_lease *lease);
void wi_memory_remove_lease(struct wi_memory_store *store, const char *lease_key);
void wi_memory_add_session(struct wi_memory_store *store, const struct wi_session *session);
void wi_memory_remove_session(struct wi_memory_store *store, const char *owner);

/* Ownership changed: raise the hint. `epoch` of the row that changed; 0 if none did. */
void wi_memory_note_change(struct wi_memory_store *store, uint64_t epoch);
void wi_memory_raise_hint(struct wi_memory_store *store);

/* The operations; slots of struct wi_lease_store_ops, in lease_store_memory_leases.c ... */
enum weir_error wi_memory_create(
    void *context, uint64_t term, const struct wi_lease *leases, size_t count, size_t *ret_created);
enum weir_error wi_memory_remove(
    void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch);
enum weir_error wi_memory_assign(
    void *context,
    uint64_t term,
    const struct wi_assignment *items,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_memory_request_handoff(
    void *context,
    uint64_t term,
    const struct wi_handoff_request *items,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_memory_revoke(
    void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch);
enum weir_error wi_memory_checkpoint(
    void *context,
    const struct wi_checkpoint_update *items,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_memory_prepare(
    void *context, const struct wi_checkpoint_update *item, struct weir_bytes state);
enum weir_error wi_memory_get_pending(
    void *context,
    const char *lease_key,
    struct weir_position *ret,
    uint8_t *ret_state,
    size_t *ret_length);
enum weir_error wi_memory_release(
    void *context, const struct wi_release *items, size_t count, enum weir_error *ret_results);
enum weir_error wi_memory_finish_shard(void *context, const struct wi_shard_finish *finish);

/* ... and in lease_store_memory_workers.c. */
enum weir_error wi_memory_open_application(
    void *context, const struct wi_application *wish, struct wi_application *ret);
enum weir_error wi_memory_renew(
    void *context,
    const char *owner,
    const struct wi_held_lease *held,
    size_t count,
    enum weir_error *ret_results,
    struct wi_renew_answer *ret_answer);
enum weir_error wi_memory_put_worker(void *context, const struct wi_worker *worker);
enum weir_error wi_memory_remove_worker(void *context, const char *owner);
enum weir_error wi_memory_remove_dead_worker(
    void *context, uint64_t term, const char *owner, uint64_t expected_counter);
enum weir_error wi_memory_request_drain(void *context, const char *worker_name);
enum weir_error wi_memory_get_leader(void *context, struct wi_leader *ret);
enum weir_error wi_memory_take_leader(
    void *context,
    const char *owner,
    uint64_t expected_term,
    uint64_t expected_counter,
    uint64_t *ret_term);
enum weir_error wi_memory_release_leader(void *context, const char *owner, uint64_t term);
enum weir_error wi_memory_reset(void *context, const struct weir_position *position);

#endif
