/* Any bytes as rows and keys of the embedded stream; what is read is written as the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "stream/stream_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_meta(const uint8_t *data, size_t size)
{
    unsigned char bytes[WI_META_SIZE];
    struct wi_stream_meta meta;

    if (wi_meta_decode(data, size, &meta) == WEIR_OK) {
        wi_meta_encode(&meta, bytes);
        if (size != sizeof bytes) {
            abort();
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char bytes[WI_BLOCK_KEY_SIZE];
    struct wi_limits_row limits;
    struct wi_shard_row shard;
    struct wi_block_key key;
    uint32_t number = 0;

    try_meta(data, size);
    (void)!wi_shard_row_decode(1, data, size, &shard);
    (void)!wi_limits_row_decode(1, data, size, &limits);
    if (wi_shard_key_decode(data, size, &number) == WEIR_OK) {
        wi_shard_key_encode(number, bytes);
        if (memcmp(bytes, data, size) != 0) {
            abort();
        }
    }
    if (wi_block_key_decode(data, size, &key) == WEIR_OK) {
        wi_block_key_encode(&key, bytes);
        if (memcmp(bytes, data, size) != 0) {
            abort();
        }
    }
    return 0;
}
