/* `weir sim --seed 8`: a row could not be read for a while, so its lease was not renewed and was
 * lost; when the row could be read again it still showed the same epoch, and the worker began a
 * second life under it, because it had forgotten the first one. */
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "worker/past_leases.h"

static void
a_lease_whose_row_cannot_be_read_is_not_forgotten(void **state)
{
    const struct weir_position handed_through = {.type = WEIR_TRIM_HORIZON};
    const struct wi_lease_table damaged = {.damaged_count = 1, .first_damaged = "another"};
    const struct wi_lease_table whole = {.damaged_count = 0};
    struct wi_lease row = {.lease_key = "a", .epoch = 2};
    struct test_env test;
    struct wi_past_leases past;

    (void)state;
    test_env_init(&test);
    past = (struct wi_past_leases){.env = &test.env};
    assert_int_equal(wi_past_leases_remember(&past, "a", 2, &handed_through), WEIR_OK);

    wi_past_leases_forget(&past, &damaged);
    assert_int_equal(wi_past_leases_judge(&past, &row), WI_PAST_OVER);
    wi_past_leases_forget(&past, &whole);
    assert_int_equal(wi_past_leases_judge(&past, &row), WI_PAST_NEW);

    wi_past_leases_free(&past);
    test_env_assert_no_leak(&test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_whose_row_cannot_be_read_is_not_forgotten),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
