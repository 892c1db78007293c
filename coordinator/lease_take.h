/*
 * Which leases a worker takes for itself where nobody leads: the rules of Java KCL 2.x's LeaseTaker
 * (docs/state-machines.md T1 to T8). Pure.
 */
#ifndef WI_COORDINATOR_LEASE_TAKE_H
#define WI_COORDINATOR_LEASE_TAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/pcg.h"
#include "lease/lease.h"
#include "lease/lease_expiry.h"
#include "lease/lease_store.h"

/* T7: leases that one pass steals, at most; Java KCL's maxLeasesToStealAtOneTime. */
#define WI_STEALS_MAX 1U
/* T8: lease durations after which a lease that nobody takes is taken whatever is fair. */
#define WI_VERY_OLD_DURATIONS 3
/* Leases that one pass takes; the next one takes more. */
#define WI_TAKES_MAX 10000U

struct wi_take_input {
    const struct wi_lease_table *table;
    const struct wi_lease_expiry *seen; /* of every unfinished lease, whether it is owned or not */
    struct weir_mono now;
    const char *owner; /* this worker */
    int64_t lease_duration_ms;
    uint32_t leases_max; /* 0: no bound */
};

struct wi_take_plan {
    struct wi_assignment *takes; /* `to` is the input's owner */
    size_t count;
    char (*keys)[WEIR_LEASE_KEY_SIZE]; /* theirs: the table may go */
    bool steals;                       /* they belong to a live worker */
};

/* `random` chooses among leases that are as good as each other. WEIR_ENOMEM: nothing is held. */
WEIR_MUST_CHECK enum weir_error wi_take_plan_make(
    const struct weir_env *env,
    const struct wi_take_input *input,
    struct wi_pcg *random,
    struct wi_take_plan *ret);
void wi_take_plan_free(const struct weir_env *env, struct wi_take_plan *plan);

/* T11: whom the workers of Java KCL 2.x call leader: the first of the distinct owners, sorted and
 * then shuffled with a fixed seed. NULL: there is no owner yet. WEIR_ENOMEM. */
WEIR_MUST_CHECK enum weir_error wi_take_leader(
    const struct weir_env *env, const struct wi_lease_table *table, const char **ret_owner);

#endif
