/*
 * Aggregated records of the Kinesis Producer Library: magic, a protobuf message (wire/kpl.proto),
 * MD5 of the message. One stream record holds many user records. Pure; views point into the blob.
 *
 * Anybody may have written the blob. It is read twice: wi_aggregate_check() looks at every byte
 * before the first user record is taken from it, so that a malformed one is delivered whole, as the
 * plain record that it is, and never in part.
 */
#ifndef WI_STREAM_AGGREGATION_H
#define WI_STREAM_AGGREGATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#define WI_AGGREGATE_MAGIC_BYTES  4U
#define WI_AGGREGATE_DIGEST_BYTES 16U
/* Most keys of one kind in one aggregate; more is delivered as a plain record. A record of 10 MiB
 * cannot hold as many honest ones. */
#define WI_AGGREGATE_KEYS_MAX 1000000U

/* One partition key or explicit hash key of the tables. */
struct wi_aggregate_key {
    struct weir_str text;
    struct weir_hash_key hash; /* of explicit hash keys; of partition keys once has_hash */
    bool has_hash;
};

struct wi_aggregate {
    struct weir_bytes body; /* the protobuf message */
    uint64_t record_count;
    size_t partition_key_count;
    size_t hash_key_count;
    struct wi_aggregate_key *partition_keys; /* the caller's memory, after wi_aggregate_keys() */
    struct wi_aggregate_key *hash_keys;
};

/* One user record. */
struct wi_user_record {
    size_t partition_key; /* index of the table */
    size_t hash_key;      /* index of the table; valid if has_hash_key */
    bool has_hash_key;
    struct weir_bytes data;
};

/* Whether the data begins and is long enough as an aggregate is. Then *ret_body is the message and
 * *ret_digest the 16 bytes that its MD5 must have. */
bool wi_aggregate_split(
    struct weir_bytes data, struct weir_bytes *ret_body, struct weir_bytes *ret_digest);

/* Count keys and records and look at every field. WEIR_ECORRUPT if it is no AggregatedRecord, or an
 * index points nowhere, or a bound is passed. */
WEIR_MUST_CHECK enum weir_error wi_aggregate_check(
    struct weir_bytes body, struct wi_aggregate *ret);

/* Fill the tables; aggregate->partition_keys and ->hash_keys have room for the counts.
 * WEIR_ECORRUPT if an explicit hash key is no number below 2^128. */
WEIR_MUST_CHECK enum weir_error wi_aggregate_keys(struct wi_aggregate *aggregate);

/* The next user record; *cursor begins at 0. False at the end. The aggregate has been checked. */
bool wi_aggregate_next(
    const struct wi_aggregate *aggregate, size_t *cursor, struct wi_user_record *ret);

/*
 * Which user records of an aggregate belong to the consumer of the shard it was found in. KPL puts
 * a user record again if the shard that took the aggregate does not own the record's hash key (its
 * view of the shards was old); then, and only then, it must be left out here.
 * docs/kinesis.md, "Aggregated records", has the reasoning.
 */
struct wi_aggregate_evidence {
    struct weir_hash_range shard;            /* that the aggregate was found in */
    const struct weir_hash_range *ancestors; /* of the shard */
    size_t ancestor_count;
};

/* True if user records with hash keys outside of the shard are put again by the producer, and so
 * are to be left out. Every key has its hash. `outer_key` is the partition key of the whole. */
bool wi_aggregate_is_resent(
    const struct wi_aggregate *aggregate,
    struct weir_str outer_key,
    const struct wi_aggregate_evidence *evidence);

/* The hash key that decides about a user record. */
struct weir_hash_key wi_aggregate_hash(
    const struct wi_aggregate *aggregate, const struct wi_user_record *record);

#endif
