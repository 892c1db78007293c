/* Blocks of one shard as a cursor of database "records" finds them in the map. */
#ifndef WI_STREAM_STREAM_BLOCKS_H
#define WI_STREAM_STREAM_BLOCKS_H

#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "stream/stream_format.h"

/* A block where it stands in the map: valid until the cursor writes or the transaction ends. */
struct wi_block_view {
    struct wi_block_key key;
    unsigned char key_bytes[WI_BLOCK_KEY_SIZE];
    const unsigned char *bytes;
    size_t size;
    struct wi_block_header header; /* if it is sound */
    bool is_sound;                 /* the header; the table is not checked yet */
};

/* Move the cursor. All three give WEIR_ENOTFOUND where the shard has no such block. */
enum weir_error wi_block_move(
    MDB_cursor *cursor, uint32_t number, MDB_cursor_op move, struct wi_block_view *ret);

/* The first block whose first number is at least `sequence`. */
enum weir_error wi_block_seek(
    MDB_cursor *cursor, uint32_t number, uint64_t sequence, struct wi_block_view *ret);

/* The last block whose first number is below `sequence`. */
enum weir_error wi_block_seek_before(
    MDB_cursor *cursor, uint32_t number, uint64_t sequence, struct wi_block_view *ret);

#endif
