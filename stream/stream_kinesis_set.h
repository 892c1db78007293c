/*
 * Several Kinesis streams as one stream source (docs/kinesis.md 5). Its shards have the lease keys
 * of Java KCL's multi-stream mode as their ids, `account:stream:epoch:shard`; what stands before
 * the last ':' says which stream is asked.
 *
 * A shard of a stream that is not in the list is that of a former one: its stream is opened when
 * the shard is read, so that leases which are there are worked off. Only the streams of the list
 * are described.
 */
#ifndef WI_STREAM_STREAM_KINESIS_SET_H
#define WI_STREAM_STREAM_KINESIS_SET_H

#include <weir/env.h>
#include <weir/error.h>

#include "aws/http.h"
#include "stream/stream_source.h"

/* Streams that are not in the list and that one handle opens; WEIR_ELIMIT beyond. */
#define WI_KINESIS_FORMER_MAX 256U
/* One that could not be opened is asked for again after this. */
#define WI_KINESIS_FORMER_RETRY_MS 10000

/* Open what wi_kinesis_url_is_set() is true of; fills stream->ops, ->source, ->name and ->url.
 * Every stream of the list is asked for: one that is not there is WEIR_ENOTFOUND. */
WEIR_MUST_CHECK enum weir_error wi_stream_kinesis_set_open(
    const struct weir_env *env,
    const char *url,
    struct weir_stream *stream,
    struct weir_detail *detail);
/* The same by way of a given client, which is closed with the stream and by a failure; for tests.
 */
WEIR_MUST_CHECK enum weir_error wi_stream_kinesis_set_open_with(
    const struct weir_env *env,
    const char *url,
    struct wi_http *http,
    struct weir_stream *stream,
    struct weir_detail *detail);

#endif
