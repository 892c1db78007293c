#include "tests/unit/coordinator/coordinator_fixture.h"

#include <stdio.h>
#include <string.h>

#include "core/mono.h"

struct fixture fixture;

int
setup_fixture(void **state)
{
    static const struct wi_coordinator_settings settings = {
        .owner = "me",
        .lease_duration_ms = DURATION_MS,
        .handoff_timeout_ms = TIMEOUT_MS,
        .shard_sync_interval_ms = SYNC_MS,
    };

    (void)state;
    memset(&fixture, 0, sizeof fixture);
    test_env_init(&fixture.test);
    fixture.table.leases = fixture.leases;
    fixture.table.workers = fixture.workers;
    return wi_coordinator_new(&fixture.test.env, &settings, &fixture.coordinator) == WEIR_OK ? 0
                                                                                             : -1;
}

int
teardown_fixture(void **state)
{
    (void)state;
    wi_coordinator_free(fixture.coordinator);
    test_env_assert_no_leak(&fixture.test);
    return 0;
}

struct weir_mono
at_ms(int64_t ms)
{
    return (struct weir_mono){ms * WI_NS_PER_MS};
}

struct wi_worker *
given_worker(const char *owner)
{
    size_t at = fixture.table.worker_count++;

    assert_true(at < ROWS_MAX);
    for (; at > 0 && strcmp(fixture.workers[at - 1].owner, owner) > 0; at--) {
        fixture.workers[at] = fixture.workers[at - 1];
    }
    fixture.workers[at] = (struct wi_worker){.counter = 1, .state = WI_OWNER_ALIVE};
    (void)snprintf(fixture.workers[at].owner, WEIR_OWNER_SIZE, "%s", owner);
    return &fixture.workers[at];
}

struct wi_worker *
worker_row(const char *owner)
{
    for (size_t i = 0; i < fixture.table.worker_count; i++) {
        if (strcmp(fixture.workers[i].owner, owner) == 0) {
            return &fixture.workers[i];
        }
    }
    return NULL;
}

struct wi_lease *
given_lease(const char *key, const char *owner)
{
    size_t at = fixture.table.lease_count++;
    struct wi_lease *lease;

    assert_true(at < ROWS_MAX);
    for (; at > 0 && strcmp(fixture.leases[at - 1].lease_key, key) > 0; at--) {
        fixture.leases[at] = fixture.leases[at - 1];
    }
    lease = &fixture.leases[at];
    *lease = (struct wi_lease){
        .epoch = 3,
        .counter = 1,
        .owner_state = owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE,
        .checkpoint = {.type = WEIR_AFTER_SEQUENCE_NUMBER},
    };
    (void)snprintf(lease->lease_key, sizeof lease->lease_key, "%s", key);
    (void)snprintf(lease->shard_id, sizeof lease->shard_id, "%s", key);
    (void)snprintf(lease->owner, sizeof lease->owner, "%s", owner);
    return lease;
}

struct wi_lease *
lease_row(const char *key)
{
    for (size_t i = 0; i < fixture.table.lease_count; i++) {
        if (strcmp(fixture.leases[i].lease_key, key) == 0) {
            return &fixture.leases[i];
        }
    }
    fail_msg("no lease %s", key);
    return NULL;
}

struct wi_lease *
given_finished_lease(const char *key, const char *owner)
{
    struct wi_lease *lease = given_lease(key, owner);

    lease->checkpoint.type = WEIR_SHARD_END;
    return lease;
}

void
given_wish(const char *key, const char *to)
{
    struct wi_handoff *wish = &lease_row(key)->handoff;

    *wish = (struct wi_handoff){.reason = WI_HANDOFF_BALANCE, .timeout_ms = TIMEOUT_MS};
    (void)snprintf(wish->to, sizeof wish->to, "%s", to);
}

void
given_gone(const char *owner)
{
    worker_row(owner)->state = WI_OWNER_GONE;
    for (size_t i = 0; i < fixture.table.lease_count; i++) {
        if (strcmp(fixture.leases[i].owner, owner) == 0) {
            fixture.leases[i].owner_state = WI_OWNER_GONE;
        }
    }
    if (strcmp(fixture.table.leader.owner, owner) == 0) {
        fixture.table.leader.owner_state = WI_OWNER_GONE;
    }
}

void
given_leader_row(const char *owner, uint64_t term)
{
    fixture.table.leader = (struct wi_leader){
        .term = term,
        .counter = 1,
        .owner_state = owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE,
    };
    (void)snprintf(fixture.table.leader.owner, WEIR_OWNER_SIZE, "%s", owner);
}

struct weir_shard *
given_shard(const char *id, const char *parent, bool is_closed)
{
    struct weir_shard *shard = &fixture.shards[fixture.shard_count++];

    *shard = (struct weir_shard){
        .range = {{0, 0}, {UINT64_MAX, UINT64_MAX}},
        .closed = is_closed,
    };
    (void)snprintf(shard->shard_id, sizeof shard->shard_id, "%s", id);
    (void)snprintf(shard->parent_shard_ids[0], sizeof shard->parent_shard_ids[0], "%s", parent);
    return shard;
}

/* Leases that are given by hand stand for shards that are listed. */
static void
list_leases(void)
{
    for (size_t i = 0; i < fixture.table.lease_count; i++) {
        bool is_finished = fixture.leases[i].checkpoint.type == WEIR_SHARD_END;

        given_shard(fixture.leases[i].shard_id, "", is_finished);
    }
}

void
given_leading(void)
{
    if (worker_row("me") == NULL) {
        given_worker("me");
    }
    if (fixture.shard_count == 0) {
        list_leases();
    }
    given_leader_row("", TERM - 1);
    assert_int_equal(tick_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(0), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(taken_at(TERM, 0), WI_COORDINATOR_READ_TABLE);
    given_leader_row("me", TERM);
    assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);
}

void
heartbeats_but(const char *silent)
{
    for (size_t i = 0; i < fixture.table.worker_count; i++) {
        struct wi_worker *worker = &fixture.workers[i];

        if (worker->state == WI_OWNER_ALIVE &&
            (silent == NULL || strcmp(worker->owner, silent) != 0)) {
            worker->counter++;
        }
    }
    for (size_t i = 0; i < fixture.table.lease_count; i++) {
        struct wi_lease *lease = &fixture.leases[i];
        const struct wi_worker *worker = worker_row(lease->owner);

        lease->counter = worker == NULL ? 0 : worker->counter;
    }
}

static enum wi_coordinator_action_type
step(struct wi_coordinator_event event)
{
    fixture.action = wi_coordinator_step(fixture.coordinator, &event);
    return fixture.action.type;
}

enum wi_coordinator_action_type
table_at(int64_t ms)
{
    return step((struct wi_coordinator_event){
        .type = WI_COORDINATOR_TABLE, .now = at_ms(ms), .table = &fixture.table});
}

enum wi_coordinator_action_type
tick_at(int64_t ms)
{
    return step((struct wi_coordinator_event){.type = WI_COORDINATOR_TICK, .now = at_ms(ms)});
}

enum wi_coordinator_action_type
leave_at(int64_t ms)
{
    return step((struct wi_coordinator_event){.type = WI_COORDINATOR_LEAVE, .now = at_ms(ms)});
}

enum wi_coordinator_action_type
result_at(enum weir_error error, int64_t ms)
{
    return step((struct wi_coordinator_event){
        .type = WI_COORDINATOR_RESULT, .now = at_ms(ms), .error = error});
}

enum wi_coordinator_action_type
results_at(const enum weir_error *results, int64_t ms)
{
    return step((struct wi_coordinator_event){
        .type = WI_COORDINATOR_RESULT, .now = at_ms(ms), .results = results});
}

enum wi_coordinator_action_type
taken_at(uint64_t term, int64_t ms)
{
    return step((struct wi_coordinator_event){
        .type = WI_COORDINATOR_RESULT, .now = at_ms(ms), .term = term});
}

enum wi_coordinator_action_type
shards_at(int64_t ms)
{
    return step((struct wi_coordinator_event){
        .type = WI_COORDINATOR_SHARDS,
        .now = at_ms(ms),
        .shards = fixture.shards,
        .shard_count = fixture.shard_count,
    });
}

enum wi_coordinator_action_type
look_until(int64_t from, int64_t to, const char *silent)
{
    for (int64_t ms = from; ms <= to; ms += LOOK_MS) {
        heartbeats_but(silent);
        if (table_at(ms) != WI_COORDINATOR_WAIT) {
            break;
        }
    }
    return fixture.action.type;
}

const char *
receiver_of(const char *key)
{
    const struct wi_coordinator_action *action = &fixture.action;

    for (size_t i = 0; i < action->count; i++) {
        if (action->type == WI_COORDINATOR_ASSIGN &&
            strcmp(action->assignments[i].lease_key, key) == 0) {
            return action->assignments[i].to;
        }
        if (action->type == WI_COORDINATOR_REQUEST_HANDOFF &&
            strcmp(action->handoffs[i].lease_key, key) == 0) {
            return action->handoffs[i].handoff.to;
        }
    }
    return NULL;
}
