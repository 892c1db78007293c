/*
 * One pass of the leader: from a picture of the table to the writes that it asks for, one after the
 * other (docs/state-machines.md C15 to C28). Pure. A pass lasts from a read of the table to the
 * next.
 */
#ifndef WI_COORDINATOR_COORDINATOR_PASS_H
#define WI_COORDINATOR_COORDINATOR_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "coordinator/coordinator_plan.h"
#include "coordinator/coordinator_step.h"
#include "coordinator/coordinator_sync.h"

/* C27: what a pass writes, in this order. */
enum wi_pass_step {
    WI_PASS_ASSIGN,
    WI_PASS_SYNC,
    WI_PASS_HANDOFF,
    WI_PASS_REVOKE,
    WI_PASS_REMOVE_LEASE,
    WI_PASS_REMOVE_WORKER,
    WI_PASS_END
};

struct wi_coordinator_pass {
    const struct weir_env *env;
    struct wi_coordinator_sync sync; /* outlasts the pass */
    struct wi_coordinator_plan plan;
    struct wi_plan_singles old_leases;
    bool sync_is_due;
    enum wi_pass_step step;
    enum wi_pass_step first_step; /* C28: a step before it was of no use last time */
    size_t single;                /* next of the rows that the step writes one by one */
    bool single_changed;          /* one of them was changed */
    size_t batch_count;           /* leases that the create in flight holds */
};

void wi_coordinator_pass_init(
    struct wi_coordinator_pass *pass, const struct weir_env *env, int64_t sync_interval_ms);

/* Forget what is known of the table; the shard sync stays. */
void wi_coordinator_pass_drop(struct wi_coordinator_pass *pass);

/* Forget everything, as at the end of a term. */
void wi_coordinator_pass_reset(struct wi_coordinator_pass *pass);

/*
 * Plan the writes for a table. `retry_at`: when to list shards again if the last list proves to be
 * of no use. WEIR_ENOMEM: there is no plan.
 */
enum weir_error wi_coordinator_pass_begin(
    struct wi_coordinator_pass *pass, const struct wi_plan_input *input, struct weir_mono retry_at);

/* The next action, or false at the end of the pass. */
bool wi_coordinator_pass_next(
    struct wi_coordinator_pass *pass, struct weir_mono now, struct wi_coordinator_action *ret);

/*
 * The action of this type ended, and changed something or not. True: the pass goes on; false: the
 * table is of yesterday, read it. *ret_changed: the step that ends here has changed something.
 */
bool wi_coordinator_pass_goes_on(
    struct wi_coordinator_pass *pass,
    enum wi_coordinator_action_type type,
    bool changed,
    bool *ret_changed);

#endif
