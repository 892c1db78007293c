/* Rules H1 to H7 of docs/state-machines-consumer.md, "Scheduler". */
#include <stdio.h>
#include <string.h>

#include "core/pcg.h"
#include "tests/support/weir_test.h"
#include "worker/scheduler.h"

#define ME    "me@1"
#define OTHER "other@2"

/* A picture of up to eight leases "s0" ... and what runs. */
struct picture {
    struct wi_lease leases[8];
    struct wi_worker workers[2];
    struct wi_running_consumer running[8];
    struct wi_lease_table table;
    struct wi_schedule_input input;
    struct wi_schedule_item items[16];
    size_t count;
};

static void
given_picture(struct picture *picture, size_t lease_count, const char *owner)
{
    *picture = (struct picture){.table.lease_count = lease_count};
    picture->table.leases = picture->leases;
    picture->table.workers = picture->workers;
    for (size_t i = 0; i < lease_count; i++) {
        struct wi_lease *lease = &picture->leases[i];
        (void)snprintf(lease->lease_key, sizeof lease->lease_key, "s%zu", i);
        (void)snprintf(lease->shard_id, sizeof lease->shard_id, "s%zu", i);
        (void)snprintf(lease->owner, sizeof lease->owner, "%s", owner);
        lease->owner_state = owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE;
        lease->epoch = 5;
    }
    picture->input.table = &picture->table;
    picture->input.owner = ME;
    picture->input.running = picture->running;
}

/* A consumer of lease i; call in ascending order. */
static struct wi_running_consumer *
given_running(struct picture *picture, size_t i)
{
    struct wi_running_consumer *consumer = &picture->running[picture->input.running_count++];
    *consumer = (struct wi_running_consumer){
        .lease_key = picture->leases[i].lease_key, .epoch = 5, .parents_finished = true};
    return consumer;
}

static void
schedule(struct picture *picture)
{
    wi_schedule(&picture->input, picture->items, &picture->count);
}

static void
assert_one_item(struct picture *picture, enum wi_schedule_type type)
{
    schedule(picture);
    assert_int_equal(picture->count, 1);
    assert_int_equal(picture->items[0].type, type);
}

static void
assert_no_item(struct picture *picture)
{
    schedule(picture);
    assert_int_equal(picture->count, 0);
}

static void
add_worker(struct picture *picture, const char *owner, bool draining, enum wi_owner_state state)
{
    struct wi_worker *worker = &picture->workers[picture->table.worker_count++];
    (void)snprintf(worker->owner, sizeof worker->owner, "%s", owner);
    worker->draining = draining;
    worker->state = state;
}

/* H1 */
static void
starts_own_leases_that_do_not_run(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 3, ME);
    (void)given_running(&picture, 1);
    (void)snprintf(picture.leases[2].owner, sizeof picture.leases[2].owner, OTHER);

    assert_one_item(&picture, WI_SCHEDULE_START);
    assert_int_equal(picture.items[0].lease, 0);
    assert_true(picture.items[0].consumer == SIZE_MAX);
}

/* H1 */
static void
does_not_start_a_lease_that_was_revoked_or_whose_session_is_fenced(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 2, ME);
    picture.leases[0].revoked = true;
    picture.leases[1].owner_state = WI_OWNER_GONE;

    assert_no_item(&picture);
}

/* H2 */
static void
reports_a_lease_with_another_owner_or_epoch_or_revoked_as_lost(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        struct picture picture;
        given_picture(&picture, 1, kind == 0 ? OTHER : kind == 1 ? "" : ME);
        (void)given_running(&picture, 0);
        picture.leases[0].epoch += kind == 2;
        picture.leases[0].revoked = kind == 3;
        picture.leases[0].owner_state = kind == 4 ? WI_OWNER_GONE : WI_OWNER_ALIVE;

        assert_one_item(&picture, WI_SCHEDULE_LOST);
        assert_int_equal(picture.items[0].consumer, 0);
        assert_int_equal(picture.items[0].lease, 0);
    }
}

/* H2 */
static void
reports_a_lease_that_is_gone_as_lost_unless_its_row_may_be_damaged(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 2, ME);
    (void)given_running(&picture, 0);
    (void)given_running(&picture, 1);
    picture.table.lease_count = 1;

    assert_one_item(&picture, WI_SCHEDULE_LOST);
    assert_true(picture.items[0].lease == SIZE_MAX);
    assert_int_equal(picture.items[0].consumer, 1);
    picture.table.damaged_count = 1;
    (void)snprintf(picture.table.first_damaged, sizeof picture.table.first_damaged, "s1");
    assert_no_item(&picture);
    (void)snprintf(picture.table.first_damaged, sizeof picture.table.first_damaged, "s7");
    assert_one_item(&picture, WI_SCHEDULE_LOST);
    picture.table.damaged_count = 2;
    assert_no_item(&picture);
}

/* H3 */
static void
stops_a_consumer_when_its_row_has_a_wish(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 2, ME);
    (void)given_running(&picture, 0);
    (void)given_running(&picture, 1);
    picture.leases[1].handoff.reason = WI_HANDOFF_BALANCE;

    assert_one_item(&picture, WI_SCHEDULE_STOP);
    assert_int_equal(picture.items[0].consumer, 1);
}

/* H3: a consumer would have to wait for the next picture to hear of the wish, and nothing would
 * announce one. */
static void
releases_a_lease_that_comes_with_a_wish(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 1, ME);
    picture.leases[0].handoff.reason = WI_HANDOFF_BALANCE;

    assert_one_item(&picture, WI_SCHEDULE_RELEASE);
    assert_int_equal(picture.items[0].lease, 0);
    assert_true(picture.items[0].consumer == SIZE_MAX);
}

/* H4 */
static void
releases_a_finished_lease_that_does_not_run(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 2, ME);
    picture.leases[0].checkpoint.type = WEIR_SHARD_END;
    picture.leases[1].checkpoint.type = WEIR_SHARD_END;
    (void)given_running(&picture, 1);

    assert_one_item(&picture, WI_SCHEDULE_RELEASE);
    assert_int_equal(picture.items[0].lease, 0);
}

/* H5 */
static void
starts_nothing_while_draining_and_releases_what_does_not_run(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 1, ME);
    add_worker(&picture, OTHER, false, WI_OWNER_ALIVE);
    picture.input.draining = true;

    assert_one_item(&picture, WI_SCHEDULE_RELEASE);
}

/* H5 */
static void
stops_everything_itself_when_nobody_is_there_to_take_over(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct picture picture;
        given_picture(&picture, 1, ME);
        (void)given_running(&picture, 0);
        picture.input.draining = true;
        add_worker(&picture, ME, false, WI_OWNER_ALIVE);
        add_worker(&picture, OTHER, kind == 1, kind == 2 ? WI_OWNER_GONE : WI_OWNER_ALIVE);
        picture.table.worker_count = kind == 3 ? 1 : 2;

        if (kind == 0) {
            assert_no_item(&picture); /* the leader moves it to the other one */
        } else {
            assert_one_item(&picture, WI_SCHEDULE_STOP);
        }
    }
}

/* H5: a leader of Java KCL knows no wishes for a worker that leaves. */
static void
stops_everything_itself_under_a_passive_leader(void **state)
{
    struct picture picture;

    (void)state;
    given_picture(&picture, 1, ME);
    (void)given_running(&picture, 0);
    add_worker(&picture, OTHER, false, WI_OWNER_ALIVE);
    picture.input.draining = true;
    picture.table.leader.passive = true;
    assert_one_item(&picture, WI_SCHEDULE_STOP);
}

/* H6 */
static void
tells_a_consumer_when_all_its_parents_are_finished(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 3, OTHER);
    (void)snprintf(picture.leases[2].owner, sizeof picture.leases[2].owner, ME);
    given_running(&picture, 2)->parents_finished = false;
    (void)snprintf(picture.leases[2].parent_shard_ids[0], WEIR_NAME_SIZE, "s0");
    (void)snprintf(picture.leases[2].parent_shard_ids[1], WEIR_NAME_SIZE, "s1");

    assert_no_item(&picture);
    picture.leases[0].checkpoint.type = WEIR_SHARD_END;
    assert_no_item(&picture);
    picture.leases[1].checkpoint.type = WEIR_SHARD_END;
    assert_one_item(&picture, WI_SCHEDULE_PARENTS_FINISHED);
    picture.running[0].parents_finished = true;
    assert_no_item(&picture);
}

/* H6 */
static void
takes_a_parent_without_a_row_as_finished_unless_the_row_may_be_damaged(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 1, ME);
    (void)snprintf(picture.leases[0].parent_shard_ids[1], WEIR_NAME_SIZE, "old");

    assert_true(wi_parents_are_finished(&picture.table, &picture.leases[0]));
    picture.table.damaged_count = 1;
    (void)snprintf(picture.table.first_damaged, sizeof picture.table.first_damaged, "s5");
    assert_true(wi_parents_are_finished(&picture.table, &picture.leases[0]));
    (void)snprintf(picture.table.first_damaged, sizeof picture.table.first_damaged, "old");
    assert_false(wi_parents_are_finished(&picture.table, &picture.leases[0]));
    picture.table.damaged_count = 2;
    assert_false(wi_parents_are_finished(&picture.table, &picture.leases[0]));
}

/* H6 */
static void
finds_parents_by_the_key_of_their_own_stream(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 2, ME);
    (void)snprintf(picture.leases[0].lease_key, WEIR_LEASE_KEY_SIZE, "orders:s0");
    (void)snprintf(picture.leases[1].lease_key, WEIR_LEASE_KEY_SIZE, "orders:s1");
    (void)snprintf(picture.leases[1].parent_shard_ids[0], WEIR_NAME_SIZE, "s0");

    assert_false(wi_parents_are_finished(&picture.table, &picture.leases[1]));
    picture.leases[0].checkpoint.type = WEIR_SHARD_END;
    assert_true(wi_parents_are_finished(&picture.table, &picture.leases[1]));
}

/* H6: a table that names its leases in another way: the parent's key is its shard's id. */
static void
finds_parents_by_their_id_when_the_key_is_shorter(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 2, ME);
    (void)snprintf(picture.leases[1].shard_id, WEIR_NAME_SIZE, "a-longer-id");
    (void)snprintf(picture.leases[1].parent_shard_ids[0], WEIR_NAME_SIZE, "s0");

    assert_false(wi_parents_are_finished(&picture.table, &picture.leases[1]));
}

/* H7 */
static void
tells_a_consumer_that_stops_nothing_more(void **state)
{
    struct picture picture;
    (void)state;
    given_picture(&picture, 2, ME);
    given_running(&picture, 0)->stopping = true;
    given_running(&picture, 1)->stopping = true;
    picture.leases[0].handoff.reason = WI_HANDOFF_DRAIN;
    picture.table.lease_count = 1;

    assert_no_item(&picture);
}

/* Carry the items out on the list of running consumers, as the runtime does. */
static void
carry_out(struct picture *picture)
{
    size_t count = picture->input.running_count;
    struct wi_running_consumer started[16];
    size_t next = 0;
    for (size_t i = 0; i < picture->count; i++) {
        const struct wi_schedule_item *item = &picture->items[i];
        if (item->type == WI_SCHEDULE_START) {
            started[next++] = (struct wi_running_consumer){
                .lease_key = picture->leases[item->lease].lease_key, .epoch = 5};
        } else if (item->type == WI_SCHEDULE_RELEASE) {
            picture->leases[item->lease].owner[0] = '\0';
        } else if (item->type == WI_SCHEDULE_PARENTS_FINISHED) {
            picture->running[item->consumer].parents_finished = true;
        } else {
            picture->running[item->consumer].stopping = true;
        }
    }
    for (size_t i = 0; i < next; i++) { /* keep the order of keys */
        size_t at = count++;
        for (; at > 0 && strcmp(picture->running[at - 1].lease_key, started[i].lease_key) > 0;
             at--) {
            picture->running[at] = picture->running[at - 1];
        }
        picture->running[at] = started[i];
    }
    picture->input.running_count = count;
}

/* With the facts unchanged, a second pass tells each consumer at most what its start left open. */
static void
asks_for_nothing_new_when_applied_again(void **state)
{
    struct wi_pcg random;
    (void)state;
    wi_pcg_seed(&random, 4, 4);

    for (int i = 0; i < 20000; i++) {
        struct picture picture;
        given_picture(&picture, wi_pcg_below(&random, 9), ME);
        for (size_t j = 0; j < picture.table.lease_count; j++) {
            struct wi_lease *lease = &picture.leases[j];
            lease->revoked = wi_pcg_below(&random, 6) == 0;
            lease->handoff.reason = wi_pcg_below(&random, 6) == 0 ? WI_HANDOFF_DRAIN : 0;
            lease->checkpoint.type = wi_pcg_below(&random, 6) == 0 ? WEIR_SHARD_END : 0;
            if (wi_pcg_below(&random, 2) == 0) {
                given_running(&picture, j)->epoch = 4 + wi_pcg_below(&random, 2);
            }
        }
        picture.input.draining = wi_pcg_below(&random, 4) == 0;
        for (int pass = 0; pass < 3; pass++) {
            schedule(&picture);
            carry_out(&picture);
        }
        assert_no_item(&picture);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_own_leases_that_do_not_run),
        cmocka_unit_test(does_not_start_a_lease_that_was_revoked_or_whose_session_is_fenced),
        cmocka_unit_test(reports_a_lease_with_another_owner_or_epoch_or_revoked_as_lost),
        cmocka_unit_test(reports_a_lease_that_is_gone_as_lost_unless_its_row_may_be_damaged),
        cmocka_unit_test(stops_a_consumer_when_its_row_has_a_wish),
        cmocka_unit_test(releases_a_lease_that_comes_with_a_wish),
        cmocka_unit_test(releases_a_finished_lease_that_does_not_run),
        cmocka_unit_test(starts_nothing_while_draining_and_releases_what_does_not_run),
        cmocka_unit_test(stops_everything_itself_when_nobody_is_there_to_take_over),
        cmocka_unit_test(stops_everything_itself_under_a_passive_leader),
        cmocka_unit_test(tells_a_consumer_when_all_its_parents_are_finished),
        cmocka_unit_test(takes_a_parent_without_a_row_as_finished_unless_the_row_may_be_damaged),
        cmocka_unit_test(finds_parents_by_the_key_of_their_own_stream),
        cmocka_unit_test(finds_parents_by_their_id_when_the_key_is_shorter),
        cmocka_unit_test(tells_a_consumer_that_stops_nothing_more),
        cmocka_unit_test(asks_for_nothing_new_when_applied_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
