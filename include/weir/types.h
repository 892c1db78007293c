/** Values that every part of the API shares: text views, hash keys, positions, shards, records. */
#ifndef WEIR_TYPES_H
#define WEIR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Longest stream, application, worker or shard name, without the final zero. Kinesis: 128. */
#define WEIR_NAME_MAX 128
/** Room for a name and its final zero. */
#define WEIR_NAME_SIZE (WEIR_NAME_MAX + 1)
/** Longest lease key: "account:stream:epoch:shard" of Java KCL's multi-stream mode fits. */
#define WEIR_LEASE_KEY_SIZE 320
/** Room for the identity of one process start of a worker (see lease owner in docs). */
#define WEIR_OWNER_SIZE 208
/** A shard has at most two parents (merge) and two children (split). */
#define WEIR_PARENTS_MAX  2
#define WEIR_CHILDREN_MAX 2

/** Text that somebody else owns; not zero-terminated. */
struct weir_str {
    const char *data;
    size_t length;
};

/** Bytes that somebody else owns. */
struct weir_bytes {
    const void *data;
    size_t length;
};

/** 128-bit hash key: the MD5 of a partition key, or explicit. Compare high first. */
struct weir_hash_key {
    uint64_t high;
    uint64_t low;
};

/** Inclusive range of hash keys. */
struct weir_hash_range {
    struct weir_hash_key start;
    struct weir_hash_key end;
};

/**
 * A sequence number: an unsigned integer of up to 78 decimal digits (Kinesis uses 56), most
 * significant word first. Compare with weir_sequence_number_compare(), never as text.
 */
struct weir_sequence_number {
    uint64_t word[4];
};

/** Room for a sequence number in decimal and its final zero. */
#define WEIR_SEQUENCE_NUMBER_SIZE 80

/** -1, 0 or 1 as a is below, equal to or above b. */
WEIR_API int weir_sequence_number_compare(
    const struct weir_sequence_number *a, const struct weir_sequence_number *b);

/** Write the decimal form and a final zero; returns its length without the zero. */
WEIR_API size_t weir_sequence_number_format(
    const struct weir_sequence_number *number, char text[WEIR_SEQUENCE_NUMBER_SIZE]);

/** Parse 1 to 78 decimal digits. WEIR_EINVAL for anything else or a value of 2^256 or more. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_sequence_number_parse(
    struct weir_str text, struct weir_sequence_number *ret);

/** Room for a hash key in decimal (39 digits) and its final zero. */
#define WEIR_HASH_KEY_SIZE 40

/** -1, 0 or 1 as a is below, equal to or above b. */
WEIR_API int weir_hash_key_compare(struct weir_hash_key a, struct weir_hash_key b);

/** Write the decimal form and a final zero; returns its length without the zero. */
WEIR_API size_t weir_hash_key_format(struct weir_hash_key key, char text[WEIR_HASH_KEY_SIZE]);

/** Parse a decimal number below 2^128; WEIR_EINVAL otherwise. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_hash_key_parse(
    struct weir_str text, struct weir_hash_key *ret);

/** WEIR_OK if text is 1 to 128 of [a-zA-Z0-9_.-] and not "." or ".."; else WEIR_EINVAL. */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_name_check(struct weir_str text);

/** What a position is. SHARD_END and the other sentinels are no sequence numbers. */
enum weir_position_type {
    WEIR_TRIM_HORIZON = 0,          /**< the oldest record kept */
    WEIR_LATEST = 1,                /**< after the newest record */
    WEIR_AT_TIMESTAMP = 2,          /**< the first record that arrived at or after a time */
    WEIR_AT_SEQUENCE_NUMBER = 3,    /**< that record */
    WEIR_AFTER_SEQUENCE_NUMBER = 4, /**< the record that follows it; also "checkpoint at it" */
    WEIR_SHARD_END = 5              /**< everything of the shard has been processed */
};

/**
 * A place in a shard. As a checkpoint: AFTER_SEQUENCE_NUMBER means that everything up to and
 * including (sequence_number, sub_sequence_number) has been processed.
 */
struct weir_position {
    enum weir_position_type type;
    struct weir_sequence_number sequence_number; /**< AT_ and AFTER_SEQUENCE_NUMBER only */
    uint64_t sub_sequence_number;                /**< user record within an aggregated record */
    int64_t timestamp_ms;                        /**< AT_TIMESTAMP only; wall time */
};

/** Room for a position as text and its final zero. */
#define WEIR_POSITION_SIZE 128

/**
 * Parse `TRIM_HORIZON`, `LATEST`, `SHARD_END`, `AT_SEQUENCE_NUMBER:n`, `AFTER_SEQUENCE_NUMBER:n`
 * (both also with `:s` for a sub-sequence number),
 * `AT_TIMESTAMP:t` (RFC 3339 with offset or Z, or epoch seconds with optional fraction).
 * @return WEIR_OK, or WEIR_EINVAL for anything else
 */
WEIR_API WEIR_MUST_CHECK enum weir_error weir_position_parse(
    struct weir_str text, struct weir_position *ret);

/** The text form that weir_position_parse() reads; returns its length. */
WEIR_API size_t
weir_position_format(const struct weir_position *position, char text[WEIR_POSITION_SIZE]);

/** A shard of a stream, open or closed. */
struct weir_shard {
    char shard_id[WEIR_NAME_SIZE];
    char parent_shard_ids[WEIR_PARENTS_MAX][WEIR_NAME_SIZE]; /**< "" where there is none */
    struct weir_hash_range range;
    struct weir_sequence_number starting_sequence_number;
    struct weir_sequence_number ending_sequence_number; /**< valid if closed */
    bool closed;                                        /**< by a split or a merge */
};

/**
 * A record as a processor or weir_stream_get() sees it. Views point into the batch and are valid
 * until the callback returns or the batch is used again.
 */
struct weir_record {
    struct weir_sequence_number sequence_number;
    uint64_t sub_sequence_number; /**< 0 unless de-aggregated */
    struct weir_str partition_key;
    struct weir_bytes data;
    int64_t arrival_ms;                     /**< wall time at which the stream accepted it */
    struct weir_hash_key explicit_hash_key; /**< valid if has_explicit_hash_key */
    bool has_explicit_hash_key;
    bool replay_possible; /**< an earlier owner may have been handed it: duplicates start here */
};

/**
 * The fencing token: who is entitled to the shard's effects. lease_epoch grows with every change of
 * owner and is never used again, so a sink that refuses smaller epochs refuses every stale owner.
 */
struct weir_token {
    struct weir_str stream;
    struct weir_str shard_id;
    uint64_t lease_epoch; /**< >= 1 */
    uint32_t attempt;     /**< 1 for the first delivery of a batch, +1 at each retry */
};

#ifdef __cplusplus
}
#endif

#endif
