/* Contract of streams: names, create, list, delete, reopen, retention, versions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/contract/stream/stream_fixture.h"
#include "tests/support/weir_test.h"

static const struct stream_backend embedded = {"embedded", weir_stream_create, weir_stream_open};

static struct stream_fixture f;

static void
given_stream(int64_t retention_ms)
{
    fixture_init(&f, &embedded);
    f.create.retention_ms = retention_ms;
    fixture_start(&f);
}

static void
a_name_can_be_taken_once(void **state)
{
    (void)state;
    given_stream(86400000);

    assert_int_equal(
        weir_stream_create(&f.test.env, f.dir.path, FIXTURE_STREAM, &f.create, &f.detail),
        WEIR_EEXISTS);
    assert_non_null(strstr(f.detail.text, FIXTURE_STREAM));
    fixture_end(&f);
}

static void
urls_name_streams(void **state)
{
    struct weir_stream *stream = NULL;
    (void)state;
    given_stream(86400000);
    const char *wrong[] = {"redis:orders", "nng+tls://host", "WEIR:orders"};

    assert_int_equal(
        weir_stream_open(&f.test.env, f.dir.path, "weir:orders", NULL, &stream, &f.detail),
        WEIR_OK);
    assert_string_equal(weir_stream_name(stream), "orders");
    weir_stream_close(stream);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            weir_stream_open(&f.test.env, f.dir.path, wrong[i], NULL, &stream, &f.detail),
            WEIR_EUNSUPPORTED);
    }
    assert_int_equal(
        weir_stream_open(&f.test.env, f.dir.path, "weir:other", NULL, &stream, &f.detail),
        WEIR_ENOTFOUND);
    assert_int_equal(
        weir_stream_open(&f.test.env, f.dir.path, "weir:a/b", NULL, &stream, &f.detail),
        WEIR_EINVAL);
    weir_stream_close(NULL);
    fixture_end(&f);
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
    const char *names[] = {"b", "a", ".hidden", "C"};
    char text[100] = "";
    (void)state;
    fixture_init(&f, &embedded);

    assert_int_equal(weir_stream_list(&f.test.env, f.dir.path, collect, text, &f.detail), WEIR_OK);
    assert_string_equal(text, "");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(
            weir_stream_create(&f.test.env, f.dir.path, names[i], NULL, &f.detail), WEIR_OK);
    }
    assert_int_equal(weir_stream_list(&f.test.env, f.dir.path, collect, text, &f.detail), WEIR_OK);
    assert_string_equal(text, ".hidden C a b ");
    fixture_end(&f);
}

static void
a_deleted_stream_is_gone_for_open_handles_too(void **state)
{
    const struct weir_put_entry entry = {.partition_key = {"k", 1}, .data = {"d", 1}};
    struct weir_stream_description description;
    struct weir_put_result result;
    char text[100] = "";
    (void)state;
    given_stream(86400000);
    const uint64_t version = weir_stream_version(f.stream);

    assert_int_equal(
        weir_stream_delete(&f.test.env, f.dir.path, FIXTURE_STREAM, &f.detail), WEIR_OK);
    assert_int_equal(weir_stream_put(f.stream, &entry, 1, &result, &f.detail), WEIR_ENOTFOUND);
    assert_int_equal(get(&f, 0, at_horizon(), 1), WEIR_ENOTFOUND);
    assert_int_equal(weir_stream_describe(f.stream, &description, &f.detail), WEIR_ENOTFOUND);
    assert_int_not_equal(weir_stream_wait(f.stream, version, 60000), version);
    assert_int_equal(
        weir_stream_delete(&f.test.env, f.dir.path, FIXTURE_STREAM, &f.detail), WEIR_ENOTFOUND);
    assert_int_equal(weir_stream_list(&f.test.env, f.dir.path, collect, text, &f.detail), WEIR_OK);
    assert_string_equal(text, "");
    fixture_end(&f);
}

/* A checkpoint of the old stream must not hide records of a new one with the same name. */
static void
a_new_stream_of_the_same_name_counts_further(void **state)
{
    (void)state;
    given_stream(86400000);
    put_many(&f, "k", 1000);
    const uint64_t old = put_text(&f, "k", "old");
    weir_stream_close(f.stream);
    f.stream = NULL;
    assert_int_equal(
        weir_stream_delete(&f.test.env, f.dir.path, FIXTURE_STREAM, &f.detail), WEIR_OK);
    test_env_advance_ms(&f.test, 1);
    weir_batch_free(f.batch);
    fixture_start(&f);

    assert_true(put_text(&f, "k", "new") > old);
    assert_int_equal(get(&f, 0, after_number(old), 10), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 1);
    fixture_end(&f);
}

static void
everything_is_there_after_opening_again(void **state)
{
    (void)state;
    given_stream(86400000);
    put_many(&f, "k", 10);
    assert_int_equal(weir_stream_split(f.stream, shard_id(0), NULL, &f.detail), WEIR_OK);
    const uint64_t last = put_text(&f, "k", "last");

    fixture_reopen(&f);
    assert_int_equal(get(&f, 0, at_horizon(), 100), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 10);
    assert_int_equal(count_shards(&f, true), 3);
    assert_true(put_text(&f, "k", "next") > last);
    fixture_end(&f);
}

static void
trims_what_is_older_than_the_retention(void **state)
{
    uint64_t deleted = 0;
    (void)state;
    given_stream(10000);
    put_many(&f, "k", 5);
    test_env_advance_ms(&f.test, 5000);
    const uint64_t kept = put_text(&f, "k", "kept");
    test_env_advance_ms(&f.test, 5001);

    assert_int_equal(weir_stream_trim(f.stream, &deleted, &f.detail), WEIR_OK);
    assert_int_equal(deleted, 5);
    assert_int_equal(get(&f, 0, at_horizon(), 100), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 1);
    assert_record(&f, 0, "kept");
    assert_int_equal(get(&f, 0, after_number(kept - 2), 100), WEIR_ETRIMMED);
    assert_int_equal(f.result.next.type, WEIR_TRIM_HORIZON);
    assert_int_equal(get(&f, 0, at_number(kept - 1), 100), WEIR_ETRIMMED);
    assert_int_equal(get(&f, 0, after_number(kept - 1), 100), WEIR_OK);
    fixture_end(&f);
}

/* Without anybody calling trim, puts do it, a bounded number of blocks at a time. */
static void
puts_trim_a_little(void **state)
{
    (void)state;
    given_stream(10000);
    for (int i = 0; i < 100; i++) {
        put_text(&f, "k", "old");
    }
    test_env_advance_ms(&f.test, 20000);
    put_text(&f, "k", "new");
    assert_int_equal(get(&f, 0, at_horizon(), 200), WEIR_OK);
    assert_in_range(weir_batch_count(f.batch), 30, 50);
    for (int i = 0; i < 3; i++) {
        test_env_advance_ms(&f.test, 1000);
        put_text(&f, "k", "new");
    }
    assert_int_equal(get(&f, 0, at_horizon(), 200), WEIR_OK);
    assert_int_equal(weir_batch_count(f.batch), 4);
    fixture_end(&f);
}

static void
closed_shards_go_when_their_records_are_out_of_retention(void **state)
{
    uint64_t deleted = 0;
    (void)state;
    given_stream(10000);
    put_text(&f, "k", "old");
    assert_int_equal(weir_stream_split(f.stream, shard_id(0), NULL, &f.detail), WEIR_OK);
    test_env_advance_ms(&f.test, 10000);
    assert_int_equal(weir_stream_trim(f.stream, &deleted, &f.detail), WEIR_OK);
    assert_int_equal(count_shards(&f, true), 3);
    assert_int_equal(get(&f, 0, at_horizon(), 1), WEIR_OK);
    test_env_advance_ms(&f.test, 1);

    assert_int_equal(count_shards(&f, true), 2);
    assert_int_equal(get(&f, 0, at_horizon(), 1), WEIR_OK);
    assert_int_equal(weir_stream_trim(f.stream, &deleted, &f.detail), WEIR_OK);
    assert_int_equal(deleted, 1);
    assert_int_equal(get(&f, 0, at_horizon(), 1), WEIR_ENOTFOUND);
    put_text(&f, "k", "goes to a child");
    fixture_end(&f);
}

static void
trims_more_than_one_transaction_holds(void **state)
{
    uint64_t deleted = 0;
    (void)state;
    given_stream(10000);
    for (int i = 0; i < 3000; i++) {
        put_text(&f, "k", "old");
    }
    assert_int_equal(weir_stream_scale(f.stream, 1200, &f.detail), WEIR_OK);
    test_env_advance_ms(&f.test, 10001);
    assert_int_equal(weir_stream_trim(f.stream, &deleted, &f.detail), WEIR_OK);

    assert_int_equal(deleted, 3000);
    assert_int_equal(count_shards(&f, true), 1200);
    assert_int_equal(count_shards(&f, false), 1200);
    fixture_end(&f);
}

static void
the_version_grows_with_every_put(void **state)
{
    (void)state;
    given_stream(86400000);
    const uint64_t before = weir_stream_version(f.stream);

    assert_int_equal(weir_stream_wait(f.stream, before, 0), before);
    put_text(&f, "k", "d");
    assert_true(weir_stream_version(f.stream) > before);
    assert_true(weir_stream_wait(f.stream, before, 60000) > before);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_can_be_taken_once),
        cmocka_unit_test(urls_name_streams),
        cmocka_unit_test(lists_streams_in_alphabetical_order),
        cmocka_unit_test(a_deleted_stream_is_gone_for_open_handles_too),
        cmocka_unit_test(a_new_stream_of_the_same_name_counts_further),
        cmocka_unit_test(everything_is_there_after_opening_again),
        cmocka_unit_test(trims_what_is_older_than_the_retention),
        cmocka_unit_test(puts_trim_a_little),
        cmocka_unit_test(closed_shards_go_when_their_records_are_out_of_retention),
        cmocka_unit_test(trims_more_than_one_transaction_holds),
        cmocka_unit_test(the_version_grows_with_every_put),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
