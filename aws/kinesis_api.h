/*
 * Requests of Kinesis, one function each: build, send, read the answer. API version 2013-12-02,
 * JSON 1.1. All block, all may be called from any thread. Answers are not trusted: what does not
 * look like an answer is WEIR_ECORRUPT.
 *
 * Errors of all of them, beside those named: WEIR_ETHROTTLED, WEIR_ENOTFOUND (no such stream or
 * shard), WEIR_EACCESS, WEIR_EINVAL (the service refuses an argument), WEIR_EBUSY (the stream is
 * being changed), WEIR_ETIMEOUT, WEIR_EIO, WEIR_ECANCELED, WEIR_ENOMEM; the detail has the words.
 */
#ifndef WI_AWS_KINESIS_API_H
#define WI_AWS_KINESIS_API_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "core/str.h"

#define WI_KINESIS_SERVICE      "kinesis"
#define WI_KINESIS_TARGET       "Kinesis_20131202"
#define WI_KINESIS_CONTENT_TYPE "application/x-amz-json-1.1"
/* Of GetRecords, if it is asked for: data without base64. */
#define WI_KINESIS_CBOR_TYPE "application/x-amz-cbor-1.1"

#define WI_KINESIS_ARN_SIZE 512
/* Of one GetRecords. */
#define WI_KINESIS_GET_RECORDS_MAX 10000U
/* Of one PutRecords. */
#define WI_KINESIS_PUT_RECORDS_MAX 500U
#define WI_KINESIS_PUT_BYTES_MAX   ((size_t)5 * 1024 * 1024)
/* Of one attempt: megabytes take longer than what a lease can wait for. */
#define WI_KINESIS_READ_TIMEOUT_MS 15000
#define WI_KINESIS_PUT_TIMEOUT_MS  15000
/* Characters of a partition key. */
#define WI_KINESIS_KEY_CHARACTERS_MAX 256U
/* Largest data of a record that any stream takes, and that one takes that does not say. */
#define WI_KINESIS_RECORD_BYTES_MAX     ((size_t)10 * 1024 * 1024)
#define WI_KINESIS_RECORD_BYTES_DEFAULT ((size_t)1024 * 1024)
/* Shards of one page of ListShards, and pages of one list; WEIR_ELIMIT beyond that. */
#define WI_KINESIS_LIST_PAGE  1000U
#define WI_KINESIS_LIST_PAGES 1000U
/* An iterator is good for five minutes. */
#define WI_KINESIS_ITERATOR_MS (5 * 60 * 1000)
/* Longest iterator and paging token that is kept. */
#define WI_KINESIS_TOKEN_MAX 8192U

/* Where requests go. Borrows the client; one of name and ARN is "". */
struct wi_kinesis_api {
    const struct weir_env *env;
    struct wi_aws_client *client;
    char stream_name[WEIR_NAME_SIZE];
    char stream_arn[WI_KINESIS_ARN_SIZE];
    _Atomic bool asks_for_cbor; /* in GetRecords; until the service answers otherwise */
};

enum wi_kinesis_status {
    WI_KINESIS_ACTIVE,
    WI_KINESIS_UPDATING,
    WI_KINESIS_CREATING,
    WI_KINESIS_DELETING
};

struct wi_kinesis_summary {
    char stream_arn[WI_KINESIS_ARN_SIZE];
    enum wi_kinesis_status status;
    int64_t retention_ms;
    int64_t created_ms;
    uint64_t open_shards;
    size_t record_bytes_max; /* of the data of one record */
};

WEIR_MUST_CHECK enum weir_error wi_kinesis_describe_summary(
    struct wi_kinesis_api *api, struct wi_kinesis_summary *ret, struct weir_detail *detail);

/* All shards that Kinesis still lists, in its order. *ret_shards belongs to the caller. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_list_shards(
    struct wi_kinesis_api *api,
    struct weir_shard **ret_shards,
    size_t *ret_count,
    struct weir_detail *detail);

/* An iterator at a position; its sub-sequence number is not looked at. `ret` is filled anew. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_get_shard_iterator(
    struct wi_kinesis_api *api,
    struct weir_str shard_id,
    const struct weir_position *from,
    struct wi_buffer *ret,
    struct weir_detail *detail);

/* The answer goes to `answer`, whose memory is used again: JSON for wi_kinesis_page_read(), or CBOR
 * for wi_kinesis_cbor_read(), which begins as wi_cbor_is_map() says. A service that does not answer
 * in CBOR is asked in JSON from then on.
 * One attempt: the reader knows better than the client when to ask again, and for how much.
 * WEIR_EEXPIRED: get a new iterator. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_get_records(
    struct wi_kinesis_api *api,
    struct weir_str iterator,
    size_t records_max,
    struct wi_buffer *answer,
    struct weir_detail *detail);

/* One record to put, checked by the caller: the key is UTF-8 without a zero. */
struct wi_kinesis_put_entry {
    struct weir_str partition_key;
    struct weir_bytes data;
    const struct weir_hash_key *explicit_hash_key; /* NULL: none */
};

/* What became of it: OK, ETHROTTLED (put it again), EIO (an internal failure: put it again). */
struct wi_kinesis_put_result {
    enum weir_error error;
    char shard_id[WEIR_NAME_SIZE];
    struct weir_sequence_number sequence_number;
};

/* At most WI_KINESIS_PUT_RECORDS_MAX. An attempt whose outcome is unknown is made again, as the
 * SDKs and KPL do: a record may be in the stream twice then. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_put_records(
    struct wi_kinesis_api *api,
    const struct wi_kinesis_put_entry *entries,
    size_t count,
    struct wi_kinesis_put_result *ret_results,
    struct weir_detail *detail);

/* The following begin a change that goes on after they have returned. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_split_shard(
    struct wi_kinesis_api *api,
    struct weir_str shard_id,
    struct weir_hash_key at,
    struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_error wi_kinesis_merge_shards(
    struct wi_kinesis_api *api,
    struct weir_str shard_id,
    struct weir_str adjacent_shard_id,
    struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_error wi_kinesis_update_shard_count(
    struct wi_kinesis_api *api, uint32_t shards, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_error wi_kinesis_create_stream(
    struct wi_kinesis_api *api, uint32_t shards, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_error wi_kinesis_delete_stream(
    struct wi_kinesis_api *api, struct weir_detail *detail);

#endif
