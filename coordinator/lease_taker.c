#include "coordinator/lease_taker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/coordinator_facts.h"
#include "coordinator/coordinator_plan.h"
#include "coordinator/coordinator_step.h"
#include "coordinator/coordinator_sync.h"
#include "coordinator/lease_take.h"
#include "core/backoff.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/pcg.h"
#include "lease/lease.h"
#include "lease/lease_expiry.h"

#define BIT(state)     (1U << (unsigned)(state))
#define RANDOM_STREAM  UINT64_C(0x7461) /* of the generator; any number */
#define RETRY_FIRST_MS 50
#define RETRY_MAX_MS   5000

/* T10: the steps of a pass, in this order. A read of the table in between does not begin anew. */
enum taker_state {
    TAKER_WAITING,
    TAKER_TAKING,
    TAKER_SYNCING,
    TAKER_CLEANING,
    TAKER_STOPPED
};

/* The whole machine at a glance: from each state, the states that may follow. */
static const unsigned allowed[] = {
    [TAKER_WAITING] = BIT(TAKER_TAKING) | BIT(TAKER_SYNCING) | BIT(TAKER_STOPPED),
    [TAKER_TAKING] = BIT(TAKER_SYNCING) | BIT(TAKER_WAITING) | BIT(TAKER_STOPPED),
    [TAKER_SYNCING] = BIT(TAKER_CLEANING) | BIT(TAKER_WAITING) | BIT(TAKER_STOPPED),
    [TAKER_CLEANING] = BIT(TAKER_WAITING) | BIT(TAKER_STOPPED),
    [TAKER_STOPPED] = 0,
};

enum answer {
    ANSWER_NONE,
    ANSWER_DONE,
    ANSWER_FAILED
};

struct wi_taker {
    const struct weir_env *env;
    struct wi_taker_settings settings;
    enum taker_state state;
    struct wi_coordinator_facts facts; /* for the shard sync */
    struct wi_lease_expiry *seen;      /* every unfinished lease */
    struct wi_coordinator_sync sync;
    struct wi_take_plan plan;
    struct wi_plan_singles old_leases;
    size_t single;
    size_t batch_count;
    struct wi_pcg random;
    struct weir_mono now;
    struct weir_mono next_take;
    struct weir_mono wake;
    struct weir_mono last_pass;
    const struct wi_lease_table *table; /* of the event in hand */
    enum wi_coordinator_action_type in_flight;
    enum wi_coordinator_action_type answered;
    enum answer answer;
    uint32_t failures;
    bool leads;
    bool has_listed; /* in this pass */
    bool leaving;
};

static void
move(struct wi_taker *t, enum taker_state next)
{
    WEIR_ASSERT((allowed[t->state] & BIT(next)) != 0);
    t->state = next;
}

enum weir_error
wi_taker_new(
    const struct weir_env *env, const struct wi_taker_settings *settings, struct wi_taker **ret)
{
    struct wi_taker *t = wi_alloc(env, sizeof *t);
    enum weir_error error = WEIR_OK;

    WEIR_ASSERT(settings->lease_duration_ms > 0);
    if (t == NULL) {
        return WEIR_ENOMEM;
    }
    error = wi_coordinator_facts_init(
        &t->facts, env, settings->lease_duration_ms, settings->handoff_timeout_ms);
    if (error != WEIR_OK) {
        wi_free(env, t);
        return error;
    }
    error = wi_lease_expiry_new(env, &t->seen);
    if (error != WEIR_OK) {
        wi_coordinator_facts_free(&t->facts);
        wi_free(env, t);
        return error;
    }
    t->env = env;
    t->settings = *settings;
    t->in_flight = WI_COORDINATOR_WAIT;
    wi_coordinator_sync_init(&t->sync, env, settings->shard_sync_interval_ms);
    wi_pcg_seed(&t->random, settings->seed, RANDOM_STREAM);
    *ret = t;
    return WEIR_OK;
}

static void
drop_plans(struct wi_taker *t)
{
    wi_take_plan_free(t->env, &t->plan);
    wi_free(t->env, t->old_leases.items);
    t->old_leases = (struct wi_plan_singles){0};
    t->single = 0;
}

void
wi_taker_free(struct wi_taker *t)
{
    if (t == NULL) {
        return;
    }
    drop_plans(t);
    wi_coordinator_sync_reset(&t->sync);
    wi_coordinator_facts_free(&t->facts);
    wi_lease_expiry_free(t->seen);
    wi_free(t->env, t);
}

bool
wi_taker_has_left(const struct wi_taker *t)
{
    return t->state == TAKER_STOPPED;
}

bool
wi_taker_leads(const struct wi_taker *t)
{
    return t->leads;
}

struct weir_mono
wi_taker_last_pass(const struct wi_taker *t)
{
    return t->last_pass;
}

/* ---- events become facts ---- */

static void
note_answer(struct wi_taker *t, enum answer answer)
{
    t->answered = t->in_flight;
    t->answer = answer;
    t->in_flight = WI_COORDINATOR_WAIT;
}

/* Somebody else was first: that is an answer like any other. */
static enum answer
answer_of(enum weir_error error)
{
    return error == WEIR_OK || weir_error_class(error) == WEIR_CLASS_CONTENTION ? ANSWER_DONE
                                                                                : ANSWER_FAILED;
}

static void
note_result(struct wi_taker *t, enum weir_error error)
{
    bool is_read =
        t->in_flight == WI_COORDINATOR_READ_TABLE || t->in_flight == WI_COORDINATOR_LIST_SHARDS;

    if (t->in_flight != WI_COORDINATOR_WAIT) {
        /* The good answer to a read is another event. */
        note_answer(t, is_read ? ANSWER_FAILED : answer_of(error));
    }
}

static enum weir_error
observe(struct wi_taker *t, const struct wi_lease_table *table)
{
    enum weir_error error = wi_coordinator_facts_note(&t->facts, table, t->now);

    wi_lease_expiry_begin(t->seen);
    for (size_t i = 0; i < table->lease_count && error == WEIR_OK; i++) {
        const struct wi_lease *lease = &table->leases[i];

        if (lease->checkpoint.type != WEIR_SHARD_END) {
            error = wi_lease_expiry_observe(
                t->seen, lease->lease_key, lease->epoch, lease->counter, t->now);
        }
    }
    return error;
}

/* A picture is welcome at any time, unless an action is under way that it may not show yet. */
static void
note_table(struct wi_taker *t, const struct wi_lease_table *table)
{
    const char *leader = NULL;

    if (t->in_flight != WI_COORDINATOR_WAIT && t->in_flight != WI_COORDINATOR_READ_TABLE) {
        return;
    }
    t->in_flight = WI_COORDINATOR_READ_TABLE;
    if (observe(t, table) != WEIR_OK || wi_take_leader(t->env, table, &leader) != WEIR_OK) {
        note_answer(t, ANSWER_FAILED);
        return;
    }
    t->in_flight = WI_COORDINATOR_WAIT;
    t->table = table;
    t->leads = leader == NULL || strcmp(leader, t->settings.owner) == 0;
}

static void
note_shards(struct wi_taker *t, const struct wi_coordinator_event *event)
{
    enum weir_error error = WEIR_OK;

    if (t->in_flight == WI_COORDINATOR_LIST_SHARDS) {
        error = wi_coordinator_sync_take(&t->sync, event->shards, event->shard_count);
        note_answer(t, error == WEIR_OK ? ANSWER_DONE : ANSWER_FAILED);
    }
}

static void
note(struct wi_taker *t, const struct wi_coordinator_event *event)
{
    t->now = event->now;
    t->answer = ANSWER_NONE;
    switch (event->type) {
    case WI_COORDINATOR_TABLE:
        note_table(t, event->table);
        break;
    case WI_COORDINATOR_SHARDS:
        note_shards(t, event);
        break;
    case WI_COORDINATOR_RESULT:
        note_result(t, event->error);
        break;
    case WI_COORDINATOR_TICK:
        break;
    case WI_COORDINATOR_LEAVE:
        t->leaving = true;
        break;
    }
}

/* ---- facts become the next action ---- */

static struct wi_coordinator_action
wait_until(struct wi_taker *t, struct weir_mono until)
{
    t->wake = until;
    return (struct wi_coordinator_action){.type = WI_COORDINATOR_WAIT, .until = until};
}

static struct wi_coordinator_action
start(struct wi_taker *t, struct wi_coordinator_action action)
{
    WEIR_ASSERT(t->in_flight == WI_COORDINATOR_WAIT);
    WEIR_ASSERT(action.type != WI_COORDINATOR_WAIT);
    t->in_flight = action.type;
    return action;
}

static struct wi_coordinator_action
read_table(struct wi_taker *t)
{
    drop_plans(t);
    return start(t, (struct wi_coordinator_action){.type = WI_COORDINATOR_READ_TABLE});
}

static int64_t
retry_ms(uint32_t failures)
{
    return wi_backoff_ceiling_ms(failures, RETRY_FIRST_MS, RETRY_MAX_MS);
}

/* T14: what is in the table now is not known; a take without an answer is made anew only if the
 * table says that it did not come about. */
static struct wi_coordinator_action
back_off(struct wi_taker *t)
{
    drop_plans(t);
    if (t->state == TAKER_TAKING) {
        t->next_take = t->now;
    }
    if (t->state != TAKER_WAITING) {
        move(t, TAKER_WAITING);
    }
    t->failures += t->failures < UINT32_MAX ? 1 : 0;
    return wait_until(t, wi_mono_add_ms(t->now, retry_ms(t->failures)));
}

static struct weir_mono
sync_retry_at(const struct wi_taker *t)
{
    return wi_mono_add_ms(t->now, retry_ms(t->sync.failures + 1));
}

/* T9, T13. */
static struct wi_coordinator_action
end_pass(struct wi_taker *t)
{
    struct weir_mono next = wi_mono_add_ms(t->now, WI_TAKER_LOOK_MS);

    drop_plans(t);
    move(t, TAKER_WAITING);
    t->failures = 0;
    if (t->sync.failures == 0) {
        t->last_pass = t->now;
    }
    if (t->leads && wi_mono_before(t->now, t->sync.next_at)) {
        next = wi_mono_earlier(next, t->sync.next_at);
    }
    return wait_until(t, wi_mono_earlier(next, t->next_take));
}

static struct wi_coordinator_action
stop(struct wi_taker *t)
{
    drop_plans(t);
    move(t, TAKER_STOPPED);
    t->leads = false;
    return wait_until(t, WI_MONO_NEVER);
}

static enum weir_error
plan_takes(struct wi_taker *t)
{
    const struct wi_take_input input = {
        .table = t->table,
        .seen = t->seen,
        .now = t->now,
        .owner = t->settings.owner,
        .lease_duration_ms = t->settings.lease_duration_ms,
        .leases_max = t->settings.leases_max};

    return wi_take_plan_make(t->env, &input, &t->random, &t->plan);
}

/* The leases that the last list asks for, and those that may go. */
static enum weir_error
plan_sync(struct wi_taker *t)
{
    enum weir_error error = wi_coordinator_sync_apply(&t->sync, t->table);

    if (error == WEIR_ECORRUPT) {
        wi_coordinator_sync_failed(&t->sync, sync_retry_at(t));
        error = WEIR_OK;
    }
    return error == WEIR_OK
               ? wi_coordinator_sync_clean(&t->sync, t->table, &t->facts, &t->old_leases)
               : error;
}

static struct wi_coordinator_action
next_removal(struct wi_taker *t)
{
    if (t->single == t->old_leases.count) {
        return end_pass(t);
    }
    return start(
        t,
        (struct wi_coordinator_action){.type = WI_COORDINATOR_REMOVE_LEASE,
                                       .lease_key = t->old_leases.items[t->single].key,
                                       .expected_epoch = t->old_leases.items[t->single].epoch,
                                       .count = 1});
}

static bool
next_batch(struct wi_taker *t, struct wi_coordinator_action *ret)
{
    const struct wi_lease *leases = NULL;

    t->batch_count = wi_coordinator_sync_batch(&t->sync, &leases);
    *ret = (struct wi_coordinator_action){
        .type = WI_COORDINATOR_CREATE_LEASES, .leases = leases, .count = t->batch_count};
    return t->batch_count > 0;
}

/* T11: one list in a pass; what it asks for is written against the next picture. */
static struct wi_coordinator_action
sync_shards(struct wi_taker *t)
{
    struct wi_coordinator_action action;

    if (!t->leads) {
        wi_coordinator_sync_reset(&t->sync);
        return end_pass(t);
    }
    if (plan_sync(t) != WEIR_OK) {
        return back_off(t);
    }
    if (next_batch(t, &action)) {
        return start(t, action);
    }
    if (!t->has_listed && wi_coordinator_sync_is_due(&t->sync, t->table, &t->facts)) {
        t->has_listed = true;
        wi_coordinator_sync_asked(&t->sync, t->now);
        return start(t, (struct wi_coordinator_action){.type = WI_COORDINATOR_LIST_SHARDS});
    }
    move(t, TAKER_CLEANING);
    return next_removal(t);
}

/* T9, T10: a picture of the table, and the pass goes on where it was. */
static struct wi_coordinator_action
go_on(struct wi_taker *t)
{
    drop_plans(t);
    if (t->state == TAKER_WAITING && wi_mono_before(t->now, t->wake)) {
        return wait_until(t, t->wake); /* an unasked picture */
    }
    if (t->state == TAKER_WAITING) {
        t->has_listed = false;
        move(t, wi_mono_before(t->now, t->next_take) ? TAKER_SYNCING : TAKER_TAKING);
    }
    if (t->state == TAKER_TAKING) {
        int64_t span_ms = t->settings.lease_duration_ms + WI_TAKER_EPSILON_MS;

        if (plan_takes(t) != WEIR_OK) {
            return back_off(t);
        }
        t->next_take = wi_mono_add_ms(t->now, WI_TAKER_SPANS * span_ms);
        if (t->plan.count > 0) {
            return start(
                t,
                (struct wi_coordinator_action){.type = WI_COORDINATOR_ASSIGN,
                                               .assignments = t->plan.takes,
                                               .count = t->plan.count});
        }
        move(t, TAKER_SYNCING);
    }
    return t->state == TAKER_SYNCING ? sync_shards(t) : end_pass(t);
}

static struct wi_coordinator_action
after_answer(struct wi_taker *t)
{
    struct wi_coordinator_action action;

    if (t->answered == WI_COORDINATOR_LIST_SHARDS && t->answer == ANSWER_FAILED) {
        wi_coordinator_sync_failed(&t->sync, sync_retry_at(t));
        return end_pass(t);
    }
    if (t->answer == ANSWER_FAILED) {
        return back_off(t);
    }
    if (t->answered == WI_COORDINATOR_ASSIGN) {
        move(t, TAKER_SYNCING);
    } else if (t->answered == WI_COORDINATOR_CREATE_LEASES) {
        wi_coordinator_sync_created(&t->sync, t->batch_count);
        if (next_batch(t, &action)) {
            return start(t, action);
        }
        t->next_take = t->now; /* they are nobody's yet */
        move(t, TAKER_WAITING);
        t->wake = t->now;
    } else if (t->answered == WI_COORDINATOR_REMOVE_LEASE) {
        t->single++;
        return next_removal(t);
    }
    return read_table(t);
}

static struct wi_coordinator_action
decide(struct wi_taker *t)
{
    if (t->state == TAKER_STOPPED) {
        return wait_until(t, WI_MONO_NEVER);
    }
    if (t->leaving) {
        return stop(t); /* T12 */
    }
    if (t->answer != ANSWER_NONE) {
        return after_answer(t);
    }
    if (t->table != NULL) {
        return go_on(t);
    }
    return wi_mono_before(t->now, t->wake) ? wait_until(t, t->wake) : read_table(t);
}

struct wi_coordinator_action
wi_taker_step(struct wi_taker *t, const struct wi_coordinator_event *event)
{
    struct wi_coordinator_action action = {.type = WI_COORDINATOR_WAIT, .until = WI_MONO_NEVER};

    note(t, event);
    if (t->in_flight == WI_COORDINATOR_WAIT) {
        action = decide(t);
    }
    t->table = NULL;
    return action;
}
