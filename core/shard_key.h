/*
 * Names of shards where an application reads several streams: `account:stream:epoch:shard`, the
 * lease keys of Java KCL's multi-stream mode. What stands before the last ':' names the stream: its
 * serialized identifier. With one stream a shard has its bare id, which has no ':'. Pure.
 */
#ifndef WI_CORE_SHARD_KEY_H
#define WI_CORE_SHARD_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

/* How the URL of a Kinesis stream begins, and what an application of several streams remembers in
 * place of their names, so that the list may change; no name has a '*'. */
#define WI_KINESIS_SCHEME     "kinesis:"
#define WI_KINESIS_ANY_STREAM "*"
/* Digits of an AWS account. */
#define WI_ACCOUNT_DIGITS 12U
/* Digits of a shard id as Kinesis gives them: "shardId-000000000000". */
#define WI_KINESIS_SHARD_ID_LENGTH 20U
/* Room for an identifier; with ":shard" behind it it has to fit into WEIR_NAME_SIZE as well. */
#define WI_STREAM_IDENTIFIER_SIZE WEIR_NAME_SIZE

/* One stream among several. */
struct wi_stream_identifier {
    char account[WI_ACCOUNT_DIGITS + 1];
    char name[WEIR_NAME_SIZE];
    int64_t created_s; /* creation time of the stream, or what its application says instead; > 0 */
};

/* What stands before the last ':'; empty if there is none. */
struct weir_str wi_shard_key_stream(struct weir_str key);
/* What stands behind it; all of a bare id. */
struct weir_str wi_shard_key_shard(struct weir_str key);
/* Name of the stream that a key's identifier has; empty for a bare id, or if it has none. */
struct weir_str wi_shard_key_stream_name(struct weir_str key);

/* `stream:shard`, or the bare shard id if `stream` is empty. WEIR_ELIMIT: longer than a name. */
WEIR_MUST_CHECK enum weir_error wi_shard_key_join(
    struct weir_str stream, struct weir_str shard, char ret[WEIR_NAME_SIZE]);

/* `account:name:epoch` in the one form that it is written in. WEIR_EINVAL. */
WEIR_MUST_CHECK enum weir_error wi_stream_identifier_parse(
    struct weir_str text, struct wi_stream_identifier *ret);
/* WEIR_ELIMIT: with the shard ids of Kinesis behind it it would be longer than a name. */
WEIR_MUST_CHECK enum weir_error wi_stream_identifier_format(
    const struct wi_stream_identifier *identifier, char ret[WI_STREAM_IDENTIFIER_SIZE]);

#endif
