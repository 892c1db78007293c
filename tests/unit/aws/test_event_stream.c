/* The framing of event streams: published messages, ours, and what is refused. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/event_stream.h"
#include "core/check.h"
#include "core/str.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define MESSAGE_MAX 512

/* Messages of the test vectors that AWS publishes with its SDKs. */
static const unsigned char empty_message[] = {
    0, 0, 0, 16, 0, 0, 0, 0, 5, 194, 72, 235, 125, 152, 200, 255};
static const unsigned char payload_alone[] = {0,   0,  0,   29, 0,   0,   0,   0,  253, 82,
                                              140, 90, 123, 39, 102, 111, 111, 39, 58,  39,
                                              98,  97, 114, 39, 125, 195, 101, 57, 54};
static const unsigned char text_header[] = {
    0,   0,   0,   61,  0,   0,   0,   32,  7,   253, 131, 150, 12,  99,  111, 110,
    116, 101, 110, 116, 45,  116, 121, 112, 101, 7,   0,   16,  97,  112, 112, 108,
    105, 99,  97,  116, 105, 111, 110, 47,  106, 115, 111, 110, 123, 39,  102, 111,
    111, 39,  58,  39,  98,  97,  114, 39,  125, 141, 156, 8,   177};
static const unsigned char integer_header[] = {
    0,   0,   0,   45, 0,   0,   0,   16,  65,  196, 36,  184, 10,  101, 118,
    101, 110, 116, 45, 116, 121, 112, 101, 4,   0,   0,   160, 12,  123, 39,
    102, 111, 111, 39, 58,  39,  98,  97,  114, 39,  125, 54,  244, 128, 160};

static void
put_word(unsigned char *to, size_t value)
{
    to[0] = (unsigned char)(value >> 24);
    to[1] = (unsigned char)(value >> 16);
    to[2] = (unsigned char)(value >> 8);
    to[3] = (unsigned char)value;
}

/* A message with right checksums, whatever its parts are. */
static size_t
make_message(unsigned char *to, const void *headers, size_t headers_length, struct weir_str payload)
{
    const size_t total = 16 + headers_length + payload.length;

    WEIR_ASSERT(total <= MESSAGE_MAX);
    put_word(to, total);
    put_word(to + 4, headers_length);
    put_word(to + 8, crc32(0, to, 8));
    if (headers_length > 0) {
        memcpy(to + 12, headers, headers_length);
    }
    memcpy(to + 12 + headers_length, payload.data, payload.length);
    put_word(to + total - 4, crc32(0, to, (unsigned)(total - 4)));
    return total;
}

static enum weir_error
read_one(
    struct wi_event_stream *stream,
    const void *data,
    size_t length,
    bool *ret_any,
    struct wi_event_message *ret)
{
    struct weir_bytes bytes = {data, length};
    const enum weir_error error = wi_event_stream_next(stream, &bytes, ret_any, ret);

    if (error == WEIR_OK) {
        assert_int_equal(bytes.length, 0);
    }
    return error;
}

static void
assert_payload(const struct wi_event_message *message, const char *expected)
{
    const struct weir_str payload = {message->payload.data, message->payload.length};

    assert_true(wi_str_equal_z(payload, expected));
}

static void
reads_published_messages(void **state)
{
    struct test_env test;
    struct wi_event_stream stream;
    struct wi_event_message message;
    bool any = false;

    (void)state;
    test_env_init(&test);
    wi_event_stream_init(&stream, &test.env);
    assert_int_equal(
        read_one(&stream, empty_message, sizeof empty_message, &any, &message), WEIR_OK);
    assert_true(any);
    assert_int_equal(message.headers.length, 0);
    assert_int_equal(message.payload.length, 0);
    assert_int_equal(
        read_one(&stream, payload_alone, sizeof payload_alone, &any, &message), WEIR_OK);
    assert_true(any);
    assert_payload(&message, "{'foo':'bar'}");
    assert_int_equal(read_one(&stream, text_header, sizeof text_header, &any, &message), WEIR_OK);
    assert_true(any);
    assert_true(wi_str_equal_z(wi_event_header(&message, "content-type"), "application/json"));
    assert_true(wi_str_equal_z(wi_event_header(&message, "content"), ""));
    assert_payload(&message, "{'foo':'bar'}");
    assert_int_equal(
        read_one(&stream, integer_header, sizeof integer_header, &any, &message), WEIR_OK);
    assert_true(any);
    /* A number is no text. */
    assert_true(wi_str_equal_z(wi_event_header(&message, "event-type"), ""));
    wi_event_stream_free(&stream);
    test_env_assert_no_leak(&test);
}

static void
reads_messages_that_come_byte_by_byte_or_all_at_once(void **state)
{
    struct test_env test;
    struct wi_event_stream stream;
    struct wi_event_message message;
    unsigned char both[sizeof text_header + sizeof payload_alone];
    struct weir_bytes bytes = {both, sizeof both};
    bool any = false;

    (void)state;
    test_env_init(&test);
    memcpy(both, text_header, sizeof text_header);
    memcpy(both + sizeof text_header, payload_alone, sizeof payload_alone);
    wi_event_stream_init(&stream, &test.env);
    for (size_t i = 0; i < sizeof text_header; i++) {
        assert_int_equal(wi_event_stream_is_inside(&stream), i > 0);
        assert_int_equal(read_one(&stream, text_header + i, 1, &any, &message), WEIR_OK);
        assert_int_equal(any, i + 1 == sizeof text_header);
    }
    assert_false(wi_event_stream_is_inside(&stream));
    assert_payload(&message, "{'foo':'bar'}");
    assert_int_equal(wi_event_stream_next(&stream, &bytes, &any, &message), WEIR_OK);
    assert_true(any && message.headers.length > 0);
    assert_int_equal(wi_event_stream_next(&stream, &bytes, &any, &message), WEIR_OK);
    assert_true(any && message.headers.length == 0);
    assert_int_equal(wi_event_stream_next(&stream, &bytes, &any, &message), WEIR_OK);
    assert_false(any);
    wi_event_stream_free(&stream);
    test_env_assert_no_leak(&test);
}

static void
finds_a_text_behind_headers_of_every_type(void **state)
{
    static const unsigned char headers[] = {1, 'a', 0,                               /* true */
                                            1, 'b', 1,                               /* false */
                                            1, 'c', 2, 9,                            /* 8 bits */
                                            1, 'd', 3, 9, 9,                         /* 16 */
                                            1, 'e', 4, 9, 9, 9,   9,                 /* 32 */
                                            1, 'f', 5, 9, 9, 9,   9,   9, 9,   9, 9, /* 64 */
                                            1, 'g', 6, 0, 2, 9,   9,                 /* bytes */
                                            1, 'h', 8, 9, 9, 9,   9,   9, 9,   9, 9, /* a time */
                                            1, 'i', 9, 9, 9, 9,   9,   9, 9,   9, 9, 9,
                                            9, 9,   9, 9, 9, 9,   9, /* a UUID */
                                            1, 'j', 7, 0, 2, 'o', 'k', 1, 'k', 7, 0, 0};
    struct test_env test;
    struct wi_event_stream stream;
    struct wi_event_message message;
    unsigned char data[MESSAGE_MAX];
    bool any = false;
    size_t length;

    (void)state;
    test_env_init(&test);
    wi_event_stream_init(&stream, &test.env);
    length = make_message(data, headers, sizeof headers, WI_STR("{}"));
    assert_int_equal(read_one(&stream, data, length, &any, &message), WEIR_OK);
    assert_true(any);
    assert_true(wi_str_equal_z(wi_event_header(&message, "j"), "ok"));
    assert_true(wi_str_equal_z(wi_event_header(&message, "k"), ""));
    assert_payload(&message, "{}");
    wi_event_stream_free(&stream);
}

/* What the stream says of these bytes, at once and for good. */
static enum weir_error
verdict(const unsigned char *data, size_t length)
{
    struct test_env test;
    struct wi_event_stream stream;
    struct wi_event_message message;
    struct weir_bytes bytes = {data, length};
    bool any = false;
    enum weir_error error;

    test_env_init(&test);
    wi_event_stream_init(&stream, &test.env);
    error = wi_event_stream_next(&stream, &bytes, &any, &message);
    bytes = (struct weir_bytes){empty_message, sizeof empty_message};
    if (error != WEIR_OK) {
        assert_false(any);
        assert_int_equal(wi_event_stream_next(&stream, &bytes, &any, &message), error);
        assert_false(any);
    }
    wi_event_stream_free(&stream);
    test_env_assert_no_leak(&test);
    return error;
}

static void
refuses_every_flipped_bit(void **state)
{
    unsigned char data[sizeof text_header];

    (void)state;
    for (size_t bit = 0; bit < sizeof data * 8; bit++) {
        memcpy(data, text_header, sizeof data);
        data[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_equal(verdict(data, sizeof data), WEIR_ECORRUPT);
    }
}

/* Lengths that no message has, under a right checksum, before anything of them has come. */
static void
refuses_lengths_before_it_spends_memory_on_them(void **state)
{
    static const struct {
        size_t total;
        size_t headers;
        enum weir_error expected;
    } cases[] = {
        {0, 0, WEIR_ECORRUPT},
        {15, 0, WEIR_ECORRUPT},
        {16, 1, WEIR_ECORRUPT},
        {31, 16, WEIR_ECORRUPT},
        {UINT32_MAX, 0, WEIR_ECORRUPT},
        {UINT32_MAX, UINT32_MAX, WEIR_ECORRUPT},
        {16 + WI_EVENT_HEADERS_MAX + 1, WI_EVENT_HEADERS_MAX + 1, WEIR_ECORRUPT},
        {16 + WI_EVENT_PAYLOAD_MAX + 1, 0, WEIR_ECORRUPT},
        {16 + WI_EVENT_PAYLOAD_MAX, 0, WEIR_OK},
        {16 + WI_EVENT_HEADERS_MAX + WI_EVENT_PAYLOAD_MAX, WI_EVENT_HEADERS_MAX, WEIR_OK},
    };
    unsigned char prelude[12];

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(cases); i++) {
        put_word(prelude, cases[i].total);
        put_word(prelude + 4, cases[i].headers);
        put_word(prelude + 8, crc32(0, prelude, 8));
        assert_int_equal(verdict(prelude, sizeof prelude), cases[i].expected);
    }
}

static void
refuses_headers_that_do_not_end_where_they_should(void **state)
{
    static const struct {
        unsigned char bytes[8];
        size_t length;
    } cases[] = {
        {{0, 0}, 2},                     /* a name without a letter */
        {{5, 'a', 0}, 3},                /* a name beyond the end */
        {{1, 'a'}, 2},                   /* no type */
        {{1, 'a', 10}, 3},               /* a type that is none */
        {{1, 'a', 255}, 3},              /* likewise */
        {{1, 'a', 4, 0, 0, 0}, 6},       /* a value that is cut */
        {{1, 'a', 7, 0}, 4},             /* a length that is cut */
        {{1, 'a', 7, 255, 255, 'x'}, 6}, /* a text beyond the end */
        {{1, 'a', 0, 1}, 4},             /* a second one that is cut */
    };
    unsigned char data[MESSAGE_MAX];

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(cases); i++) {
        const size_t length =
            make_message(data, cases[i].bytes, cases[i].length, WI_STR("aaaaaaaaaaaaaaaaaa"));

        assert_int_equal(verdict(data, length), WEIR_ECORRUPT);
    }
}

static void
survives_every_allocation_failure(void **state)
{
    (void)state;
    for (size_t at = 1;; at++) {
        struct test_env test;
        struct wi_event_stream stream;
        struct wi_event_message message;
        bool any = false;

        test_env_init(&test);
        test.fail_at = at;
        wi_event_stream_init(&stream, &test.env);
        if (read_one(&stream, text_header, sizeof text_header, &any, &message) != WEIR_OK) {
            assert_int_equal(stream.error, WEIR_ENOMEM);
            assert_false(any);
        }
        wi_event_stream_free(&stream);
        test_env_assert_no_leak(&test);
        if (!test_env_has_failed(&test)) {
            assert_true(any);
            return;
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_published_messages),
        cmocka_unit_test(reads_messages_that_come_byte_by_byte_or_all_at_once),
        cmocka_unit_test(finds_a_text_behind_headers_of_every_type),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(refuses_lengths_before_it_spends_memory_on_them),
        cmocka_unit_test(refuses_headers_that_do_not_end_where_they_should),
        cmocka_unit_test(survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
