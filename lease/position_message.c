#include "lease/position_message.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/types.h>

#include "core/check.h"
#include "wire/weir.pb-c.h"

#define WORD_BYTES 8U

static bool
take_number(const ProtobufCBinaryData *bytes, struct weir_sequence_number *ret)
{
    *ret = (struct weir_sequence_number){{0}};
    if (bytes->len > WI_SEQUENCE_NUMBER_BYTES) {
        return false;
    }
    for (size_t i = 0; i < bytes->len; i++) {
        size_t place = bytes->len - 1 - i; /* from the least significant byte */
        uint64_t *word = &ret->word[WI_ARRAY_LENGTH(ret->word) - 1 - place / WORD_BYTES];
        *word |= (uint64_t)bytes->data[i] << 8U * (place % WORD_BYTES);
    }
    return true;
}

static void
give_number(const struct weir_sequence_number *number, struct wi_position_message *message)
{
    size_t length = 0;

    for (size_t i = 0; i < WI_SEQUENCE_NUMBER_BYTES; i++) {
        uint64_t word = number->word[i / WORD_BYTES];
        uint8_t byte = (uint8_t)(word >> 8U * (WORD_BYTES - 1 - i % WORD_BYTES) & 0xffU);
        if (length > 0 || byte != 0) {
            message->number[length++] = byte;
        }
    }
    message->message.sequence_number = (ProtobufCBinaryData){length, message->number};
}

bool
wi_position_from_message(const Weir__Position *message, struct weir_position *ret)
{
    if (message == NULL || message->type > WEIR_SHARD_END) {
        return false;
    }
    ret->type = (enum weir_position_type)message->type;
    ret->sub_sequence_number = message->sub_sequence_number;
    ret->timestamp_ms = message->timestamp_ms;
    return take_number(&message->sequence_number, &ret->sequence_number);
}

static bool
is_same(const struct weir_position *a, const struct weir_position *b)
{
    return a->type == b->type && a->sub_sequence_number == b->sub_sequence_number &&
           a->timestamp_ms == b->timestamp_ms &&
           weir_sequence_number_compare(&a->sequence_number, &b->sequence_number) == 0;
}

void
wi_position_to_message(
    const struct weir_position *position, struct wi_position_message *spare, Weir__Position **slot)
{
    struct weir_position present;

    if (wi_position_from_message(*slot, &present) && is_same(&present, position)) {
        return;
    }
    weir__position__init(&spare->message);
    spare->message.type = (uint32_t)position->type;
    spare->message.sub_sequence_number = position->sub_sequence_number;
    spare->message.timestamp_ms = position->timestamp_ms;
    give_number(&position->sequence_number, spare);
    *slot = &spare->message;
}
