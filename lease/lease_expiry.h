/*
 * Which owners have been silent for too long (DESIGN R3). Pure. An observer starts to count after
 * the read that showed a changed counter, on its own clock; nothing of another clock takes part.
 */
#ifndef WI_LEASE_LEASE_EXPIRY_H
#define WI_LEASE_LEASE_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

struct wi_lease_expiry;

enum weir_error wi_lease_expiry_new(const struct weir_env *env, struct wi_lease_expiry **ret);
void wi_lease_expiry_free(struct wi_lease_expiry *expiry);

/* Begin a read: keys that are not observed until the next begin are forgotten. */
void wi_lease_expiry_begin(struct wi_lease_expiry *expiry);

/*
 * The read that ended at `now` showed `counter` (and `epoch`) for `key`. A key seen for the first
 * time counts from now (R4: after a start everything counts as renewed now).
 */
enum weir_error wi_lease_expiry_observe(
    struct wi_lease_expiry *expiry,
    const char *key,
    uint64_t epoch,
    uint64_t counter,
    struct weir_mono now);

/* True if the key has shown the same epoch and counter for at least `duration_ms`. */
bool wi_lease_expiry_is_expired(
    const struct wi_lease_expiry *expiry,
    const char *key,
    struct weir_mono now,
    int64_t duration_ms);

/* The earliest instant at which an observed key could expire if nothing changes; WI_MONO_NEVER. */
struct weir_mono wi_lease_expiry_next(const struct wi_lease_expiry *expiry, int64_t duration_ms);

#endif
