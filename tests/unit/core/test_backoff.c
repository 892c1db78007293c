/* Full jitter: anything between nothing and a ceiling that doubles up to the cap. */
#include <stddef.h>
#include <stdint.h>

#include "core/backoff.h"
#include "core/check.h"
#include "tests/support/weir_test.h"

/* The longest wait of an attempt: the random number that leaves the largest remainder. */
static int64_t
longest(uint32_t attempt, int64_t base_ms, int64_t cap_ms, int64_t ceiling_ms)
{
    return wi_backoff_ms(attempt, base_ms, cap_ms, (uint64_t)ceiling_ms);
}

static void
doubles_the_ceiling_with_each_attempt_up_to_the_cap(void **state)
{
    static const int64_t ceilings[] = {100, 100, 200, 400, 800, 1000, 1000};
    (void)state;
    for (uint32_t attempt = 0; attempt < WI_ARRAY_LENGTH(ceilings); attempt++) {
        int64_t ceiling = ceilings[attempt];
        assert_int_equal(wi_backoff_ceiling_ms(attempt, 100, 1000), ceiling);
        assert_int_equal(longest(attempt, 100, 1000, ceiling), ceiling);
        assert_int_equal(wi_backoff_ms(attempt, 100, 1000, (uint64_t)ceiling + 1), 0);
    }
}

static void
spreads_over_the_whole_interval(void **state)
{
    (void)state;
    for (uint64_t random = 0; random <= 100; random++) {
        assert_int_equal(wi_backoff_ms(1, 100, 1000, random), random);
    }
}

static void
never_overflows_however_many_attempts_there_were(void **state)
{
    static const uint32_t attempts[] = {62, 63, 64, 65, 66, 1000, UINT32_MAX};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(attempts); i++) {
        assert_int_equal(longest(attempts[i], 1, 30000, 30000), 30000);
        assert_int_equal(wi_backoff_ms(attempts[i], INT64_MAX, INT64_MAX, INT64_MAX), INT64_MAX);
        assert_true(wi_backoff_ms(attempts[i], 3, INT64_MAX, UINT64_MAX) >= 0);
    }
    assert_int_equal(longest(63, 1, INT64_MAX, INT64_C(1) << 62), INT64_C(1) << 62);
}

static void
waits_not_at_all_with_a_base_or_cap_of_0_and_never_beyond_the_cap(void **state)
{
    (void)state;
    assert_int_equal(wi_backoff_ms(9, 0, 1000, UINT64_MAX), 0);
    assert_int_equal(wi_backoff_ms(9, 100, 0, UINT64_MAX), 0);
    assert_int_equal(longest(1, 5000, 1000, 1000), 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_the_ceiling_with_each_attempt_up_to_the_cap),
        cmocka_unit_test(spreads_over_the_whole_interval),
        cmocka_unit_test(never_overflows_however_many_attempts_there_were),
        cmocka_unit_test(waits_not_at_all_with_a_base_or_cap_of_0_and_never_beyond_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
