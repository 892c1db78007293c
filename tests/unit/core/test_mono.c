/* Instants never overflow: a wrapped deadline would let two workers hold one lease. */
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>

#include "core/check.h"
#include "core/mono.h"
#include "tests/support/weir_test.h"

static struct weir_mono
at_ns(int64_t ns)
{
    return (struct weir_mono){ns};
}

static void
adds_milliseconds_within_the_bounds(void **state)
{
    static const int64_t large[] = {
        INT64_MAX, INT64_MAX / WI_NS_PER_MS, INT64_MAX / WI_NS_PER_MS + 1};
    (void)state;
    assert_true(wi_mono_add_ms(at_ns(5), 3).ns == 3000005);
    assert_true(wi_mono_add_ms(at_ns(5000000), -3).ns == 2000000);
    assert_true(wi_mono_add_ms(at_ns(5000000), -5).ns == 0);
    assert_true(wi_mono_add_ms(at_ns(5999999), -6).ns == 0);
    assert_true(wi_mono_add_ms(at_ns(5000000), INT64_MIN).ns == 0);
    assert_true(wi_mono_add_ms(at_ns(-7), 1).ns == WI_NS_PER_MS);
    for (size_t i = 0; i < WI_ARRAY_LENGTH(large); i++) {
        assert_true(wi_mono_is_never(wi_mono_add_ms(at_ns(5000000), large[i])));
    }
}

static void
leaves_never_where_it_is(void **state)
{
    (void)state;
    assert_true(wi_mono_is_never(wi_mono_add_ms(WI_MONO_NEVER, 1)));
    assert_true(wi_mono_is_never(wi_mono_add_ms(WI_MONO_NEVER, -1000)));
    assert_true(wi_mono_before(at_ns(INT64_MAX - 1), WI_MONO_NEVER));
    assert_false(wi_mono_before(WI_MONO_NEVER, WI_MONO_NEVER));
}

static void
compares_strictly_and_picks_the_earlier(void **state)
{
    (void)state;
    assert_true(wi_mono_before(at_ns(1), at_ns(2)));
    assert_false(wi_mono_before(at_ns(2), at_ns(2)));
    assert_false(wi_mono_before(at_ns(3), at_ns(2)));
    assert_true(wi_mono_earlier(at_ns(3), at_ns(2)).ns == 2);
    assert_true(wi_mono_earlier(at_ns(2), WI_MONO_NEVER).ns == 2);
}

static void
measures_elapsed_time_rounded_down(void **state)
{
    (void)state;
    assert_true(wi_mono_elapsed_ms(at_ns(0), at_ns(1999999)) == 1);
    assert_true(wi_mono_elapsed_ms(at_ns(5), at_ns(5)) == 0);
    assert_true(wi_mono_elapsed_ms(at_ns(9000000), at_ns(5)) == 0);
    assert_true(wi_mono_elapsed_ms(at_ns(0), WI_MONO_NEVER) == INT64_MAX / WI_NS_PER_MS);
    assert_true(wi_mono_elapsed_ms(at_ns(INT64_MIN), WI_MONO_NEVER) == INT64_C(18446744073709));
}

/* Rounding down would wake a waiter before its deadline, again and again. */
static void
measures_time_to_wait_rounded_up(void **state)
{
    (void)state;
    assert_true(wi_mono_until_ms(at_ns(0), at_ns(1)) == 1);
    assert_true(wi_mono_until_ms(at_ns(0), at_ns(1000000)) == 1);
    assert_true(wi_mono_until_ms(at_ns(0), at_ns(1000001)) == 2);
    assert_true(wi_mono_until_ms(at_ns(7), at_ns(7)) == 0);
    assert_true(wi_mono_until_ms(at_ns(8), at_ns(7)) == 0);
    assert_true(wi_mono_until_ms(at_ns(8), WI_MONO_NEVER) == INT64_MAX);
    assert_true(wi_mono_until_ms(at_ns(INT64_MIN), at_ns(INT64_MAX - 1)) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adds_milliseconds_within_the_bounds),
        cmocka_unit_test(leaves_never_where_it_is),
        cmocka_unit_test(compares_strictly_and_picks_the_earlier),
        cmocka_unit_test(measures_elapsed_time_rounded_down),
        cmocka_unit_test(measures_time_to_wait_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
