/* Bounded memory for unpacking one message: protobuf-c asks for many times the size of hostile
 * bytes, so it gets a fixed block and fails when that is used up. */
#ifndef WI_WIRE_MESSAGE_ARENA_H
#define WI_WIRE_MESSAGE_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

/* Most bytes that one message may make protobuf-c allocate. The largest honest row needs 9 KiB. */
#define WI_MESSAGE_ARENA_BYTES 16384U

/* Most fields that this version does not know, per message. */
#define WI_MESSAGE_UNKNOWN_MAX 64U

/* Lives on the stack of whoever reads a row; not worth zeroing. */
struct wi_message_arena {
    ProtobufCAllocator allocator;
    size_t used;
    _Alignas(max_align_t) unsigned char bytes[WI_MESSAGE_ARENA_BYTES];
};

/* Start anew: messages unpacked before are gone. */
void wi_message_arena_init(struct wi_message_arena *arena);

/*
 * Unpack into the arena; nothing has to be freed. WEIR_ECORRUPT: malformed, more unknown fields
 * than WI_MESSAGE_UNKNOWN_MAX, or larger than the arena.
 */
WEIR_MUST_CHECK enum weir_error wi_message_unpack(
    struct wi_message_arena *arena,
    const ProtobufCMessageDescriptor *descriptor,
    struct weir_bytes payload,
    ProtobufCMessage **ret);

#endif
