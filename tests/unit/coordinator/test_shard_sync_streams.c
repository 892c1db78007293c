/* Shard sync with several streams: each is judged by its own leases and shards. */
#include <stdio.h>
#include <string.h>

#include "coordinator/shard_sync.h"
#include "core/hash_key.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define ROWS_MAX 8

#define A "111122223333:a:1:"
#define B "111122223333:b:1:"

static struct test_env test;
static struct weir_shard shards[ROWS_MAX];
static size_t shard_count;
static struct wi_lease leases[ROWS_MAX];
static size_t lease_count;
static struct wi_shard_sync_plan plan;

static int
setup(void **state)
{
    (void)state;
    memset(shards, 0, sizeof shards);
    memset(leases, 0, sizeof leases);
    shard_count = 0;
    lease_count = 0;
    plan = (struct wi_shard_sync_plan){0};
    test_env_init(&test);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    wi_shard_sync_plan_free(&test.env, &plan);
    test_env_assert_no_leak(&test);
    return 0;
}

/* An open shard over all hash keys; "" is no parent. */
static void
given_shard(const char *id, const char *parent)
{
    struct weir_shard *shard = &shards[shard_count++];

    (void)snprintf(shard->shard_id, sizeof shard->shard_id, "%s", id);
    (void)snprintf(shard->parent_shard_ids[0], sizeof shard->parent_shard_ids[0], "%s", parent);
    shard->range = (struct weir_hash_range){WI_HASH_KEY_MIN, WI_HASH_KEY_MAX};
    shard->starting_sequence_number.word[3] = shard_count;
}

/* Call in the order of the keys. */
static void
given_lease(const char *id)
{
    struct wi_lease *lease = &leases[lease_count++];

    (void)snprintf(lease->lease_key, sizeof lease->lease_key, "%s", id);
    (void)snprintf(lease->shard_id, sizeof lease->shard_id, "%s", id);
    lease->checkpoint.type = WEIR_AFTER_SEQUENCE_NUMBER;
}

static void
sync_from(enum weir_position_type initial)
{
    struct wi_shard_sync_input input = {
        .shards = shards,
        .shard_count = shard_count,
        .leases = leases,
        .lease_count = lease_count,
        .initial_position = {.type = initial},
    };

    wi_shard_sync_plan_free(&test.env, &plan);
    assert_int_equal(wi_shard_sync(&test.env, &input, &plan), WEIR_OK);
}

/* One lease is created: this one, there. */
static void
assert_created(const char *key, enum weir_position_type checkpoint)
{
    assert_int_equal(plan.create_count, 1);
    assert_string_equal(plan.create[0].lease_key, key);
    assert_string_equal(plan.create[0].shard_id, key);
    assert_int_equal(plan.create[0].checkpoint.type, checkpoint);
}

static void
set_range(size_t shard, uint64_t start, uint64_t end)
{
    shards[shard].range = (struct weir_hash_range){{start, 0}, {end, UINT64_MAX}};
}

/* C36, C35: a stream that joins begins as an application of its own would, whatever leases there
 * are of the others; LATEST is the latest of it, not all that it has. */
static void
begins_a_stream_that_joins_at_its_own_initial_position(void **state)
{
    (void)state;
    given_shard(A "1", "");
    given_shard(B "2", B "1"); /* its parent is out of retention */
    given_lease(A "1");

    sync_from(WEIR_LATEST);
    assert_created(B "2", WEIR_LATEST);
}

/* C35: leases of the stream itself make a shard without a parent one behind a gap. */
static void
sees_a_gap_in_a_stream_that_has_leases(void **state)
{
    (void)state;
    given_shard(B "2", B "1");
    given_lease(A "9");
    given_lease(B "0");
    given_lease("111122223333:ba:1:0");

    sync_from(WEIR_LATEST);
    assert_created(B "2", WEIR_TRIM_HORIZON);
}

/* Names and epochs that begin alike are different streams. */
static void
does_not_take_a_longer_name_for_the_stream(void **state)
{
    (void)state;
    given_shard("111122223333:b:1:2", "111122223333:b:1:1");
    given_lease("111122223333:b-1:1:0");
    given_lease("111122223333:b:10:0");
    given_lease("111122223333:b:2:0");

    sync_from(WEIR_LATEST);
    assert_created("111122223333:b:1:2", WEIR_LATEST);
}

/* C38: the shards of one stream do not cover for those of another. */
static void
audits_each_stream_by_itself(void **state)
{
    (void)state;
    given_shard(A "1", "");
    given_shard(B "1", "");
    set_range(0, 0, UINT64_MAX / 2);
    set_range(1, UINT64_MAX / 2 + 1, UINT64_MAX);
    sync_from(WEIR_TRIM_HORIZON);
    assert_true(plan.has_hole);
    assert_int_equal(plan.hole.start.high, UINT64_MAX / 2 + 1);

    set_range(0, 0, UINT64_MAX);
    sync_from(WEIR_TRIM_HORIZON);
    assert_true(plan.has_hole);
    assert_int_equal(plan.hole.end.high, UINT64_MAX / 2);

    set_range(1, 0, UINT64_MAX);
    sync_from(WEIR_TRIM_HORIZON);
    assert_false(plan.has_hole);

    shards[1].closed = true; /* and nothing follows it yet */
    sync_from(WEIR_TRIM_HORIZON);
    assert_true(plan.has_hole);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(begins_a_stream_that_joins_at_its_own_initial_position),
        TEST(sees_a_gap_in_a_stream_that_has_leases),
        TEST(does_not_take_a_longer_name_for_the_stream),
        TEST(audits_each_stream_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
