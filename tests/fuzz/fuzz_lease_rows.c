/* Any bytes as a row of the lease table. Its first byte chooses the kind; the rest is the message,
 * under a right checksum, since no fuzzer guesses one. A row that is read is written and read again
 * as the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease_row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct weir_str key = {"k", 1};

static struct weir_bytes
sealed(struct wi_row_bytes *row)
{
    return (struct weir_bytes){row->data, row->length};
}

static void
try_lease(struct weir_bytes value)
{
    static struct wi_row row;
    static struct wi_row_bytes first;
    static struct wi_row_bytes second;
    struct weir_bytes state;
    struct wi_lease lease;

    if (wi_row_decode_lease(&row, key, value, &lease, &state) != WEIR_OK ||
        wi_row_encode_lease(&row, &lease, state, &first) != WEIR_OK) {
        return;
    }
    if (wi_row_decode_lease(&row, key, sealed(&first), &lease, &state) != WEIR_OK ||
        wi_row_encode_lease(&row, &lease, state, &second) != WEIR_OK ||
        first.length != second.length || memcmp(first.data, second.data, first.length) != 0) {
        abort();
    }
}

static void
try_session(struct weir_bytes value)
{
    static struct wi_row row;
    static struct wi_row_bytes bytes;
    struct wi_session session;

    if (wi_row_decode_session(&row, key, value, &session) == WEIR_OK &&
        wi_row_encode_session(&row, &session, &bytes) == WEIR_OK &&
        wi_row_decode_session(&row, key, sealed(&bytes), &session) != WEIR_OK) {
        abort();
    }
}

static void
try_others(struct weir_bytes value)
{
    static struct wi_row row;
    static struct wi_row_bytes bytes;
    struct wi_application application;
    struct wi_table_counters counters;
    struct wi_leader leader;

    if (wi_row_decode_leader(&row, key, value, &leader) == WEIR_OK &&
        wi_row_encode_leader(&row, key, &leader, &bytes) == WEIR_OK &&
        wi_row_decode_leader(&row, key, sealed(&bytes), &leader) != WEIR_OK) {
        abort();
    }
    if (wi_row_decode_application(&row, key, value, &application) == WEIR_OK &&
        wi_row_encode_application(&row, key, &application, &bytes) == WEIR_OK &&
        wi_row_decode_application(&row, key, sealed(&bytes), &application) != WEIR_OK) {
        abort();
    }
    if (wi_row_decode_counters(&row, key, value, &counters) == WEIR_OK &&
        counters.epoch_floor > counters.epoch_highest) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct wi_row_bytes row;

    if (size < 1 || size - 1 > WI_ENVELOPE_PAYLOAD_MAX) {
        return 0;
    }
    memcpy(row.data + WI_ENVELOPE_HEADER_SIZE, data + 1, size - 1);
    wi_envelope_seal(row.data, size - 1, key);
    row.length = WI_ENVELOPE_HEADER_SIZE + size - 1;
    switch (data[0] % 3) {
    case 0:
        try_lease(sealed(&row));
        break;
    case 1:
        try_session(sealed(&row));
        break;
    default:
        try_others(sealed(&row));
        break;
    }
    return 0;
}
