/* What stands around every stored message: format version, length, checksum. Pure. */
#ifndef WI_WIRE_ENVELOPE_H
#define WI_WIRE_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#define WI_ENVELOPE_VERSION     1U    /* of the messages inside */
#define WI_ENVELOPE_HEADER_SIZE 16U   /* bytes before the payload */
#define WI_ENVELOPE_PAYLOAD_MAX 8192U /* longest payload that is written or believed */
#define WI_ENVELOPE_SIZE_MAX    (WI_ENVELOPE_HEADER_SIZE + WI_ENVELOPE_PAYLOAD_MAX)

/* Write the header for the `payload_length` bytes that stand behind it in `envelope` already. */
void wi_envelope_seal(unsigned char *envelope, size_t payload_length, struct weir_str key);

/*
 * The payload of an envelope that was stored under `key`; points into it. WEIR_EVERSION: written by
 * a newer format; WEIR_ECORRUPT: wrong length, checksum, or another key's value.
 */
WEIR_MUST_CHECK enum weir_error wi_envelope_open(
    struct weir_bytes envelope, struct weir_str key, struct weir_bytes *ret_payload);

#endif
