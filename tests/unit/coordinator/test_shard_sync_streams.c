/* Shard sync with several streams: each is judged by its own leases and shards. */
#include "tests/unit/coordinator/shard_sync_fixture.h"

#define A "111122223333:a:1:"
#define B "111122223333:b:1:"

/* A lease that is being read; call in the order of the keys. */
static void
given_read(const char *id)
{
    given_lease(id, WEIR_AFTER_SEQUENCE_NUMBER);
}

static void
sync_at(enum weir_position_type initial)
{
    assert_int_equal(sync_from(&(struct weir_position){.type = initial}), WEIR_OK);
}

/* One lease is created: this one, there. */
static void
assert_created(const char *key, enum weir_position_type checkpoint)
{
    assert_int_equal(fixture.plan.create_count, 1);
    assert_string_equal(fixture.plan.create[0].lease_key, key);
    assert_string_equal(fixture.plan.create[0].shard_id, key);
    assert_int_equal(fixture.plan.create[0].checkpoint.type, checkpoint);
}

/* C36, C35: a stream that joins begins as an application of its own would, whatever leases there
 * are of the others; LATEST is the latest of it, not all that it has. */
static void
begins_a_stream_that_joins_at_its_own_initial_position(void **state)
{
    (void)state;
    given_open(A "1", "");
    given_open(B "2", B "1"); /* its parent is out of retention */
    given_read(A "1");

    sync_at(WEIR_LATEST);
    assert_created(B "2", WEIR_LATEST);
}

/* C35: leases of the stream itself make a shard without a parent one behind a gap. */
static void
sees_a_gap_in_a_stream_that_has_leases(void **state)
{
    (void)state;
    given_open(B "2", B "1");
    given_read(A "9");
    given_read(B "0");
    given_read("111122223333:ba:1:0");

    sync_at(WEIR_LATEST);
    assert_created(B "2", WEIR_TRIM_HORIZON);
}

/* Names and epochs that begin alike are different streams. */
static void
does_not_take_a_longer_name_for_the_stream(void **state)
{
    (void)state;
    given_open("111122223333:b:1:2", "111122223333:b:1:1");
    given_read("111122223333:b-1:1:0");
    given_read("111122223333:b:10:0");
    given_read("111122223333:b:2:0");

    sync_at(WEIR_LATEST);
    assert_created("111122223333:b:1:2", WEIR_LATEST);
}

/* C38: the shards of one stream do not cover for those of another. */
static void
audits_each_stream_by_itself(void **state)
{
    (void)state;
    given_open(A "1", "");
    given_open(B "1", "");
    set_range(0, 0, UINT64_MAX / 2);
    set_range(1, UINT64_MAX / 2 + 1, UINT64_MAX);
    sync_at(WEIR_TRIM_HORIZON);
    assert_true(fixture.plan.has_hole);
    assert_int_equal(fixture.plan.hole.start.high, UINT64_MAX / 2 + 1);

    set_range(0, 0, UINT64_MAX);
    sync_at(WEIR_TRIM_HORIZON);
    assert_true(fixture.plan.has_hole);
    assert_int_equal(fixture.plan.hole.end.high, UINT64_MAX / 2);

    set_range(1, 0, UINT64_MAX);
    sync_at(WEIR_TRIM_HORIZON);
    assert_false(fixture.plan.has_hole);

    fixture.shards[1].closed = true; /* and nothing follows it yet */
    sync_at(WEIR_TRIM_HORIZON);
    assert_true(fixture.plan.has_hole);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(begins_a_stream_that_joins_at_its_own_initial_position),
        FIXTURE_TEST(sees_a_gap_in_a_stream_that_has_leases),
        FIXTURE_TEST(does_not_take_a_longer_name_for_the_stream),
        FIXTURE_TEST(audits_each_stream_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
