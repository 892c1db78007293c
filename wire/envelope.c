#include "wire/envelope.h"

#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

#include <weir/error.h>
#include <weir/types.h>

#define VERSION_AT  0U
#define LENGTH_AT   4U
#define CHECKSUM_AT 8U

_Static_assert(CHECKSUM_AT + 8 == WI_ENVELOPE_HEADER_SIZE, "the checksum ends the header");

static uint64_t
get_number(const unsigned char *bytes, size_t size)
{
    uint64_t number = 0;

    for (size_t i = size; i > 0; i--) {
        number = number << 8U | bytes[i - 1];
    }
    return number;
}

static void
put_number(unsigned char *bytes, size_t size, uint64_t number)
{
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (unsigned char)(number >> 8U * i & 0xffU);
    }
}

/* Covers the key, version and length through the seed, so that no byte of a row goes unchecked. */
static uint64_t
checksum(const unsigned char *envelope, size_t payload_length, struct weir_str key)
{
    uint64_t head = get_number(envelope, CHECKSUM_AT);
    uint64_t seed = XXH3_64bits_withSeed(key.data, key.length, head);

    return XXH3_64bits_withSeed(envelope + WI_ENVELOPE_HEADER_SIZE, payload_length, seed);
}

void
wi_envelope_seal(unsigned char *envelope, size_t payload_length, struct weir_str key)
{
    put_number(envelope + VERSION_AT, 4, WI_ENVELOPE_VERSION);
    put_number(envelope + LENGTH_AT, 4, payload_length);
    put_number(envelope + CHECKSUM_AT, 8, checksum(envelope, payload_length, key));
}

enum weir_error
wi_envelope_open(struct weir_bytes envelope, struct weir_str key, struct weir_bytes *ret_payload)
{
    const unsigned char *bytes = envelope.data;
    uint64_t version;
    size_t length;

    if (envelope.length < WI_ENVELOPE_HEADER_SIZE) {
        return WEIR_ECORRUPT;
    }
    version = get_number(bytes + VERSION_AT, 4);
    if (version > WI_ENVELOPE_VERSION) {
        return WEIR_EVERSION;
    }
    length = envelope.length - WI_ENVELOPE_HEADER_SIZE;
    if (version == 0 || length > WI_ENVELOPE_PAYLOAD_MAX ||
        get_number(bytes + LENGTH_AT, 4) != length ||
        get_number(bytes + CHECKSUM_AT, 8) != checksum(bytes, length, key)) {
        return WEIR_ECORRUPT;
    }
    *ret_payload = (struct weir_bytes){bytes + WI_ENVELOPE_HEADER_SIZE, length};
    return WEIR_OK;
}
