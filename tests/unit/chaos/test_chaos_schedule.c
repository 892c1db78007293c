/* The schedule of chaos: a pure function of the seed. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "chaos/fault.h"
#include "chaos/schedule.h"
#include "tests/support/weir_test.h"

static void
repeats_itself_for_one_seed_and_differs_for_others(void **state)
{
    size_t count = 0;
    struct chaos_plan *a = chaos_schedule(7, 60, CHAOS_FAULTS_ALL, &count);
    struct chaos_plan *b = chaos_schedule(7, 60, CHAOS_FAULTS_ALL, &count);
    struct chaos_plan *other = chaos_schedule(8, 60, CHAOS_FAULTS_ALL, &count);
    (void)state;

    assert_int_equal(count, 60);
    for (size_t i = 0; i < count; i++) {
        assert_true(a[i].at_ms == b[i].at_ms && a[i].kind == b[i].kind);
        assert_true(a[i].random == b[i].random && a[i].random != other[i].random);
    }
    free(a);
    free(b);
    free(other);
}

static void
makes_every_kind_that_is_enabled_and_no_other_in_order_of_time(void **state)
{
    const uint32_t enabled = (1U << CHAOS_FAULT_KILL) | (1U << CHAOS_FAULT_CLOCK);
    size_t count = 0;
    (void)state;

    for (uint64_t seed = 0; seed < 50; seed++) {
        struct chaos_plan *all = chaos_schedule(seed, 20, CHAOS_FAULTS_ALL, &count);
        uint32_t seen = 0;

        for (size_t i = 0; i < count; i++) {
            assert_true(i == 0 || all[i].at_ms >= all[i - 1].at_ms);
            assert_true(all[i].at_ms < 20000);
            seen |= 1U << all[i].kind;
        }
        assert_int_equal(seen, CHAOS_FAULTS_ALL);
        free(all);
        all = chaos_schedule(seed, 100, enabled, &count);
        for (size_t i = 0; i < count; i++) {
            assert_true((enabled & (1U << all[i].kind)) != 0);
        }
        free(all);
    }
}

static void
is_empty_without_kinds(void **state)
{
    size_t count = 1;
    (void)state;

    assert_null(chaos_schedule(1, 60, 0, &count));
    assert_int_equal(count, 0);
}

static void
reads_names_of_kinds(void **state)
{
    static const char *const bad[] = {
        "", ",", "kill,", ",kill", "kil", "KILL", "none,kill", " kill"};
    const char *word = NULL;
    size_t length = 0;
    uint32_t bits = 1;
    (void)state;

    assert_true(chaos_faults_parse("none", &bits, &word, &length));
    assert_int_equal(bits, 0);
    assert_true(chaos_faults_parse("all", &bits, &word, &length));
    assert_int_equal(bits, CHAOS_FAULTS_ALL);
    assert_true(chaos_faults_parse("kill,full-disk,kill", &bits, &word, &length));
    assert_int_equal(bits, (1U << CHAOS_FAULT_KILL) | (1U << CHAOS_FAULT_FULL_DISK));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(chaos_faults_parse(bad[i], &bits, &word, &length));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(repeats_itself_for_one_seed_and_differs_for_others),
        cmocka_unit_test(makes_every_kind_that_is_enabled_and_no_other_in_order_of_time),
        cmocka_unit_test(is_empty_without_kinds),
        cmocka_unit_test(reads_names_of_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
