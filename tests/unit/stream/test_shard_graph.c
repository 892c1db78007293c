/* Shards as a graph: look-up, order, and the audit of hash key ranges. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/shard_graph.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

static struct test_env test;

static struct weir_shard
shard(const char *id, const char *parent_a, const char *parent_b, uint64_t start)
{
    struct weir_shard ret = {.starting_sequence_number = {{0, 0, 0, start}}};

    (void)snprintf(ret.shard_id, sizeof ret.shard_id, "%s", id);
    (void)snprintf(ret.parent_shard_ids[0], sizeof ret.parent_shard_ids[0], "%s", parent_a);
    (void)snprintf(ret.parent_shard_ids[1], sizeof ret.parent_shard_ids[1], "%s", parent_b);
    return ret;
}

static void
assert_order(const struct weir_shard *shards, size_t count, const char *expected)
{
    char text[100] = "";

    for (size_t i = 0; i < count; i++) {
        const size_t length = strlen(text);

        (void)snprintf(text + length, sizeof text - length, "%.1s", shards[i].shard_id);
    }
    assert_string_equal(text, expected);
}

static void
finds_shards_by_id(void **state)
{
    const struct weir_shard shards[] = {
        shard("c", "", "", 1), shard("a", "", "", 1), shard("b", "", "", 1)};
    struct wi_shard_index *index = NULL;
    (void)state;
    test_env_init(&test);

    assert_int_equal(wi_shard_find(shards, 3, (struct weir_str){"b", 1}), 2);
    assert_true(wi_shard_find(shards, 3, (struct weir_str){"bb", 2}) == SIZE_MAX);
    assert_int_equal(wi_shard_index_new(&test.env, shards, 3, &index), WEIR_OK);
    assert_int_equal(wi_shard_index_find(index, (struct weir_str){"c", 1}), 0);
    assert_int_equal(wi_shard_index_find(index, (struct weir_str){"a", 1}), 1);
    assert_int_equal(wi_shard_index_find(index, (struct weir_str){"b", 1}), 2);
    assert_true(wi_shard_index_find(index, (struct weir_str){"", 0}) == SIZE_MAX);
    assert_true(wi_shard_index_find(index, (struct weir_str){"d", 1}) == SIZE_MAX);
    wi_shard_index_free(index);
    wi_shard_index_free(NULL);
    test_env_assert_no_leak(&test);
}

static void
an_index_of_nothing_finds_nothing(void **state)
{
    const struct weir_shard none = shard("a", "", "", 1);
    struct wi_shard_index *index = NULL;
    (void)state;
    test_env_init(&test);

    assert_int_equal(wi_shard_index_new(&test.env, &none, 0, &index), WEIR_OK);
    assert_true(wi_shard_index_find(index, (struct weir_str){"a", 1}) == SIZE_MAX);
    wi_shard_index_free(index);
}

static void
parents_stand_before_children(void **state)
{
    struct weir_shard shards[] = {
        shard("e", "c", "d", 1), /* starting numbers that lie about the order */
        shard("d", "b", "", 1),
        shard("c", "b", "a", 2),
        shard("b", "", "", 9),
        shard("a", "gone", "", 8)};
    (void)state;
    test_env_init(&test);

    assert_int_equal(wi_shards_sort(&test.env, shards, 5), WEIR_OK);
    assert_order(shards, 5, "abdce");
    test_env_assert_no_leak(&test);
}

static void
ties_go_by_starting_number_then_id(void **state)
{
    struct weir_shard shards[] = {
        shard("z", "", "", 1), shard("y", "", "", 3), shard("b", "", "", 2), shard("a", "", "", 2)};
    (void)state;
    test_env_init(&test);

    assert_int_equal(wi_shards_sort(&test.env, shards, 4), WEIR_OK);
    assert_order(shards, 4, "zaby");
    assert_int_equal(wi_shards_sort(&test.env, shards, 0), WEIR_OK);
}

static void
a_cycle_is_damage(void **state)
{
    struct weir_shard own[] = {shard("a", "a", "", 1)};
    struct weir_shard two[] = {shard("a", "b", "", 1), shard("b", "a", "", 2)};
    struct weir_shard three[] = {
        shard("a", "", "", 1), shard("b", "a", "c", 2), shard("c", "b", "", 3)};
    (void)state;
    test_env_init(&test);

    assert_int_equal(wi_shards_sort(&test.env, own, 1), WEIR_ECORRUPT);
    assert_int_equal(wi_shards_sort(&test.env, two, 2), WEIR_ECORRUPT);
    assert_int_equal(wi_shards_sort(&test.env, three, 3), WEIR_ECORRUPT);
    test_env_assert_no_leak(&test);
}

/* A chain whose starting numbers run the other way: the order must come from the parents. */
static void
a_shard_that_is_its_own_parent_is_damage(void **state)
{
    struct weir_shard alone = shard("a", "", "", 1);
    struct weir_shard first = shard("a", "a", "", 1);
    struct weir_shard second = shard("a", "b", "a", 1);

    (void)state;
    test_env_init(&test);
    assert_int_equal(wi_shards_sort(&test.env, &alone, 1), WEIR_OK);
    assert_int_equal(wi_shards_sort(&test.env, &first, 1), WEIR_ECORRUPT);
    assert_int_equal(wi_shards_sort(&test.env, &second, 1), WEIR_ECORRUPT);
}

static void
sorts_a_long_chain(void **state)
{
    enum {
        LENGTH = 3000
    };
    struct weir_shard *shards = calloc(LENGTH, sizeof *shards);
    char id[16];
    char parent[16];
    (void)state;
    test_env_init(&test);

    for (unsigned i = 0; i < LENGTH; i++) {
        (void)snprintf(id, sizeof id, "%u", i);
        (void)snprintf(parent, sizeof parent, "%u", i + 1);
        shards[i] = shard(id, i + 1 < LENGTH ? parent : "", "", i);
    }
    assert_int_equal(wi_shards_sort(&test.env, shards, LENGTH), WEIR_OK);
    for (unsigned i = 0; i < LENGTH; i++) {
        (void)snprintf(id, sizeof id, "%u", LENGTH - 1 - i);
        assert_string_equal(shards[i].shard_id, id);
    }
    free(shards);
    test_env_assert_no_leak(&test);
}

static void
sort_survives_every_allocation_failure(void **state)
{
    enum weir_error error = WEIR_OK;
    (void)state;
    for (size_t n = 1;; n++) {
        struct weir_shard shards[] = {shard("b", "a", "", 1), shard("a", "", "", 2)};

        test_env_init(&test);
        test.fail_at = n;
        error = wi_shards_sort(&test.env, shards, 2);
        test_env_assert_no_leak(&test);
        if (!test_env_has_failed(&test)) {
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
    }
    assert_int_equal(error, WEIR_OK);
}

static void
ranges_that_cover_everything_are_complete(void **state)
{
    struct weir_hash_range one[] = {{{0, 0}, {UINT64_MAX, UINT64_MAX}}};
    struct weir_hash_range three[] = {
        {{5, 0}, {UINT64_MAX, UINT64_MAX}}, {{0, 0}, {0, 9}}, {{0, 10}, {4, UINT64_MAX}}};
    struct weir_hash_range where;
    (void)state;

    assert_int_equal(wi_ranges_audit(one, 1, &where), WI_RANGE_COMPLETE);
    assert_int_equal(wi_ranges_audit(three, 3, &where), WI_RANGE_COMPLETE);
}

static void
assert_fault(
    enum wi_range_fault fault,
    struct weir_hash_range *ranges,
    size_t count,
    struct weir_hash_range expected)
{
    struct weir_hash_range where = {{0, 0}, {0, 0}};

    assert_int_equal(wi_ranges_audit(ranges, count, &where), fault);
    assert_int_equal(weir_hash_key_compare(where.start, expected.start), 0);
    assert_int_equal(weir_hash_key_compare(where.end, expected.end), 0);
}

static void
holes_and_overlaps_are_named(void **state)
{
    const struct weir_hash_key most = {UINT64_MAX, UINT64_MAX};
    struct weir_hash_range at_start[] = {{{0, 5}, most}};
    struct weir_hash_range inside[] = {{{0, 0}, {0, 9}}, {{0, 12}, most}};
    struct weir_hash_range at_end[] = {{{0, 0}, {0, 9}}};
    struct weir_hash_range overlap[] = {{{0, 0}, {0, 9}}, {{0, 8}, most}};
    struct weir_hash_range within[] = {{{0, 0}, most}, {{0, 3}, {0, 4}}};
    struct weir_hash_range twice[] = {{{0, 0}, most}, {{0, 0}, most}};
    (void)state;

    assert_fault(WI_RANGE_HOLE, NULL, 0, (struct weir_hash_range){{0, 0}, most});
    assert_fault(WI_RANGE_HOLE, at_start, 1, (struct weir_hash_range){{0, 0}, {0, 4}});
    assert_fault(WI_RANGE_HOLE, inside, 2, (struct weir_hash_range){{0, 10}, {0, 11}});
    assert_fault(WI_RANGE_HOLE, at_end, 1, (struct weir_hash_range){{0, 10}, most});
    assert_fault(WI_RANGE_OVERLAP, overlap, 2, (struct weir_hash_range){{0, 8}, {0, 9}});
    assert_fault(WI_RANGE_OVERLAP, within, 2, (struct weir_hash_range){{0, 3}, {0, 4}});
    assert_fault(WI_RANGE_OVERLAP, twice, 2, (struct weir_hash_range){{0, 0}, most});
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_shards_by_id),
        cmocka_unit_test(an_index_of_nothing_finds_nothing),
        cmocka_unit_test(parents_stand_before_children),
        cmocka_unit_test(ties_go_by_starting_number_then_id),
        cmocka_unit_test(a_cycle_is_damage),
        cmocka_unit_test(a_shard_that_is_its_own_parent_is_damage),
        cmocka_unit_test(sorts_a_long_chain),
        cmocka_unit_test(sort_survives_every_allocation_failure),
        cmocka_unit_test(ranges_that_cover_everything_are_complete),
        cmocka_unit_test(holes_and_overlaps_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
