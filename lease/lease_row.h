/*
 * Rows of the lease table as bytes: envelope around a message of wire/weir.proto. No I/O and no
 * heap: everything happens in the caller's memory.
 *
 * To change a row: decode, change the struct, encode with the same `row`. Fields of newer versions
 * stand in row->message and go back with it. For a new row call wi_row_init() and encode.
 * Decoding fails with WEIR_EVERSION (newer format) or WEIR_ECORRUPT (damaged, for whatever reason).
 * Encoding fails with WEIR_ELIMIT if the row has grown beyond WI_ENVELOPE_PAYLOAD_MAX.
 */
#ifndef WI_LEASE_LEASE_ROW_H
#define WI_LEASE_LEASE_ROW_H

#include <stddef.h>

#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease.h"
#include "lease/session_rules.h"
#include "wire/envelope.h"
#include "wire/message_arena.h"

/* What a row was read from. 16 KiB: on the stack, not worth zeroing. */
struct wi_row {
    ProtobufCMessage *message; /* in the arena; NULL for a new row */
    struct wi_message_arena arena;
};

/* An encoded row. */
struct wi_row_bytes {
    size_t length;
    unsigned char data[WI_ENVELOPE_SIZE_MAX];
};

void wi_row_init(struct wi_row *row);

/* *ret_state: application bytes of the pending checkpoint, in row's arena. counter and owner_state
 * of the lease are not in the row: 0 and NONE. */
WEIR_MUST_CHECK enum weir_error wi_row_decode_lease(
    struct wi_row *row,
    struct weir_str key,
    struct weir_bytes value,
    struct wi_lease *ret,
    struct weir_bytes *ret_state);
/* `state` is dropped unless the lease has a pending checkpoint. Nothing behind pointers is changed.
 */
WEIR_MUST_CHECK enum weir_error wi_row_encode_lease(
    struct wi_row *row, struct wi_lease *lease, struct weir_bytes state, struct wi_row_bytes *ret);

WEIR_MUST_CHECK enum weir_error wi_row_decode_session(
    struct wi_row *row, struct weir_str key, struct weir_bytes value, struct wi_session *ret);
WEIR_MUST_CHECK enum weir_error wi_row_encode_session(
    struct wi_row *row, struct wi_session *session, struct wi_row_bytes *ret);

/* counter and owner_state of the leader are not in the row. */
WEIR_MUST_CHECK enum weir_error wi_row_decode_leader(
    struct wi_row *row, struct weir_str key, struct weir_bytes value, struct wi_leader *ret);
WEIR_MUST_CHECK enum weir_error wi_row_encode_leader(
    struct wi_row *row, struct weir_str key, struct wi_leader *leader, struct wi_row_bytes *ret);

WEIR_MUST_CHECK enum weir_error wi_row_decode_application(
    struct wi_row *row, struct weir_str key, struct weir_bytes value, struct wi_application *ret);
WEIR_MUST_CHECK enum weir_error wi_row_encode_application(
    struct wi_row *row,
    struct weir_str key,
    struct wi_application *application,
    struct wi_row_bytes *ret);

WEIR_MUST_CHECK enum weir_error wi_row_decode_counters(
    struct wi_row *row,
    struct weir_str key,
    struct weir_bytes value,
    struct wi_table_counters *ret);
WEIR_MUST_CHECK enum weir_error wi_row_encode_counters(
    struct wi_row *row,
    struct weir_str key,
    const struct wi_table_counters *counters,
    struct wi_row_bytes *ret);

#endif
