/* The lease table's contract: rows, application, hints, reset. Every backend. */
#include <string.h>

#include "core/str.h"
#include "tests/contract/lease/lease_fixture.h"
#include "tests/support/weir_test.h"

static void
creates_only_what_is_absent(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    struct wi_lease leases[] = {a_lease("shard-b"), a_lease("shard-a"), a_lease("shard-b")};
    struct wi_lease_table table;
    size_t created = 0;

    assert_int_equal(store->ops->create(store->store, 0, leases, 1, &created), WEIR_OK);
    assert_int_equal(created, 1);
    assert_int_equal(store->ops->create(store->store, 0, leases, 3, &created), WEIR_OK);
    assert_int_equal(created, 1);
    assert_int_equal(store->ops->list(store->store, &table), WEIR_OK);
    assert_int_equal(table.lease_count, 2);
    assert_string_equal(table.leases[0].lease_key, "shard-a");
    assert_string_equal(table.leases[1].lease_key, "shard-b");
    wi_lease_table_free(store->env, &table);
}

/* What a caller fills in of ownership is not its to say. */
static void
creates_rows_unowned_and_with_a_known_empty_replay(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    struct wi_lease wish = a_lease("shard-a");
    struct wi_lease lease;
    size_t created = 0;

    (void)wi_str_copy(wish.owner, sizeof wish.owner, WI_STR("w1"));
    (void)wi_str_copy(wish.parent_shard_ids[0], WEIR_NAME_SIZE, WI_STR("shard-0"));
    wish.epoch = 99;
    wish.revoked = true;
    wish.checkpoint = (struct weir_position){.type = WEIR_AT_TIMESTAMP, .timestamp_ms = -5};
    assert_int_equal(store->ops->create(store->store, 0, &wish, 1, &created), WEIR_OK);
    lease = get_lease(store, "shard-a");
    assert_string_equal(lease.owner, "");
    assert_int_equal(lease.owner_state, WI_OWNER_NONE);
    assert_int_equal(lease.epoch, 1);
    assert_false(lease.revoked);
    assert_true(lease.replay_exact);
    assert_int_equal(lease.replay_through.type, WEIR_TRIM_HORIZON);
    assert_int_equal(lease.checkpoint.type, WEIR_AT_TIMESTAMP);
    assert_int_equal(lease.checkpoint.timestamp_ms, -5);
    assert_string_equal(lease.parent_shard_ids[0], "shard-0");
    assert_int_equal(lease.range.end.high, UINT64_MAX);
}

static void
refuses_invalid_rows_whole(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    struct wi_lease leases[] = {a_lease("shard-a"), a_lease("shard-b")};
    struct wi_lease lease;
    size_t created = 7;

    leases[1].range = (struct weir_hash_range){{1, 0}, {0, 5}};
    assert_int_equal(store->ops->create(store->store, 0, leases, 2, &created), WEIR_EINVAL);
    leases[1] = a_lease("shard-b");
    leases[1].shard_id[0] = '\0';
    assert_int_equal(store->ops->create(store->store, 0, leases, 2, &created), WEIR_EINVAL);
    assert_int_equal(created, 7);
    assert_int_equal(store->ops->get(store->store, "shard-a", &lease), WEIR_ENOTFOUND);
    assert_int_equal(store->ops->get(store->store, "", &lease), WEIR_ENOTFOUND);
}

static void
removes_only_under_the_epoch_seen(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    struct wi_lease lease;
    uint64_t epoch = given_owned(store, "shard-a", "w1");

    assert_int_equal(store->ops->remove(store->store, 0, "shard-a", epoch - 1), WEIR_ECONFLICT);
    assert_int_equal(store->ops->remove(store->store, 0, "shard-x", epoch), WEIR_ENOTFOUND);
    assert_int_equal(store->ops->remove(store->store, 0, "shard-a", epoch), WEIR_OK);
    assert_int_equal(store->ops->get(store->store, "shard-a", &lease), WEIR_ENOTFOUND);
    assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_ELEASELOST);
}

/* R7: a sink that has seen an epoch refuses smaller ones for ever, so none may come back. */
static void
never_uses_an_epoch_again_after_deletion(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint64_t epoch = given_owned(store, "shard-a", "w1");

    for (int i = 0; i < 3; i++) {
        assert_int_equal(store->ops->remove(store->store, 0, "shard-a", epoch), WEIR_OK);
        assert_int_equal(create_lease(store, "shard-a"), WEIR_OK);
        assert_true(get_lease(store, "shard-a").epoch > epoch);
        epoch = get_lease(store, "shard-a").epoch;
        assert_int_equal(assign_lease(store, "shard-a", "w1", epoch, 0), WEIR_OK);
        assert_int_equal(get_lease(store, "shard-a").epoch, epoch + 1);
        epoch++;
    }
}

static void
shows_both_handles_the_same_table(void **state)
{
    struct lease_fixture *fixture = *state;
    uint64_t epoch = given_owned(fixture->store, "shard-a", "w1");

    assert_int_equal(get_lease(fixture->second, "shard-a").epoch, epoch);
    assert_int_equal(checkpoint_at(fixture->second, "shard-a", "w1", epoch, 5), WEIR_OK);
    assert_int_equal(get_lease(fixture->store, "shard-a").checkpoint.sequence_number.word[3], 5);
    assert_int_equal(counter_of(fixture->second, "w1"), counter_of(fixture->store, "w1"));
}

static void
agrees_on_one_application(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    struct wi_application wish = an_application();
    struct wi_application agreed;

    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_OK);
    put_worker(store, "w1");
    wish.lease_duration_ms = 77;
    wish.initial_position = position_of(WEIR_LATEST);
    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_OK);
    assert_int_equal(agreed.lease_duration_ms, FIXTURE_D_MS);
    assert_int_equal(agreed.initial_position.type, WEIR_TRIM_HORIZON);
    (void)wi_str_copy(wish.stream_url, sizeof wish.stream_url, WI_STR("weir:other"));
    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_ECONFLICT);
    wish.lease_duration_ms = 0;
    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_EINVAL);
}

static void
adopts_a_new_lease_duration_when_no_worker_lives(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    struct wi_application wish = an_application();
    struct wi_application agreed;
    char owner[WEIR_OWNER_SIZE];

    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_OK);
    assert_int_equal(create_lease(store, "shard-a"), WEIR_OK);
    lease_fixture_process(fixture, "w1", owner);
    lease_fixture_kill(fixture, owner);
    wish.lease_duration_ms = 77;
    wish.initial_position = position_of(WEIR_LATEST);
    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_OK);
    assert_int_equal(agreed.lease_duration_ms, 77);
    assert_int_equal(agreed.initial_position.type, WEIR_TRIM_HORIZON);
    (void)wi_str_copy(wish.stream_url, sizeof wish.stream_url, WI_STR("weir:other"));
    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_ECONFLICT);
}

static void
lets_an_unused_application_change_its_stream(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    struct wi_application wish = an_application();
    struct wi_application agreed;

    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_OK);
    (void)wi_str_copy(wish.stream_url, sizeof wish.stream_url, WI_STR("weir:other"));
    wish.initial_position = position_of(WEIR_LATEST);
    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_OK);
    assert_string_equal(agreed.stream_url, "weir:other");
    assert_int_equal(agreed.initial_position.type, WEIR_LATEST);
}

static void
resets_only_without_live_workers(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    struct wi_application wish = an_application();
    const struct weir_position latest = position_of(WEIR_LATEST);
    const struct weir_position end = position_of(WEIR_SHARD_END);
    struct wi_application agreed;

    assert_int_equal(store->ops->reset(store->store, &latest), WEIR_ENOTFOUND);
    assert_int_equal(store->ops->open_application(store->store, &wish, &agreed), WEIR_OK);
    assert_int_equal(store->ops->reset(store->store, &end), WEIR_EINVAL);
    (void)given_owned(store, "shard-a", "w1");
    assert_int_equal(store->ops->reset(store->store, &latest), WEIR_ESTATE);
    assert_string_equal(get_lease(store, "shard-a").owner, "w1");
}

/* An operator's reset is the one way back for a checkpoint, and no way back for epochs. */
static void
resets_rows_and_position_but_not_epochs(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    struct wi_application wish = an_application();
    const struct weir_position latest = position_of(WEIR_LATEST);
    char owner[WEIR_OWNER_SIZE];
    struct wi_lease_table table;
    uint64_t epoch;

    assert_int_equal(store->ops->open_application(store->store, &wish, &wish), WEIR_OK);
    lease_fixture_process(fixture, "w1", owner);
    epoch = given_owned(store, "shard-a", owner);
    lease_fixture_kill(fixture, owner);
    assert_int_equal(store->ops->reset(store->store, &latest), WEIR_OK);
    assert_int_equal(store->ops->list(store->store, &table), WEIR_OK);
    assert_int_equal(table.lease_count, 0);
    assert_int_equal(table.worker_count, 0);
    assert_int_equal(table.application.initial_position.type, WEIR_LATEST);
    wi_lease_table_free(store->env, &table);
    assert_int_equal(create_lease(store, "shard-a"), WEIR_OK);
    assert_true(get_lease(store, "shard-a").epoch > epoch);
}

static void
hints_at_ownership_but_not_at_checkpoints(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store *store = fixture->store;
    uint32_t before = store->ops->version(store->store);
    uint64_t epoch = given_owned(store, "shard-a", "w1");
    uint32_t owned = store->ops->version(store->store);

    assert_int_not_equal(owned, before);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 5), WEIR_OK);
    assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_OK);
    assert_int_equal(store->ops->version(store->store), owned);
    assert_int_equal(release_lease(store, "shard-a", "w1", epoch, "", 5), WEIR_OK);
    assert_int_not_equal(fixture->second->ops->version(fixture->second->store), owned);
}

static void
ends_a_wait_for_news_and_for_an_interrupt(void **state)
{
    struct wi_lease_store *store = ((struct lease_fixture *)*state)->store;
    uint32_t seen = store->ops->version(store->store);

    assert_int_equal(store->ops->wait(store->store, seen, 1), seen);
    put_worker(store, "w1");
    assert_int_not_equal(store->ops->wait(store->store, seen, 60000), seen);
    seen = store->ops->version(store->store);
    store->ops->interrupt(store->store);
    assert_int_not_equal(store->ops->wait(store->store, seen, 60000), seen);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LEASE_TEST(creates_only_what_is_absent),
        LEASE_TEST(creates_rows_unowned_and_with_a_known_empty_replay),
        LEASE_TEST(refuses_invalid_rows_whole),
        LEASE_TEST(removes_only_under_the_epoch_seen),
        LEASE_TEST(never_uses_an_epoch_again_after_deletion),
        LEASE_TEST(shows_both_handles_the_same_table),
        LEASE_TEST(agrees_on_one_application),
        LEASE_TEST(adopts_a_new_lease_duration_when_no_worker_lives),
        LEASE_TEST(lets_an_unused_application_change_its_stream),
        LEASE_TEST(resets_only_without_live_workers),
        LEASE_TEST(resets_rows_and_position_but_not_epochs),
        LEASE_TEST(hints_at_ownership_but_not_at_checkpoints),
        LEASE_TEST(ends_a_wait_for_news_and_for_an_interrupt),
    };

    return lease_fixture_run("lease store: rows", tests, sizeof tests / sizeof tests[0]);
}
