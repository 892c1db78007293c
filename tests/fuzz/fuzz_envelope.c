/* Any bytes as an envelope: what is opened lies inside them. */
#include <stdint.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/types.h>

#include "wire/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct weir_str key = {"k", 1};
    struct weir_bytes payload;

    if (wi_envelope_open((struct weir_bytes){data, size}, key, &payload) == WEIR_OK &&
        ((const uint8_t *)payload.data < data || payload.length > size ||
         (const uint8_t *)payload.data + payload.length > data + size)) {
        abort();
    }
    return 0;
}
