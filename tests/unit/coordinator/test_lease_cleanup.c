#include <string.h>

#include "coordinator/lease_cleanup.h"
#include "tests/unit/coordinator/coordinator_fixture.h"

static size_t indices[ROWS_MAX];
static size_t count;

static enum weir_error
try_clean(void)
{
    return wi_lease_cleanup(
        &fixture.test.env, &fixture.table, fixture.shards, fixture.shard_count, indices, &count);
}

static size_t
clean(void)
{
    assert_int_equal(try_clean(), WEIR_OK);
    return count;
}

static void
set_children(const char *key, const char *child, const char *other_child)
{
    struct wi_lease *lease = lease_row(key);

    (void)memcpy(lease->child_shard_ids[0], child, strlen(child) + 1);
    (void)memcpy(lease->child_shard_ids[1], other_child, strlen(other_child) + 1);
}

static void
set_parent(const char *key, const char *parent)
{
    (void)memcpy(lease_row(key)->parent_shard_ids[0], parent, strlen(parent) + 1);
}

/* A parent out of retention, its two children in the list, one of them read, one finished. */
static void
given_old_parent(void)
{
    given_finished_lease("a", "");
    given_lease("b", "");
    given_finished_lease("c", "");
    set_children("a", "b", "c");
    set_parent("b", "a");
    set_parent("c", "a");
    given_shard("b", "a", false);
    given_shard("c", "a", true);
}

/* C40 */
static void
lets_a_finished_parent_go_when_its_children_have_begun(void **state)
{
    (void)state;
    given_old_parent();

    assert_int_equal(clean(), 1);
    assert_string_equal(fixture.leases[indices[0]].lease_key, "a");
}

/* C40: a shard that is read from a record on has begun as well. */
static void
lets_a_parent_go_when_a_child_stands_at_a_record(void **state)
{
    (void)state;
    given_old_parent();
    lease_row("b")->checkpoint.type = WEIR_AT_SEQUENCE_NUMBER;

    assert_int_equal(clean(), 1);
}

/* C40 */
static void
keeps_a_lease_that_is_not_finished(void **state)
{
    (void)state;
    given_old_parent();
    lease_row("a")->checkpoint.type = WEIR_AFTER_SEQUENCE_NUMBER;

    assert_int_equal(clean(), 0);
}

/* C40, I15 */
static void
keeps_a_parent_while_a_child_has_not_begun(void **state)
{
    static const enum weir_position_type types[] = {
        WEIR_TRIM_HORIZON, WEIR_LATEST, WEIR_AT_TIMESTAMP};

    (void)state;
    given_old_parent();
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        lease_row("b")->checkpoint.type = types[i];
        assert_int_equal(clean(), 0);
        set_parent("b", "");
        assert_int_equal(clean(), 0);
        set_parent("b", "a");
        set_children("a", "", "");
        assert_int_equal(clean(), 0);
        set_children("a", "b", "c");
    }
}

/* C40: the row does not know its children, but the list does. */
static void
keeps_a_parent_while_a_child_has_no_lease(void **state)
{
    (void)state;
    given_old_parent();
    set_children("a", "x", "c");
    assert_int_equal(clean(), 0);

    set_children("a", "", "");
    given_shard("d", "a", false);
    assert_int_equal(clean(), 0);
}

/* C40 */
static void
keeps_a_lease_whose_shard_is_listed(void **state)
{
    (void)state;
    given_old_parent();
    given_shard("a", "", true);

    assert_int_equal(clean(), 0);
}

/* C40: from the oldest to the youngest. */
static void
keeps_a_lease_while_a_parent_has_one(void **state)
{
    (void)state;
    given_old_parent();
    given_finished_lease("0", "");
    set_parent("a", "0");
    set_children("0", "a", "");

    assert_int_equal(clean(), 1);
    assert_string_equal(fixture.leases[indices[0]].lease_key, "0");
}

/* C40: nothing names it, and nothing is known of children: they were deleted long ago. */
static void
lets_a_finished_lease_without_children_go(void **state)
{
    (void)state;
    given_finished_lease("a", "");
    given_shard("z", "", false);

    assert_int_equal(clean(), 1);
}

/* C41 */
static void
lets_nothing_go_by_an_empty_list(void **state)
{
    (void)state;
    given_finished_lease("a", "");

    assert_int_equal(clean(), 0);
}

#define A "111122223333:a:1:"
#define B "111122223333:b:1:"

/* C41: a stream that the list does not show may be one that could not be listed, or one that the
 * application reads no more. */
static void
keeps_the_leases_of_a_stream_that_is_not_listed(void **state)
{
    (void)state;
    given_finished_lease(A "1", "");
    given_finished_lease(B "1", "");
    given_shard(A "2", "", false);

    assert_int_equal(clean(), 1);
    assert_string_equal(fixture.leases[indices[0]].lease_key, A "1");
}

/* C41: ids that begin alike, another epoch. */
static void
does_not_take_a_stream_for_the_one_before_it(void **state)
{
    (void)state;
    given_finished_lease(A "1", "");
    given_shard("111122223333:a:10:1", "", false);
    given_shard("111122223333:a", "", false);

    assert_int_equal(clean(), 0);
}

static void
lease_cleanup_survives_every_allocation_failure(void **state)
{
    (void)state;
    given_old_parent();
    for (unsigned i = 1; i <= 2; i++) {
        fixture.test.fail_at = fixture.test.allocations + i;
        assert_int_equal(try_clean(), WEIR_ENOMEM);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(lets_a_finished_parent_go_when_its_children_have_begun),
        FIXTURE_TEST(lets_a_parent_go_when_a_child_stands_at_a_record),
        FIXTURE_TEST(keeps_a_lease_that_is_not_finished),
        FIXTURE_TEST(keeps_a_parent_while_a_child_has_not_begun),
        FIXTURE_TEST(keeps_a_parent_while_a_child_has_no_lease),
        FIXTURE_TEST(keeps_a_lease_whose_shard_is_listed),
        FIXTURE_TEST(keeps_a_lease_while_a_parent_has_one),
        FIXTURE_TEST(lets_a_finished_lease_without_children_go),
        FIXTURE_TEST(lets_nothing_go_by_an_empty_list),
        FIXTURE_TEST(keeps_the_leases_of_a_stream_that_is_not_listed),
        FIXTURE_TEST(does_not_take_a_stream_for_the_one_before_it),
        FIXTURE_TEST(lease_cleanup_survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
