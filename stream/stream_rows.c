/* Rows of the embedded stream in their databases: read, write, walk. */
#include <lmdb.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>

#include "core/check.h"
#include "storage/storage.h"
#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"

static char meta_key[] = "stream";
#define META_KEY_LENGTH (sizeof meta_key - 1)

/* A row that the structure says must be there is damage if it is not. */
static enum weir_error
must_exist(enum weir_error error)
{
    return error == WEIR_ENOTFOUND ? WEIR_ECORRUPT : error;
}

enum weir_error
wi_meta_read_any(MDB_txn *txn, const struct wi_stream_tables *tables, struct wi_stream_meta *ret)
{
    MDB_val key = {META_KEY_LENGTH, meta_key};
    MDB_val value = {0, NULL};
    const enum weir_error error =
        must_exist(wi_error_from_lmdb(mdb_get(txn, tables->meta, &key, &value)));

    return error != WEIR_OK ? error : wi_meta_decode(value.mv_data, value.mv_size, ret);
}

enum weir_error
wi_meta_read(MDB_txn *txn, const struct wi_stream_tables *tables, struct wi_stream_meta *ret)
{
    const enum weir_error error = wi_meta_read_any(txn, tables, ret);

    return error == WEIR_OK && ret->deleted ? WEIR_ENOTFOUND : error;
}

enum weir_error
wi_meta_write(
    MDB_txn *txn, const struct wi_stream_tables *tables, const struct wi_stream_meta *meta)
{
    unsigned char row[WI_META_SIZE];
    MDB_val key = {META_KEY_LENGTH, meta_key};
    MDB_val value = {sizeof row, row};

    wi_meta_encode(meta, row);
    return wi_error_from_lmdb(mdb_put(txn, tables->meta, &key, &value, 0));
}

enum weir_error
wi_shard_read(
    MDB_txn *txn, const struct wi_stream_tables *tables, uint32_t number, struct wi_shard_row *ret)
{
    unsigned char key_bytes[WI_SHARD_KEY_SIZE];
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value = {0, NULL};

    wi_shard_key_encode(number, key_bytes);
    const enum weir_error error = wi_error_from_lmdb(mdb_get(txn, tables->shards, &key, &value));
    return error != WEIR_OK ? error
                            : wi_shard_row_decode(number, value.mv_data, value.mv_size, ret);
}

enum weir_error
wi_shard_write(
    MDB_txn *txn,
    const struct wi_stream_tables *tables,
    uint32_t number,
    const struct wi_shard_row *row)
{
    unsigned char key_bytes[WI_SHARD_KEY_SIZE];
    unsigned char row_bytes[WI_SHARD_ROW_SIZE];
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value = {sizeof row_bytes, row_bytes};

    WEIR_ASSERT(number != WI_SHARD_NONE);
    wi_shard_key_encode(number, key_bytes);
    wi_shard_row_encode(number, row, row_bytes);
    return wi_error_from_lmdb(mdb_put(txn, tables->shards, &key, &value, 0));
}

enum weir_error
wi_shard_delete(MDB_txn *txn, const struct wi_stream_tables *tables, uint32_t number)
{
    unsigned char key_bytes[WI_SHARD_KEY_SIZE];
    MDB_val key = {sizeof key_bytes, key_bytes};

    wi_shard_key_encode(number, key_bytes);
    const int limits = mdb_del(txn, tables->limits, &key, NULL);
    if (limits != MDB_SUCCESS && limits != MDB_NOTFOUND) {
        return wi_error_from_lmdb(limits);
    }
    return must_exist(wi_error_from_lmdb(mdb_del(txn, tables->shards, &key, NULL)));
}

/* Decode the row that the cursor stands on and hand it to `each`. */
static enum weir_error
visit(const MDB_val *key, const MDB_val *value, wi_shard_row_fn each, void *context)
{
    uint32_t number = 0;
    struct wi_shard_row row;
    enum weir_error error = wi_shard_key_decode(key->mv_data, key->mv_size, &number);

    if (error == WEIR_OK) {
        error = wi_shard_row_decode(number, value->mv_data, value->mv_size, &row);
    }
    return error == WEIR_OK ? each(context, number, &row) : error;
}

enum weir_error
wi_shards_each(
    MDB_txn *txn, const struct wi_stream_tables *tables, wi_shard_row_fn each, void *context)
{
    MDB_cursor *cursor = NULL;
    MDB_val key = {0, NULL};
    MDB_val value = {0, NULL};
    int code = mdb_cursor_open(txn, tables->shards, &cursor);
    enum weir_error error = WEIR_OK;

    if (code != MDB_SUCCESS) {
        return wi_error_from_lmdb(code);
    }
    code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    while (code == MDB_SUCCESS && error == WEIR_OK) {
        error = visit(&key, &value, each, context);
        code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    if (error == WEIR_OK && code != MDB_NOTFOUND) {
        error = wi_error_from_lmdb(code);
    }
    return error;
}

uint64_t
wi_next_sequence(const struct wi_stream_meta *meta, uint64_t boot)
{
    return meta->boot == boot ? meta->next_sequence : meta->next_sequence + WI_SEQUENCE_BOOT_GAP;
}
