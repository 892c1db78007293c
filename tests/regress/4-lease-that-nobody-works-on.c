/* `weir sim --seed 16` and `--seed 303`: a consumer ended because its own deadline had passed, or
 * because its row could not be read for a while; the session lived on, so the row stayed as it was
 * and nobody else took it. The worker then looked at the leader's row only, since the hint had not
 * changed, and nobody worked on the shard for ever. */

#include "lease/lease.h"
#include "tests/support/weir_test.h"
#include "worker/scheduler.h"

static void
the_leaders_row_is_not_enough_after_rows_that_could_not_be_read(void **state)
{
    const struct wi_lease_table whole = {.version = 7};
    const struct wi_lease_table damaged = {.version = 7, .damaged_count = 1};

    (void)state;
    assert_true(wi_table_is_current(&whole, 7));
    assert_false(wi_table_is_current(&whole, 8));
    assert_false(wi_table_is_current(&damaged, 7));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_leaders_row_is_not_enough_after_rows_that_could_not_be_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
