#include "wire/message_arena.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#define FIELD_NUMBER_MAX 0x1fffffffU /* of any protobuf message */

/* protobuf-c frees what it scans with; the arena forgets it at the next init. */
static void
arena_free(void *context, void *memory)
{
    (void)context;
    (void)memory;
}

static void *
arena_alloc(void *context, size_t size)
{
    struct wi_message_arena *arena = context;
    size_t mask = _Alignof(max_align_t) - 1;
    size_t left = sizeof arena->bytes - arena->used;
    void *ret = NULL;

    if (size <= left) {
        size_t padded = (size + mask) & ~mask;
        ret = arena->bytes + arena->used;
        arena->used += padded < left ? padded : left;
    }
    return ret;
}

void
wi_message_arena_init(struct wi_message_arena *arena)
{
    arena->allocator = (ProtobufCAllocator){arena_alloc, arena_free, arena};
    arena->used = 0;
}

/* A field that no message can have, in more bytes than it needs. protobuf-c takes it as one of a
 * newer version, and would write it back so that nobody can read the row any more. */
static bool
has_impossible_field(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->n_unknown_fields; i++) {
        const uint32_t number = message->unknown_fields[i].tag;

        if (number == 0 || number > FIELD_NUMBER_MAX) {
            return true;
        }
    }
    return false;
}

/* The same of the messages inside: they hold no further ones. */
static bool
holds_impossible_field(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;

    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const ProtobufCMessage *inner = NULL;

        if (field->type == PROTOBUF_C_TYPE_MESSAGE && field->label != PROTOBUF_C_LABEL_REPEATED) {
            const void *at = (const char *)message + field->offset;

            inner = *(const ProtobufCMessage *const *)at;
        }
        if (inner != NULL && has_impossible_field(inner)) {
            return true;
        }
    }
    return has_impossible_field(message);
}

enum weir_error
wi_message_unpack(
    struct wi_message_arena *arena,
    const ProtobufCMessageDescriptor *descriptor,
    struct weir_bytes payload,
    ProtobufCMessage **ret)
{
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, &arena->allocator, payload.length, payload.data);

    if (message == NULL || message->n_unknown_fields > WI_MESSAGE_UNKNOWN_MAX ||
        holds_impossible_field(message)) {
        return WEIR_ECORRUPT;
    }
    *ret = message;
    return WEIR_OK;
}
