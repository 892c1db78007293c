#include <stdint.h>
#include <string.h>

#include "tests/support/weir_test.h"
#include "wire/message_arena.h"
#include "wire/weir.pb-c.h"

/* Fields above 15 take two bytes of tag. */
#define UNKNOWN_TAG_LOW  0xf8U /* field 127, varint */
#define UNKNOWN_TAG_HIGH 0x07U
#define UNKNOWN_SIZE     ((size_t)3)

static enum weir_error
unpack(const void *data, size_t length, ProtobufCMessage **ret)
{
    static struct wi_message_arena arena;

    wi_message_arena_init(&arena);
    return wi_message_unpack(
        &arena, &weir__leader__descriptor, (struct weir_bytes){data, length}, ret);
}

static void
put_unknown_fields(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[UNKNOWN_SIZE * i] = UNKNOWN_TAG_LOW;
        bytes[UNKNOWN_SIZE * i + 1] = UNKNOWN_TAG_HIGH;
        bytes[UNKNOWN_SIZE * i + 2] = 1;
    }
}

static void
unpacks_a_message_into_its_own_memory(void **state)
{
    static const uint8_t bytes[] = {0x0a, 2, 'w', '1', 0x10, 7};
    ProtobufCMessage *message = NULL;

    (void)state;
    assert_int_equal(unpack(bytes, sizeof bytes, &message), WEIR_OK);
    assert_string_equal(((Weir__Leader *)message)->owner, "w1");
    assert_int_equal(((Weir__Leader *)message)->term, 7);
}

static void
refuses_malformed_bytes(void **state)
{
    static const uint8_t cut[] = {0x0a, 9, 'w', '1'};
    static const uint8_t bad_wire_type[] = {0x0f, 0};
    ProtobufCMessage *message = NULL;

    (void)state;
    assert_int_equal(unpack(cut, sizeof cut, &message), WEIR_ECORRUPT);
    assert_int_equal(unpack(bad_wire_type, sizeof bad_wire_type, &message), WEIR_ECORRUPT);
    assert_null(message);
}

static void
refuses_more_unknown_fields_than_it_may_carry_along(void **state)
{
    uint8_t bytes[UNKNOWN_SIZE * (WI_MESSAGE_UNKNOWN_MAX + 1)];
    ProtobufCMessage *message = NULL;

    (void)state;
    put_unknown_fields(bytes, WI_MESSAGE_UNKNOWN_MAX + 1);
    assert_int_equal(unpack(bytes, UNKNOWN_SIZE * WI_MESSAGE_UNKNOWN_MAX, &message), WEIR_OK);
    assert_int_equal(message->n_unknown_fields, WI_MESSAGE_UNKNOWN_MAX);
    assert_int_equal(unpack(bytes, sizeof bytes, &message), WEIR_ECORRUPT);
}

/* protobuf-c would allocate 60 times their size. */
static void
refuses_bytes_that_ask_for_more_memory_than_the_arena_has(void **state)
{
    static uint8_t bytes[8190];
    ProtobufCMessage *message = NULL;

    (void)state;
    put_unknown_fields(bytes, sizeof bytes / UNKNOWN_SIZE);
    assert_int_equal(unpack(bytes, sizeof bytes, &message), WEIR_ECORRUPT);
    assert_null(message);
}

/* Written as short as can be, these are refused: so must they be as they stand. */
static void
refuses_fields_that_would_be_written_back_unreadable(void **state)
{
    static const uint8_t position[] = {0x1a, 0x03, 0x80, 0x00, 0x00};
    static struct wi_message_arena arena;
    ProtobufCMessage *message = NULL;

    (void)state;
    assert_int_equal(unpack("\x00\x00", 2, &message), WEIR_ECORRUPT);
    assert_int_equal(unpack("\x80\x00\x00", 3, &message), WEIR_ECORRUPT);
    assert_int_equal(unpack("\xf8\xff\xff\xff\x1f\x00", 6, &message), WEIR_ECORRUPT);
    assert_int_equal(unpack("\xf8\xff\xff\xff\x0f\x00", 6, &message), WEIR_OK);
    wi_message_arena_init(&arena);
    assert_int_equal(
        wi_message_unpack(
            &arena,
            &weir__application__descriptor,
            (struct weir_bytes){position, sizeof position},
            &message),
        WEIR_ECORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unpacks_a_message_into_its_own_memory),
        cmocka_unit_test(refuses_malformed_bytes),
        cmocka_unit_test(refuses_fields_that_would_be_written_back_unreadable),
        cmocka_unit_test(refuses_more_unknown_fields_than_it_may_carry_along),
        cmocka_unit_test(refuses_bytes_that_ask_for_more_memory_than_the_arena_has),
    };

    return cmocka_run_group_tests_name("message arena", tests, NULL, NULL);
}
