/* The optional limits of Kinesis: token buckets of one second, one set for each shard. */
#include <lmdb.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/clock.h"
#include "core/mono.h"
#include "storage/storage.h"
#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"

/* Tokens are thousandths, so a rate per second is a rate per millisecond as it stands. */
#define MS_PER_S       1000
#define RECORDS_IN     1000
#define BYTES_IN       ((int64_t)1024 * 1024)
#define BYTES_OUT      ((int64_t)2 * 1024 * 1024)
#define RECORDS_FULL   ((int64_t)RECORDS_IN * MS_PER_S)
#define BYTES_FULL     (BYTES_IN * MS_PER_S)
#define BYTES_OUT_FULL (BYTES_OUT * MS_PER_S)

int64_t
wi_mono_ms(const struct weir_env *env)
{
    return wi_mono_now(env).ns / WI_NS_PER_MS;
}

static int64_t
refilled(int64_t tokens, int64_t per_ms, int64_t elapsed_ms, int64_t full)
{
    const int64_t more = tokens + per_ms * elapsed_ms;

    return more > full ? full : more;
}

enum weir_error
wi_limits_read(
    MDB_txn *txn,
    const struct wi_stream_tables *tables,
    uint32_t number,
    int64_t now_ms,
    struct wi_limits_row *ret)
{
    unsigned char key_bytes[WI_SHARD_KEY_SIZE];
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value = {0, NULL};
    struct wi_limits_row row = {now_ms, RECORDS_FULL, BYTES_FULL, BYTES_OUT_FULL};

    wi_shard_key_encode(number, key_bytes);
    const int code = mdb_get(txn, tables->limits, &key, &value);
    if (code == MDB_NOTFOUND) {
        *ret = row;
        return WEIR_OK;
    }
    enum weir_error error = wi_error_from_lmdb(code);
    if (error == WEIR_OK) {
        error = wi_limits_row_decode(number, value.mv_data, value.mv_size, &row);
    }
    if (error != WEIR_OK) {
        return error;
    }
    /* A clock that went back is another boot: everything has had time to refill. */
    int64_t elapsed_ms = now_ms - row.updated_ms;
    if (now_ms < row.updated_ms || elapsed_ms > INT32_MAX) {
        elapsed_ms = INT32_MAX;
    }
    row.updated_ms = now_ms;
    row.records_in = refilled(row.records_in, RECORDS_IN, elapsed_ms, RECORDS_FULL);
    row.bytes_in = refilled(row.bytes_in, BYTES_IN, elapsed_ms, BYTES_FULL);
    row.bytes_out = refilled(row.bytes_out, BYTES_OUT, elapsed_ms, BYTES_OUT_FULL);
    *ret = row;
    return WEIR_OK;
}

enum weir_error
wi_limits_write(
    MDB_txn *txn,
    const struct wi_stream_tables *tables,
    uint32_t number,
    const struct wi_limits_row *row)
{
    unsigned char key_bytes[WI_SHARD_KEY_SIZE];
    unsigned char row_bytes[WI_LIMITS_ROW_SIZE];
    MDB_val key = {sizeof key_bytes, key_bytes};
    MDB_val value = {sizeof row_bytes, row_bytes};

    wi_shard_key_encode(number, key_bytes);
    wi_limits_row_encode(number, row, row_bytes);
    return wi_error_from_lmdb(mdb_put(txn, tables->limits, &key, &value, 0));
}

bool
wi_limits_take_record(struct wi_limits_row *row, size_t bytes)
{
    const int64_t cost = (int64_t)bytes * MS_PER_S;
    /* A record above a second's worth passes a full bucket, else it could never pass. */
    const bool fits = row->bytes_in >= cost || row->bytes_in == BYTES_FULL;

    if (row->records_in < MS_PER_S || !fits) {
        return false;
    }
    row->records_in -= MS_PER_S;
    row->bytes_in -= cost;
    return true;
}

bool
wi_limits_may_read(const struct wi_limits_row *row)
{
    return row->bytes_out > 0;
}

void
wi_limits_spend_read(struct wi_limits_row *row, size_t bytes)
{
    row->bytes_out -= (int64_t)bytes * MS_PER_S;
}
