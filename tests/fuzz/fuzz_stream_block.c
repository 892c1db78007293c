/* Any bytes as table and frames of a block whose header is sound: its checksums are made right
 * first. What is read lies inside the block. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "stream/stream_format.h"

#define BLOCK_MAX 65536U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_frames(const unsigned char *block, const struct wi_block_header *header)
{
    const unsigned char *table = block + WI_BLOCK_HEADER_SIZE;
    const unsigned char *frames = table + (size_t)header->count * WI_BLOCK_TABLE_ENTRY;
    uint32_t begin = 0;

    for (uint32_t i = 0; i < header->count; i++) {
        const struct wi_frame_place place = {header->nonce, 1, i};
        const uint32_t end = wi_block_frame_end(table, i);
        struct weir_record record;

        if (end <= begin || end > header->frames_bytes) {
            abort();
        }
        if (wi_frame_decode(frames + begin, end - begin, &place, &record) == WEIR_OK &&
            record.partition_key.length + record.data.length > end - begin) {
            abort();
        }
        begin = end;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char block[WI_BLOCK_HEADER_SIZE + BLOCK_MAX];
    const unsigned char key[WI_BLOCK_KEY_SIZE] = {0, 0, 0, 1};
    struct wi_block_writer writer = {.block = block};
    struct wi_block_header header;
    size_t table_size;

    if (size < 2 || size - 1 > BLOCK_MAX) {
        return 0;
    }
    writer.count = data[0] + 1U;
    writer.added = writer.count;
    table_size = (size_t)writer.count * WI_BLOCK_TABLE_ENTRY;
    if (size - 1 < table_size) {
        return 0;
    }
    memcpy(block + WI_BLOCK_HEADER_SIZE, data + 1, size - 1);
    (void)wi_block_finish(&writer, &header);
    header.frames_bytes = (uint32_t)(size - 1 - table_size);
    wi_block_stamp(block, key, &header);
    if (wi_block_header_decode(key, block, WI_BLOCK_HEADER_SIZE + size - 1, &header) != WEIR_OK) {
        abort();
    }
    if (wi_block_table_check(&header, block + WI_BLOCK_HEADER_SIZE) == WEIR_OK) {
        read_frames(block, &header);
    }
    return 0;
}
