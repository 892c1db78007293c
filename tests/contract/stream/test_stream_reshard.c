/* Contract of streams: split, merge, scale, and what a reader of a closed shard sees. */
#include <stdlib.h>
#include <string.h>

#include "stream/shard_graph.h"
#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

static const struct stream_backend embedded = {"embedded", weir_stream_create, weir_stream_open};

static struct stream_fixture f;

static void
given_stream(uint32_t shards)
{
    fixture_init(&f, &embedded);
    f.create.shards = shards;
    fixture_start(&f);
}

/* Open shards cover every hash key once; parents end below their children. */
static void
assert_shards_are_sound(size_t open_expected)
{
    struct weir_stream_description d;
    struct weir_hash_range where;
    size_t open = 0;

    assert_int_equal(weir_stream_describe(f.stream, &d, &f.detail), WEIR_OK);
    struct weir_hash_range *ranges = calloc(d.shard_count, sizeof *ranges);
    for (size_t i = 0; i < d.shard_count; i++) {
        if (!d.shards[i].closed) {
            ranges[open++] = d.shards[i].range;
        }
        for (size_t k = 0; k < WEIR_PARENTS_MAX; k++) {
            const char *id = d.shards[i].parent_shard_ids[k];
            const size_t parent = wi_shard_find(d.shards, i, (struct weir_str){id, strlen(id)});

            assert_true(id[0] == '\0' || parent != SIZE_MAX);
            if (parent != SIZE_MAX) {
                assert_true(d.shards[parent].closed);
                assert_true(
                    weir_sequence_number_compare(
                        &d.shards[parent].ending_sequence_number,
                        &d.shards[i].starting_sequence_number) < 0);
            }
        }
    }
    assert_int_equal(open, open_expected);
    assert_int_equal(wi_ranges_audit(ranges, open, &where), WI_RANGE_COMPLETE);
    free(ranges);
    weir_stream_description_free(f.stream, &d);
}

static void
split_closes_the_parent_and_opens_two_children(void **state)
{
    (void)state;
    given_stream(1);
    put_text(&f, "k", "old");
    assert_int_equal(weir_stream_split(f.stream, shard_id(0), NULL, &f.detail), WEIR_OK);
    const struct weir_put_result low = put_at_hash(&f, (struct weir_hash_key){0, 0}, "low");
    const struct weir_put_result high =
        put_at_hash(&f, (struct weir_hash_key){(uint64_t)1 << 63, 0}, "high");

    assert_string_equal(low.shard_id, shard_id(1).data);
    assert_string_equal(high.shard_id, shard_id(2).data);
    assert_shards_are_sound(2);
    assert_int_equal(get(&f, 0, at_horizon(), 10), WEIR_OK);
    assert_record(&f, 0, "old");
    assert_true(f.result.at_shard_end);
    assert_string_equal(f.result.child_shard_ids[0], shard_id(1).data);
    assert_string_equal(f.result.child_shard_ids[1], shard_id(2).data);
    fixture_end(&f);
}

static void
split_checks_the_hash_key(void **state)
{
    const struct weir_hash_key first = {0, 0};
    const struct weir_hash_key second = {0, 1};
    const struct weir_hash_key last = {UINT64_MAX, UINT64_MAX};
    (void)state;
    given_stream(1);

    assert_int_equal(weir_stream_split(f.stream, shard_id(0), &first, &f.detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_split(f.stream, shard_id(0), &second, &f.detail), WEIR_OK);
    assert_int_equal(weir_stream_split(f.stream, shard_id(0), &last, &f.detail), WEIR_ESTATE);
    assert_int_equal(weir_stream_split(f.stream, shard_id(1), NULL, &f.detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_split(f.stream, shard_id(2), &last, &f.detail), WEIR_OK);
    assert_shards_are_sound(3);
    assert_string_equal(put_at_hash(&f, last, "last").shard_id, shard_id(4).data);
    assert_string_equal(put_at_hash(&f, first, "first").shard_id, shard_id(1).data);
    fixture_end(&f);
}

static void
merge_needs_two_open_neighbours(void **state)
{
    (void)state;
    given_stream(4);

    assert_int_equal(weir_stream_merge(f.stream, shard_id(0), shard_id(2), &f.detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_merge(f.stream, shard_id(1), shard_id(1), &f.detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_merge(f.stream, shard_id(0), shard_id(3), &f.detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_merge(f.stream, shard_id(2), shard_id(1), &f.detail), WEIR_OK);
    assert_int_equal(weir_stream_merge(f.stream, shard_id(2), shard_id(3), &f.detail), WEIR_ESTATE);
    assert_shards_are_sound(3);
    assert_int_equal(get(&f, 1, at_horizon(), 10), WEIR_OK);
    assert_true(f.result.at_shard_end);
    assert_string_equal(f.result.child_shard_ids[0], shard_id(4).data);
    assert_string_equal(f.result.child_shard_ids[1], "");
    fixture_end(&f);
}

/* An empty shard that is closed must say so whatever position its reader has. */
static void
an_empty_closed_shard_is_at_its_end(void **state)
{
    (void)state;
    given_stream(1);
    assert_int_equal(get(&f, 0, at_latest(), 10), WEIR_OK);
    assert_false(f.result.at_shard_end);
    const struct weir_position positions[] = {
        f.result.next, at_horizon(), at_latest(), at_timestamp(0), {.type = WEIR_SHARD_END}};
    assert_int_equal(get(&f, 0, positions[4], 10), WEIR_EINVAL);
    assert_int_equal(weir_stream_split(f.stream, shard_id(0), NULL, &f.detail), WEIR_OK);

    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(get(&f, 0, positions[i], 10), WEIR_OK);
        assert_true(f.result.at_shard_end);
        assert_string_equal(f.result.child_shard_ids[0], shard_id(1).data);
    }
    fixture_end(&f);
}

static void
the_end_of_a_closed_shard_comes_after_its_last_record(void **state)
{
    (void)state;
    given_stream(1);
    put_text(&f, "k", "a");
    put_text(&f, "k", "b");
    assert_int_equal(weir_stream_split(f.stream, shard_id(0), NULL, &f.detail), WEIR_OK);

    assert_int_equal(get(&f, 0, at_horizon(), 1), WEIR_OK);
    assert_false(f.result.at_shard_end);
    assert_int_equal(get(&f, 0, f.result.next, 1), WEIR_OK);
    assert_record(&f, 0, "b");
    assert_true(f.result.at_shard_end);
    assert_int_equal(get(&f, 0, f.result.next, 1), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 0);
    assert_true(f.result.at_shard_end);
    fixture_end(&f);
}

static void
scale_divides_the_hash_keys_evenly(void **state)
{
    const uint32_t targets[] = {1, 2, 3, 7, 64, 64, 5, 100, 1};
    (void)state;
    given_stream(4);

    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        struct weir_stream_description d;

        assert_int_equal(weir_stream_scale(f.stream, targets[i], &f.detail), WEIR_OK);
        assert_shards_are_sound(targets[i]);
        assert_int_equal(weir_stream_describe(f.stream, &d, &f.detail), WEIR_OK);
        for (size_t k = 0; k < d.shard_count; k++) {
            const uint64_t width = d.shards[k].range.end.high - d.shards[k].range.start.high;

            assert_true(
                d.shards[k].closed || targets[i] == 1 ||
                (width >= UINT64_MAX / targets[i] - 1 && width <= UINT64_MAX / targets[i] + 1));
        }
        weir_stream_description_free(f.stream, &d);
        put_text(&f, "key", "value");
    }
    assert_int_equal(weir_stream_scale(f.stream, 0, &f.detail), WEIR_EINVAL);
    assert_int_equal(weir_stream_scale(f.stream, 10001, &f.detail), WEIR_EINVAL);
    fixture_end(&f);
}

static void
scale_to_the_same_number_changes_nothing(void **state)
{
    (void)state;
    given_stream(8);
    assert_int_equal(weir_stream_scale(f.stream, 8, &f.detail), WEIR_OK);
    assert_int_equal(count_shards(&f, true), 8);
    assert_int_equal(weir_stream_scale(f.stream, 4, &f.detail), WEIR_OK);
    assert_int_equal(count_shards(&f, true), 12);
    fixture_end(&f);
}

/* A handle that does not know of a split yet must not write to the closed parent. */
static void
a_put_after_another_handles_split_lands_in_the_children(void **state)
{
    struct weir_stream *other = NULL;
    (void)state;
    given_stream(1);
    put_text(&f, "k", "fills the shard map of this handle");
    assert_int_equal(
        embedded.open(&f.test.env, f.dir.path, FIXTURE_STREAM, &f.open, &other, &f.detail),
        WEIR_OK);
    assert_int_equal(weir_stream_split(other, shard_id(0), NULL, &f.detail), WEIR_OK);
    weir_stream_close(other);

    const struct weir_put_result result = put_at_hash(&f, (struct weir_hash_key){0, 0}, "x");
    assert_string_equal(result.shard_id, shard_id(1).data);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_closes_the_parent_and_opens_two_children),
        cmocka_unit_test(split_checks_the_hash_key),
        cmocka_unit_test(merge_needs_two_open_neighbours),
        cmocka_unit_test(an_empty_closed_shard_is_at_its_end),
        cmocka_unit_test(the_end_of_a_closed_shard_comes_after_its_last_record),
        cmocka_unit_test(scale_divides_the_hash_keys_evenly),
        cmocka_unit_test(scale_to_the_same_number_changes_nothing),
        cmocka_unit_test(a_put_after_another_handles_split_lands_in_the_children),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
