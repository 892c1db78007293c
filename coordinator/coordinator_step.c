/* The rules C1 to C31 stand in docs/state-machines.md, "Coordinator". */
#include "coordinator/coordinator_step.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/coordinator_facts.h"
#include "coordinator/coordinator_pass.h"
#include "coordinator/coordinator_plan.h"
#include "coordinator/coordinator_sync.h"
#include "core/backoff.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/mono.h"
#include "lease/lease.h"

#define BIT(state) (1U << (unsigned)(state))

/* C29: first wait after a failure; doubled at each further one. */
#define RETRY_FIRST_MS 10
/* C29: longest wait, unless a quarter of the lease duration is shorter. */
#define RETRY_MAX_MS 1000
/* C31: parts of a lease duration between two looks at the table. */
#define LOOKS_PER_DURATION 4

/* How the action that was in flight ended. */
enum answer {
    ANSWER_NONE,      /* nothing was in flight, or it still is */
    ANSWER_DONE,      /* it changed something */
    ANSWER_UNCHANGED, /* somebody else was first: every row was left as it was */
    ANSWER_FAILED
};

struct wi_coordinator {
    const struct weir_env *env;
    struct wi_coordinator_settings settings;
    enum wi_coordinator_state state;
    struct weir_mono now;
    const struct wi_lease_table *table; /* borrowed for the step that brought it */

    /* One action at a time. */
    enum wi_coordinator_action_type in_flight; /* WAIT: none */
    size_t in_flight_count;                    /* its items */
    enum wi_coordinator_action_type answered;  /* what `answer` answers */
    enum answer answer;
    struct weir_mono wake;          /* with nothing in flight: read the table then */
    struct weir_mono patient_until; /* C29: begin nothing before, whatever the table shows */

    bool leaving;
    struct wi_coordinator_facts facts;
    uint32_t failures;  /* in a row */
    uint32_t conflicts; /* in a row, of a kind that a read did not mend */

    /* As leader. */
    uint64_t term;
    struct wi_coordinator_pass pass;
    struct weir_mono last_pass;
};

/* The whole machine at a glance: from each state, the states that may follow. */
static const unsigned allowed[] = {
    [WI_COORDINATOR_FOLLOWING] =
        BIT(WI_COORDINATOR_TAKING) | BIT(WI_COORDINATOR_LEADING) | BIT(WI_COORDINATOR_STOPPED),
    [WI_COORDINATOR_TAKING] = BIT(WI_COORDINATOR_LEADING) | BIT(WI_COORDINATOR_FOLLOWING),
    [WI_COORDINATOR_LEADING] = BIT(WI_COORDINATOR_FOLLOWING) | BIT(WI_COORDINATOR_STOPPED),
    [WI_COORDINATOR_STOPPED] = 0,
};

static void
move(struct wi_coordinator *c, enum wi_coordinator_state next)
{
    WEIR_ASSERT((allowed[c->state] & BIT(next)) != 0);
    c->state = next;
}

enum weir_error
wi_coordinator_new(
    const struct weir_env *env,
    const struct wi_coordinator_settings *settings,
    struct wi_coordinator **ret)
{
    struct wi_coordinator *c = wi_alloc(env, sizeof *c);
    enum weir_error error;

    WEIR_ASSERT(settings->lease_duration_ms > 0);
    WEIR_ASSERT(settings->handoff_timeout_ms > 0);
    if (c == NULL) {
        return WEIR_ENOMEM;
    }
    error = wi_coordinator_facts_init(
        &c->facts, env, settings->lease_duration_ms, settings->handoff_timeout_ms);
    if (error != WEIR_OK) {
        wi_free(env, c);
        return error;
    }
    c->env = env;
    c->settings = *settings;
    c->state = WI_COORDINATOR_FOLLOWING;
    c->in_flight = WI_COORDINATOR_WAIT;
    wi_coordinator_pass_init(&c->pass, env, settings->shard_sync_interval_ms);
    *ret = c;
    return WEIR_OK;
}

void
wi_coordinator_free(struct wi_coordinator *c)
{
    if (c == NULL) {
        return;
    }
    wi_coordinator_pass_reset(&c->pass);
    wi_coordinator_facts_free(&c->facts);
    wi_free(c->env, c);
}

enum wi_coordinator_state
wi_coordinator_state(const struct wi_coordinator *c)
{
    return c->state;
}

struct weir_mono
wi_coordinator_last_pass(const struct wi_coordinator *c)
{
    return wi_mono_before(c->last_pass, c->facts.leader_grew) ? c->facts.leader_grew : c->last_pass;
}

/* ---- events become facts ---- */

static enum answer
answer_of(enum weir_error error)
{
    if (error == WEIR_OK) {
        return ANSWER_DONE;
    }
    return weir_error_class(error) == WEIR_CLASS_CONTENTION ? ANSWER_UNCHANGED : ANSWER_FAILED;
}

/* C29: of several items, one failure is a failure, else one change a change. */
static enum answer
answer_of_items(const enum weir_error *results, size_t count)
{
    enum answer answer = ANSWER_UNCHANGED;

    for (size_t i = 0; i < count; i++) {
        enum answer item = answer_of(results[i]);

        if (item == ANSWER_FAILED) {
            return ANSWER_FAILED;
        }
        answer = item == ANSWER_DONE ? ANSWER_DONE : answer;
    }
    return answer;
}

static void
note_answer(struct wi_coordinator *c, enum answer answer)
{
    c->answered = c->in_flight;
    c->answer = answer;
    c->in_flight = WI_COORDINATOR_WAIT;
}

static void
note_result(struct wi_coordinator *c, const struct wi_coordinator_event *event)
{
    enum answer answer = answer_of(event->error);

    switch (c->in_flight) {
    case WI_COORDINATOR_WAIT:
        return;
    case WI_COORDINATOR_READ_TABLE:
    case WI_COORDINATOR_LIST_SHARDS:
        answer = ANSWER_FAILED; /* the good answer is another event */
        break;
    case WI_COORDINATOR_TAKE_LEADER:
        c->term = answer == ANSWER_DONE ? event->term : c->term;
        break;
    case WI_COORDINATOR_ASSIGN:
    case WI_COORDINATOR_REQUEST_HANDOFF:
        if (answer == ANSWER_DONE && event->results != NULL) {
            answer = answer_of_items(event->results, c->in_flight_count);
        }
        break;
    case WI_COORDINATOR_RELEASE_LEADER:
    case WI_COORDINATOR_CREATE_LEASES:
    case WI_COORDINATOR_REVOKE:
    case WI_COORDINATOR_REMOVE_LEASE:
    case WI_COORDINATOR_REMOVE_WORKER:
        break;
    }
    note_answer(c, answer);
}

/* C27: a picture of the table is welcome at any time, unless an action is under way that it may not
 * show yet. */
static void
note_table(struct wi_coordinator *c, const struct wi_coordinator_event *event)
{
    if (c->in_flight != WI_COORDINATOR_WAIT && c->in_flight != WI_COORDINATOR_READ_TABLE) {
        return;
    }
    c->in_flight = WI_COORDINATOR_READ_TABLE;
    if (wi_coordinator_facts_note(&c->facts, event->table, event->now) != WEIR_OK) {
        note_answer(c, ANSWER_FAILED);
        return;
    }
    c->in_flight = WI_COORDINATOR_WAIT;
    c->table = event->table;
}

static void
note_shards(struct wi_coordinator *c, const struct wi_coordinator_event *event)
{
    enum weir_error error;

    if (c->in_flight != WI_COORDINATOR_LIST_SHARDS) {
        return;
    }
    error = wi_coordinator_sync_take(&c->pass.sync, event->shards, event->shard_count);
    note_answer(c, error == WEIR_OK ? ANSWER_DONE : ANSWER_FAILED);
}

static void
note(struct wi_coordinator *c, const struct wi_coordinator_event *event)
{
    c->now = event->now;
    c->answer = ANSWER_NONE;
    switch (event->type) {
    case WI_COORDINATOR_TABLE:
        note_table(c, event);
        break;
    case WI_COORDINATOR_SHARDS:
        note_shards(c, event);
        break;
    case WI_COORDINATOR_RESULT:
        note_result(c, event);
        break;
    case WI_COORDINATOR_TICK:
        break;
    case WI_COORDINATOR_LEAVE:
        c->leaving = true;
        c->wake = event->now;
        c->patient_until = event->now;
        break;
    }
}

/* ---- facts become the next action ---- */

static struct wi_coordinator_action
wait_until(struct weir_mono until)
{
    return (struct wi_coordinator_action){.type = WI_COORDINATOR_WAIT, .until = until};
}

static struct wi_coordinator_action
start(struct wi_coordinator *c, struct wi_coordinator_action action)
{
    WEIR_ASSERT(c->in_flight == WI_COORDINATOR_WAIT);
    WEIR_ASSERT(action.type != WI_COORDINATOR_WAIT);
    c->in_flight = action.type;
    c->in_flight_count = action.count;
    action.term = c->term;
    return action;
}

static struct wi_coordinator_action
read_table(struct wi_coordinator *c)
{
    wi_coordinator_pass_drop(&c->pass);
    return start(c, (struct wi_coordinator_action){.type = WI_COORDINATOR_READ_TABLE});
}

/* C29: how long to wait after so many failures in a row. */
static int64_t
backoff_ms(const struct wi_coordinator *c, uint32_t failures)
{
    int64_t max_ms = c->settings.lease_duration_ms / LOOKS_PER_DURATION;

    max_ms = max_ms < RETRY_MAX_MS ? max_ms : RETRY_MAX_MS;
    max_ms = max_ms > 1 ? max_ms : 1;
    return wi_backoff_ceiling_ms(failures, RETRY_FIRST_MS, max_ms);
}

/* C29: after a failure wait, then read the table: what is in it now is not known. */
static struct wi_coordinator_action
back_off(struct wi_coordinator *c)
{
    wi_coordinator_pass_drop(&c->pass);
    c->failures += c->failures < UINT32_MAX ? 1 : 0;
    c->wake = wi_mono_add_ms(c->now, backoff_ms(c, c->failures));
    c->patient_until = c->wake;
    return wait_until(c->wake);
}

/* When to list shards again after one more failure. */
static struct weir_mono
sync_retry_at(const struct wi_coordinator *c)
{
    return wi_mono_add_ms(c->now, backoff_ms(c, c->pass.sync.failures + 1));
}

/* C31: until something may happen by itself, at most a quarter of the lease duration. */
static struct wi_coordinator_action
wait_for_change(struct wi_coordinator *c)
{
    int64_t period_ms = c->settings.lease_duration_ms / LOOKS_PER_DURATION;

    c->failures = 0;
    c->conflicts = 0;
    c->wake = wi_mono_add_ms(c->now, period_ms > 1 ? period_ms : 1);
    c->wake = wi_mono_earlier(c->wake, wi_coordinator_facts_next(&c->facts, c->now));
    if (c->state == WI_COORDINATOR_LEADING && wi_mono_before(c->now, c->pass.sync.next_at)) {
        c->wake = wi_mono_earlier(c->wake, c->pass.sync.next_at);
    }
    return wait_until(c->wake);
}

/* Nothing is known to do: look again when time is up. */
static struct wi_coordinator_action
idle(struct wi_coordinator *c)
{
    return wi_mono_before(c->now, c->wake) ? wait_until(c->wake) : read_table(c);
}

static struct wi_coordinator_action
stop(struct wi_coordinator *c)
{
    move(c, WI_COORDINATOR_STOPPED);
    wi_coordinator_pass_reset(&c->pass);
    return wait_until(WI_MONO_NEVER);
}

static bool
is_own(const struct wi_coordinator *c, const char *owner)
{
    return strcmp(owner, c->settings.owner) == 0;
}

/* C3: the row names this process start, an identity that no other has (R8). */
static bool
row_is_ours(const struct wi_coordinator *c)
{
    return is_own(c, c->facts.leader.owner) && c->facts.leader.owner_state == WI_OWNER_ALIVE;
}

/* C5: declared dead; nothing that it writes would be accepted. */
static bool
is_fenced(const struct wi_coordinator *c)
{
    for (size_t i = 0; i < c->table->worker_count; i++) {
        if (is_own(c, c->table->workers[i].owner)) {
            return c->table->workers[i].state == WI_OWNER_GONE;
        }
    }
    return false;
}

/* C7: somebody else will lead, or there is nothing to lead for. */
static bool
may_stop_at_once(const struct wi_coordinator *c)
{
    struct wi_plan_input input = {
        .table = c->table, .facts = &c->facts, .owner = c->settings.owner, .leaving = true};
    bool has_leases = false;

    if (!wi_coordinator_facts_nobody_leads(&c->facts, c->now) || is_fenced(c)) {
        return true;
    }
    for (size_t i = 0; i < c->table->worker_count; i++) {
        if (wi_plan_is_usable(&input, &c->table->workers[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < c->table->lease_count; i++) {
        has_leases |= is_own(c, c->table->leases[i].owner) &&
                      c->table->leases[i].checkpoint.type != WEIR_SHARD_END;
    }
    return !has_leases;
}

static struct wi_coordinator_action
take_leader(struct wi_coordinator *c)
{
    move(c, WI_COORDINATOR_TAKING);
    return start(
        c,
        (struct wi_coordinator_action){
            .type = WI_COORDINATOR_TAKE_LEADER,
            .expected_term = c->facts.leader.term,
            .expected_counter = c->facts.leader.counter,
        });
}

static struct wi_coordinator_action
begin_to_lead(struct wi_coordinator *c, uint64_t term)
{
    move(c, WI_COORDINATOR_LEADING);
    c->term = term;
    c->conflicts = 0;
    wi_coordinator_pass_reset(&c->pass);
    return read_table(c);
}

/* C1 to C7. */
static struct wi_coordinator_action
decide_following(struct wi_coordinator *c)
{
    bool nobody_leads = wi_coordinator_facts_nobody_leads(&c->facts, c->now);

    if (c->answer == ANSWER_FAILED) {
        return back_off(c);
    }
    if (c->table == NULL) {
        bool may_stop = c->leaving && c->facts.has_leader && !nobody_leads;

        return may_stop ? stop(c) : idle(c);
    }
    if (row_is_ours(c)) {
        return begin_to_lead(c, c->facts.leader.term);
    }
    if (c->leaving && may_stop_at_once(c)) {
        return stop(c);
    }
    return nobody_leads && !is_fenced(c) ? take_leader(c) : wait_for_change(c);
}

/* C4: who was first stands in the row; a refusal that the row does not explain makes us wait. */
static struct wi_coordinator_action
decide_taking(struct wi_coordinator *c)
{
    WEIR_ASSERT(c->answered == WI_COORDINATOR_TAKE_LEADER);
    if (c->answer == ANSWER_DONE) {
        return begin_to_lead(c, c->term);
    }
    move(c, WI_COORDINATOR_FOLLOWING);
    if (c->answer == ANSWER_FAILED || c->conflicts > 0) {
        return back_off(c);
    }
    c->conflicts++;
    return read_table(c);
}

/* C30: a pass has ended without a failure; a list of shards that cannot be had is one. */
static void
note_success(struct wi_coordinator *c)
{
    c->failures = 0;
    if (c->pass.sync.failures == 0) {
        c->last_pass = c->now;
    }
}

/* C28: nothing more to write. If a step was of no use, begin anew after a moment. */
static struct wi_coordinator_action
end_pass(struct wi_coordinator *c)
{
    bool was_of_use = c->pass.first_step == WI_PASS_ASSIGN;

    wi_coordinator_pass_drop(&c->pass);
    c->pass.first_step = WI_PASS_ASSIGN;
    note_success(c);
    if (was_of_use) {
        return wait_for_change(c);
    }
    c->conflicts += c->conflicts < UINT32_MAX ? 1 : 0;
    c->wake = wi_mono_add_ms(c->now, backoff_ms(c, c->conflicts));
    return wait_until(c->wake);
}

static struct wi_coordinator_action
continue_pass(struct wi_coordinator *c)
{
    struct wi_coordinator_action action;

    return wi_coordinator_pass_next(&c->pass, c->now, &action) ? start(c, action) : end_pass(c);
}

/* C8: the last act of a leader. */
static struct wi_coordinator_action
after_release(struct wi_coordinator *c)
{
    if (c->answer == ANSWER_DONE) {
        return stop(c);
    }
    if (c->conflicts > 0) {
        return back_off(c);
    }
    c->conflicts++;
    return read_table(c);
}

/* C27 to C30; C17: shards that cannot be listed do not keep the leader from its other duties. */
static struct wi_coordinator_action
after_answer(struct wi_coordinator *c)
{
    bool changed = false;

    if (c->answered == WI_COORDINATOR_LIST_SHARDS && c->answer == ANSWER_FAILED) {
        wi_coordinator_sync_failed(&c->pass.sync, sync_retry_at(c));
        return continue_pass(c);
    }
    if (c->answer == ANSWER_FAILED) {
        return back_off(c);
    }
    if (c->answered == WI_COORDINATOR_RELEASE_LEADER) {
        return after_release(c);
    }
    if (wi_coordinator_pass_goes_on(&c->pass, c->answered, c->answer == ANSWER_DONE, &changed)) {
        return continue_pass(c);
    }
    if (changed) {
        note_success(c);
    }
    return read_table(c);
}

/* C6: what was begun under a lost term is over. */
static struct wi_coordinator_action
follow(struct wi_coordinator *c)
{
    move(c, WI_COORDINATOR_FOLLOWING);
    wi_coordinator_pass_reset(&c->pass);
    c->conflicts = 0;
    return decide_following(c);
}

/* C6, C8, then the pass. */
static struct wi_coordinator_action
decide_leading(struct wi_coordinator *c)
{
    struct wi_plan_input input = {
        .table = c->table,
        .facts = &c->facts,
        .owner = c->settings.owner,
        .leaving = c->leaving,
        .by_load = c->settings.balance_by_load,
        .handoff_timeout_ms = c->settings.handoff_timeout_ms,
    };

    if (c->answer != ANSWER_NONE) {
        return after_answer(c);
    }
    if (c->table == NULL) {
        return idle(c);
    }
    if (!row_is_ours(c) || c->facts.leader.term != c->term) {
        return follow(c);
    }
    if (wi_coordinator_pass_begin(&c->pass, &input, sync_retry_at(c)) != WEIR_OK) {
        return back_off(c);
    }
    if (c->leaving && c->pass.plan.own_leases == 0) {
        return start(c, (struct wi_coordinator_action){.type = WI_COORDINATOR_RELEASE_LEADER});
    }
    return continue_pass(c);
}

/* C29: pictures that come meanwhile do not cut the wait short, or a table that refuses every write
 * would be written to as fast as it can be read. */
static struct wi_coordinator_action
decide(struct wi_coordinator *c)
{
    if (c->table != NULL && wi_mono_before(c->now, c->patient_until)) {
        c->wake = c->patient_until;
        return wait_until(c->wake);
    }
    switch (c->state) {
    case WI_COORDINATOR_FOLLOWING:
        return decide_following(c);
    case WI_COORDINATOR_TAKING:
        return decide_taking(c);
    case WI_COORDINATOR_LEADING:
        return decide_leading(c);
    case WI_COORDINATOR_STOPPED:
        break;
    }
    return wait_until(WI_MONO_NEVER);
}

struct wi_coordinator_action
wi_coordinator_step(struct wi_coordinator *c, const struct wi_coordinator_event *event)
{
    struct wi_coordinator_action action;

    note(c, event);
    action = c->in_flight == WI_COORDINATOR_WAIT ? decide(c) : wait_until(WI_MONO_NEVER);
    c->table = NULL;
    return action;
}
