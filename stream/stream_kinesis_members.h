/*
 * The streams of a set: which ones there are, how their names become identifiers, and how the
 * stream of a shard is found.
 */
#ifndef WI_STREAM_STREAM_KINESIS_MEMBERS_H
#define WI_STREAM_STREAM_KINESIS_MEMBERS_H

#include <pthread.h>
#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/shard_key.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_set.h"
#include "stream/stream_kinesis_url.h"

#define WI_KINESIS_MEMBERS_MAX (WI_KINESIS_STREAMS_MAX + WI_KINESIS_FORMER_MAX)

struct wi_kinesis_member {
    char id[WI_STREAM_IDENTIFIER_SIZE]; /* account:name:epoch */
    struct wi_kinesis_stream *stream;   /* NULL: it could not be opened, see `error` */
    enum weir_error error;              /* this and the next: of whoever holds the open lock */
    struct weir_mono retry_at;
};

struct wi_kinesis_set {
    const struct weir_env *env;
    struct wi_kinesis_shared shared;
    struct wi_kinesis_url options;
    size_t listed;             /* how many of the members are in the list: the first ones */
    pthread_mutex_t open_lock; /* held while the stream of a former member is asked for */
    pthread_mutex_t lock; /* guards what follows; members that have a stream stay as they are */
    size_t count;
    struct wi_kinesis_member members[WI_KINESIS_MEMBERS_MAX];
};

/* Ask for an element of the list and add it. One thread, before the set is used. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_member_add(
    struct wi_kinesis_set *set,
    const struct wi_kinesis_element *element,
    struct weir_detail *detail);

/* The stream of a shard, and the shard's bare id, a view into `key`. A former stream is opened.
 * WEIR_EINVAL: the key names no stream. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_member_of(
    struct wi_kinesis_set *set,
    struct weir_str key,
    struct wi_kinesis_stream **ret,
    struct weir_str *ret_shard,
    struct weir_detail *detail);

/* The same, but NULL unless the stream is open already. */
struct wi_kinesis_stream *wi_kinesis_member_look(
    struct wi_kinesis_set *set, struct weir_str key, struct weir_str *ret_shard);

#endif
