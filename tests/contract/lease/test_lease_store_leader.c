/* The lease table's contract: assignment, fencing, wishes, workers, leader. Every backend. */
#include <string.h>

#include "core/str.h"
#include "tests/contract/lease/lease_fixture.h"
#include "tests/support/weir_test.h"

static void
assigns_an_unowned_lease_under_the_epoch_seen(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;

    assert_int_equal(create_lease(store, "shard-a"), WEIR_OK);
    assert_int_equal(assign_lease(store, "shard-a", "w1", 1, 0), WEIR_ENOTFOUND);
    put_worker(store, "w1");
    assert_int_equal(assign_lease(store, "shard-a", "w1", 2, 0), WEIR_ECONFLICT);
    assert_int_equal(assign_lease(store, "shard-x", "w1", 1, 0), WEIR_ECONFLICT);
    assert_int_equal(assign_lease(store, "shard-a", "w1", 1, 0), WEIR_OK);
    assert_int_equal(assign_lease(store, "shard-a", "w1", 1, 0), WEIR_ECONFLICT);
    assert_int_equal(get_lease(store, "shard-a").epoch, 2);
    assert_int_equal(get_lease(store, "shard-a").owner_state, WI_OWNER_ALIVE);
    assert_int_equal(get_lease(store, "shard-a").owner_switches_since_checkpoint, 1);
}

/* R3: a live owner may be taken from only under the counter that stood still for D. */
static void
spares_an_owner_whose_counter_moves(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    uint64_t counter = get_lease(store, "shard-a").counter;

    put_worker(store, "w2");
    assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_OK);
    assert_int_equal(assign_lease(store, "shard-a", "w2", epoch, counter), WEIR_ECONFLICT);
    assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_OK);
    counter = get_lease(store, "shard-a").counter;
    assert_int_equal(assign_lease(store, "shard-a", "w1", epoch, counter), WEIR_ECONFLICT);
    assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_OK);
}

/* What a silent owner is told: with sessions, that all is lost. */
static enum weir_error
session_lost(const struct lease_fixture *fixture)
{
    return lease_fixture_has(fixture, LEASE_SESSIONS) ? WEIR_ESESSIONLOST : WEIR_ELEASELOST;
}

/* The silent owner wakes up after its lease was taken: it must not be able to renew anything. */
static void
fences_the_session_of_a_silent_owner(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    uint64_t a = given_owned(store, "shard-a", "w1");
    uint64_t b = given_owned(store, "shard-b", "w1");
    uint64_t counter = get_lease(store, "shard-a").counter;
    struct wi_worker again = {.owner = "w1"};

    put_worker(store, "w2");
    assert_int_equal(assign_lease(fixture->second, "shard-a", "w2", a, counter), WEIR_OK);
    assert_string_equal(get_lease(store, "shard-a").owner, "w2");
    assert_false(get_lease(store, "shard-a").replay_exact);
    assert_int_equal(renew_lease(store, "shard-a", "w1", a), session_lost(fixture));
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", a, 5), WEIR_ELEASELOST);
    if (!lease_fixture_has(fixture, LEASE_SESSIONS)) {
        return;
    }
    assert_int_equal(renew_lease(store, "shard-b", "w1", b), WEIR_ESESSIONLOST);
    assert_int_equal(renew_session(store, "w1"), WEIR_ESESSIONLOST);
    assert_int_equal(store->ops->put_worker(store->store, &again), WEIR_ESESSIONLOST);
    assert_int_equal(get_lease(store, "shard-b").owner_state, WI_OWNER_GONE);
    /* What is left of it goes at once, whatever counter the observer had seen. */
    assert_int_equal(assign_lease(store, "shard-b", "w2", b, 12345), WEIR_OK);
}

/* All leases of one silent owner go in one call, with one fence. */
static void
takes_every_lease_of_a_silent_owner_at_once(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t a = given_owned(store, "shard-a", "w1");
    uint64_t b = given_owned(store, "shard-b", "w1");
    uint64_t counter = get_lease(store, "shard-b").counter;
    const struct wi_assignment items[] = {
        {"shard-a", "w2", a, get_lease(store, "shard-a").counter},
        {"shard-b", "w2", b, counter},
        {"shard-b", "w2", b, counter},
        {"shard-x", "w2", b, counter}};
    enum weir_error results[4];

    put_worker(store, "w2");
    assert_int_equal(store->ops->assign(store->store, 0, items, 4, results), WEIR_OK);
    assert_int_equal(results[0], WEIR_OK);
    assert_int_equal(results[1], WEIR_OK);
    assert_int_equal(results[2], WEIR_ECONFLICT);
    assert_int_equal(results[3], WEIR_ECONFLICT);
    assert_int_equal(get_lease(store, "shard-b").epoch, b + 1);
}

/* R9: the kernel's word needs no waiting. */
static void
takes_from_a_dead_process_at_once(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    char owner[WEIR_OWNER_SIZE];
    uint64_t epoch;

    lease_fixture_process(fixture, "w1", owner);
    epoch = given_owned(store, "shard-a", owner);
    put_worker(store, "w2");
    assert_int_equal(get_lease(store, "shard-a").owner_state, WI_OWNER_ALIVE);
    assert_int_equal(assign_lease(store, "shard-a", "w2", epoch, 99), WEIR_ECONFLICT);
    lease_fixture_kill(fixture, owner);
    assert_int_equal(get_lease(store, "shard-a").owner_state, WI_OWNER_GONE);
    assert_int_equal(assign_lease(store, "shard-a", "w2", epoch, 99), WEIR_OK);
    assert_int_equal(assign_lease(store, "shard-a", owner, epoch + 1, 0), WEIR_ENOTFOUND);
}

/* Only an owner that stopped in order knows what the processor was handed. */
static void
keeps_the_replay_bound_over_orderly_moves_only(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    struct wi_release item = {.lease_key = "shard-a", .owner = "w2", .to = ""};
    enum weir_error result;

    put_worker(store, "w2");
    assert_int_equal(release_lease(store, "shard-a", "w1", epoch, "", 30), WEIR_OK);
    assert_int_equal(assign_lease(store, "shard-a", "w1", epoch + 1, 0), WEIR_OK);
    assert_true(get_lease(store, "shard-a").replay_exact);
    assert_int_equal(get_lease(store, "shard-a").replay_through.sequence_number.word[3], 30);
    assert_int_equal(
        assign_lease(store, "shard-a", "w2", epoch + 2, get_lease(store, "shard-a").counter),
        WEIR_OK);
    assert_false(get_lease(store, "shard-a").replay_exact);
    item.epoch = epoch + 3;
    item.handed_through = after(20);
    assert_int_equal(store->ops->release(store->store, &item, 1, &result), WEIR_OK);
    assert_false(get_lease(store, "shard-a").replay_exact);
    assert_int_equal(get_lease(store, "shard-a").replay_through.sequence_number.word[3], 30);
    assert_int_equal(assign_lease(store, "shard-a", "w2", epoch + 4, 0), WEIR_OK);
    item.epoch = epoch + 5;
    item.covers_earlier = true;
    assert_int_equal(store->ops->release(store->store, &item, 1, &result), WEIR_OK);
    assert_true(get_lease(store, "shard-a").replay_exact);
}

static enum weir_error
ask_handoff(struct wi_lease_store *store, const char *to, uint64_t epoch, int reason)
{
    struct wi_handoff_request item = {.lease_key = "shard-a", .expected_epoch = epoch};
    enum weir_error result = WEIR_EINTERNAL;
    enum weir_error error;

    item.handoff.reason = (enum wi_handoff_reason)reason;
    item.handoff.timeout_ms = 500;
    assert_true(wi_str_copy(item.handoff.to, sizeof item.handoff.to, wi_str(to)));
    error = store->ops->request_handoff(store->store, 0, &item, 1, &result);
    return error == WEIR_OK ? result : error;
}

static void
leaves_a_wish_for_the_owner(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");

    put_worker(store, "w2");
    assert_int_equal(ask_handoff(store, "w3", epoch, WI_HANDOFF_BALANCE), WEIR_ENOTFOUND);
    assert_int_equal(ask_handoff(store, "w1", epoch, WI_HANDOFF_BALANCE), WEIR_EINVAL);
    assert_int_equal(ask_handoff(store, "w2", epoch, 17), WEIR_EINVAL);
    assert_int_equal(ask_handoff(store, "w2", epoch - 1, WI_HANDOFF_BALANCE), WEIR_ECONFLICT);
    assert_int_equal(ask_handoff(store, "w2", epoch, WI_HANDOFF_BALANCE), WEIR_OK);
    assert_string_equal(get_lease(store, "shard-a").handoff.to, "w2");
    assert_int_equal(get_lease(store, "shard-a").handoff.timeout_ms, 500);
    assert_int_equal(get_lease(store, "shard-a").epoch, epoch);
    assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_OK);
    assert_int_equal(ask_handoff(store, "", epoch, WI_HANDOFF_NONE), WEIR_OK);
    assert_int_equal(get_lease(store, "shard-a").handoff.reason, WI_HANDOFF_NONE);
    assert_int_equal(ask_handoff(store, "", epoch, WI_HANDOFF_DRAIN), WEIR_OK);
    assert_int_equal(release_lease(store, "shard-a", "w1", epoch, "", 0), WEIR_OK);
    assert_int_equal(get_lease(store, "shard-a").handoff.reason, WI_HANDOFF_NONE);
    assert_int_equal(ask_handoff(store, "w2", epoch + 1, WI_HANDOFF_BALANCE), WEIR_ECONFLICT);
}

static void
pins_what_an_operator_placed(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");

    put_worker(store, "w2");
    put_worker(store, "w3");
    assert_int_equal(ask_handoff(store, "w2", epoch, WI_HANDOFF_OPERATOR), WEIR_OK);
    assert_int_equal(release_lease(store, "shard-a", "w1", epoch, "w2", 0), WEIR_OK);
    assert_true(get_lease(store, "shard-a").pinned);
    assert_int_equal(
        assign_lease(store, "shard-a", "w3", epoch + 1, get_lease(store, "shard-a").counter),
        WEIR_OK);
    assert_false(get_lease(store, "shard-a").pinned);
}

/* R5: revoke, wait D, take; the session of the living owner stays. */
static void
takes_a_revoked_lease_without_fencing_its_owner(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t a = given_owned(store, "shard-a", "w1");
    uint64_t b = given_owned(store, "shard-b", "w1");

    put_worker(store, "w2");
    assert_int_equal(store->ops->revoke(store->store, 0, "shard-a", a - 1), WEIR_ECONFLICT);
    assert_int_equal(store->ops->revoke(store->store, 0, "shard-x", a), WEIR_ECONFLICT);
    assert_int_equal(store->ops->revoke(store->store, 0, "shard-a", a), WEIR_OK);
    assert_int_equal(store->ops->revoke(store->store, 0, "shard-a", a), WEIR_OK);
    assert_int_equal(renew_lease(store, "shard-a", "w1", a), WEIR_ELEASELOST);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", a, 5), WEIR_OK);
    assert_int_equal(assign_lease(store, "shard-a", "w2", a, 99), WEIR_OK);
    assert_false(get_lease(store, "shard-a").revoked);
    assert_int_equal(renew_lease(store, "shard-b", "w1", b), WEIR_OK);
    assert_int_equal(release_lease(store, "shard-b", "w1", b, "", 0), WEIR_OK);
    assert_int_equal(store->ops->revoke(store->store, 0, "shard-b", b + 1), WEIR_ECONFLICT);
}

static void
lists_workers_with_their_wishes(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    struct wi_worker worker = {.owner = "w2", .max_leases = 3, .draining = true, .counter = 77};
    struct wi_lease_table table;

    put_worker(store, "w1");
    assert_int_equal(store->ops->put_worker(store->store, &worker), WEIR_OK);
    assert_int_equal(fixture->second->ops->list(fixture->second->store, &table), WEIR_OK);
    assert_int_equal(table.worker_count, 2);
    assert_string_equal(table.workers[0].owner, "w1");
    assert_false(table.workers[0].draining);
    assert_int_equal(table.workers[1].max_leases, 3);
    assert_true(table.workers[1].draining);
    assert_int_equal(table.workers[1].counter, 1);
    assert_int_equal(table.workers[1].state, WI_OWNER_ALIVE);
    wi_lease_table_free(store->env, &table);
    worker.owner[0] = '\0';
    assert_int_equal(store->ops->put_worker(store->store, &worker), WEIR_EINVAL);
}

static void
removes_only_workers_without_leases(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");

    assert_int_equal(store->ops->remove_worker(store->store, "w1"), WEIR_ECONFLICT);
    assert_int_equal(store->ops->remove_worker(store->store, "w2"), WEIR_ENOTFOUND);
    assert_int_equal(release_lease(store, "shard-a", "w1", epoch, "", 0), WEIR_OK);
    assert_int_equal(store->ops->remove_worker(store->store, "w1"), WEIR_OK);
    assert_int_equal(store->ops->remove_worker(store->store, "w1"), WEIR_ENOTFOUND);
    assert_int_equal(renew_session(store, "w1"), WEIR_ESESSIONLOST);
}

/* w1 leads; its term. */
static uint64_t
given_leader(struct wi_lease_store *store)
{
    uint64_t term = 0;

    put_worker(store, "w1");
    assert_int_equal(store->ops->take_leader(store->store, "w1", 0, 0, &term), WEIR_OK);
    return term;
}

/* A leader that was stopped between its look and its write: meanwhile the worker has renewed. */
static void
removes_a_silent_worker_only_with_the_counter_that_was_seen(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    uint64_t term = given_leader(store);
    uint64_t seen;

    put_worker(store, "w2");
    seen = counter_of(store, "w2");
    assert_int_equal(
        store->ops->remove_dead_worker(store->store, term, "w3", seen), WEIR_ENOTFOUND);
    assert_int_equal(
        store->ops->remove_dead_worker(store->store, term, "w2", seen + 1), WEIR_ECONFLICT);
    if (lease_fixture_has(fixture, LEASE_COUNTS)) {
        assert_int_equal(renew_session(store, "w2"), WEIR_OK);
        assert_int_equal(
            store->ops->remove_dead_worker(store->store, term, "w2", seen), WEIR_ECONFLICT);
        assert_int_equal(renew_session(store, "w2"), WEIR_OK);
    }
    seen = counter_of(store, "w2");
    assert_int_equal(store->ops->remove_dead_worker(store->store, term, "w2", seen), WEIR_OK);
    assert_int_equal(
        store->ops->remove_dead_worker(store->store, term, "w2", seen), WEIR_ENOTFOUND);
}

/* R12: a leader that does not know yet that it was deposed. */
static void
removes_a_dead_worker_only_in_the_term_of_the_leader(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    uint64_t term = given_leader(store);
    char owner[WEIR_OWNER_SIZE];
    uint64_t seen;

    lease_fixture_process(fixture, "w2", owner);
    lease_fixture_kill(fixture, owner);
    seen = counter_of(store, owner);
    assert_int_equal(store->ops->release_leader(store->store, "w1", term), WEIR_OK);
    assert_int_equal(
        store->ops->remove_dead_worker(store->store, term, owner, seen), WEIR_ECONFLICT);
    assert_int_equal(store->ops->take_leader(store->store, "w1", term, 0, &term), WEIR_OK);
    assert_int_equal(
        store->ops->remove_dead_worker(store->store, term - 1, owner, seen), WEIR_ECONFLICT);
    assert_int_equal(store->ops->remove_dead_worker(store->store, term, owner, seen), WEIR_OK);
}

/* R9: neither a process that is gone nor a fenced session comes back, whatever was seen of it. */
static void
removes_a_worker_that_is_gone_whatever_its_counter_says(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    uint64_t term = given_leader(store);
    char owner[WEIR_OWNER_SIZE];
    uint64_t epoch;

    lease_fixture_process(fixture, "w2", owner);
    lease_fixture_kill(fixture, owner);
    assert_int_equal(store->ops->remove_dead_worker(store->store, term, owner, 99), WEIR_OK);
    if (!lease_fixture_has(fixture, LEASE_SESSIONS)) {
        return;
    }
    epoch = given_owned(store, "shard-a", "w3");
    assert_int_equal(
        assign_lease(store, "shard-a", "w1", epoch, get_lease(store, "shard-a").counter), WEIR_OK);
    assert_int_equal(store->ops->remove_dead_worker(store->store, term, "w3", 99), WEIR_OK);
}

static void
removes_no_dead_worker_that_owns_a_lease(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t term = given_leader(store);

    (void)given_owned(store, "shard-a", "w2");
    assert_int_equal(
        store->ops->remove_dead_worker(store->store, term, "w2", counter_of(store, "w2")),
        WEIR_ECONFLICT);
}

static void
passes_an_operators_drain_on_to_the_worker(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    struct wi_renew_answer answer = {false};
    struct wi_lease_table table;
    char owner[WEIR_OWNER_SIZE];

    assert_int_equal(store->ops->request_drain(store->store, "w1"), WEIR_ENOTFOUND);
    lease_fixture_process(fixture, "w1", owner);
    put_worker(store, "w2");
    assert_int_equal(store->ops->request_drain(store->store, "w1"), WEIR_OK);
    assert_int_equal(store->ops->renew(store->store, owner, NULL, 0, NULL, &answer), WEIR_OK);
    assert_true(answer.drain_requested);
    put_worker(store, owner);
    assert_int_equal(store->ops->list(store->store, &table), WEIR_OK);
    assert_true(table.workers[0].draining);
    assert_false(table.workers[1].draining);
    wi_lease_table_free(store->env, &table);
    lease_fixture_kill(fixture, owner);
    assert_int_equal(store->ops->request_drain(store->store, "w1"), WEIR_ENOTFOUND);
}

static void
lets_one_worker_lead_per_term(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    struct wi_leader leader;
    uint64_t term = 0;

    assert_int_equal(store->ops->take_leader(store->store, "w1", 0, 0, &term), WEIR_ESESSIONLOST);
    put_worker(store, "w1");
    put_worker(store, "w2");
    assert_int_equal(store->ops->take_leader(store->store, "w1", 3, 0, &term), WEIR_ECONFLICT);
    assert_int_equal(store->ops->take_leader(store->store, "w1", 0, 0, &term), WEIR_OK);
    assert_int_equal(term, 1);
    assert_int_equal(store->ops->take_leader(store->store, "w2", 0, 0, &term), WEIR_ECONFLICT);
    assert_int_equal(store->ops->take_leader(store->store, "w2", 1, 9, &term), WEIR_ECONFLICT);
    assert_int_equal(store->ops->take_leader(store->store, "w1", 1, 1, &term), WEIR_ECONFLICT);
    assert_int_equal(renew_session(store, "w1"), WEIR_OK);
    assert_int_equal(fixture->second->ops->get_leader(fixture->second->store, &leader), WEIR_OK);
    assert_string_equal(leader.owner, "w1");
    assert_int_equal(leader.term, 1);
    if (lease_fixture_has(fixture, LEASE_SESSIONS)) {
        assert_int_equal(leader.counter, counter_of(store, "w1"));
    }
    assert_int_equal(leader.owner_state, WI_OWNER_ALIVE);
}

static void
fences_a_silent_leader(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    struct wi_leader leader;
    uint64_t term = 0;

    put_worker(store, "w1");
    put_worker(store, "w2");
    assert_int_equal(store->ops->take_leader(store->store, "w1", 0, 0, &term), WEIR_OK);
    assert_int_equal(store->ops->get_leader(store->store, &leader), WEIR_OK);
    assert_int_equal(
        store->ops->take_leader(store->store, "w2", 1, leader.counter, &term), WEIR_OK);
    assert_int_equal(term, 2);
    assert_int_equal(store->ops->get_leader(store->store, &leader), WEIR_OK);
    assert_string_equal(leader.owner, "w2");
    if (!lease_fixture_has(fixture, LEASE_SESSIONS)) {
        return;
    }
    assert_int_equal(renew_session(store, "w1"), WEIR_ESESSIONLOST);
    assert_int_equal(
        store->ops->take_leader(store->store, "w1", 2, counter_of(store, "w2"), &term),
        WEIR_ESESSIONLOST);
}

static void
takes_the_lead_from_a_dead_process_at_once(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    char owner[WEIR_OWNER_SIZE];
    struct wi_leader leader;
    uint64_t term = 0;

    lease_fixture_process(fixture, "w1", owner);
    put_worker(store, "w2");
    assert_int_equal(store->ops->take_leader(store->store, owner, 0, 0, &term), WEIR_OK);
    lease_fixture_kill(fixture, owner);
    assert_int_equal(store->ops->get_leader(store->store, &leader), WEIR_OK);
    assert_int_equal(leader.owner_state, WI_OWNER_GONE);
    assert_int_equal(store->ops->take_leader(store->store, "w2", 1, 99, &term), WEIR_OK);
}

/* R12: every write of a leader names its term; one whose term is over changes nothing. */
static void
refuses_the_writes_of_a_former_leader(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    struct wi_lease lease = a_lease("shard-b");
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    const struct wi_assignment take = {"shard-a", "w2", epoch, counter_of(store, "w1")};
    const struct wi_handoff_request wish = {"shard-a", epoch, {.reason = WI_HANDOFF_DRAIN}};
    enum weir_error result = WEIR_OK;
    uint64_t term = 0;
    size_t created = 0;

    put_worker(store, "w2");
    assert_int_equal(store->ops->take_leader(store->store, "w1", 0, 0, &term), WEIR_OK);
    assert_int_equal(store->ops->create(store->store, term, &lease, 1, &created), WEIR_OK);
    assert_int_equal(store->ops->release_leader(store->store, "w2", term), WEIR_ECONFLICT);
    assert_int_equal(store->ops->release_leader(store->store, "w1", term), WEIR_OK);
    assert_int_equal(store->ops->release_leader(store->store, "w1", term), WEIR_ECONFLICT);
    assert_int_equal(store->ops->create(store->store, term, &lease, 1, &created), WEIR_ECONFLICT);
    assert_int_equal(store->ops->remove(store->store, term, "shard-b", 1), WEIR_ECONFLICT);
    assert_int_equal(store->ops->assign(store->store, term, &take, 1, &result), WEIR_ECONFLICT);
    assert_int_equal(
        store->ops->request_handoff(store->store, term, &wish, 1, &result), WEIR_ECONFLICT);
    assert_int_equal(store->ops->revoke(store->store, term, "shard-a", epoch), WEIR_ECONFLICT);
    assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_OK);
    assert_int_equal(store->ops->take_leader(store->store, "w2", term, 0, &term), WEIR_OK);
    assert_int_equal(term, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LEASE_TEST(assigns_an_unowned_lease_under_the_epoch_seen),
        LEASE_TEST(spares_an_owner_whose_counter_moves),
        LEASE_TEST(fences_the_session_of_a_silent_owner),
        LEASE_TEST(takes_every_lease_of_a_silent_owner_at_once),
        LEASE_TEST(takes_from_a_dead_process_at_once),
        LEASE_TEST(keeps_the_replay_bound_over_orderly_moves_only),
        LEASE_TEST(leaves_a_wish_for_the_owner),
        LEASE_TEST(pins_what_an_operator_placed),
        LEASE_TEST(takes_a_revoked_lease_without_fencing_its_owner),
        LEASE_TEST(lists_workers_with_their_wishes),
        LEASE_TEST(removes_only_workers_without_leases),
        LEASE_TEST(removes_a_silent_worker_only_with_the_counter_that_was_seen),
        LEASE_TEST(removes_a_dead_worker_only_in_the_term_of_the_leader),
        LEASE_TEST(removes_a_worker_that_is_gone_whatever_its_counter_says),
        LEASE_TEST(removes_no_dead_worker_that_owns_a_lease),
        LEASE_TEST(passes_an_operators_drain_on_to_the_worker),
        LEASE_TEST(lets_one_worker_lead_per_term),
        LEASE_TEST(fences_a_silent_leader),
        LEASE_TEST(takes_the_lead_from_a_dead_process_at_once),
        LEASE_TEST(refuses_the_writes_of_a_former_leader),
    };

    return lease_fixture_run("lease store: leader", tests, sizeof tests / sizeof tests[0]);
}
