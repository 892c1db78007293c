/* Rules H9 to H11: no second life under one lease epoch. */
#include <stdio.h>
#include <string.h>

#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "worker/past_leases.h"

static struct wi_lease
lease_at(const char *key, uint64_t epoch)
{
    struct wi_lease lease = {.epoch = epoch};

    (void)snprintf(lease.lease_key, sizeof lease.lease_key, "%s", key);
    return lease;
}

static struct weir_position
after(uint64_t number)
{
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = {{0, 0, 0, number}}};
}

static struct wi_past_leases
given(struct test_env *test, const char *key, uint64_t epoch, uint64_t handed_through)
{
    struct wi_past_leases past = {.env = &test->env};
    struct weir_position position = after(handed_through);

    assert_int_equal(wi_past_leases_remember(&past, key, epoch, &position), WEIR_OK);
    return past;
}

/* H9 */
static void
starts_under_an_epoch_that_it_has_not_been_through(void **state)
{
    struct test_env test;
    struct wi_past_leases past;
    struct wi_lease newer = lease_at("s", 4);
    struct wi_lease other = lease_at("t", 1);

    (void)state;
    test_env_init(&test);
    past = given(&test, "s", 3, 10);
    assert_int_equal(wi_past_leases_judge(&past, &newer), WI_PAST_NEW);
    assert_int_equal(wi_past_leases_judge(&past, &other), WI_PAST_NEW);
    wi_past_leases_free(&past);
    test_env_assert_no_leak(&test);
}

/* H10: the deadline passed and nobody took the lease. */
static void
gives_back_an_epoch_that_is_over_with_what_was_handed_out(void **state)
{
    struct test_env test;
    struct wi_past_leases past;
    struct wi_lease same = lease_at("s", 3);

    (void)state;
    test_env_init(&test);
    past = given(&test, "s", 3, 10);
    assert_int_equal(wi_past_leases_judge(&past, &same), WI_PAST_OVER);
    assert_int_equal(wi_past_leases_handed_through(&past, &same).sequence_number.word[3], 10);
    wi_past_leases_free(&past);
}

/* H11: a read that was begun before a release shows the lease as it was. */
static void
does_nothing_by_a_picture_that_is_out_of_date(void **state)
{
    struct test_env test;
    struct wi_past_leases past;
    struct wi_lease older = lease_at("s", 2);

    (void)state;
    test_env_init(&test);
    past = given(&test, "s", 3, 10);
    assert_int_equal(wi_past_leases_judge(&past, &older), WI_PAST_OUT_OF_DATE);
    wi_past_leases_free(&past);
}

/* H10: the second life under one key, with what the first had read. */
static void
remembers_the_newest_of_two_lives_of_a_lease(void **state)
{
    struct test_env test;
    struct wi_past_leases past;
    struct wi_lease same = lease_at("s", 4);
    struct wi_lease unknown = lease_at("t", 4);
    struct weir_position position = after(20);

    (void)state;
    test_env_init(&test);
    unknown.replay_through = after(5);
    past = given(&test, "s", 3, 10);
    assert_int_equal(wi_past_leases_remember(&past, "s", 4, &position), WEIR_OK);
    assert_int_equal(wi_past_leases_judge(&past, &same), WI_PAST_OVER);
    assert_int_equal(wi_past_leases_handed_through(&past, &same).sequence_number.word[3], 20);
    assert_int_equal(wi_past_leases_handed_through(&past, &unknown).sequence_number.word[3], 5);
    wi_past_leases_free(&past);
    test_env_assert_no_leak(&test);
}

static void
takes_the_rows_word_for_an_epoch_that_is_new(void **state)
{
    struct test_env test;
    struct wi_past_leases past;
    struct wi_lease newer = lease_at("s", 4);

    (void)state;
    test_env_init(&test);
    newer.replay_through = after(7);
    past = given(&test, "s", 3, 10);
    assert_int_equal(wi_past_leases_handed_through(&past, &newer).sequence_number.word[3], 7);
    wi_past_leases_free(&past);
}

static void
forgets_what_the_table_has_left_behind(void **state)
{
    struct test_env test;
    struct wi_past_leases past;
    struct wi_lease rows[2] = {lease_at("a", 5), lease_at("c", 2)};
    struct wi_lease_table table = {.leases = rows, .lease_count = 2};
    struct weir_position position = after(1);

    (void)state;
    test_env_init(&test);
    past = given(&test, "c", 2, 1);
    assert_int_equal(wi_past_leases_remember(&past, "a", 4, &position), WEIR_OK);
    assert_int_equal(wi_past_leases_remember(&past, "b", 1, &position), WEIR_OK);
    wi_past_leases_forget(&past, &table);
    assert_int_equal(past.count, 1);
    assert_int_equal(wi_past_leases_judge(&past, &rows[1]), WI_PAST_OVER);
    assert_int_equal(wi_past_leases_judge(&past, &rows[0]), WI_PAST_NEW);
    wi_past_leases_free(&past);
}

static void
finds_every_key_among_many_in_any_order(void **state)
{
    struct test_env test;
    struct wi_past_leases past;
    struct weir_position position = after(1);
    char key[16];

    (void)state;
    test_env_init(&test);
    past = (struct wi_past_leases){.env = &test.env};
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "s%02u", i * 37 % 100);
        assert_int_equal(wi_past_leases_remember(&past, key, i + 1, &position), WEIR_OK);
    }
    for (unsigned i = 0; i < 100; i++) {
        struct wi_lease lease;

        (void)snprintf(key, sizeof key, "s%02u", i * 37 % 100);
        lease = lease_at(key, i + 1);
        assert_int_equal(wi_past_leases_judge(&past, &lease), WI_PAST_OVER);
    }
    wi_past_leases_free(&past);
    test_env_assert_no_leak(&test);
}

static void
remembers_nothing_without_memory(void **state)
{
    struct test_env test;
    struct wi_past_leases past;
    struct weir_position position = after(1);
    struct wi_lease lease = lease_at("s", 1);

    (void)state;
    test_env_init(&test);
    past = (struct wi_past_leases){.env = &test.env};
    test.fail_at = 1;
    assert_int_equal(wi_past_leases_remember(&past, "s", 1, &position), WEIR_ENOMEM);
    assert_int_equal(wi_past_leases_judge(&past, &lease), WI_PAST_NEW);
    wi_past_leases_free(&past);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_under_an_epoch_that_it_has_not_been_through),
        cmocka_unit_test(gives_back_an_epoch_that_is_over_with_what_was_handed_out),
        cmocka_unit_test(does_nothing_by_a_picture_that_is_out_of_date),
        cmocka_unit_test(remembers_the_newest_of_two_lives_of_a_lease),
        cmocka_unit_test(takes_the_rows_word_for_an_epoch_that_is_new),
        cmocka_unit_test(forgets_what_the_table_has_left_behind),
        cmocka_unit_test(finds_every_key_among_many_in_any_order),
        cmocka_unit_test(remembers_nothing_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
