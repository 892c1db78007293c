/* Names of shards of several streams: parts, and what is no such name. */
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

#define KEY "111122223333:orders:1700000000:shardId-000000000007"

static void
takes_a_key_apart_at_its_last_colon(void **state)
{
    (void)state;
    assert_true(wi_str_equal_z(wi_shard_key_stream(WI_STR(KEY)), "111122223333:orders:1700000000"));
    assert_true(wi_str_equal_z(wi_shard_key_shard(WI_STR(KEY)), "shardId-000000000007"));
    assert_true(wi_str_equal_z(wi_shard_key_stream_name(WI_STR(KEY)), "orders"));
}

static void
a_bare_id_has_no_stream(void **state)
{
    (void)state;
    assert_int_equal(wi_shard_key_stream(WI_STR("shardId-0")).length, 0);
    assert_true(wi_str_equal_z(wi_shard_key_shard(WI_STR("shardId-0")), "shardId-0"));
    assert_int_equal(wi_shard_key_stream_name(WI_STR("shardId-0")).length, 0);
    assert_int_equal(wi_shard_key_shard((struct weir_str){NULL, 0}).length, 0);
}

/* Whatever stands in a row: parts of it, and never beyond its end. */
static void
bears_keys_that_are_none(void **state)
{
    (void)state;
    assert_int_equal(wi_shard_key_shard(WI_STR(":")).length, 0);
    assert_int_equal(wi_shard_key_stream(WI_STR(":")).length, 0);
    assert_int_equal(wi_shard_key_stream_name(WI_STR(":::")).length, 0);
    assert_int_equal(wi_shard_key_stream_name(WI_STR("a:b")).length, 0);
    assert_int_equal(wi_shard_key_stream_name(WI_STR("a:b:c")).length, 0);
    assert_true(wi_str_equal_z(wi_shard_key_stream_name(WI_STR("a:b:c:d")), "b"));
}

static void
joins_what_fits(void **state)
{
    char key[WEIR_NAME_SIZE];
    char half[WEIR_NAME_MAX / 2];
    const struct weir_str stream = {half, sizeof half};

    (void)state;
    memset(half, 'a', sizeof half);
    assert_int_equal(wi_shard_key_join(WI_STR("a:b:1"), WI_STR("s"), key), WEIR_OK);
    assert_string_equal(key, "a:b:1:s");
    assert_int_equal(wi_shard_key_join(WI_STR(""), WI_STR("s"), key), WEIR_OK);
    assert_string_equal(key, "s");
    assert_int_equal(
        wi_shard_key_join(stream, (struct weir_str){half, sizeof half - 1}, key), WEIR_OK);
    assert_int_equal(strlen(key), WEIR_NAME_MAX);
    assert_int_equal(wi_shard_key_join(stream, stream, key), WEIR_ELIMIT);
}

static void
reads_and_writes_an_identifier(void **state)
{
    struct wi_stream_identifier identifier;
    char text[WI_STREAM_IDENTIFIER_SIZE];

    (void)state;
    assert_int_equal(
        wi_stream_identifier_parse(WI_STR("111122223333:a.b-c_D:1700000000"), &identifier),
        WEIR_OK);
    assert_string_equal(identifier.account, "111122223333");
    assert_string_equal(identifier.name, "a.b-c_D");
    assert_int_equal(identifier.created_s, 1700000000);
    assert_int_equal(wi_stream_identifier_format(&identifier, text), WEIR_OK);
    assert_string_equal(text, "111122223333:a.b-c_D:1700000000");
}

static void
refuses_what_is_no_identifier(void **state)
{
    static const char *const texts[] = {
        "",
        ":",
        "::",
        "orders",
        "111122223333:orders",
        "111122223333:orders:",
        "111122223333::1",
        "11112222333:orders:1",
        "1111222233334:orders:1",
        "11112222333x:orders:1",
        "111122223333:or/ders:1",
        "111122223333:..:1",
        "111122223333:orders:0",
        "111122223333:orders:01",
        "111122223333:orders:-1",
        "111122223333:orders:+1",
        "111122223333:orders: 1",
        "111122223333:orders:1.5",
        "111122223333:orders:1x",
        "111122223333:orders:1:2",
        "111122223333:orders:9223372036854775808",
    };
    struct wi_stream_identifier identifier;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        print_message("%s\n", texts[i]);
        assert_int_equal(wi_stream_identifier_parse(wi_str(texts[i]), &identifier), WEIR_EINVAL);
    }
    assert_int_equal(
        wi_stream_identifier_parse(
            (struct weir_str){"111122223333:or\0ers:1", sizeof "111122223333:or\0ers:1" - 1},
            &identifier),
        WEIR_EINVAL);
}

/* With a shard's id behind it the name of a shard has 128 characters, and no more. */
static void
refuses_a_name_that_leaves_no_room_for_shards(void **state)
{
    struct wi_stream_identifier identifier = {.account = "111122223333", .created_s = 1700000000};
    char text[WI_STREAM_IDENTIFIER_SIZE];
    char key[WEIR_NAME_SIZE];

    (void)state;
    memset(identifier.name, 'n', 83);
    assert_int_equal(wi_stream_identifier_format(&identifier, text), WEIR_OK);
    assert_int_equal(wi_shard_key_join(wi_str(text), WI_STR("shardId-000000000000"), key), WEIR_OK);
    assert_int_equal(strlen(key), WEIR_NAME_MAX);
    memset(identifier.name, 'n', 84);
    assert_int_equal(wi_stream_identifier_format(&identifier, text), WEIR_ELIMIT);
    memset(identifier.name, 'n', WEIR_NAME_MAX);
    assert_int_equal(wi_stream_identifier_format(&identifier, text), WEIR_ELIMIT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_a_key_apart_at_its_last_colon),
        cmocka_unit_test(a_bare_id_has_no_stream),
        cmocka_unit_test(bears_keys_that_are_none),
        cmocka_unit_test(joins_what_fits),
        cmocka_unit_test(reads_and_writes_an_identifier),
        cmocka_unit_test(refuses_what_is_no_identifier),
        cmocka_unit_test(refuses_a_name_that_leaves_no_room_for_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
