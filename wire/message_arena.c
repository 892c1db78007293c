#include "wire/message_arena.h"

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

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

enum weir_error
wi_message_unpack(
    struct wi_message_arena *arena,
    const ProtobufCMessageDescriptor *descriptor,
    struct weir_bytes payload,
    ProtobufCMessage **ret)
{
    ProtobufCMessage *message =
        protobuf_c_message_unpack(descriptor, &arena->allocator, payload.length, payload.data);

    if (message == NULL || message->n_unknown_fields > WI_MESSAGE_UNKNOWN_MAX) {
        return WEIR_ECORRUPT;
    }
    *ret = message;
    return WEIR_OK;
}
