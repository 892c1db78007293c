/* Contract of streams: create, open, delete, open again; waiting. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

static void
a_name_can_be_taken_once(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    assert_string_equal(weir_stream_name(f->stream), f->name);
    assert_int_equal(
        weir_stream_create(&f->test.env, f->dir.path, f->url, &f->create, &f->detail),
        WEIR_EEXISTS);
    assert_non_null(strstr(f->detail.text, f->name));
    assert_int_equal(count_shards(f, true), 1);
}

static void
knows_streams_that_are_not_there(void **state)
{
    struct stream_fixture *f = *state;
    struct weir_stream *stream = NULL;

    assert_int_equal(
        weir_stream_open(&f->test.env, f->dir.path, f->url, NULL, &stream, &f->detail),
        WEIR_ENOTFOUND);
    assert_non_null(strstr(f->detail.text, f->name));
    assert_null(stream);
    assert_int_equal(
        weir_stream_delete(&f->test.env, f->dir.path, f->url, &f->detail), WEIR_ENOTFOUND);
    weir_stream_close(NULL);
    weir_batch_free(NULL);
}

static void
a_deleted_stream_is_gone_for_open_handles_too(void **state)
{
    const struct weir_put_entry entry = {.partition_key = {"k", 1}, .data = {"d", 1}};
    struct stream_fixture *f = *state;
    struct weir_stream_description description;
    struct weir_put_result result;

    given_shards(f, 1);
    put_text(f, "k", "a");
    read_records(f, shard_id(0), at_horizon(), 1);
    const struct weir_position next = f->result.next;

    assert_int_equal(weir_stream_delete(&f->test.env, f->dir.path, f->url, &f->detail), WEIR_OK);
    assert_int_equal(weir_stream_put(f->stream, &entry, 1, &result, &f->detail), WEIR_ENOTFOUND);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 1), WEIR_ENOTFOUND);
    assert_int_equal(get(f, shard_id(0), next, 1), WEIR_ENOTFOUND);
    assert_int_equal(weir_stream_describe(f->stream, &description, &f->detail), WEIR_ENOTFOUND);
    assert_int_equal(weir_stream_split(f->stream, shard_id(0), NULL, &f->detail), WEIR_ENOTFOUND);
    assert_int_equal(
        weir_stream_delete(&f->test.env, f->dir.path, f->url, &f->detail), WEIR_ENOTFOUND);
}

/* A checkpoint of the old stream must not hide records of a new one with the same name. */
static void
a_new_stream_of_the_same_name_hides_nothing(void **state)
{
    struct stream_fixture *f = *state;
    enum weir_error error;

    given_shards(f, 1);
    put_many(f, "k", 1000);
    const struct weir_sequence_number old = put_text(f, "k", "old");
    fixture_replace(f);

    const struct weir_sequence_number new = put_text(f, "k", "new");
    assert_true(weir_sequence_number_compare(&old, &new) < 0);
    read_records(f, shard_id(0), at_horizon(), 1);
    error = get(f, shard_id(0), after_number(old), 10);
    if (!f->is_kinesis || error == WEIR_OK) {
        read_records(f, shard_id(0), after_number(old), 1);
        assert_text(f, 0, "new");
    } else if (fixture_has(f, STREAM_JUDGES_NUMBERS)) { /* Kinesis knows its own numbers */
        assert_int_equal(error, WEIR_EINVAL);
    }
}

static void
everything_is_there_after_opening_again(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    put_many(f, "k", 10);
    assert_int_equal(weir_stream_split(f->stream, shard_id(0), NULL, &f->detail), WEIR_OK);
    const struct weir_sequence_number last = put_text(f, "k", "last");
    const int64_t retention_ms = f->create.retention_ms;
    struct weir_stream_description description;

    fixture_reopen(f);
    read_to_end(f, shard_id(0), at_horizon(), 10);
    assert_int_equal(count_shards(f, true), 3);
    assert_int_equal(weir_stream_describe(f->stream, &description, &f->detail), WEIR_OK);
    assert_int_equal(description.retention_ms, retention_ms);
    weir_stream_description_free(f->stream, &description);
    const struct weir_sequence_number next = put_text(f, "k", "next");
    assert_true(weir_sequence_number_compare(&last, &next) < 0);
}

/* --- waiting --- */

static void
a_wait_ends_when_its_time_is_over(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    const uint64_t seen = weir_stream_version(f->stream);

    assert_int_equal(weir_stream_wait(f->stream, seen, 0), seen);
    assert_int_equal(weir_stream_wait(f->stream, seen, 1), seen);
    assert_int_equal(weir_stream_wait(f->stream, seen + 1, 60000), seen);
}

/* Who is woken by puts is told to come back at once; who is not, is told when. */
static void
a_reader_at_the_tip_is_told_when_to_come_back(void **state)
{
    struct stream_fixture *f = *state;

    given_shards(f, 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(get(f, shard_id(0), at_horizon(), 10), WEIR_OK);
        assert_int_equal(weir_batch_count(f->batch), 0);
        assert_int_equal(f->result.retry_after_ms == 0, fixture_has(f, STREAM_WAKES));
    }
}

static void
the_version_grows_with_every_put(void **state)
{
    struct stream_fixture *f = *state;

    fixture_needs(f, STREAM_WAKES);
    given_shards(f, 1);
    const uint64_t before = weir_stream_version(f->stream);

    assert_int_equal(weir_stream_wait(f->stream, before, 0), before);
    put_text(f, "k", "d");
    assert_true(weir_stream_version(f->stream) > before);
    assert_true(weir_stream_wait(f->stream, before, 60000) > before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_name_can_be_taken_once),
        STREAM_TEST(knows_streams_that_are_not_there),
        STREAM_TEST(a_deleted_stream_is_gone_for_open_handles_too),
        STREAM_TEST(a_new_stream_of_the_same_name_hides_nothing),
        STREAM_TEST(everything_is_there_after_opening_again),
        STREAM_TEST(a_wait_ends_when_its_time_is_over),
        STREAM_TEST(a_reader_at_the_tip_is_told_when_to_come_back),
        STREAM_TEST(the_version_grows_with_every_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
