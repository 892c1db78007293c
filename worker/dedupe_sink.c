/*
 * Fencing token and position in the sink's own transaction. Rows and rules: docs/dedupe.md. Nothing
 * is kept between calls: whatever the caller's transaction shows is the truth.
 */
#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

#include <weir/dedupe.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/position.h"
#include "core/sequence_number.h"
#include "core/shard_key.h"
#include "storage/storage.h"
#include "worker/dedupe_bytes.h"

#define FORMAT_VERSION 1U

/* Where the fields of a row lie. */
enum {
    AT_VERSION = 0,
    AT_SEALED = 1,
    AT_HAS_POSITION = 2,
    AT_ZERO = 3,
    AT_EPOCH = 8,
    AT_SEQUENCE_NUMBER = AT_EPOCH + WI_U64_BYTES,
    AT_SUB_SEQUENCE_NUMBER = AT_SEQUENCE_NUMBER + WI_SEQUENCE_NUMBER_BYTES,
    AT_CHECKSUM = AT_SUB_SEQUENCE_NUMBER + WI_U64_BYTES,
    ROW_SIZE = AT_CHECKSUM + WI_U64_BYTES
};
_Static_assert(ROW_SIZE == 64, "docs/dedupe.md");

/* "STREAM/SHARD"; a name contains no slash. */
#define KEY_SIZE (2 * WEIR_NAME_MAX + 1)
_Static_assert(KEY_SIZE <= 511, "LMDB's longest key");

struct row_key {
    size_t length;
    char text[KEY_SIZE];
};

struct row {
    uint64_t epoch; /* 0: nobody has acquired the shard, a child has sealed it */
    struct weir_position position;
    bool sealed;
};

/* A bare id, or one of several streams' that has its stream before it. */
static bool
is_shard_id(struct weir_str id)
{
    struct wi_stream_identifier identifier;
    const struct weir_str stream = wi_shard_key_stream(id);

    return id.data != NULL && id.length <= WEIR_NAME_MAX &&
           weir_name_check(wi_shard_key_shard(id)) == WEIR_OK &&
           (stream.length == 0 ? wi_shard_key_shard(id).length == id.length
                               : wi_stream_identifier_parse(stream, &identifier) == WEIR_OK);
}

static enum weir_error
make_key(struct weir_str stream, struct weir_str shard_id, struct row_key *ret)
{
    if (weir_name_check(stream) != WEIR_OK || !is_shard_id(shard_id)) {
        return WEIR_EINVAL;
    }
    WEIR_ASSERT(stream.length + 1 + shard_id.length <= sizeof ret->text);
    memcpy(ret->text, stream.data, stream.length);
    ret->text[stream.length] = '/';
    memcpy(ret->text + stream.length + 1, shard_id.data, shard_id.length);
    ret->length = stream.length + 1 + shard_id.length;
    return WEIR_OK;
}

/* The key is part of the checksum: a row under another row's key is damaged too. */
static uint64_t
checksum(const struct row_key *key, const unsigned char bytes[ROW_SIZE])
{
    return XXH3_64bits_withSeed(bytes, AT_CHECKSUM, XXH3_64bits(key->text, key->length));
}

static void
encode(const struct row_key *key, const struct row *row, unsigned char ret[ROW_SIZE])
{
    bool has_position = row->position.type == WEIR_AFTER_SEQUENCE_NUMBER;

    WEIR_ASSERT(has_position || row->position.type == WEIR_TRIM_HORIZON);
    memset(ret, 0, ROW_SIZE);
    ret[AT_VERSION] = FORMAT_VERSION;
    ret[AT_SEALED] = row->sealed;
    ret[AT_HAS_POSITION] = has_position;
    wi_put_u64(ret + AT_EPOCH, row->epoch);
    if (has_position) {
        wi_sequence_number_to_bytes(&row->position.sequence_number, ret + AT_SEQUENCE_NUMBER);
        wi_put_u64(ret + AT_SUB_SEQUENCE_NUMBER, row->position.sub_sequence_number);
    }
    wi_put_u64(ret + AT_CHECKSUM, checksum(key, ret));
}

/* Believe nothing that the bytes say until the checksum has been seen. */
static enum weir_error
decode(const struct row_key *key, const MDB_val *value, struct row *ret)
{
    static const unsigned char zeros[AT_EPOCH - AT_ZERO] = {0};
    const unsigned char *bytes = value->mv_data;

    if (value->mv_size != ROW_SIZE || wi_get_u64(bytes + AT_CHECKSUM) != checksum(key, bytes)) {
        return WEIR_ECORRUPT;
    }
    if (bytes[AT_VERSION] != FORMAT_VERSION) {
        return WEIR_EVERSION;
    }
    if (bytes[AT_SEALED] > 1 || bytes[AT_HAS_POSITION] > 1 ||
        memcmp(bytes + AT_ZERO, zeros, sizeof zeros) != 0) {
        return WEIR_ECORRUPT;
    }
    *ret = (struct row){.epoch = wi_get_u64(bytes + AT_EPOCH), .sealed = bytes[AT_SEALED] == 1};
    ret->position.type = WEIR_TRIM_HORIZON;
    if (bytes[AT_HAS_POSITION] == 1) {
        ret->position.type = WEIR_AFTER_SEQUENCE_NUMBER;
        ret->position.sequence_number = wi_sequence_number_from_bytes(bytes + AT_SEQUENCE_NUMBER);
        ret->position.sub_sequence_number = wi_get_u64(bytes + AT_SUB_SEQUENCE_NUMBER);
    }
    return ret->epoch > 0 || ret->sealed ? WEIR_OK : WEIR_ECORRUPT;
}

static enum weir_error
read_row(
    const struct weir_sink *sink, MDB_txn *transaction, const struct row_key *key, struct row *ret)
{
    MDB_val name = wi_mdb_val(key->text, key->length);
    MDB_val value = {0, NULL};
    enum weir_error error = wi_error_from_lmdb(mdb_get(transaction, sink->database, &name, &value));

    return error == WEIR_OK ? decode(key, &value, ret) : error;
}

static enum weir_error
write_row(
    const struct weir_sink *sink,
    MDB_txn *transaction,
    const struct row_key *key,
    const struct row *row)
{
    unsigned char bytes[ROW_SIZE];
    MDB_val name = wi_mdb_val(key->text, key->length);
    MDB_val value = {sizeof bytes, bytes};

    WEIR_ASSERT(row->epoch > 0 || row->sealed);
    encode(key, row, bytes);
    return wi_error_from_lmdb(mdb_put(transaction, sink->database, &name, &value, 0));
}

enum weir_error
weir_sink_open(struct MDB_txn *transaction, struct weir_sink *ret)
{
    MDB_dbi database = 0;
    enum weir_error error = WEIR_EINVAL;

    if (transaction == NULL || ret == NULL) {
        return WEIR_EINVAL;
    }
    error =
        wi_error_from_lmdb(mdb_dbi_open(transaction, WEIR_SINK_DATABASE, MDB_CREATE, &database));
    if (error == WEIR_OK) {
        ret->database = database;
    }
    return error;
}

/* From now on nobody writes an effect of this parent any more, not even its last owner. */
static enum weir_error
seal(
    const struct weir_sink *sink,
    MDB_txn *transaction,
    struct weir_str stream,
    struct weir_str parent_id)
{
    struct row_key key;
    struct row row = {.position = {.type = WEIR_TRIM_HORIZON}};
    enum weir_error error = make_key(stream, parent_id, &key);

    if (error != WEIR_OK) {
        return error;
    }
    error = read_row(sink, transaction, &key, &row);
    if (error == WEIR_OK && row.sealed) {
        return WEIR_OK;
    }
    if (error != WEIR_OK && error != WEIR_ENOTFOUND) {
        return error;
    }
    row.sealed = true;
    return write_row(sink, transaction, &key, &row);
}

/* Parent ids come from the stream's own description, but the array may lack its final zero. */
static enum weir_error
seal_parents(
    const struct weir_sink *sink, MDB_txn *transaction, const struct weir_shard_context *context)
{
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        const char *id = context->shard->parent_shard_ids[i];
        struct weir_str parent_id = {id, strnlen(id, WEIR_NAME_SIZE)};
        enum weir_error error = WEIR_OK;
        if (parent_id.length > 0) {
            error = seal(sink, transaction, context->token.stream, parent_id);
        }
        if (error != WEIR_OK) {
            return error;
        }
    }
    return WEIR_OK;
}

enum weir_error
weir_sink_acquire(
    const struct weir_sink *sink,
    struct MDB_txn *transaction,
    const struct weir_shard_context *shard,
    struct weir_position *ret_position)
{
    struct row_key key;
    struct row row = {.position = {.type = WEIR_TRIM_HORIZON}};
    enum weir_error error = WEIR_EINVAL;

    if (sink == NULL || transaction == NULL || shard == NULL || shard->shard == NULL ||
        ret_position == NULL || shard->token.lease_epoch == 0) {
        return WEIR_EINVAL;
    }
    error = make_key(shard->token.stream, shard->token.shard_id, &key);
    if (error == WEIR_OK) {
        error = read_row(sink, transaction, &key, &row);
    }
    if (error != WEIR_OK && error != WEIR_ENOTFOUND) {
        return error;
    }
    if (row.sealed || row.epoch > shard->token.lease_epoch) {
        return WEIR_EFENCED;
    }
    row.epoch = shard->token.lease_epoch;
    error = write_row(sink, transaction, &key, &row);
    if (error == WEIR_OK) {
        error = seal_parents(sink, transaction, shard);
    }
    if (error == WEIR_OK) {
        *ret_position = row.position;
    }
    return error;
}

/* The row, if the token is the one that was planted last. */
static enum weir_error
read_own_row(
    const struct weir_sink *sink,
    MDB_txn *transaction,
    const struct weir_token *token,
    struct row_key *ret_key,
    struct row *ret)
{
    enum weir_error error = make_key(token->stream, token->shard_id, ret_key);

    if (error == WEIR_OK) {
        error = read_row(sink, transaction, ret_key, ret);
    }
    if (error == WEIR_ENOTFOUND) {
        return WEIR_ESTATE; /* weir_sink_acquire() was not called, or the sink was emptied */
    }
    if (error != WEIR_OK) {
        return error;
    }
    return ret->sealed || ret->epoch != token->lease_epoch ? WEIR_EFENCED : WEIR_OK;
}

enum weir_error
weir_sink_begin(
    const struct weir_sink *sink,
    struct MDB_txn *transaction,
    const struct weir_token *token,
    struct weir_position *ret_position)
{
    struct row_key key;
    struct row row;
    enum weir_error error = WEIR_EINVAL;

    if (sink == NULL || transaction == NULL || token == NULL || ret_position == NULL) {
        return WEIR_EINVAL;
    }
    error = read_own_row(sink, transaction, token, &key, &row);
    if (error == WEIR_OK) {
        *ret_position = row.position;
    }
    return error;
}

static struct weir_position
position_of(const struct weir_record *record)
{
    return (struct weir_position){
        .type = WEIR_AFTER_SEQUENCE_NUMBER,
        .sequence_number = record->sequence_number,
        .sub_sequence_number = record->sub_sequence_number,
    };
}

bool
weir_sink_has(const struct weir_position *position, const struct weir_record *record)
{
    struct weir_position place;

    if (position == NULL || record == NULL) {
        return false;
    }
    place = position_of(record);
    return wi_checkpoint_compare(&place, position) <= 0;
}

enum weir_error
weir_sink_advance(
    const struct weir_sink *sink,
    struct MDB_txn *transaction,
    const struct weir_token *token,
    const struct weir_record *record)
{
    struct row_key key;
    struct row row;
    enum weir_error error = WEIR_EINVAL;

    if (sink == NULL || transaction == NULL || token == NULL || record == NULL) {
        return WEIR_EINVAL;
    }
    error = read_own_row(sink, transaction, token, &key, &row);
    if (error != WEIR_OK || weir_sink_has(&row.position, record)) {
        return error;
    }
    row.position = position_of(record);
    return write_row(sink, transaction, &key, &row);
}
