#include "stream/stream_blocks.h"

#include <lmdb.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>

#include "storage/storage.h"
#include "stream/stream_format.h"

static enum weir_error
view_block(const MDB_val *key, const MDB_val *value, struct wi_block_view *ret)
{
    const enum weir_error error = wi_block_key_decode(key->mv_data, key->mv_size, &ret->key);

    if (error != WEIR_OK) {
        return error;
    }
    memcpy(ret->key_bytes, key->mv_data, WI_BLOCK_KEY_SIZE);
    ret->bytes = value->mv_data;
    ret->size = value->mv_size;
    ret->is_sound =
        wi_block_header_decode(ret->key_bytes, ret->bytes, ret->size, &ret->header) == WEIR_OK;
    return WEIR_OK;
}

enum weir_error
wi_block_move(MDB_cursor *cursor, uint32_t number, MDB_cursor_op move, struct wi_block_view *ret)
{
    MDB_val key = {0, NULL};
    MDB_val value = {0, NULL};
    enum weir_error error = wi_error_from_lmdb(mdb_cursor_get(cursor, &key, &value, move));

    if (error == WEIR_OK) {
        error = view_block(&key, &value, ret);
    }
    return error == WEIR_OK && ret->key.shard != number ? WEIR_ENOTFOUND : error;
}

enum weir_error
wi_block_seek(MDB_cursor *cursor, uint32_t number, uint64_t sequence, struct wi_block_view *ret)
{
    const struct wi_block_key wanted = {number, sequence};
    unsigned char bytes[WI_BLOCK_KEY_SIZE];
    MDB_val key = {sizeof bytes, bytes};
    MDB_val value = {0, NULL};

    wi_block_key_encode(&wanted, bytes);
    enum weir_error error = wi_error_from_lmdb(mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE));
    if (error == WEIR_OK) {
        error = view_block(&key, &value, ret);
    }
    return error == WEIR_OK && ret->key.shard != number ? WEIR_ENOTFOUND : error;
}

enum weir_error
wi_block_seek_before(
    MDB_cursor *cursor, uint32_t number, uint64_t sequence, struct wi_block_view *ret)
{
    const struct wi_block_key wanted = {number, sequence};
    unsigned char bytes[WI_BLOCK_KEY_SIZE];
    MDB_val key = {sizeof bytes, bytes};
    MDB_val value = {0, NULL};

    wi_block_key_encode(&wanted, bytes);
    const int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (code != MDB_SUCCESS && code != MDB_NOTFOUND) {
        return wi_error_from_lmdb(code);
    }
    return wi_block_move(cursor, number, code == MDB_SUCCESS ? MDB_PREV : MDB_LAST, ret);
}
