/* The leader lock, in the protocol of the lock client that Java KCL uses. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/log.h"
#include "core/mono.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_store_dynamodb.h"

#define UUID_VERSION_MASK UINT64_C(0xffffffffffff0fff)
#define UUID_VERSION      UINT64_C(0x0000000000004000)
#define UUID_VARIANT_MASK UINT64_C(0x3fffffffffffffff)
#define UUID_VARIANT      UINT64_C(0x8000000000000000)

/* A new record version: a random UUID, as the lock client writes it. */
static void
draw_version(const struct wi_dynamodb_store *store, char ret[WI_DYNAMODB_VERSION_SIZE])
{
    const struct weir_rng *rng = &store->env->rng;
    uint64_t high = (rng->next(rng->context) & UUID_VERSION_MASK) | UUID_VERSION;
    uint64_t low = (rng->next(rng->context) & UUID_VARIANT_MASK) | UUID_VARIANT;

    (void)snprintf(
        ret,
        WI_DYNAMODB_VERSION_SIZE,
        "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
        high >> 32U,
        high >> 16U & 0xffffU,
        high & 0xffffU,
        low >> 48U,
        low & UINT64_C(0xffffffffffff));
}

/* --- what a read of the lock says ----------------------------------------------------------- */

static bool
is_same_holder(const struct wi_dynamodb_leader *a, const struct wi_dynamodb_leader *b)
{
    return a->term == b->term && strcmp(a->owner, b->owner) == 0;
}

/* The term that callers are told: weir's own, or one more for each holder that has none. */
static uint64_t
next_term(const struct wi_dynamodb_lock *lock, const struct wi_dynamodb_leader *seen)
{
    if (seen->term > lock->term || seen->owner[0] == '\0') {
        return seen->term > lock->term ? seen->term : lock->term;
    }
    return lock->was_read && is_same_holder(&lock->seen, seen) ? lock->term
           : seen->term == lock->term && seen->term > 0        ? lock->term
                                                               : lock->term + 1;
}

/* Whether a lock that has not changed since `since` is still its holder's by Java's rule. weir's
 * own is judged by the coordinator, which waits a lease duration. */
static int64_t
left_ms(const struct wi_dynamodb_store *store, const struct wi_dynamodb_lock *lock)
{
    int64_t age_ms = wi_mono_elapsed_ms(lock->since, wi_dynamodb_now(store));

    return lock->seen.term > 0 ? 0 : lock->seen.duration_ms - age_ms;
}

/* Note what was read; the store's mutex is held. */
static void
note(struct wi_dynamodb_store *store, const struct wi_dynamodb_leader *seen)
{
    struct wi_dynamodb_lock *lock = &store->lock;
    bool is_same = lock->was_read && strcmp(lock->seen.version, seen->version) == 0 &&
                   lock->seen.is_released == seen->is_released;

    lock->term = next_term(lock, seen);
    if (!is_same) {
        lock->since = wi_dynamodb_now(store);
    }
    if (lock->held && (!is_same_holder(&lock->seen, seen) || seen->owner[0] == '\0')) {
        lock->held = false;
    }
    lock->seen = *seen;
    lock->was_read = true;
}

/* What an observer watches: it goes on while the lock of a Java worker holds, whose heartbeat comes
 * every 30 s only, and stands still for the last lease duration of that time. */
static uint64_t
counter_of(struct wi_dynamodb_store *store)
{
    struct wi_dynamodb_lock *lock = &store->lock;
    uint64_t counter = wi_str_hash(wi_str(lock->seen.version));

    if (left_ms(store, lock) > store->application.lease_duration_ms) {
        lock->looks++;
    }
    return counter + lock->looks;
}

void
wi_dynamodb_note_lock(struct wi_dynamodb_store *store, const cJSON *item, struct wi_leader *ret)
{
    struct wi_dynamodb_leader seen;

    wi_dynamodb_leader_read(item, &seen);
    pthread_mutex_lock(&store->mutex);
    note(store, &seen);
    *ret = (struct wi_leader){.term = store->lock.term,
                              .counter = counter_of(store),
                              .owner_state = seen.owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE,
                              .passive = seen.owner[0] != '\0' && seen.term == 0};
    memcpy(ret->owner, seen.owner, sizeof ret->owner);
    if (store->mode != WI_DYNAMODB_MODE_3X) {
        /* Whoever has the lock leads nobody: each worker takes leases, and lets them go. */
        *ret = (struct wi_leader){.term = ret->term,
                                  .passive = true,
                                  .everyone_takes = true,
                                  .ends_soon = store->mode == WI_DYNAMODB_MODE_UPGRADE};
    }
    pthread_mutex_unlock(&store->mutex);
}

static enum weir_error
read_lock(struct wi_dynamodb_store *store, struct wi_leader *ret)
{
    struct wi_dynamodb_request request;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_build_get(&request, wi_dynamodb_states(store), WI_DYNAMODB_LEADER_KEY, true);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    if (error == WEIR_OK) {
        wi_dynamodb_note_lock(store, request.item, ret);
    }
    wi_dynamodb_request_free(&request);
    return error;
}

/* R9 for the lock's holder. An owner's name is of one process start, and where that runs does not
 * change: its row is read once. */
static bool
is_holder_gone(struct wi_dynamodb_store *store, const char *owner)
{
    struct wi_dynamodb_worker holder;

    pthread_mutex_lock(&store->mutex);
    holder = store->lock.holder;
    pthread_mutex_unlock(&store->mutex);
    if (strcmp(holder.worker.owner, owner) != 0) {
        if (wi_dynamodb_get_worker(store, owner, &holder) != WEIR_OK) {
            return false;
        }
        pthread_mutex_lock(&store->mutex);
        store->lock.holder = holder;
        pthread_mutex_unlock(&store->mutex);
    }
    return wi_dynamodb_process_is_gone(store, &holder);
}

enum weir_error
wi_dynamodb_get_leader(void *context, struct wi_leader *ret)
{
    struct wi_dynamodb_store *store = context;
    struct wi_leader leader;
    enum weir_error error = wi_dynamodb_look_at_mode(store);

    if (error == WEIR_OK) {
        error = read_lock(store, &leader);
    }
    if (error != WEIR_OK) {
        return error;
    }
    if (!leader.passive && leader.owner[0] != '\0' && is_holder_gone(store, leader.owner)) {
        leader.owner_state = WI_OWNER_GONE;
    }
    *ret = leader;
    return WEIR_OK;
}

/* --- leading -------------------------------------------------------------------------------- */

enum weir_error
wi_dynamodb_check_term(struct wi_dynamodb_store *store, uint64_t term)
{
    struct wi_leader leader;
    enum weir_error error = WEIR_OK;
    bool holds = false;
    bool allows = false;

    if (term == 0) {
        return WEIR_OK;
    }
    pthread_mutex_lock(&store->mutex);
    allows = store->mode == WI_DYNAMODB_MODE_3X;
    holds = store->lock.held && store->lock.term == term &&
            wi_mono_before(wi_dynamodb_now(store), store->lock.deadline);
    pthread_mutex_unlock(&store->mutex);
    if (!allows) {
        return WEIR_EUNSUPPORTED;
    }
    if (holds) {
        return WEIR_OK;
    }
    error = read_lock(store, &leader);
    if (error == WEIR_OK && (leader.owner[0] == '\0' || leader.term != term)) {
        error = WEIR_ECONFLICT;
    }
    return error;
}

/* May the lock be taken that was just read? The store's mutex is held. */
static enum weir_error
judge_take(
    struct wi_dynamodb_store *store,
    const struct wi_leader *leader,
    const char *owner,
    uint64_t expected_counter)
{
    const struct wi_dynamodb_lock *lock = &store->lock;

    if (store->mode != WI_DYNAMODB_MODE_3X) {
        return WEIR_EUNSUPPORTED;
    }
    if (leader->owner[0] == '\0' || leader->owner_state == WI_OWNER_GONE) {
        return WEIR_OK;
    }
    if (left_ms(store, lock) > 0 || leader->counter != expected_counter ||
        strcmp(leader->owner, owner) == 0) {
        return WEIR_ECONFLICT;
    }
    return WEIR_OK;
}

static enum weir_error
put_lock(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_leader *before,
    const struct wi_dynamodb_leader *after)
{
    struct wi_dynamodb_request request;
    struct wi_dynamodb_write write;
    struct wi_dynamodb_leader found;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_write_init(&write, store->env, true);
    wi_dynamodb_leader_take(&write, wi_dynamodb_states(store)->key, before, after);
    wi_dynamodb_build_put(&request, wi_dynamodb_states(store), &write);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    if (error == WEIR_ECONFLICT && request.call.outcome_unknown) {
        wi_dynamodb_leader_read(request.item, &found);
        error = strcmp(found.version, after->version) == 0 ? WEIR_OK : error;
    }
    wi_dynamodb_write_free(&write);
    wi_dynamodb_request_free(&request);
    return error;
}

static void
note_taken(
    struct wi_dynamodb_store *store, const struct wi_dynamodb_leader *taken, struct weir_mono sent)
{
    pthread_mutex_lock(&store->mutex);
    store->lock = (struct wi_dynamodb_lock){.seen = *taken,
                                            .was_read = true,
                                            .term = taken->term,
                                            .since = sent,
                                            .looks = store->lock.looks,
                                            .held = true,
                                            .deadline = wi_mono_add_ms(sent, taken->duration_ms)};
    pthread_mutex_unlock(&store->mutex);
}

/* Under 2.x's rules a worker had no row; the next renewal writes it. */
static bool
is_on_its_way(struct wi_dynamodb_store *store, const char *owner)
{
    bool is = false;

    pthread_mutex_lock(&store->mutex);
    is = !store->has_row && strcmp(store->owner, owner) == 0;
    pthread_mutex_unlock(&store->mutex);
    return is;
}

enum weir_error
wi_dynamodb_take_leader(
    void *context,
    const char *owner,
    uint64_t expected_term,
    uint64_t expected_counter,
    uint64_t *ret_term)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_leader before;
    struct wi_dynamodb_leader after = {.term = 0};
    struct wi_dynamodb_worker caller;
    struct wi_leader leader;
    struct weir_mono sent;
    enum weir_error error = wi_dynamodb_get_worker(store, owner, &caller);

    if (error == WEIR_ENOTFOUND) {
        return is_on_its_way(store, owner) ? WEIR_ECONFLICT : WEIR_ESESSIONLOST;
    }
    if (error == WEIR_OK) {
        error = wi_dynamodb_get_leader(store, &leader);
    }
    if (error != WEIR_OK) {
        return error;
    }
    pthread_mutex_lock(&store->mutex);
    error = leader.term != expected_term ? WEIR_ECONFLICT
                                         : judge_take(store, &leader, owner, expected_counter);
    before = store->lock.seen;
    after.term = store->lock.term + 1;
    after.duration_ms = store->application.lease_duration_ms;
    pthread_mutex_unlock(&store->mutex);
    if (error != WEIR_OK) {
        return error;
    }
    (void)wi_str_copy(after.owner, sizeof after.owner, wi_str(owner));
    draw_version(store, after.version);
    sent = wi_dynamodb_now(store);
    error = put_lock(store, &before, &after);
    if (error == WEIR_OK) {
        note_taken(store, &after, sent);
        wi_dynamodb_raise_hint(store);
        *ret_term = after.term;
    }
    return error;
}

/* A refusal after a lost answer: the lock is released, by this very version of it. */
static enum weir_error
write_release(struct wi_dynamodb_store *store, const struct wi_dynamodb_leader *before)
{
    struct wi_dynamodb_request request;
    struct wi_dynamodb_write write;
    struct wi_dynamodb_leader found;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_request_init(&request, store->env);
    wi_dynamodb_write_init(&write, store->env, false);
    wi_dynamodb_leader_release(&write, before);
    wi_dynamodb_build_update(
        &request, wi_dynamodb_states(store), WI_DYNAMODB_LEADER_KEY, &write, false);
    wi_dynamodb_perform(&store->dynamodb, &request, 1);
    error = request.error;
    if (error == WEIR_ECONFLICT && request.call.outcome_unknown) {
        wi_dynamodb_leader_read(request.item, &found);
        if (found.is_released && strcmp(found.version, before->version) == 0) {
            error = WEIR_OK;
        }
    }
    wi_dynamodb_write_free(&write);
    wi_dynamodb_request_free(&request);
    return error;
}

enum weir_error
wi_dynamodb_release_leader(void *context, const char *owner, uint64_t term)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_leader before;
    struct wi_leader leader;
    enum weir_error error = read_lock(store, &leader);

    if (error != WEIR_OK) {
        return error;
    }
    if (leader.owner[0] == '\0' || leader.term != term || strcmp(leader.owner, owner) != 0) {
        return WEIR_ECONFLICT;
    }
    pthread_mutex_lock(&store->mutex);
    before = store->lock.seen;
    store->lock.held = false;
    pthread_mutex_unlock(&store->mutex);
    error = write_release(store, &before);
    if (error == WEIR_OK) {
        wi_dynamodb_raise_hint(store);
    }
    return error;
}

/* --- heartbeats, which go out with the renewals --------------------------------------------- */

bool
wi_dynamodb_build_heartbeat(
    struct wi_dynamodb_store *store, const char *owner, struct wi_dynamodb_request *request)
{
    struct wi_dynamodb_leader before;
    struct wi_dynamodb_write write;
    char version[WI_DYNAMODB_VERSION_SIZE];
    bool held = false;

    pthread_mutex_lock(&store->mutex);
    before = store->lock.seen;
    held = store->lock.held && strcmp(before.owner, owner) == 0;
    pthread_mutex_unlock(&store->mutex);
    if (!held) {
        return false;
    }
    draw_version(store, version);
    wi_dynamodb_write_init(&write, store->env, false);
    wi_dynamodb_leader_heartbeat(&write, &before, version);
    wi_dynamodb_build_update(
        request, wi_dynamodb_states(store), WI_DYNAMODB_LEADER_KEY, &write, true);
    wi_dynamodb_write_free(&write);
    return true;
}

/* The row came back in either case: after the write, or as it was when it was refused. A refusal of
 * the second attempt after a lost answer shows this very worker as holder. */
void
wi_dynamodb_note_heartbeat(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_request *request,
    struct weir_mono sent)
{
    struct wi_dynamodb_leader seen;
    bool lost = false;

    if (request->error != WEIR_OK && request->error != WEIR_ECONFLICT) {
        /* Unknown: the next read of the lock shows the version that counts. */
        return;
    }
    wi_dynamodb_leader_read(request->item, &seen);
    pthread_mutex_lock(&store->mutex);
    if (store->lock.held) {
        note(store, &seen);
        lost = !store->lock.held;
        store->lock.deadline = request->error == WEIR_OK ? wi_mono_add_ms(sent, seen.duration_ms)
                                                         : store->lock.deadline;
    }
    pthread_mutex_unlock(&store->mutex);
    if (lost) {
        wi_log(store->env, WEIR_LOG_WARN, "lease", "the leader lock has another holder now");
        wi_dynamodb_raise_hint(store);
    }
}
