/* The embedded stream beyond the contract: URLs, list, who is woken by a delete, retention. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define DAY_MS 86400000

static void
given_retention(struct stream_fixture *f, int64_t retention_ms)
{
    f->create.retention_ms = retention_ms;
    fixture_start(f);
}

static enum weir_error
put_one(struct stream_fixture *f, const char *data)
{
    const struct weir_put_entry entry = {.partition_key = {"k", 1}, .data = {data, strlen(data)}};
    struct weir_put_result result;

    return weir_stream_put(f->stream, &entry, 1, &result, NULL);
}

static void
urls_name_streams(void **state)
{
    struct stream_fixture *f = *state;
    struct weir_stream *stream = NULL;
    given_retention(f, DAY_MS);
    const char *wrong[] = {"redis:orders", "nng+tls://host", "WEIR:orders"};

    assert_int_equal(
        weir_stream_open(&f->test.env, f->dir.path, "weir:orders", NULL, &stream, &f->detail),
        WEIR_OK);
    assert_string_equal(weir_stream_name(stream), "orders");
    weir_stream_close(stream);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            weir_stream_open(&f->test.env, f->dir.path, wrong[i], NULL, &stream, &f->detail),
            WEIR_EUNSUPPORTED);
    }
    assert_int_equal(
        weir_stream_open(&f->test.env, f->dir.path, "weir:other", NULL, &stream, &f->detail),
        WEIR_ENOTFOUND);
    assert_int_equal(
        weir_stream_open(&f->test.env, f->dir.path, "weir:a/b", NULL, &stream, &f->detail),
        WEIR_EINVAL);
    weir_stream_close(NULL);
}

static void
collect(void *context, const char *name)
{
    char *text = context;
    const size_t length = strlen(text);

    (void)snprintf(text + length, 100 - length, "%s ", name);
}

static void
lists_streams_in_alphabetical_order(void **state)
{
    struct stream_fixture *f = *state;
    const char *names[] = {"b", "a", ".hidden", "C"};
    char text[100] = "";

    assert_int_equal(
        weir_stream_list(&f->test.env, f->dir.path, collect, text, &f->detail), WEIR_OK);
    assert_string_equal(text, "");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            weir_stream_create(&f->test.env, f->dir.path, names[i], NULL, &f->detail), WEIR_OK);
    }
    assert_int_equal(
        weir_stream_list(&f->test.env, f->dir.path, collect, text, &f->detail), WEIR_OK);
    assert_string_equal(text, ".hidden C a b ");
}

static void
a_deleted_stream_is_listed_no_more_and_wakes_who_waits(void **state)
{
    struct stream_fixture *f = *state;
    char text[100] = "";

    given_retention(f, DAY_MS);
    const uint64_t version = weir_stream_version(f->stream);

    assert_int_equal(weir_stream_delete(&f->test.env, f->dir.path, f->url, &f->detail), WEIR_OK);
    assert_int_not_equal(weir_stream_wait(f->stream, version, 60000), version);
    assert_int_equal(
        weir_stream_list(&f->test.env, f->dir.path, collect, text, &f->detail), WEIR_OK);
    assert_string_equal(text, "");
}

static void
trims_what_is_older_than_the_retention(void **state)
{
    struct stream_fixture *f = *state;
    uint64_t deleted = 0;
    given_retention(f, 10000);
    put_many(f, "k", 5);
    test_env_advance_ms(&f->test, 5000);
    const uint64_t kept = low_word(put_text(f, "k", "kept"));
    test_env_advance_ms(&f->test, 5001);

    assert_int_equal(weir_stream_trim(f->stream, &deleted, &f->detail), WEIR_OK);
    assert_int_equal(deleted, 5);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 100), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 1);
    assert_record(f, 0, "kept");
    assert_int_equal(get(f, shard_id(0), after_number(low_number(kept - 2)), 100), WEIR_ETRIMMED);
    assert_int_equal(f->result.next.type, WEIR_TRIM_HORIZON);
    assert_int_equal(get(f, shard_id(0), at_number(low_number(kept - 1)), 100), WEIR_ETRIMMED);
    assert_int_equal(get(f, shard_id(0), after_number(low_number(kept - 1)), 100), WEIR_OK);
}

/* Without anybody calling trim, puts do it, a bounded number of blocks at a time, until nothing is
 * left. */
static void
puts_trim_a_little(void **state)
{
    struct stream_fixture *f = *state;
    given_retention(f, 10000);
    for (int i = 0; i < 100; i++) {
        put_text(f, "k", "old");
    }
    test_env_advance_ms(&f->test, 20000);
    put_text(f, "k", "new");
    assert_int_equal(get(f, shard_id(0), at_horizon(), 200), WEIR_OK);
    assert_in_range(weir_batch_count(f->batch), 30, 50);
    put_text(f, "k", "new");
    assert_int_equal(get(f, shard_id(0), at_horizon(), 200), WEIR_OK);
    assert_int_equal(weir_batch_count(f->batch), 2);
}

/* Many small puts a second, for long: what is kept is what the retention asks for. */
static void
puts_trim_as_fast_as_they_write(void **state)
{
    struct stream_fixture *f = *state;
    given_retention(f, 2000);
    for (int second = 0; second < 10; second++) {
        for (int i = 0; i < 200; i++) {
            put_text(f, "k", "x");
        }
        test_env_advance_ms(&f->test, 1000);
    }
    assert_int_equal(get(f, shard_id(0), at_horizon(), 2000), WEIR_OK);
    assert_in_range(weir_batch_count(f->batch), 2 * 200, 3 * 200);
}

/* Nobody calls trim: the next put does what is needed, and those after it keep up. */
static void
a_full_map_takes_puts_again_once_its_records_are_expired(void **state)
{
    enum {
        DATA_SIZE = 1000,
        PUTS_MAX = 10000
    };
    static char data[DATA_SIZE + 1];
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct stream_fixture *f = *state;
    int count = 0;

    memset(data, 'x', DATA_SIZE);
    given_retention(f, 10000);
    weir_stream_close(f->stream);
    options.map_bytes_max = (uint64_t)2 * 1024 * 1024;
    options.durability = WEIR_DURABILITY_NONE;
    assert_int_equal(
        weir_stream_open(&f->test.env, f->dir.path, f->url, &options, &f->stream, &f->detail),
        WEIR_OK);
    while (count < PUTS_MAX && put_one(f, data) == WEIR_OK) {
        count++;
    }
    assert_in_range(count, 500, PUTS_MAX - 1);
    assert_int_equal(put_one(f, "still full"), WEIR_EFULL);
    test_env_advance_ms(&f->test, 20000);
    for (int i = 0; i < count; i++) {
        assert_int_equal(put_one(f, data), WEIR_OK);
    }
}

static void
closed_shards_go_when_their_records_are_out_of_retention(void **state)
{
    struct stream_fixture *f = *state;
    uint64_t deleted = 0;
    given_retention(f, 10000);
    put_text(f, "k", "old");
    assert_int_equal(weir_stream_split(f->stream, shard_id(0), NULL, &f->detail), WEIR_OK);
    test_env_advance_ms(&f->test, 10000);
    assert_int_equal(weir_stream_trim(f->stream, &deleted, &f->detail), WEIR_OK);
    assert_int_equal(count_shards(f, true), 3);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 1), WEIR_OK);
    test_env_advance_ms(&f->test, 1);

    assert_int_equal(count_shards(f, true), 2);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 1), WEIR_OK);
    assert_int_equal(weir_stream_trim(f->stream, &deleted, &f->detail), WEIR_OK);
    assert_int_equal(deleted, 1);
    assert_int_equal(get(f, shard_id(0), at_horizon(), 1), WEIR_ENOTFOUND);
    put_text(f, "k", "goes to a child");
}

static void
trims_more_than_one_transaction_holds(void **state)
{
    struct stream_fixture *f = *state;
    uint64_t deleted = 0;
    given_retention(f, 10000);
    for (int i = 0; i < 3000; i++) {
        put_text(f, "k", "old");
    }
    assert_int_equal(weir_stream_scale(f->stream, 1200, &f->detail), WEIR_OK);
    test_env_advance_ms(&f->test, 10001);
    assert_int_equal(weir_stream_trim(f->stream, &deleted, &f->detail), WEIR_OK);

    assert_int_equal(deleted, 3000);
    assert_int_equal(count_shards(f, true), 1200);
    assert_int_equal(count_shards(f, false), 1200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_LMDB_TEST(urls_name_streams),
        STREAM_LMDB_TEST(lists_streams_in_alphabetical_order),
        STREAM_LMDB_TEST(a_deleted_stream_is_listed_no_more_and_wakes_who_waits),
        STREAM_LMDB_TEST(trims_what_is_older_than_the_retention),
        STREAM_LMDB_TEST(puts_trim_a_little),
        STREAM_LMDB_TEST(puts_trim_as_fast_as_they_write),
        STREAM_LMDB_TEST(a_full_map_takes_puts_again_once_its_records_are_expired),
        STREAM_LMDB_TEST(closed_shards_go_when_their_records_are_out_of_retention),
        STREAM_LMDB_TEST(trims_more_than_one_transaction_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
