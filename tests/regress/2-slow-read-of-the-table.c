/* `weir sim --seed 1`: one read of the table was lost and timed out after 3 s; the worker then kept
 * away from the table for 12 s, 38 lease durations, and no lease was assigned. A process that was
 * stopped for a minute inside a read would have kept away for four. */
#include <stdint.h>

#include <weir/env.h>

#include "core/mono.h"
#include "tests/support/weir_test.h"
#include "worker/scheduler.h"

#define DURATION_MS INT64_C(10000)

static int64_t
pause_after_ms(int64_t cost_ms)
{
    struct weir_mono started = {WI_NS_PER_MS};
    struct weir_mono ended = wi_mono_add_ms(started, cost_ms);

    return wi_mono_elapsed_ms(ended, wi_next_table_read(started, ended, DURATION_MS));
}

static void
a_slow_read_delays_the_next_one_by_an_eighth_of_the_lease_duration_at_most(void **state)
{
    (void)state;
    assert_int_equal(pause_after_ms(0), 0);
    assert_int_equal(pause_after_ms(50), 200);
    assert_int_equal(pause_after_ms(400), 1250);
    assert_int_equal(pause_after_ms(60000), 1250);
    assert_int_equal(pause_after_ms(INT64_C(3600000)), 1250);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_slow_read_delays_the_next_one_by_an_eighth_of_the_lease_duration_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
