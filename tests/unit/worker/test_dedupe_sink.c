/* docs/dedupe.md 1. */
#include <stdio.h>
#include <string.h>

#include "tests/support/weir_test.h"
#include "tests/unit/worker/sink_fixture.h"
#include "worker/dedupe_bytes.h"

static uint64_t
number_of(const struct weir_position *position)
{
    return position->sequence_number.word[3];
}

static void
begins_at_the_horizon_and_remembers_how_far_it_is(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_position position;

    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);
    assert_int_equal(position.type, WEIR_TRIM_HORIZON);
    assert_int_equal(sink_advance(sink, "s0", 3, 40), WEIR_OK);
    sink_close(sink);
    sink_open(sink);

    assert_int_equal(sink_acquire(sink, "s0", 4, NULL, &position), WEIR_OK);
    assert_int_equal(position.type, WEIR_AFTER_SEQUENCE_NUMBER);
    assert_true(number_of(&position) == 40);
}

static void
refuses_an_owner_that_was_replaced(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_position position;
    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);
    assert_int_equal(sink_acquire(sink, "s0", 5, NULL, &position), WEIR_OK);

    assert_int_equal(sink_advance(sink, "s0", 3, 41), WEIR_EFENCED);
    assert_int_equal(sink_acquire(sink, "s0", 4, NULL, &position), WEIR_EFENCED);
    assert_int_equal(sink_acquire(sink, "s0", 5, NULL, &position), WEIR_OK);
    assert_int_equal(sink_advance(sink, "s0", 5, 41), WEIR_OK);
}

static void
refuses_a_token_that_was_never_planted(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_position position;

    assert_int_equal(sink_advance(sink, "s0", 3, 1), WEIR_ESTATE);
    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);
    assert_int_equal(sink_advance(sink, "s0", 4, 1), WEIR_EFENCED);
}

/* Effects of a parent after effects of its child would break the order of a key. */
static void
seals_the_parent_for_good_when_a_child_begins(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_position position;
    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);
    assert_int_equal(sink_advance(sink, "s0", 3, 40), WEIR_OK);

    assert_int_equal(sink_acquire(sink, "s1", 1, "s0", &position), WEIR_OK);
    assert_int_equal(position.type, WEIR_TRIM_HORIZON);

    assert_int_equal(sink_advance(sink, "s0", 3, 41), WEIR_EFENCED);
    assert_int_equal(sink_acquire(sink, "s0", 9, NULL, &position), WEIR_EFENCED);
    assert_int_equal(sink_acquire(sink, "s1", 2, "s0", &position), WEIR_OK);
    assert_int_equal(sink_advance(sink, "s1", 2, 50), WEIR_OK);
}

static void
seals_a_parent_that_never_came_to_the_sink(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_position position;
    assert_int_equal(sink_acquire(sink, "s1", 1, "s0", &position), WEIR_OK);

    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_EFENCED);
}

static void
keeps_the_positions_of_shards_apart(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_position position;
    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);
    assert_int_equal(sink_acquire(sink, "s1", 1, NULL, &position), WEIR_OK);
    assert_int_equal(sink_advance(sink, "s0", 3, 40), WEIR_OK);

    assert_int_equal(sink_acquire(sink, "s1", 1, NULL, &position), WEIR_OK);
    assert_int_equal(position.type, WEIR_TRIM_HORIZON);
}

static void
never_lets_the_position_go_back(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_position position;
    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);
    assert_int_equal(sink_advance(sink, "s0", 3, 40), WEIR_OK);

    assert_int_equal(sink_advance(sink, "s0", 3, 39), WEIR_OK);

    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);
    assert_true(number_of(&position) == 40);
}

static void
has_what_is_at_or_below_the_position(void **state)
{
    struct weir_position position = {WEIR_AFTER_SEQUENCE_NUMBER, {{0, 0, 0, 40}}, 2, 0};
    struct weir_position horizon = {.type = WEIR_TRIM_HORIZON};
    struct weir_record record = sink_record(40);
    (void)state;

    record.sub_sequence_number = 2;
    assert_true(weir_sink_has(&position, &record));
    assert_false(weir_sink_has(&horizon, &record));
    record.sub_sequence_number = 3;
    assert_false(weir_sink_has(&position, &record));
    assert_false(weir_sink_has(NULL, &record));
    assert_false(weir_sink_has(&position, NULL));
}

static void
undoes_everything_when_the_transaction_is_aborted(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_token token = sink_token("s0", 3);
    struct weir_record record = sink_record(40);
    struct weir_position position;
    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);

    sink_begin_transaction(sink);
    assert_int_equal(weir_sink_advance(&sink->sink, sink->txn, &token, &record), WEIR_OK);
    sink_abort(sink);

    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);
    assert_int_equal(position.type, WEIR_TRIM_HORIZON);
}

/* Change one byte of the row of "orders/s0", or its length. */
static void
damage_row(struct sink_fixture *sink, size_t at, size_t length)
{
    static const char name[] = "orders/s0";
    unsigned char bytes[64];
    MDB_val key = wi_mdb_val(name, sizeof name - 1);
    MDB_val value = {0, NULL};
    sink_begin_transaction(sink);
    assert_int_equal(mdb_get(sink->txn, sink->sink.database, &key, &value), 0);
    assert_int_equal(value.mv_size, sizeof bytes);
    memcpy(bytes, value.mv_data, sizeof bytes);
    bytes[at] ^= 1;
    value = (MDB_val){length, bytes};
    assert_int_equal(mdb_put(sink->txn, sink->sink.database, &key, &value, 0), 0);
    sink_commit(sink);
}

static void
returns_damaged_rows_as_errors_and_leaves_them_alone(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_position position;
    assert_int_equal(sink_acquire(sink, "s0", 3, NULL, &position), WEIR_OK);
    assert_int_equal(sink_advance(sink, "s0", 3, 40), WEIR_OK);

    for (size_t at = 0; at < 64; at++) {
        damage_row(sink, at, 64);
        assert_int_equal(sink_advance(sink, "s0", 3, 41), WEIR_ECORRUPT);
        assert_int_equal(sink_acquire(sink, "s0", 9, NULL, &position), WEIR_ECORRUPT);
        assert_int_equal(sink_acquire(sink, "s1", 1, "s0", &position), WEIR_ECORRUPT);
        damage_row(sink, at, 64); /* the same bit: whole again */
    }
    assert_int_equal(sink_advance(sink, "s0", 3, 41), WEIR_OK);
    damage_row(sink, 0, 63);
    assert_int_equal(sink_advance(sink, "s0", 3, 42), WEIR_ECORRUPT);
}

static void
refuses_arguments_that_cannot_be(void **state)
{
    struct sink_fixture *sink = *state;
    struct weir_position position;
    struct weir_token token = sink_token("s0", 3);

    assert_int_equal(sink_acquire(sink, "s0", 0, NULL, &position), WEIR_EINVAL);
    assert_int_equal(sink_acquire(sink, "a/b", 1, NULL, &position), WEIR_EINVAL);
    assert_int_equal(sink_acquire(sink, "s0", 1, "a/b", &position), WEIR_EINVAL);
    assert_int_equal(weir_sink_open(NULL, &sink->sink), WEIR_EINVAL);
    assert_int_equal(weir_sink_begin(&sink->sink, NULL, &token, &position), WEIR_EINVAL);
    assert_int_equal(weir_sink_acquire(&sink->sink, NULL, NULL, &position), WEIR_EINVAL);
    assert_int_equal(weir_sink_advance(&sink->sink, NULL, &token, NULL), WEIR_EINVAL);
}

#define SINK_TEST(test) cmocka_unit_test_setup_teardown(test, sink_setup, sink_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        SINK_TEST(begins_at_the_horizon_and_remembers_how_far_it_is),
        SINK_TEST(refuses_an_owner_that_was_replaced),
        SINK_TEST(refuses_a_token_that_was_never_planted),
        SINK_TEST(seals_the_parent_for_good_when_a_child_begins),
        SINK_TEST(seals_a_parent_that_never_came_to_the_sink),
        SINK_TEST(keeps_the_positions_of_shards_apart),
        SINK_TEST(never_lets_the_position_go_back),
        SINK_TEST(has_what_is_at_or_below_the_position),
        SINK_TEST(undoes_everything_when_the_transaction_is_aborted),
        SINK_TEST(returns_damaged_rows_as_errors_and_leaves_them_alone),
        SINK_TEST(refuses_arguments_that_cannot_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
