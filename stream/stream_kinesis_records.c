/* From a page to a batch: base64, partition keys, aggregated records. */
#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "aws/kinesis_base64.h"
#include "aws/kinesis_page.h"
#include "core/check.h"
#include "core/hash_key.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/sequence_number.h"
#include "stream/aggregation.h"
#include "stream/batch.h"
#include "stream/partition_hash.h"
#include "stream/stream_kinesis.h"

/* Room that a batch gets beside what its records may take, so that few of them need more. */
#define ROOM_LEAST ((size_t)64 * 1024)

/* One call of wi_kinesis_reader_take(). Views point into the batch's bytes, so these do not move
 * while there is a record: what does not fit any more ends the batch. */
struct taking {
    struct wi_kinesis_reader *reader;
    struct weir_batch *batch;
    size_t records_max;
    size_t bytes_max;
    size_t bytes; /* keys and data of the batch */
    size_t room;  /* of batch->bytes */
    bool is_full;
};

static struct weir_str
text_at(const struct wi_kinesis_page *page, uint32_t at, uint32_t length)
{
    return (struct weir_str){page->text.data + at, length};
}

/* `size` bytes of the batch, or NULL: it is full, or (error) there is no memory. */
static unsigned char *
reserve(struct taking *t, size_t size, enum weir_error *error)
{
    struct weir_batch *batch = t->batch;
    size_t at = batch->byte_count;

    *error = WEIR_OK;
    if (size > t->room - at) {
        if (batch->record_count > 0) {
            t->is_full = true;
            return NULL;
        }
        *error = wi_batch_extend(batch, size, &at);
        if (*error != WEIR_OK) {
            return NULL;
        }
        t->room = batch->byte_capacity;
        batch->byte_count = at;
    }
    return batch->bytes + at;
}

/* The data of a record to `to`, as it is or from base64; text with escapes (an escaped '/' is
 * legal) goes through `to` itself, which is large enough for it. */
static enum weir_error
decode(
    const struct wi_kinesis_page *page,
    const struct wi_kinesis_record *record,
    unsigned char *to,
    size_t *ret_size)
{
    const struct weir_str text = text_at(page, record->data_at, record->data_length);
    size_t length = 0;
    enum weir_error error = WEIR_OK;

    if (record->data_is_raw) {
        memcpy(to, text.data, text.length);
        *ret_size = text.length;
        return WEIR_OK;
    }
    if (wi_base64_decode(text, to, ret_size) == WEIR_OK) {
        return WEIR_OK;
    }
    error = page->is_cbor ? WEIR_ECORRUPT : wi_kinesis_unescape(text, (char *)to, &length);
    if (error != WEIR_OK) {
        return error;
    }
    /* In place: a group of four is read before its three bytes are written. */
    return wi_base64_decode((struct weir_str){(char *)to, length}, to, ret_size) == WEIR_OK
               ? WEIR_OK
               : WEIR_ECORRUPT;
}

/* Data and, behind it, the partition key of a record, as bytes of the batch. */
static enum weir_error
decode_record(
    struct taking *t,
    const struct wi_kinesis_record *record,
    struct weir_bytes *ret_data,
    struct weir_str *ret_key)
{
    const struct wi_kinesis_page *page = &t->reader->page;
    const struct weir_str key = text_at(page, record->key_at, record->key_length);
    enum weir_error error = WEIR_OK;
    size_t size = 0;
    size_t key_length = record->key_length;
    /* The text's own length: an escaped one stands there before it is decoded. */
    unsigned char *to =
        reserve(t, (size_t)record->data_length + (size_t)record->key_length, &error);

    if (to == NULL) {
        return error;
    }
    error = decode(page, record, to, &size);
    if (error != WEIR_OK) {
        return error;
    }
    if (record->key_is_escaped) {
        error = wi_kinesis_unescape(key, (char *)to + size, &key_length);
    } else if (key_length > 0) {
        memcpy(to + size, key.data, key_length);
    }
    *ret_data = (struct weir_bytes){to, size};
    *ret_key = (struct weir_str){(const char *)to + size, key_length};
    return error;
}

/* --- aggregated records --- */

static bool
digest_is_right(
    struct wi_kinesis_reader *reader, struct weir_bytes body, struct weir_bytes expected)
{
    unsigned char digest[EVP_MAX_MD_SIZE];

    return EVP_DigestInit_ex2(reader->md5, reader->stream->md5, NULL) == 1 &&
           EVP_DigestUpdate(reader->md5, body.data, body.length) == 1 &&
           EVP_DigestFinal_ex(reader->md5, digest, NULL) == 1 &&
           memcmp(digest, expected.data, WI_AGGREGATE_DIGEST_BYTES) == 0;
}

/* Memory for the tables of an aggregate, kept for the next one. */
static enum weir_error
give_tables(struct wi_kinesis_reader *reader, struct wi_aggregate *aggregate)
{
    const size_t needed = aggregate->partition_key_count + aggregate->hash_key_count + 1;

    if (needed > reader->key_capacity) {
        struct wi_aggregate_key *keys =
            wi_resize_array(reader->stream->env, reader->keys, needed, sizeof *keys);

        if (keys == NULL) {
            return WEIR_ENOMEM;
        }
        reader->keys = keys;
        reader->key_capacity = needed;
    }
    aggregate->partition_keys = reader->keys;
    aggregate->hash_keys = reader->keys + aggregate->partition_key_count;
    return WEIR_OK;
}

/* The data as an aggregate; WEIR_ECORRUPT if it is none, and so a plain record. */
static enum weir_error
open_aggregate(struct wi_kinesis_reader *reader, struct weir_bytes data, struct wi_aggregate *ret)
{
    struct weir_bytes body;
    struct weir_bytes digest;
    enum weir_error error;

    if (!wi_aggregate_split(data, &body, &digest) || !digest_is_right(reader, body, digest)) {
        return WEIR_ECORRUPT;
    }
    error = wi_aggregate_check(body, ret);
    if (error == WEIR_OK) {
        error = give_tables(reader, ret);
    }
    if (error == WEIR_OK) {
        error = wi_aggregate_keys(ret);
    }
    if (error == WEIR_ECORRUPT) {
        wi_log(
            reader->stream->env,
            WEIR_LOG_WARN,
            "stream",
            "%s: a malformed aggregated record is delivered as it is",
            reader->shard_id);
    }
    return error;
}

static bool
is_everything(struct weir_hash_range range)
{
    return weir_hash_key_compare(range.start, WI_HASH_KEY_MIN) == 0 &&
           weir_hash_key_compare(range.end, WI_HASH_KEY_MAX) == 0;
}

static enum weir_error
hash_keys(struct wi_kinesis_reader *reader, const struct wi_aggregate *aggregate)
{
    for (size_t i = 0; i < aggregate->partition_key_count; i++) {
        struct wi_aggregate_key *key = &aggregate->partition_keys[i];
        const enum weir_error error =
            wi_partition_hash(reader->stream->md5, reader->md5, key->text, &key->hash);

        if (error != WEIR_OK) {
            return error;
        }
        key->has_hash = true;
    }
    return WEIR_OK;
}

/* Whether user records outside of the shard's range are to be left out. Only a shard with known
 * ancestors can have got an aggregate that was meant for another one. */
static enum weir_error
judge(
    struct wi_kinesis_reader *reader,
    const struct wi_aggregate *aggregate,
    struct weir_str outer_key,
    bool *ret_resent)
{
    struct wi_kinesis_family *family = &reader->family;
    enum weir_error error = WEIR_OK;

    *ret_resent = false;
    if (!reader->has_family) {
        error = wi_kinesis_find_family(reader->stream, reader->shard_id, family);
        if (error != WEIR_OK) {
            return error;
        }
        reader->has_family = true;
    }
    if (!family->is_known || family->ancestor_count == 0 || is_everything(family->range)) {
        return WEIR_OK;
    }
    error = hash_keys(reader, aggregate);
    if (error == WEIR_OK) {
        *ret_resent = wi_aggregate_is_resent(
            aggregate,
            outer_key,
            &(struct wi_aggregate_evidence){
                family->range, family->ancestors, family->ancestor_count});
    }
    return error;
}

/* --- into the batch --- */

/* Add a record whose bytes are in the batch; false if the batch is full without it. */
static bool
add(struct taking *t, const struct weir_record *record, enum weir_error *error)
{
    struct weir_batch *batch = t->batch;
    const size_t size = record->partition_key.length + record->data.length;

    *error = WEIR_OK;
    if (batch->record_count > 0 &&
        (batch->record_count == t->records_max || size > t->bytes_max - t->bytes)) {
        t->is_full = true;
        return false;
    }
    *error = wi_batch_reserve_records(batch, batch->record_count + 1);
    if (*error != WEIR_OK) {
        return false;
    }
    batch->records[batch->record_count++] = *record;
    t->bytes += size < t->bytes_max - t->bytes ? size : t->bytes_max - t->bytes;
    return true;
}

static enum weir_error
add_user_records(
    struct taking *t,
    const struct wi_kinesis_record *outer,
    const struct wi_aggregate *aggregate,
    bool is_resent)
{
    struct wi_kinesis_reader *reader = t->reader;
    struct wi_user_record user;
    struct weir_record record = {
        .sequence_number = outer->sequence_number, .arrival_ms = outer->arrival_ms};
    size_t cursor = 0;
    enum weir_error error = WEIR_OK;

    for (uint64_t sub = 0; wi_aggregate_next(aggregate, &cursor, &user); sub++) {
        if (reader->has_wanted &&
            wi_sequence_number_compare(&outer->sequence_number, &reader->wanted.sequence_number) ==
                0 &&
            sub < reader->wanted.sub_sequence_number) {
            continue;
        }
        record.sub_sequence_number = sub;
        record.partition_key = aggregate->partition_keys[user.partition_key].text;
        record.data = user.data;
        record.has_explicit_hash_key = user.has_hash_key;
        record.explicit_hash_key = user.has_hash_key ? aggregate->hash_keys[user.hash_key].hash
                                                     : (struct weir_hash_key){0, 0};
        if (!(is_resent &&
              !wi_hash_range_contains(reader->family.range, wi_aggregate_hash(aggregate, &user))) &&
            !add(t, &record, &error)) {
            return error;
        }
        wi_kinesis_reader_passed(reader, &outer->sequence_number, sub);
    }
    if (aggregate->record_count == 0) {
        wi_kinesis_reader_passed(reader, &outer->sequence_number, 0);
    }
    reader->index++;
    return WEIR_OK;
}

static enum weir_error
add_plain(
    struct taking *t,
    const struct wi_kinesis_record *outer,
    struct weir_bytes data,
    struct weir_str key)
{
    struct wi_kinesis_reader *reader = t->reader;
    enum weir_error error = WEIR_OK;
    const bool is_done =
        reader->has_wanted && reader->wanted.sub_sequence_number > 0 &&
        wi_sequence_number_compare(&outer->sequence_number, &reader->wanted.sequence_number) == 0;

    if (!is_done) {
        if (!add(
                t,
                &(struct weir_record){.sequence_number = outer->sequence_number,
                                      .partition_key = key,
                                      .data = data,
                                      .arrival_ms = outer->arrival_ms},
                &error)) {
            return error;
        }
        t->batch->byte_count += data.length + key.length;
        wi_kinesis_reader_passed(reader, &outer->sequence_number, 0);
    }
    reader->index++;
    return WEIR_OK;
}

static enum weir_error
take_record(struct taking *t)
{
    struct wi_kinesis_reader *reader = t->reader;
    const struct wi_kinesis_record *outer = &reader->page.records[reader->index];
    struct wi_aggregate aggregate;
    struct weir_bytes data = {NULL, 0};
    struct weir_str key = {NULL, 0};
    bool is_resent = false;
    enum weir_error error = decode_record(t, outer, &data, &key);

    if (error != WEIR_OK || t->is_full) {
        return error;
    }
    error = open_aggregate(reader, data, &aggregate);
    if (error == WEIR_ECORRUPT) {
        return add_plain(t, outer, data, key);
    }
    if (error == WEIR_OK) {
        error = judge(reader, &aggregate, key, &is_resent);
    }
    if (error == WEIR_OK) {
        const size_t count = t->batch->record_count;

        error = add_user_records(t, outer, &aggregate, is_resent);
        if (t->batch->record_count > count) {
            t->batch->byte_count += data.length; /* they point into it */
        }
    }
    return error;
}

enum weir_error
wi_kinesis_reader_take(
    struct wi_kinesis_reader *reader,
    size_t records_max,
    size_t bytes_max,
    struct weir_batch *batch)
{
    struct taking t = {
        .reader = reader, .batch = batch, .records_max = records_max, .bytes_max = bytes_max};
    const size_t room = bytes_max < reader->page.text.length ? bytes_max : reader->page.text.length;
    size_t at = 0;
    enum weir_error error = wi_batch_extend(batch, room + ROOM_LEAST, &at);

    WEIR_ASSERT(batch->record_count == 0 && (error != WEIR_OK || at == 0));
    batch->byte_count = 0;
    t.room = batch->byte_capacity;
    while (error == WEIR_OK && !t.is_full && wi_kinesis_reader_has_records(reader)) {
        error = take_record(&t);
    }
    /* What was taken counts; the next call meets the error again. */
    return batch->record_count > 0 ? WEIR_OK : error;
}
