#include "coordinator/coordinator_pass.h"

#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "coordinator/coordinator_plan.h"
#include "coordinator/coordinator_step.h"
#include "coordinator/coordinator_sync.h"
#include "core/check.h"
#include "core/memory.h"
#include "lease/lease.h"

void
wi_coordinator_pass_init(
    struct wi_coordinator_pass *pass, const struct weir_env *env, int64_t sync_interval_ms)
{
    *pass = (struct wi_coordinator_pass){.env = env};
    wi_coordinator_sync_init(&pass->sync, env, sync_interval_ms);
}

void
wi_coordinator_pass_drop(struct wi_coordinator_pass *pass)
{
    wi_coordinator_plan_free(pass->env, &pass->plan);
    wi_free(pass->env, pass->old_leases.items);
    pass->old_leases = (struct wi_plan_singles){0};
    pass->step = WI_PASS_END;
}

void
wi_coordinator_pass_reset(struct wi_coordinator_pass *pass)
{
    wi_coordinator_pass_drop(pass);
    wi_coordinator_sync_reset(&pass->sync);
    pass->first_step = WI_PASS_ASSIGN;
}

enum weir_error
wi_coordinator_pass_begin(
    struct wi_coordinator_pass *pass, const struct wi_plan_input *input, struct weir_mono retry_at)
{
    enum weir_error error;

    wi_coordinator_pass_drop(pass);
    error = wi_coordinator_sync_apply(&pass->sync, input->table);
    if (error == WEIR_ECORRUPT) {
        wi_coordinator_sync_failed(&pass->sync, retry_at);
    } else if (error != WEIR_OK) {
        return error;
    }
    error = wi_coordinator_plan_make(pass->env, input, &pass->plan);
    if (error != WEIR_OK) {
        return error;
    }
    error = wi_coordinator_sync_clean(&pass->sync, input->table, input->facts, &pass->old_leases);
    if (error != WEIR_OK) {
        return error;
    }
    pass->sync_is_due = wi_coordinator_sync_is_due(&pass->sync, input->table, input->facts);
    pass->step = pass->first_step;
    pass->single = 0;
    pass->single_changed = false;
    return WEIR_OK;
}

/* The rows that the present step writes one by one; none in most. */
static const struct wi_plan_singles *
singles_of(const struct wi_coordinator_pass *pass)
{
    static const struct wi_plan_singles none = {0};

    switch (pass->step) {
    case WI_PASS_REVOKE:
        return &pass->plan.revocations;
    case WI_PASS_REMOVE_LEASE:
        return &pass->old_leases;
    case WI_PASS_REMOVE_WORKER:
        return &pass->plan.dead_workers;
    case WI_PASS_ASSIGN:
    case WI_PASS_SYNC:
    case WI_PASS_HANDOFF:
    case WI_PASS_END:
        break;
    }
    return &none;
}

static struct wi_coordinator_action
next_single(struct wi_coordinator_pass *pass, const struct wi_plan_singles *singles)
{
    static const enum wi_coordinator_action_type types[] = {
        [WI_PASS_REVOKE] = WI_COORDINATOR_REVOKE,
        [WI_PASS_REMOVE_LEASE] = WI_COORDINATOR_REMOVE_LEASE,
        [WI_PASS_REMOVE_WORKER] = WI_COORDINATOR_REMOVE_WORKER,
    };
    const struct wi_plan_single *single = &singles->items[pass->single++];
    bool is_worker = pass->step == WI_PASS_REMOVE_WORKER;

    return (struct wi_coordinator_action){
        .type = types[pass->step],
        .lease_key = is_worker ? NULL : single->key,
        .owner = is_worker ? single->key : NULL,
        .expected_epoch = single->epoch,
        .expected_counter = single->counter,
        .count = 1,
    };
}

/* C15, C16: the leases for the list that is known come before the next list. */
static bool
next_of_sync(
    struct wi_coordinator_pass *pass, struct weir_mono now, struct wi_coordinator_action *ret)
{
    const struct wi_lease *leases = NULL;

    pass->batch_count = wi_coordinator_sync_batch(&pass->sync, &leases);
    if (pass->batch_count > 0) {
        *ret = (struct wi_coordinator_action){
            .type = WI_COORDINATOR_CREATE_LEASES,
            .leases = leases,
            .count = pass->batch_count,
        };
        return true;
    }
    if (pass->sync_is_due) {
        pass->sync_is_due = false;
        wi_coordinator_sync_asked(&pass->sync, now);
        *ret = (struct wi_coordinator_action){.type = WI_COORDINATOR_LIST_SHARDS};
        return true;
    }
    return false;
}

/* True, and an action, if the present step has something to do. */
static bool
next_of_step(
    struct wi_coordinator_pass *pass, struct weir_mono now, struct wi_coordinator_action *ret)
{
    const struct wi_plan_singles *singles = singles_of(pass);

    if (pass->single < singles->count) {
        *ret = next_single(pass, singles);
        return true;
    }
    if (pass->step == WI_PASS_SYNC) {
        return next_of_sync(pass, now, ret);
    }
    if (pass->step == WI_PASS_ASSIGN && pass->plan.assignment_count > 0) {
        *ret = (struct wi_coordinator_action){
            .type = WI_COORDINATOR_ASSIGN,
            .assignments = pass->plan.assignments,
            .count = pass->plan.assignment_count,
        };
        return true;
    }
    if (pass->step == WI_PASS_HANDOFF && pass->plan.handoff_count > 0) {
        *ret = (struct wi_coordinator_action){
            .type = WI_COORDINATOR_REQUEST_HANDOFF,
            .handoffs = pass->plan.handoffs,
            .count = pass->plan.handoff_count,
        };
        return true;
    }
    return false;
}

bool
wi_coordinator_pass_next(
    struct wi_coordinator_pass *pass, struct weir_mono now, struct wi_coordinator_action *ret)
{
    while (pass->step < WI_PASS_END) {
        if (next_of_step(pass, now, ret)) {
            return true;
        }
        pass->step++;
        pass->single = 0;
        pass->single_changed = false;
    }
    return false;
}

/* C28: a step that changed nothing gives way to those behind it. */
static bool
end_step(struct wi_coordinator_pass *pass, bool changed, bool *ret_changed)
{
    WEIR_ASSERT(pass->step < WI_PASS_END);
    if (!changed) {
        pass->first_step = pass->step + 1;
    }
    *ret_changed = changed;
    return false;
}

/* C16: the other leases of a list follow at once: what a new application creates depends on the
 * table being empty. */
static bool
goes_on_creating(struct wi_coordinator_pass *pass, bool changed)
{
    const struct wi_lease *more = NULL;

    if (!changed) {
        return false;
    }
    wi_coordinator_sync_created(&pass->sync, pass->batch_count);
    return wi_coordinator_sync_batch(&pass->sync, &more) > 0;
}

bool
wi_coordinator_pass_goes_on(
    struct wi_coordinator_pass *pass,
    enum wi_coordinator_action_type type,
    bool changed,
    bool *ret_changed)
{
    switch (type) {
    case WI_COORDINATOR_CREATE_LEASES:
        return goes_on_creating(pass, changed) || end_step(pass, changed, ret_changed);
    case WI_COORDINATOR_REVOKE:
    case WI_COORDINATOR_REMOVE_LEASE:
    case WI_COORDINATOR_REMOVE_WORKER:
        pass->single_changed |= changed;
        return pass->single < singles_of(pass)->count ||
               end_step(pass, pass->single_changed, ret_changed);
    case WI_COORDINATOR_ASSIGN:
    case WI_COORDINATOR_REQUEST_HANDOFF:
        return end_step(pass, changed, ret_changed);
    case WI_COORDINATOR_LIST_SHARDS:
    case WI_COORDINATOR_READ_TABLE:
    case WI_COORDINATOR_TAKE_LEADER:
    case WI_COORDINATOR_RELEASE_LEADER:
    case WI_COORDINATOR_WAIT:
        break;
    }
    *ret_changed = false;
    return false;
}
