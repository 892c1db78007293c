#include "stream/aggregation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/hash_key.h"
#include "core/str.h"

static const unsigned char magic[WI_AGGREGATE_MAGIC_BYTES] = {0xf3, 0x89, 0x9a, 0xc2};

/* The partition key that KPL gives to what it aggregates. */
#define KPL_PARTITION_KEY "a"

/* Field numbers of wire/kpl.proto. */
enum {
    AGGREGATE_PARTITION_KEY = 1,
    AGGREGATE_HASH_KEY = 2,
    AGGREGATE_RECORD = 3
};
enum {
    RECORD_PARTITION_KEY = 1,
    RECORD_HASH_KEY = 2,
    RECORD_DATA = 3
};

/* Wire types of protobuf that are in use; groups (3, 4) have gone out of it. */
enum {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_32 = 5
};

#define VARINT_BITS_MAX  63U
#define FIELD_NUMBER_MAX ((UINT64_C(1) << 29) - 1)

/* One field: its number, and what its wire type gives. */
struct field {
    uint64_t number;
    unsigned wire;
    uint64_t value;          /* VARINT */
    struct weir_bytes bytes; /* BYTES */
};

struct reader {
    const unsigned char *p;
    const unsigned char *end;
};

static struct reader
reader_of(struct weir_bytes bytes)
{
    const unsigned char *begin = bytes.data;

    return (struct reader){begin, bytes.length == 0 ? begin : begin + bytes.length};
}

static bool
take_varint(struct reader *r, uint64_t *ret)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift <= VARINT_BITS_MAX; shift += 7) {
        unsigned char byte;

        if (r->p == r->end) {
            return false;
        }
        byte = *r->p++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool
take_bytes(struct reader *r, uint64_t length, struct weir_bytes *ret)
{
    if (length > (uint64_t)(r->end - r->p)) {
        return false;
    }
    *ret = (struct weir_bytes){r->p, (size_t)length};
    r->p += length;
    return true;
}

static bool
take_field(struct reader *r, struct field *ret)
{
    uint64_t tag;
    uint64_t length;

    if (!take_varint(r, &tag)) {
        return false;
    }
    *ret = (struct field){.number = tag >> 3, .wire = (unsigned)(tag & 7)};
    if (ret->number == 0 || ret->number > FIELD_NUMBER_MAX) {
        return false;
    }
    switch (ret->wire) {
    case WIRE_VARINT:
        return take_varint(r, &ret->value);
    case WIRE_64:
        return take_bytes(r, sizeof(uint64_t), &ret->bytes);
    case WIRE_32:
        return take_bytes(r, sizeof(uint32_t), &ret->bytes);
    case WIRE_BYTES:
        return take_varint(r, &length) && take_bytes(r, length, &ret->bytes);
    default:
        return false;
    }
}

static bool
is_field(const struct field *field, uint64_t number, unsigned wire)
{
    return field->number == number && field->wire == wire;
}

/* A user record; what is not known (tags, later fields) is passed over. Of a field that comes twice
 * the last one counts. False if a required field is missing. */
static bool
take_record(struct weir_bytes message, struct wi_user_record *ret)
{
    struct reader r = reader_of(message);
    struct field field;
    bool has_key = false;
    bool has_data = false;

    *ret = (struct wi_user_record){.has_hash_key = false};
    while (r.p < r.end) {
        if (!take_field(&r, &field)) {
            return false;
        }
        if (is_field(&field, RECORD_PARTITION_KEY, WIRE_VARINT)) {
            ret->partition_key = field.value;
            has_key = true;
        } else if (is_field(&field, RECORD_HASH_KEY, WIRE_VARINT)) {
            ret->hash_key = field.value;
            ret->has_hash_key = true;
        } else if (is_field(&field, RECORD_DATA, WIRE_BYTES)) {
            ret->data = field.bytes;
            has_data = true;
        }
    }
    return has_key && has_data;
}

bool
wi_aggregate_split(
    struct weir_bytes data, struct weir_bytes *ret_body, struct weir_bytes *ret_digest)
{
    const unsigned char *bytes = data.data;

    if (data.length <= WI_AGGREGATE_MAGIC_BYTES + WI_AGGREGATE_DIGEST_BYTES ||
        memcmp(bytes, magic, sizeof magic) != 0) {
        return false;
    }
    ret_body->data = bytes + WI_AGGREGATE_MAGIC_BYTES;
    ret_body->length = data.length - WI_AGGREGATE_MAGIC_BYTES - WI_AGGREGATE_DIGEST_BYTES;
    ret_digest->data = bytes + data.length - WI_AGGREGATE_DIGEST_BYTES;
    ret_digest->length = WI_AGGREGATE_DIGEST_BYTES;
    return true;
}

/* The largest indices that records use, plus one: tables may stand behind the records. */
struct needs {
    uint64_t partition_keys;
    uint64_t hash_keys;
};

static bool
note_record(struct weir_bytes message, struct needs *needs)
{
    struct wi_user_record record;

    if (!take_record(message, &record) || record.partition_key >= WI_AGGREGATE_KEYS_MAX ||
        record.hash_key >= WI_AGGREGATE_KEYS_MAX) {
        return false;
    }
    if (record.partition_key >= needs->partition_keys) {
        needs->partition_keys = record.partition_key + 1;
    }
    if (record.has_hash_key && record.hash_key >= needs->hash_keys) {
        needs->hash_keys = record.hash_key + 1;
    }
    return true;
}

enum weir_error
wi_aggregate_check(struct weir_bytes body, struct wi_aggregate *ret)
{
    struct reader r = reader_of(body);
    struct wi_aggregate aggregate = {.body = body};
    struct needs needs = {0, 0};
    struct field field;

    while (r.p < r.end) {
        if (!take_field(&r, &field)) {
            return WEIR_ECORRUPT;
        }
        if (is_field(&field, AGGREGATE_PARTITION_KEY, WIRE_BYTES)) {
            aggregate.partition_key_count++;
        } else if (is_field(&field, AGGREGATE_HASH_KEY, WIRE_BYTES)) {
            aggregate.hash_key_count++;
        } else if (is_field(&field, AGGREGATE_RECORD, WIRE_BYTES)) {
            if (!note_record(field.bytes, &needs)) {
                return WEIR_ECORRUPT;
            }
            aggregate.record_count++;
        }
    }
    if (aggregate.partition_key_count > WI_AGGREGATE_KEYS_MAX ||
        aggregate.hash_key_count > WI_AGGREGATE_KEYS_MAX ||
        needs.partition_keys > aggregate.partition_key_count ||
        needs.hash_keys > aggregate.hash_key_count) {
        return WEIR_ECORRUPT;
    }
    *ret = aggregate;
    return WEIR_OK;
}

static struct weir_str
text_of(struct weir_bytes bytes)
{
    return (struct weir_str){bytes.data, bytes.length};
}

enum weir_error
wi_aggregate_keys(struct wi_aggregate *aggregate)
{
    struct reader r = reader_of(aggregate->body);
    struct field field;
    size_t partition_keys = 0;
    size_t hash_keys = 0;

    while (r.p < r.end) {
        bool is_whole = take_field(&r, &field);

        WEIR_ASSERT(is_whole); /* wi_aggregate_check() has read it */
        if (is_field(&field, AGGREGATE_PARTITION_KEY, WIRE_BYTES)) {
            WEIR_ASSERT(partition_keys < aggregate->partition_key_count);
            aggregate->partition_keys[partition_keys++] =
                (struct wi_aggregate_key){.text = text_of(field.bytes)};
        } else if (is_field(&field, AGGREGATE_HASH_KEY, WIRE_BYTES)) {
            struct wi_aggregate_key key = {.text = text_of(field.bytes), .has_hash = true};

            if (weir_hash_key_parse(key.text, &key.hash) != WEIR_OK) {
                return WEIR_ECORRUPT;
            }
            WEIR_ASSERT(hash_keys < aggregate->hash_key_count);
            aggregate->hash_keys[hash_keys++] = key;
        }
    }
    return WEIR_OK;
}

bool
wi_aggregate_next(const struct wi_aggregate *aggregate, size_t *cursor, struct wi_user_record *ret)
{
    struct reader r = reader_of(aggregate->body);
    struct field field;

    WEIR_ASSERT(*cursor <= aggregate->body.length);
    r.p += *cursor;
    while (r.p < r.end) {
        bool is_whole = take_field(&r, &field);

        WEIR_ASSERT(is_whole);
        if (is_field(&field, AGGREGATE_RECORD, WIRE_BYTES)) {
            is_whole = take_record(field.bytes, ret);
            WEIR_ASSERT(is_whole);
            WEIR_ASSERT(ret->partition_key < aggregate->partition_key_count);
            *cursor = (size_t)(r.p - (const unsigned char *)aggregate->body.data);
            return true;
        }
    }
    return false;
}

struct weir_hash_key
wi_aggregate_hash(const struct wi_aggregate *aggregate, const struct wi_user_record *record)
{
    const struct wi_aggregate_key *key = record->has_hash_key
                                             ? &aggregate->hash_keys[record->hash_key]
                                             : &aggregate->partition_keys[record->partition_key];

    WEIR_ASSERT(key->has_hash);
    return key->hash;
}

/* The ancestor whose range holds all user records: the shard that KPL had in mind. */
static bool
fits_one_of(
    const struct weir_hash_range *ranges,
    size_t count,
    struct weir_hash_key low,
    struct weir_hash_key high)
{
    for (size_t i = 0; i < count; i++) {
        if (wi_hash_range_contains(ranges[i], low) && wi_hash_range_contains(ranges[i], high)) {
            return true;
        }
    }
    return false;
}

bool
wi_aggregate_is_resent(
    const struct wi_aggregate *aggregate,
    struct weir_str outer_key,
    const struct wi_aggregate_evidence *evidence)
{
    struct wi_user_record record;
    struct weir_hash_key low = WI_HASH_KEY_MAX;
    struct weir_hash_key high = WI_HASH_KEY_MIN;
    size_t cursor = 0;
    bool is_first = true;

    if (!wi_str_equal_z(outer_key, KPL_PARTITION_KEY)) {
        return false;
    }
    while (wi_aggregate_next(aggregate, &cursor, &record)) {
        const struct weir_hash_key hash = wi_aggregate_hash(aggregate, &record);

        if (is_first && !wi_hash_range_contains(evidence->shard, hash)) {
            return false; /* KPL sends an aggregate to where its first record belongs */
        }
        is_first = false;
        low = weir_hash_key_compare(hash, low) < 0 ? hash : low;
        high = weir_hash_key_compare(hash, high) > 0 ? hash : high;
    }
    return fits_one_of(evidence->ancestors, evidence->ancestor_count, low, high);
}
