/* Rows of an application of several streams, as Java KCL writes and reads them. */
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/lease/dynamodb_row_fixture.h"

#define STREAM_ID "111122223333:orders:1700000000"
#define SHARD(id) STREAM_ID ":" id
#define OF_SEVERAL                                                                                 \
    "\"leaseKey\":{\"S\":\"" SHARD(                                                                \
        "s2") "\"},\"leaseCounter\":{\"N\":\"7\"},"                                                \
              "\"checkpoint\":{\"S\":\"100\"},\"checkpointSubSequenceNumber\":{\"N\":\"3\"}"

/* As Java writes it: bare ids beside the key. */
static void
puts_the_stream_before_the_ids_of_javas_rows(void **state)
{
    struct wi_dynamodb_lease row = dynamodb_row_given(
        "{" OF_SEVERAL ",\"streamName\":{\"S\":\"" STREAM_ID "\"},\"shardId\":{\"S\":\"s2\"},"
        "\"parentShardId\":{\"SS\":[\"s0\",\"s1\"]},"
        "\"childShardIds\":{\"SS\":[\"s3\"]}}");

    (void)state;
    assert_true(row.has_stream);
    assert_string_equal(row.lease.lease_key, SHARD("s2"));
    assert_string_equal(row.lease.shard_id, SHARD("s2"));
    assert_string_equal(row.lease.parent_shard_ids[0], SHARD("s0"));
    assert_string_equal(row.lease.parent_shard_ids[1], SHARD("s1"));
    assert_string_equal(row.lease.child_shard_ids[0], SHARD("s3"));
    assert_string_equal(row.lease.child_shard_ids[1], "");
    row = dynamodb_row_given("{" OF_SEVERAL "}");
    assert_true(row.has_stream);
    row = dynamodb_row_given("{" DYNAMODB_ROW "}");
    assert_false(row.has_stream);
}

/* Whoever read another shard under this key would lose records. */
static void
refuses_rows_whose_key_says_something_else(void **state)
{
    static const char *const rows[] = {
        "{" OF_SEVERAL ",\"streamName\":{\"S\":\"111122223333:orders:1700000001\"}}",
        "{" OF_SEVERAL ",\"streamName\":{\"S\":\"orders\"}}",
        "{" OF_SEVERAL ",\"streamName\":{\"N\":\"1\"}}",
        "{" OF_SEVERAL ",\"shardId\":{\"S\":\"s3\"}}",
        "{" OF_SEVERAL ",\"shardId\":{\"S\":\"" SHARD("s2") "\"}}",
        "{" OF_SEVERAL ",\"parentShardId\":{\"SS\":[\"" SHARD("s1") "\"]}}",
        "{" DYNAMODB_ROW ",\"streamName\":{\"S\":\"" STREAM_ID "\"}}",
        "{" DYNAMODB_ROW ",\"shardId\":{\"S\":\"other\"}}",
        "{\"leaseKey\":{\"S\":\"orders:s2\"},\"leaseCounter\":{\"N\":\"7\"},"
        "\"checkpoint\":{\"S\":\"100\"}}",
        "{\"leaseKey\":{\"S\":\"" STREAM_ID ":\"},\"leaseCounter\":{\"N\":\"7\"},"
        "\"checkpoint\":{\"S\":\"100\"}}",
    };
    struct wi_dynamodb_lease row;
    char long_id[512];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i]);
        assert_int_equal(dynamodb_row_read(rows[i], &row), WEIR_ECORRUPT);
    }
    (void)snprintf(
        long_id, sizeof long_id, "{" OF_SEVERAL ",\"parentShardId\":{\"SS\":[\"%0100d\"]}}", 1);
    assert_int_equal(dynamodb_row_read(long_id, &row), WEIR_ECORRUPT);
}

static void
writes_rows_of_several_streams_as_java_does(void **state)
{
    struct wi_lease lease = {
        .lease_key = SHARD("s2"),
        .shard_id = SHARD("s2"),
        .parent_shard_ids = {SHARD("s0"), SHARD("s1")},
        .range = {{0, 5}, {7, 9}},
        .epoch = 6,
        .checkpoint = {.type = WEIR_TRIM_HORIZON},
        .replay_exact = true};
    struct wi_dynamodb_lease row;
    char text[DYNAMODB_ROW_SIZE];

    (void)state;
    row = dynamodb_row_created(&lease, text);
    assert_non_null(
        strstr(text, "\"streamName\":{\"S\":\"" STREAM_ID "\"},\"shardId\":{\"S\":\"s2\"}"));
    assert_non_null(strstr(text, "\"parentShardId\":{\"SS\":[\"s0\",\"s1\"]}"));
    assert_string_equal(row.lease.shard_id, SHARD("s2"));
    assert_string_equal(row.lease.parent_shard_ids[1], SHARD("s1"));
}

static void
writes_the_children_of_several_streams_as_java_does(void **state)
{
    struct wi_dynamodb_lease before = {.lease = {.lease_key = SHARD("s2")}};
    struct wi_lease after = {.lease_key = SHARD("s2"), .child_shard_ids = {SHARD("s3")}};
    struct wi_dynamodb_write write;
    struct test_env test;

    (void)state;
    test_env_init(&test);
    wi_dynamodb_write_init(&write, &test.env, false);
    after.checkpoint.type = WEIR_SHARD_END;
    wi_dynamodb_lease_change(&write, &before, &after, 1);
    assert_non_null(strstr(wi_buffer_text(&write.values), "{\"SS\":[\"s3\"]}"));
    wi_dynamodb_write_free(&write);
    test_env_assert_no_leak(&test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_the_stream_before_the_ids_of_javas_rows),
        cmocka_unit_test(refuses_rows_whose_key_says_something_else),
        cmocka_unit_test(writes_rows_of_several_streams_as_java_does),
        cmocka_unit_test(writes_the_children_of_several_streams_as_java_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
