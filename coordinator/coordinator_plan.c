#include "coordinator/coordinator_plan.h"

#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/assignment.h"
#include "coordinator/coordinator_facts.h"
#include "coordinator/lease_search.h"
#include "core/check.h"
#include "core/memory.h"
#include "lease/lease.h"
#include "lease/lease_store.h"

/* How a lease stands before the plan. */
enum standing {
    STANDING_OUT,     /* finished: takes no part */
    STANDING_PLACE,   /* C11: to be assigned now */
    STANDING_FIXED,   /* stays, or moves already */
    STANDING_OVERDUE, /* C24: moves already, but the owner does not carry it out */
    STANDING_MOVABLE
};

/* What is written about a lease. */
enum outcome {
    OUTCOME_NOTHING,
    OUTCOME_ASSIGN,
    OUTCOME_HANDOFF,
    OUTCOME_REVOKE
};

struct view {
    enum standing standing;
    enum outcome outcome;
    bool has_stale_wish;           /* C23: its receiver cannot take the lease any more */
    size_t owner_at;               /* row of the owner, or SIZE_MAX */
    size_t counted_at;             /* C21: the worker that has it, or will have it */
    size_t receiver;               /* of an assignment or a wish; SIZE_MAX: nobody in particular */
    enum wi_handoff_reason reason; /* of a wish; NONE withdraws */
};

struct making {
    const struct weir_env *env;
    const struct wi_plan_input *input;
    const struct wi_lease_table *table;
    struct view *views;
    struct wi_assign_worker *workers;
    struct wi_assign_lease *leases; /* those that take part, in the order of the table */
    size_t lease_count;
    size_t *targets;
    size_t usable_count;
};

bool
wi_plan_is_usable(const struct wi_plan_input *input, const struct wi_worker *worker)
{
    bool is_leaving = input->leaving && strcmp(worker->owner, input->owner) == 0;

    return !is_leaving && !worker->draining && wi_coordinator_facts_is_live(input->facts, worker);
}

static void
view_workers(struct making *making)
{
    for (size_t w = 0; w < making->table->worker_count; w++) {
        const struct wi_worker *worker = &making->table->workers[w];
        bool is_usable = wi_plan_is_usable(making->input, worker);

        making->workers[w] = (struct wi_assign_worker){worker->max_leases, !is_usable};
        making->usable_count += is_usable ? 1 : 0;
    }
}

static size_t
find_worker(const struct making *making, const char *owner)
{
    return wi_worker_find(making->table->workers, making->table->worker_count, owner);
}

/* C11: nobody has it, or nobody that may still believe in it. Silence frees only what is not
 * revoked: a revoked lease is assigned without the look at the heartbeat, so nothing but D since
 * its revocation says that a renewal that came late has run out (docs/model, row SILENT_REVOKED).
 */
static bool
is_free(const struct making *making, const struct wi_lease *lease)
{
    const struct wi_coordinator_facts *facts = making->input->facts;

    if (lease->owner_state != WI_OWNER_ALIVE) {
        return true;
    }
    return lease->revoked ? wi_coordinator_facts_is_revoked_long_enough(facts, lease)
                          : wi_coordinator_facts_is_expired(facts, lease);
}

/* C24: is there anybody who would gain from a revocation? */
static bool
others_can_take(const struct making *making, const struct view *view)
{
    bool owner_is_usable = view->owner_at != SIZE_MAX && !making->workers[view->owner_at].draining;

    return making->usable_count > (owner_is_usable ? 1U : 0U);
}

/* C21, C23, C24: a lease with a wish counts where it goes, unless it cannot go there any more. */
static void
view_wish(const struct making *making, const struct wi_lease *lease, struct view *view)
{
    size_t to = find_worker(making, lease->handoff.to);
    bool is_release = lease->handoff.to[0] == '\0';
    bool is_possible =
        is_release || (to != SIZE_MAX && to != view->owner_at && !making->workers[to].draining);

    view->has_stale_wish = !is_possible;
    view->counted_at = is_possible && !is_release ? to : view->owner_at;
    if (!is_possible) {
        view->standing = lease->revoked ? STANDING_FIXED : STANDING_MOVABLE;
    } else if (
        !lease->revoked && wi_coordinator_facts_is_overdue(making->input->facts, lease) &&
        others_can_take(making, view)) {
        view->standing = STANDING_OVERDUE;
    } else {
        view->standing = STANDING_FIXED;
    }
}

static void
view_lease(const struct making *making, const struct wi_lease *lease, struct view *view)
{
    size_t owner_at = find_worker(making, lease->owner);
    bool owner_is_live =
        owner_at != SIZE_MAX &&
        wi_coordinator_facts_is_live(making->input->facts, &making->table->workers[owner_at]);
    bool is_pinned = owner_is_live && lease->pinned && !making->workers[owner_at].draining;

    *view = (struct view){.owner_at = owner_at, .counted_at = owner_at, .receiver = SIZE_MAX};
    if (lease->checkpoint.type == WEIR_SHARD_END) {
        view->standing = STANDING_OUT;
    } else if (is_free(making, lease)) {
        view->standing = STANDING_PLACE;
        view->counted_at = SIZE_MAX;
    } else if (owner_is_live && lease->handoff.reason != WI_HANDOFF_NONE) {
        view_wish(making, lease, view);
    } else if (!owner_is_live || lease->revoked || is_pinned) {
        view->standing = STANDING_FIXED; /* of a silent owner: the counter will tell soon */
    } else {
        view->standing = STANDING_MOVABLE;
    }
}

static void
view_leases(struct making *making)
{
    _Static_assert(WI_NO_WORKER == SIZE_MAX, "a row that was not found is no worker");
    for (size_t i = 0; i < making->table->lease_count; i++) {
        const struct wi_lease *lease = &making->table->leases[i];
        struct view *view = &making->views[i];

        view_lease(making, lease, view);
        if (view->standing != STANDING_OUT) {
            making->leases[making->lease_count++] = (struct wi_assign_lease){
                .worker = view->counted_at,
                .fixed = view->standing == STANDING_FIXED || view->standing == STANDING_OVERDUE,
                .load = lease->throughput_bytes_per_second,
            };
        }
    }
}

/* C12: a live owner is never fenced in favour of itself. */
static void
decide_placement(const struct wi_lease *lease, size_t target, struct view *view)
{
    bool needs_fence = lease->owner_state == WI_OWNER_ALIVE && !lease->revoked;

    if (target != WI_NO_WORKER && !(needs_fence && target == view->owner_at)) {
        view->outcome = OUTCOME_ASSIGN;
        view->receiver = target;
    }
}

/* C18, C19, C23: wish for a move, for a release, or take back a wish that cannot come true. */
static void
decide_move(const struct making *making, size_t target, struct view *view)
{
    bool is_draining = making->workers[view->owner_at].draining;
    bool is_move = target != view->counted_at && target != WI_NO_WORKER;
    bool is_release = target == WI_NO_WORKER && making->usable_count == 0;

    WEIR_ASSERT(target != WI_NO_WORKER || is_draining);
    if (is_move || is_release) {
        view->outcome = OUTCOME_HANDOFF;
        view->receiver = target;
        view->reason = is_draining ? WI_HANDOFF_DRAIN : WI_HANDOFF_BALANCE;
    } else if (view->has_stale_wish) {
        view->outcome = OUTCOME_HANDOFF;
        view->reason = WI_HANDOFF_NONE;
    }
}

/* C14: a finished lease of a dead owner goes to somebody who will release it. */
static void
decide_finished(const struct making *making, const struct wi_lease *lease, struct view *view)
{
    size_t receiver = find_worker(making, making->input->owner);

    if (lease->owner_state != WI_OWNER_GONE || making->usable_count == 0) {
        return;
    }
    if (receiver == SIZE_MAX || making->workers[receiver].draining) {
        for (receiver = 0; making->workers[receiver].draining; receiver++) {
        }
    }
    view->outcome = OUTCOME_ASSIGN;
    view->receiver = receiver;
}

static void
decide_outcomes(struct making *making)
{
    size_t next = 0;

    for (size_t i = 0; i < making->table->lease_count; i++) {
        const struct wi_lease *lease = &making->table->leases[i];
        struct view *view = &making->views[i];
        size_t target = view->standing == STANDING_OUT ? WI_NO_WORKER : making->targets[next++];

        switch (view->standing) {
        case STANDING_OUT:
            decide_finished(making, lease, view);
            break;
        case STANDING_PLACE:
            decide_placement(lease, target, view);
            break;
        case STANDING_OVERDUE:
            view->outcome = OUTCOME_REVOKE;
            break;
        case STANDING_MOVABLE:
            decide_move(making, target, view);
            break;
        case STANDING_FIXED:
            break;
        }
    }
    WEIR_ASSERT(next == making->lease_count);
}

static size_t
count_outcomes(const struct making *making, enum outcome outcome, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < making->table->lease_count && count < max; i++) {
        count += making->views[i].outcome == outcome ? 1 : 0;
    }
    return count;
}

/* C26: who owns something, be it a finished lease. */
static bool *
mark_owners(const struct making *making)
{
    bool *owns = wi_alloc_array(making->env, making->table->worker_count + 1, sizeof *owns);

    for (size_t i = 0; owns != NULL && i < making->table->lease_count; i++) {
        if (making->views[i].owner_at != SIZE_MAX) {
            owns[making->views[i].owner_at] = true;
        }
    }
    return owns;
}

/* C26: a process that died beyond a network, and that had no lease to be taken for, is only silent.
 */
static bool
has_left(const struct making *making, const struct wi_worker *worker)
{
    return worker->state == WI_OWNER_GONE ||
           (!wi_coordinator_facts_is_live(making->input->facts, worker) &&
            strcmp(worker->owner, making->input->owner) != 0);
}

static enum weir_error
list_dead_workers(const struct making *making, struct wi_plan_singles *ret)
{
    bool *owns = mark_owners(making);

    if (owns == NULL) {
        return WEIR_ENOMEM;
    }
    for (size_t w = 0; w < making->table->worker_count && ret->count < WI_SINGLES_MAX; w++) {
        const struct wi_worker *worker = &making->table->workers[w];

        if (has_left(making, worker) && !owns[w]) {
            struct wi_plan_single *item = &ret->items[ret->count++];

            memcpy(item->key, worker->owner, sizeof worker->owner);
            item->counter = worker->counter;
        }
    }
    wi_free(making->env, owns);
    return WEIR_OK;
}

static size_t
at_most(size_t count, size_t max)
{
    return count < max ? count : max;
}

/* Room for what the outcomes ask for. */
static enum weir_error
make_room(const struct making *making, struct wi_coordinator_plan *plan)
{
    const struct weir_env *env = making->env;
    size_t assignments = count_outcomes(making, OUTCOME_ASSIGN, WI_ASSIGNMENTS_MAX);
    size_t handoffs = count_outcomes(making, OUTCOME_HANDOFF, WI_HANDOFFS_MAX);
    size_t revocations = count_outcomes(making, OUTCOME_REVOKE, WI_SINGLES_MAX);
    size_t workers = at_most(making->table->worker_count, WI_SINGLES_MAX);

    plan->assignments = wi_alloc_array(env, assignments + 1, sizeof *plan->assignments);
    plan->handoffs = wi_alloc_array(env, handoffs + 1, sizeof *plan->handoffs);
    plan->keys = wi_alloc_array(env, assignments + handoffs + 1, sizeof *plan->keys);
    plan->receivers = wi_alloc_array(env, assignments + 1, sizeof *plan->receivers);
    plan->revocations.items = wi_alloc_array(env, revocations + 1, sizeof *plan->revocations.items);
    plan->dead_workers.items = wi_alloc_array(env, workers + 1, sizeof *plan->dead_workers.items);
    return plan->assignments == NULL || plan->handoffs == NULL || plan->keys == NULL ||
                   plan->receivers == NULL || plan->revocations.items == NULL ||
                   plan->dead_workers.items == NULL
               ? WEIR_ENOMEM
               : WEIR_OK;
}

static const char *
keep_key(struct wi_coordinator_plan *plan, const struct wi_lease *lease)
{
    char *key = plan->keys[plan->assignment_count + plan->handoff_count];

    memcpy(key, lease->lease_key, sizeof lease->lease_key);
    return key;
}

static void
write_assignment(
    const struct making *making,
    const struct wi_lease *lease,
    const struct view *view,
    struct wi_coordinator_plan *plan)
{
    char *to = plan->receivers[plan->assignment_count];
    struct wi_assignment assignment = {
        .lease_key = keep_key(plan, lease),
        .to = to,
        .expected_epoch = lease->epoch,
        .expected_counter = lease->counter,
    };

    memcpy(to, making->table->workers[view->receiver].owner, WEIR_OWNER_SIZE);
    plan->assignments[plan->assignment_count++] = assignment;
}

static void
write_handoff(
    const struct making *making,
    const struct wi_lease *lease,
    const struct view *view,
    struct wi_coordinator_plan *plan)
{
    struct wi_handoff_request request = {
        .lease_key = keep_key(plan, lease),
        .expected_epoch = lease->epoch,
        .handoff =
            {
                .reason = view->reason,
                .timeout_ms = making->input->handoff_timeout_ms,
            },
    };

    if (view->reason != WI_HANDOFF_NONE && view->receiver != SIZE_MAX) {
        memcpy(
            request.handoff.to,
            making->table->workers[view->receiver].owner,
            sizeof request.handoff.to);
    }
    plan->handoffs[plan->handoff_count++] = request;
}

static void
write_plan(const struct making *making, struct wi_coordinator_plan *plan)
{
    for (size_t i = 0; i < making->table->lease_count; i++) {
        const struct wi_lease *lease = &making->table->leases[i];
        const struct view *view = &making->views[i];
        struct wi_plan_singles *revocations = &plan->revocations;

        if (view->outcome == OUTCOME_ASSIGN && plan->assignment_count < WI_ASSIGNMENTS_MAX) {
            write_assignment(making, lease, view, plan);
        }
        if (view->outcome == OUTCOME_HANDOFF && plan->handoff_count < WI_HANDOFFS_MAX) {
            write_handoff(making, lease, view, plan);
        }
        if (view->outcome == OUTCOME_REVOKE && revocations->count < WI_SINGLES_MAX) {
            struct wi_plan_single *item = &revocations->items[revocations->count++];

            memcpy(item->key, lease->lease_key, sizeof item->key);
            item->epoch = lease->epoch;
        }
        if (view->standing != STANDING_OUT && strcmp(lease->owner, making->input->owner) == 0) {
            plan->own_leases++;
        }
    }
}

static enum weir_error
assign(struct making *making)
{
    struct wi_assign_input input = {
        .workers = making->workers,
        .worker_count = making->table->worker_count,
        .leases = making->leases,
        .lease_count = making->lease_count,
        .settings = {making->input->by_load, WI_LOAD_MOVES_MAX},
    };

    return wi_assign(making->env, &input, making->targets);
}

enum weir_error
wi_coordinator_plan_make(
    const struct weir_env *env, const struct wi_plan_input *input, struct wi_coordinator_plan *ret)
{
    size_t leases = input->table->lease_count;
    size_t workers = input->table->worker_count;
    struct wi_coordinator_plan plan = {0};
    struct making making = {
        .env = env,
        .input = input,
        .table = input->table,
        .views = wi_alloc_array(env, leases + 1, sizeof *making.views),
        .workers = wi_alloc_array(env, workers + 1, sizeof *making.workers),
        .leases = wi_alloc_array(env, leases + 1, sizeof *making.leases),
        .targets = wi_alloc_array(env, leases + 1, sizeof *making.targets),
    };
    enum weir_error error = WEIR_ENOMEM;

    if (making.views == NULL || making.workers == NULL || making.leases == NULL ||
        making.targets == NULL) {
        goto out;
    }
    view_workers(&making);
    view_leases(&making);
    error = assign(&making);
    if (error != WEIR_OK) {
        goto out;
    }
    decide_outcomes(&making);
    error = make_room(&making, &plan);
    if (error != WEIR_OK) {
        goto out;
    }
    write_plan(&making, &plan);
    error = list_dead_workers(&making, &plan.dead_workers);
    if (error != WEIR_OK) {
        goto out;
    }
    *ret = plan;
    plan = (struct wi_coordinator_plan){0};
out:
    wi_coordinator_plan_free(env, &plan);
    wi_free(env, making.views);
    wi_free(env, making.workers);
    wi_free(env, making.leases);
    wi_free(env, making.targets);
    return error;
}

void
wi_coordinator_plan_free(const struct weir_env *env, struct wi_coordinator_plan *plan)
{
    wi_free(env, plan->assignments);
    wi_free(env, plan->handoffs);
    wi_free(env, plan->keys);
    wi_free(env, plan->receivers);
    wi_free(env, plan->revocations.items);
    wi_free(env, plan->dead_workers.items);
    *plan = (struct wi_coordinator_plan){0};
}
