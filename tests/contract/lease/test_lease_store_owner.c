/* The lease table's contract: what an owner does. Every backend. */
#include <string.h>

#include "core/str.h"
#include "tests/contract/lease/lease_fixture.h"
#include "tests/support/weir_test.h"

static void
refuses_renewals_of_an_unregistered_worker(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;

    assert_int_equal(renew_session(store, "w1"), WEIR_ESESSIONLOST);
    put_worker(store, "w1");
    assert_int_equal(renew_session(store, "w1"), WEIR_OK);
}

/* One heartbeat renews all leases: that is what an observer watches (R3). */
static void
renews_every_lease_with_one_heartbeat(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    uint64_t before = get_lease(store, "shard-a").counter;

    (void)given_owned(store, "shard-b", "w1");
    assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_OK);
    if (lease_fixture_has(fixture, LEASE_COUNTS)) {
        assert_int_equal(get_lease(store, "shard-a").counter, before + 1);
    }
    assert_true(get_lease(store, "shard-a").counter > before);
    if (lease_fixture_has(fixture, LEASE_SESSIONS)) {
        assert_int_equal(get_lease(store, "shard-b").counter, before + 1);
    }
    assert_int_equal(get_lease(store, "shard-b").epoch, 2);
}

static void
tells_which_leases_a_renewal_no_longer_covers(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    struct wi_held_lease held[] = {
        {.lease_key = "shard-a", .epoch = epoch},
        {.lease_key = "shard-a", .epoch = epoch + 1},
        {.lease_key = "shard-x", .epoch = 1},
        {.lease_key = "shard-b"}};
    struct wi_renew_answer answer;
    enum weir_error results[4];

    held[3].epoch = given_owned(store, "shard-b", "w2");
    for (int again = 0; again < 2; again++) {
        assert_int_equal(store->ops->renew(store->store, "w1", held, 4, results, &answer), WEIR_OK);
        assert_int_equal(results[0], WEIR_OK);
        assert_int_equal(results[1], WEIR_ELEASELOST);
        assert_int_equal(results[2], WEIR_ELEASELOST);
        assert_int_equal(results[3], WEIR_ELEASELOST);
    }
}

/* The renewal after a change must see it, although nothing changed for many renewals before. */
static void
notices_a_loss_at_the_next_renewal_after_quiet_ones(void **state)
{
    struct lease_fixture *fixture = *state;
    uint64_t epoch = given_owned(fixture->store, "shard-a", "w1");

    for (int i = 0; i < 3; i++) {
        assert_int_equal(renew_lease(fixture->store, "shard-a", "w1", epoch), WEIR_OK);
    }
    assert_int_equal(
        fixture->second->ops->revoke(fixture->second->store, 0, "shard-a", epoch), WEIR_OK);
    assert_int_equal(renew_lease(fixture->store, "shard-a", "w1", epoch), WEIR_ELEASELOST);
    assert_int_equal(renew_lease(fixture->store, "shard-a", "w1", epoch), WEIR_ELEASELOST);
}

/* A lease that was never verified is not taken on trust because others were. */
static void
does_not_trust_a_lease_that_joins_verified_ones(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    struct wi_held_lease held[] = {{.lease_key = "shard-a"}, {.lease_key = "shard-b"}};
    struct wi_renew_answer answer;
    enum weir_error results[2];

    held[0].epoch = given_owned(store, "shard-a", "w1");
    held[1].epoch = given_owned(store, "shard-b", "w2");
    assert_int_equal(store->ops->renew(store->store, "w1", held, 1, results, &answer), WEIR_OK);
    assert_int_equal(store->ops->renew(store->store, "w1", held, 2, results, &answer), WEIR_OK);
    assert_int_equal(results[0], WEIR_OK);
    assert_int_equal(results[1], WEIR_ELEASELOST);
    assert_int_equal(store->ops->renew(store->store, "w2", held, 2, results, &answer), WEIR_OK);
    assert_int_equal(results[0], WEIR_ELEASELOST);
    assert_int_equal(results[1], WEIR_OK);
}

static void
moves_checkpoints_only_upwards(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");

    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 10), WEIR_OK);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 10), WEIR_OK);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 9), WEIR_EINVAL);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 11), WEIR_OK);
    assert_int_equal(get_lease(store, "shard-a").checkpoint.sequence_number.word[3], 11);
    assert_int_equal(get_lease(store, "shard-a").owner_switches_since_checkpoint, 0);
}

static void
refuses_checkpoints_of_anybody_but_the_owner(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");

    put_worker(store, "w2");
    assert_int_equal(checkpoint_at(store, "shard-a", "w2", epoch, 5), WEIR_ELEASELOST);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch - 1, 5), WEIR_ELEASELOST);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch + 1, 5), WEIR_ELEASELOST);
    assert_int_equal(checkpoint_at(store, "shard-x", "w1", epoch, 5), WEIR_ELEASELOST);
    assert_int_equal(release_lease(store, "shard-a", "w1", epoch, "", 0), WEIR_OK);
    assert_int_equal(checkpoint_at(store, "shard-a", "", epoch + 1, 5), WEIR_ELEASELOST);
    assert_int_equal(get_lease(store, "shard-a").checkpoint.type, WEIR_TRIM_HORIZON);
}

static void
takes_no_sentinel_as_a_checkpoint(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    const enum weir_position_type types[] = {WEIR_LATEST, WEIR_AT_TIMESTAMP, WEIR_SHARD_END};
    enum weir_error result = WEIR_OK;

    for (size_t i = 0; i < 3; i++) {
        const struct wi_checkpoint_update item = {"shard-a", "w1", epoch, position_of(types[i])};
        assert_int_equal(store->ops->checkpoint(store->store, &item, 1, &result), WEIR_OK);
        assert_int_equal(result, WEIR_EINVAL);
    }
}

/* One bad item of many must not hold up the others. */
static void
judges_each_checkpoint_of_a_batch_by_itself(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t a = given_owned(store, "shard-a", "w1");
    uint64_t b = given_owned(store, "shard-b", "w1");
    const struct wi_checkpoint_update items[] = {
        {"shard-a", "w1", a, after(5)},
        {"shard-b", "w1", b + 1, after(5)},
        {"shard-a", "w1", a, after(4)},
        {"shard-b", "w1", b, after(6)}};
    enum weir_error results[4];

    assert_int_equal(store->ops->checkpoint(store->store, items, 4, results), WEIR_OK);
    assert_int_equal(results[0], WEIR_OK);
    assert_int_equal(results[1], WEIR_ELEASELOST);
    assert_int_equal(results[2], WEIR_EINVAL);
    assert_int_equal(results[3], WEIR_OK);
    assert_int_equal(get_lease(store, "shard-b").checkpoint.sequence_number.word[3], 6);
}

static void
keeps_a_prepared_checkpoint_until_one_reaches_it(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    const struct wi_checkpoint_update item = {"shard-a", "w1", epoch, after(20)};
    uint8_t bytes[WI_PENDING_STATE_MAX];
    struct weir_position position;
    size_t length = 0;

    assert_int_equal(
        store->ops->prepare(store->store, &item, (struct weir_bytes){"state", 5}), WEIR_OK);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 19), WEIR_OK);
    assert_int_equal(
        store->ops->get_pending(store->store, "shard-a", &position, bytes, &length), WEIR_OK);
    assert_int_equal(position.sequence_number.word[3], 20);
    assert_int_equal(length, 5);
    assert_memory_equal(bytes, "state", 5);
    assert_true(get_lease(store, "shard-a").has_pending);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 20), WEIR_OK);
    assert_int_equal(
        store->ops->get_pending(store->store, "shard-a", &position, bytes, &length),
        WEIR_ENOTFOUND);
}

/* A request that was sent twice may arrive for the second time after the commit. */
static void
does_not_undo_a_commit_when_prepare_comes_twice(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    const struct weir_bytes old = {"old", 3};
    const struct weir_bytes recent = {"recent", 6};
    struct wi_checkpoint_update item = {"shard-a", "w1", epoch, after(20)};
    uint8_t bytes[WI_PENDING_STATE_MAX];
    struct weir_position position;
    size_t length = 0;

    assert_int_equal(store->ops->prepare(store->store, &item, old), WEIR_OK);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 20), WEIR_OK);
    assert_int_equal(store->ops->prepare(store->store, &item, old), WEIR_OK);
    assert_int_equal(
        store->ops->get_pending(store->store, "shard-a", &position, bytes, &length),
        WEIR_ENOTFOUND);

    item.position = after(21);
    assert_int_equal(store->ops->prepare(store->store, &item, recent), WEIR_OK);
    item.position = after(20);
    assert_int_equal(store->ops->prepare(store->store, &item, old), WEIR_OK);
    assert_int_equal(
        store->ops->get_pending(store->store, "shard-a", &position, bytes, &length), WEIR_OK);
    assert_int_equal(position.sequence_number.word[3], 21);
    assert_int_equal(length, 6);
    assert_memory_equal(bytes, "recent", 6);
}

/* The next owner finishes what the dead one prepared. */
static void
keeps_a_prepared_checkpoint_over_a_change_of_owner(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    const struct wi_checkpoint_update item = {"shard-a", "w1", epoch, after(20)};
    uint8_t bytes[WI_PENDING_STATE_MAX] = {0};
    struct weir_position position;
    size_t length = 1;

    put_worker(store, "w2");
    assert_int_equal(
        store->ops->prepare(store->store, &item, (struct weir_bytes){bytes, sizeof bytes}),
        WEIR_OK);
    assert_int_equal(
        assign_lease(store, "shard-a", "w2", epoch, get_lease(store, "shard-a").counter), WEIR_OK);
    assert_int_equal(
        store->ops->get_pending(store->store, "shard-a", &position, bytes, &length), WEIR_OK);
    assert_int_equal(length, sizeof bytes);
}

static void
refuses_to_prepare_what_is_no_checkpoint(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    struct wi_checkpoint_update item = {"shard-a", "w1", epoch, after(20)};
    static const uint8_t bytes[WI_PENDING_STATE_MAX + 1];
    const struct weir_bytes none = {NULL, 0};

    assert_int_equal(
        store->ops->prepare(store->store, &item, (struct weir_bytes){bytes, sizeof bytes}),
        WEIR_EINVAL);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 30), WEIR_OK);
    assert_int_equal(store->ops->prepare(store->store, &item, none), WEIR_EINVAL);
    item.epoch--;
    assert_int_equal(store->ops->prepare(store->store, &item, none), WEIR_ELEASELOST);
    item.lease_key = "shard-x";
    assert_int_equal(store->ops->prepare(store->store, &item, none), WEIR_ELEASELOST);
}

/* 4.6: final checkpoint and next owner are one operation. */
static void
hands_over_with_the_final_checkpoint(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    const struct wi_release item = {
        .lease_key = "shard-a",
        .owner = "w1",
        .epoch = epoch,
        .to = "w2",
        .has_checkpoint = true,
        .checkpoint = after(50),
        .handed_through = after(60)};
    enum weir_error result = WEIR_EINTERNAL;
    struct wi_lease lease;

    put_worker(store, "w2");
    assert_int_equal(store->ops->release(store->store, &item, 1, &result), WEIR_OK);
    assert_int_equal(result, WEIR_OK);
    lease = get_lease(store, "shard-a");
    assert_string_equal(lease.owner, "w2");
    assert_int_equal(lease.epoch, epoch + 1);
    assert_int_equal(lease.checkpoint.sequence_number.word[3], 50);
    assert_true(lease.replay_exact);
    assert_int_equal(lease.replay_through.sequence_number.word[3], 60);
    assert_int_equal(lease.owner_switches_since_checkpoint, 1);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 70), WEIR_ELEASELOST);
    assert_int_equal(checkpoint_at(store, "shard-a", "w2", epoch + 1, 70), WEIR_OK);
}

static void
releases_to_nobody_when_the_successor_is_gone(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    char gone[WEIR_OWNER_SIZE];
    uint64_t a = given_owned(store, "shard-a", "w1");
    uint64_t b = given_owned(store, "shard-b", "w1");

    lease_fixture_process(fixture, "w2", gone);
    lease_fixture_kill(fixture, gone);
    assert_int_equal(release_lease(store, "shard-a", "w1", a, gone, 0), WEIR_OK);
    assert_int_equal(release_lease(store, "shard-b", "w1", b, "nobody", 0), WEIR_OK);
    assert_string_equal(get_lease(store, "shard-a").owner, "");
    assert_int_equal(get_lease(store, "shard-a").epoch, a + 1);
    assert_string_equal(get_lease(store, "shard-b").owner, "");
}

static void
refuses_a_release_whose_checkpoint_goes_down(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    struct wi_release item = {
        .lease_key = "shard-a",
        .owner = "w1",
        .epoch = epoch,
        .to = "",
        .has_checkpoint = true,
        .checkpoint = after(4)};
    enum weir_error result = WEIR_OK;

    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 5), WEIR_OK);
    assert_int_equal(store->ops->release(store->store, &item, 1, &result), WEIR_OK);
    assert_int_equal(result, WEIR_EINVAL);
    assert_string_equal(get_lease(store, "shard-a").owner, "w1");
    item.owner = "w2";
    assert_int_equal(store->ops->release(store->store, &item, 1, &result), WEIR_OK);
    assert_int_equal(result, WEIR_ELEASELOST);
}

/* R10: the answer was lost; the row tells that the release had happened. */
static void
lets_a_lost_answer_be_recovered_by_reading(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    struct wi_lease lease;

    assert_int_equal(release_lease(store, "shard-a", "w1", epoch, "", 5), WEIR_OK);
    assert_int_equal(release_lease(store, "shard-a", "w1", epoch, "", 5), WEIR_ELEASELOST);
    lease = get_lease(store, "shard-a");
    assert_int_equal(lease.epoch, epoch + 1);
    assert_string_equal(lease.owner, "");
}

static void
finishes_a_shard_with_its_children(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    struct wi_lease children[] = {a_lease("shard-b"), a_lease("shard-c")};
    const struct wi_shard_finish finish = {"shard-a", "w1", epoch, children, 2};
    struct wi_lease lease;

    assert_int_equal(create_lease(store, "shard-c"), WEIR_OK);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(store->ops->finish_shard(store->store, &finish), WEIR_OK);
        lease = get_lease(store, "shard-a");
        assert_int_equal(lease.checkpoint.type, WEIR_SHARD_END);
        assert_string_equal(lease.owner, "w1");
        assert_int_equal(lease.epoch, epoch);
        assert_string_equal(lease.child_shard_ids[0], "shard-b");
        assert_string_equal(lease.child_shard_ids[1], "shard-c");
        assert_string_equal(get_lease(store, "shard-b").owner, "");
    }
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 9), WEIR_EINVAL);
    assert_int_equal(release_lease(store, "shard-a", "w1", epoch, "", 0), WEIR_OK);
}

/* G1: SHARD_END without its children would lose them. */
static void
finishes_nothing_when_refused(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    struct wi_lease children[] = {a_lease("shard-b"), a_lease("shard-c")};
    struct wi_shard_finish finish = {"shard-a", "w1", epoch - 1, children, 2};
    struct wi_lease lease;

    assert_int_equal(store->ops->finish_shard(store->store, &finish), WEIR_ELEASELOST);
    finish.lease_key = "shard-x";
    assert_int_equal(store->ops->finish_shard(store->store, &finish), WEIR_ELEASELOST);
    finish = (struct wi_shard_finish){"shard-a", "w1", epoch, children, 2};
    children[1].lease_key[0] = '\0';
    assert_int_equal(store->ops->finish_shard(store->store, &finish), WEIR_EINVAL);
    finish.child_count = WEIR_CHILDREN_MAX + 1;
    assert_int_equal(store->ops->finish_shard(store->store, &finish), WEIR_EINVAL);
    assert_int_equal(store->ops->get(store->store, "shard-b", &lease), WEIR_ENOTFOUND);
    assert_int_equal(get_lease(store, "shard-a").checkpoint.type, WEIR_TRIM_HORIZON);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LEASE_TEST(refuses_renewals_of_an_unregistered_worker),
        LEASE_TEST(renews_every_lease_with_one_heartbeat),
        LEASE_TEST(tells_which_leases_a_renewal_no_longer_covers),
        LEASE_TEST(notices_a_loss_at_the_next_renewal_after_quiet_ones),
        LEASE_TEST(does_not_trust_a_lease_that_joins_verified_ones),
        LEASE_TEST(moves_checkpoints_only_upwards),
        LEASE_TEST(refuses_checkpoints_of_anybody_but_the_owner),
        LEASE_TEST(takes_no_sentinel_as_a_checkpoint),
        LEASE_TEST(judges_each_checkpoint_of_a_batch_by_itself),
        LEASE_TEST(keeps_a_prepared_checkpoint_until_one_reaches_it),
        LEASE_TEST(does_not_undo_a_commit_when_prepare_comes_twice),
        LEASE_TEST(keeps_a_prepared_checkpoint_over_a_change_of_owner),
        LEASE_TEST(refuses_to_prepare_what_is_no_checkpoint),
        LEASE_TEST(hands_over_with_the_final_checkpoint),
        LEASE_TEST(releases_to_nobody_when_the_successor_is_gone),
        LEASE_TEST(refuses_a_release_whose_checkpoint_goes_down),
        LEASE_TEST(lets_a_lost_answer_be_recovered_by_reading),
        LEASE_TEST(finishes_a_shard_with_its_children),
        LEASE_TEST(finishes_nothing_when_refused),
    };

    return lease_fixture_run("lease store: owner", tests, sizeof tests / sizeof tests[0]);
}
