/* When the leader lists shards, creates leases and deletes finished ones: C15 to C17, C25. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/coordinator_sync.h"
#include "core/mono.h"
#include "tests/unit/coordinator/coordinator_fixture.h"

/* What the store does with the leases of a CREATE_LEASES. */
static void
create_leases(void)
{
    for (size_t i = 0; i < fixture.action.count; i++) {
        given_lease(fixture.action.leases[i].lease_key, "me")->checkpoint =
            fixture.action.leases[i].checkpoint;
    }
}

/* "me" leads, and has been asked for the shards. */
static void
given_listing(void)
{
    given_worker("me");
    given_leader_row("", TERM - 1);
    assert_int_equal(table_at(0), WI_COORDINATOR_TAKE_LEADER);
    assert_int_equal(taken_at(TERM, 0), WI_COORDINATOR_READ_TABLE);
    given_leader_row("me", TERM);
    assert_int_equal(table_at(0), WI_COORDINATOR_LIST_SHARDS);
}

/* C15, C16 */
static void
creates_the_leases_of_a_new_application(void **state)
{
    (void)state;
    given_shard("s1", "", false);
    given_shard("s2", "", false);
    fixture.table.application.initial_position.type = WEIR_LATEST;
    given_listing();

    assert_int_equal(shards_at(1), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(2), WI_COORDINATOR_CREATE_LEASES);
    assert_int_equal(fixture.action.count, 2);
    assert_int_equal(fixture.action.term, TERM);
    assert_int_equal(fixture.action.leases[0].checkpoint.type, WEIR_LATEST);
    create_leases();
    assert_int_equal(result_at(WEIR_OK, 3), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(4), WI_COORDINATOR_WAIT);
}

/* C15 */
static void
lists_the_shards_again_after_the_interval(void **state)
{
    (void)state;
    given_lease("s1", "me");
    given_leading();
    assert_int_equal(look_until(250, SYNC_MS - 1, NULL), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(SYNC_MS).ns);
    heartbeats_but(NULL);

    assert_int_equal(table_at(SYNC_MS), WI_COORDINATOR_LIST_SHARDS);
    given_shard("s2", "", false);
    assert_int_equal(shards_at(SYNC_MS), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(SYNC_MS), WI_COORDINATOR_CREATE_LEASES);
    assert_string_equal(fixture.action.leases[0].lease_key, "s2");
}

/* C15, KCL #442: a shard has ended and its children have no leases. */
static void
lists_the_shards_at_once_when_children_are_missing(void **state)
{
    (void)state;
    given_lease("s1", "me");
    given_lease("s2", "me");
    given_leading();
    lease_row("s1")->checkpoint.type = WEIR_SHARD_END;
    memcpy(lease_row("s1")->child_shard_ids[0], "s3", 3);

    assert_int_equal(table_at(10), WI_COORDINATOR_LIST_SHARDS);
    fixture.shards[0].closed = true;
    given_shard("s3", "s1", false);
    assert_int_equal(shards_at(11), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(12), WI_COORDINATOR_CREATE_LEASES);
    assert_string_equal(fixture.action.leases[0].lease_key, "s3");
    create_leases();
    assert_int_equal(result_at(WEIR_OK, 13), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(14), WI_COORDINATOR_WAIT);
}

/* C15: it has no children that could be found, and is not asked about twice. */
static void
lists_the_shards_once_for_a_finished_shard_without_children(void **state)
{
    (void)state;
    given_lease("s1", "me");
    given_leading();
    lease_row("s1")->checkpoint.type = WEIR_SHARD_END;

    assert_int_equal(table_at(10), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(11), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(look_until(12, 5000, NULL), WI_COORDINATOR_WAIT);
}

/* C15: the children's leases were created by the owner, as they should. */
static void
does_not_list_the_shards_when_the_children_have_leases(void **state)
{
    (void)state;
    given_lease("s1", "me");
    given_leading();
    lease_row("s1")->checkpoint.type = WEIR_SHARD_END;
    memcpy(lease_row("s1")->child_shard_ids[0], "s2", 3);
    given_lease("s2", "me");

    assert_int_equal(table_at(10), WI_COORDINATOR_WAIT);
}

/* C15 */
static void
lists_the_shards_again_while_the_table_is_empty(void **state)
{
    (void)state;
    given_listing();
    assert_int_equal(shards_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(look_until(0, WI_RESYNC_MS - 1, NULL), WI_COORDINATOR_WAIT);

    assert_int_equal(look_until(WI_RESYNC_MS, WI_RESYNC_MS, NULL), WI_COORDINATOR_LIST_SHARDS);
}

/* C15, C38 */
static void
lists_the_shards_again_soon_after_a_hole(void **state)
{
    (void)state;
    given_shard("s1", "", false)->range.end.high = 7;
    given_listing();
    assert_int_equal(shards_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(0), WI_COORDINATOR_CREATE_LEASES);
    create_leases();
    assert_int_equal(result_at(WEIR_OK, 0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(look_until(0, WI_RESYNC_MS - 1, NULL), WI_COORDINATOR_WAIT);

    assert_int_equal(look_until(WI_RESYNC_MS, WI_RESYNC_MS, NULL), WI_COORDINATOR_LIST_SHARDS);
}

/* C16: 2,500 leases in three writes, worked out once. */
static void
creates_many_leases_in_batches(void **state)
{
    enum {
        SHARDS = 2 * WI_CREATE_MAX + 500
    };
    struct weir_shard *shards = calloc(SHARDS, sizeof *shards);
    struct wi_coordinator_event event = {
        .type = WI_COORDINATOR_SHARDS, .shards = shards, .shard_count = SHARDS};

    (void)state;
    for (unsigned i = 0; i < SHARDS; i++) {
        (void)snprintf(shards[i].shard_id, sizeof shards[i].shard_id, "s%04u", i);
    }
    given_listing();
    fixture.action = wi_coordinator_step(fixture.coordinator, &event);
    free(shards);
    assert_int_equal(table_at(1), WI_COORDINATOR_CREATE_LEASES);
    assert_int_equal(fixture.action.count, WI_CREATE_MAX);
    assert_int_equal(result_at(WEIR_OK, 2), WI_COORDINATOR_CREATE_LEASES);
    assert_string_equal(fixture.action.leases[0].lease_key, "s1000");
    assert_int_equal(result_at(WEIR_EBUSY, 3), WI_COORDINATOR_WAIT);
    given_lease("s0000", "me");
    assert_int_equal(table_at(20), WI_COORDINATOR_CREATE_LEASES);
    assert_string_equal(fixture.action.leases[0].lease_key, "s1000");
    assert_int_equal(result_at(WEIR_OK, 21), WI_COORDINATOR_CREATE_LEASES);
    assert_int_equal(fixture.action.count, 500);
    assert_int_equal(result_at(WEIR_OK, 22), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(23), WI_COORDINATOR_WAIT);
}

/* C16, C28 */
static void
tries_again_when_leases_could_not_be_created(void **state)
{
    (void)state;
    given_shard("s1", "", false);
    given_listing();
    assert_int_equal(shards_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(0), WI_COORDINATOR_CREATE_LEASES);
    assert_int_equal(result_at(WEIR_ECONFLICT, 0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);
    assert_int_equal(tick_at(10), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(10), WI_COORDINATOR_CREATE_LEASES);
}

/* C17, C27: a dead worker's shards are not kept waiting by a stream that does not answer. */
static void
goes_on_when_the_shards_cannot_be_listed(void **state)
{
    enum weir_error results[] = {WEIR_OK};

    (void)state;
    given_worker("b");
    given_lease("s1", "b");
    given_lease("s2", "me");
    given_listing();
    assert_int_equal(result_at(WEIR_ETHROTTLED, 100), WI_COORDINATOR_WAIT);
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, 0);
    given_gone("b");

    assert_int_equal(table_at(105), WI_COORDINATOR_ASSIGN);
    assert_int_equal(results_at(results, 106), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, 0);
}

/* C17: the same pass goes on, without another read. */
static void
asks_for_hand_offs_though_the_shards_cannot_be_listed(void **state)
{
    (void)state;
    given_worker("b");
    given_lease("s1", "me");
    given_lease("s2", "me");
    given_listing();

    assert_int_equal(result_at(WEIR_EIO, 1), WI_COORDINATOR_REQUEST_HANDOFF);
    assert_int_equal(result_at(WEIR_OK, 2), WI_COORDINATOR_READ_TABLE);
}

/* C17: a reason to list at once does not shorten the back-off. */
static void
keeps_to_the_back_off_though_children_are_missing(void **state)
{
    (void)state;
    given_lease("s1", "me");
    given_listing();
    assert_int_equal(result_at(WEIR_EIO, 0), WI_COORDINATOR_WAIT);
    lease_row("s1")->checkpoint.type = WEIR_SHARD_END;

    assert_int_equal(table_at(1), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(10).ns);
    assert_int_equal(table_at(10), WI_COORDINATOR_LIST_SHARDS);
}

/* C17, C29, C30 */
static void
lists_the_shards_again_after_a_growing_back_off(void **state)
{
    int64_t now = 0;

    (void)state;
    given_lease("s1", "me");
    given_shard("s1", "", false);
    given_listing();
    for (int64_t wait = 10; wait < LOOK_MS; wait *= 2) {
        assert_int_equal(result_at(WEIR_ETIMEOUT, now), WI_COORDINATOR_WAIT);
        assert_int_equal(fixture.action.until.ns, at_ms(now + wait).ns);
        now += wait;
        assert_int_equal(tick_at(now), WI_COORDINATOR_READ_TABLE);
        assert_int_equal(table_at(now), WI_COORDINATOR_LIST_SHARDS);
    }
    assert_int_equal(shards_at(now), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(now), WI_COORDINATOR_WAIT);
    assert_int_equal(wi_coordinator_last_pass(fixture.coordinator).ns, at_ms(now).ns);
}

/* C17, C39: a list with a cycle is of no use. */
static void
lists_the_shards_again_after_a_list_of_no_use(void **state)
{
    (void)state;
    given_shard("s1", "s2", false);
    given_shard("s2", "s1", false);
    given_listing();

    assert_int_equal(shards_at(0), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(0), WI_COORDINATOR_WAIT);
    assert_int_equal(fixture.action.until.ns, at_ms(10).ns);
    assert_int_equal(tick_at(10), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(10), WI_COORDINATOR_LIST_SHARDS);
}

/* ---- clean-up ---- */

static void
given_finished_family(void)
{
    given_finished_lease("a", "me");
    given_finished_lease("b", "me");
    given_lease("c", "me");
    memcpy(lease_row("a")->child_shard_ids[0], "b", 2);
    memcpy(lease_row("b")->child_shard_ids[0], "c", 2);
    memcpy(lease_row("b")->parent_shard_ids[0], "a", 2);
    memcpy(lease_row("c")->parent_shard_ids[0], "b", 2);
    given_shard("a", "", true);
    given_shard("b", "a", true);
    given_shard("c", "b", false);
}

static void
remove_first_lease(void)
{
    fixture.table.lease_count--;
    memmove(
        fixture.leases, fixture.leases + 1, fixture.table.lease_count * sizeof fixture.leases[0]);
}

/* C25, C40 */
static void
removes_finished_leases_from_the_oldest(void **state)
{
    (void)state;
    given_finished_family();
    given_leading();
    fixture.shards[0] = fixture.shards[2];
    fixture.shard_count = 1;
    assert_int_equal(look_until(SYNC_MS, SYNC_MS, NULL), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(SYNC_MS), WI_COORDINATOR_READ_TABLE);

    assert_int_equal(table_at(SYNC_MS), WI_COORDINATOR_REMOVE_LEASE);
    assert_string_equal(fixture.action.lease_key, "a");
    assert_int_equal(fixture.action.expected_epoch, 3);
    assert_int_equal(fixture.action.term, TERM);
    remove_first_lease();
    assert_int_equal(result_at(WEIR_OK, SYNC_MS), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(SYNC_MS), WI_COORDINATOR_REMOVE_LEASE);
    assert_string_equal(fixture.action.lease_key, "b");
    remove_first_lease();
    assert_int_equal(result_at(WEIR_OK, SYNC_MS), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(SYNC_MS), WI_COORDINATOR_WAIT);
}

/* C25: a shard that came to be and ended after the list was asked for is not in it either. */
static void
removes_nothing_by_a_list_that_is_older_than_the_lease(void **state)
{
    (void)state;
    given_lease("c", "me");
    given_shard("c", "", false);
    given_listing();
    given_finished_lease("a", "me");
    memcpy(lease_row("a")->child_shard_ids[0], "c", 2);

    assert_int_equal(shards_at(5), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(look_until(10, SYNC_MS - 1, NULL), WI_COORDINATOR_WAIT);
    assert_int_equal(look_until(SYNC_MS, SYNC_MS, NULL), WI_COORDINATOR_LIST_SHARDS);
    assert_int_equal(shards_at(SYNC_MS), WI_COORDINATOR_READ_TABLE);
    assert_int_equal(table_at(SYNC_MS), WI_COORDINATOR_REMOVE_LEASE);
    assert_string_equal(fixture.action.lease_key, "a");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(creates_the_leases_of_a_new_application),
        FIXTURE_TEST(lists_the_shards_again_after_the_interval),
        FIXTURE_TEST(lists_the_shards_at_once_when_children_are_missing),
        FIXTURE_TEST(lists_the_shards_once_for_a_finished_shard_without_children),
        FIXTURE_TEST(does_not_list_the_shards_when_the_children_have_leases),
        FIXTURE_TEST(lists_the_shards_again_while_the_table_is_empty),
        FIXTURE_TEST(lists_the_shards_again_soon_after_a_hole),
        FIXTURE_TEST(creates_many_leases_in_batches),
        FIXTURE_TEST(tries_again_when_leases_could_not_be_created),
        FIXTURE_TEST(goes_on_when_the_shards_cannot_be_listed),
        FIXTURE_TEST(asks_for_hand_offs_though_the_shards_cannot_be_listed),
        FIXTURE_TEST(keeps_to_the_back_off_though_children_are_missing),
        FIXTURE_TEST(lists_the_shards_again_after_a_growing_back_off),
        FIXTURE_TEST(lists_the_shards_again_after_a_list_of_no_use),
        FIXTURE_TEST(removes_finished_leases_from_the_oldest),
        FIXTURE_TEST(removes_nothing_by_a_list_that_is_older_than_the_lease),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
