/* `weir sim --seed 20`: a shard was split and one child merged with a neighbour before the split
 * parent was read to its end. The neighbour's owner created the merged shard's lease while the
 * other parent had none yet; a parent without a lease counts as finished long ago, so the merged
 * shard was read before it: records of one key out of order. */
#include <string.h>

#include <weir/types.h>

#include "coordinator/shard_sync.h"
#include "core/check.h"
#include "tests/support/weir_test.h"

static const struct weir_shard shards[] = {
    {.shard_id = "neighbour", .closed = true},
    {.shard_id = "split", .closed = true},
    {.shard_id = "half", .parent_shard_ids = {"split"}, .closed = true},
    {.shard_id = "merged", .parent_shard_ids = {"neighbour", "half"}},
};

static const char *
other_parent(size_t count, const char *parent_id)
{
    return wi_shard_other_parent(shards, count, &shards[3], parent_id);
}

static void
a_merged_child_waits_for_the_lease_of_the_other_parent(void **state)
{
    (void)state;
    assert_string_equal(other_parent(WI_ARRAY_LENGTH(shards), "neighbour"), "half");
    assert_string_equal(other_parent(WI_ARRAY_LENGTH(shards), "half"), "neighbour");
}

static void
it_does_not_wait_for_a_parent_that_is_not_listed(void **state)
{
    (void)state;
    assert_null(other_parent(1, "neighbour"));
}

static void
a_child_of_one_parent_waits_for_nobody(void **state)
{
    (void)state;
    assert_null(wi_shard_other_parent(shards, WI_ARRAY_LENGTH(shards), &shards[2], "split"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_merged_child_waits_for_the_lease_of_the_other_parent),
        cmocka_unit_test(it_does_not_wait_for_a_parent_that_is_not_listed),
        cmocka_unit_test(a_child_of_one_parent_waits_for_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
