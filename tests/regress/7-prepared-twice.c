/* `weir sim --seed 986`: a remote table, two-phase checkpoints. The request to prepare a checkpoint
 * was doubled by the network; its second copy arrived after the commit and stood beside the
 * checkpoint again, so that the next owner took for unfinished what had been committed. */
#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/sequence_number.h"
#include "lease/lease.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "tests/support/weir_test.h"

static struct wi_checkpoint_update
update_at(uint64_t number)
{
    return (struct wi_checkpoint_update){
        .lease_key = "shard",
        .owner = "w1",
        .epoch = 2,
        .position = {
            .type = WEIR_AFTER_SEQUENCE_NUMBER,
            .sequence_number = wi_sequence_number_from_u64(number)}};
}

static void
a_prepared_checkpoint_that_was_committed_does_not_come_back(void **state)
{
    struct wi_lease lease = {.lease_key = "shard", .owner = "w1", .epoch = 2};
    struct wi_checkpoint_update update = update_at(1154);
    struct wi_checkpoint_update later = update_at(1160);

    (void)state;
    assert_int_equal(wi_lease_apply_prepare(&lease, &update, 16), WEIR_OK);
    assert_true(wi_lease_is_prepared(&lease, &update.position));
    assert_int_equal(wi_lease_apply_checkpoint(&lease, &update), WEIR_OK);
    assert_int_equal(wi_lease_apply_prepare(&lease, &update, 16), WEIR_OK);
    assert_false(lease.has_pending);
    assert_false(wi_lease_is_prepared(&lease, &update.position));

    assert_int_equal(wi_lease_apply_prepare(&lease, &later, 16), WEIR_OK);
    assert_int_equal(wi_lease_apply_prepare(&lease, &update, 16), WEIR_OK);
    assert_true(wi_lease_is_prepared(&lease, &later.position));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prepared_checkpoint_that_was_committed_does_not_come_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
