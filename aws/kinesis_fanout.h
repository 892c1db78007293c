/*
 * Enhanced fan-out: consumers of a stream and their subscriptions to shards. Errors are those of
 * kinesis_api.h.
 */
#ifndef WI_AWS_KINESIS_FANOUT_H
#define WI_AWS_KINESIS_FANOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_api.h"

/* Kinesis ends a subscription after five minutes; one that it has forgotten ends by itself. */
#define WI_KINESIS_SUBSCRIPTION_MS INT64_C(360000)
/* Kinesis allows one call a second for a shard and a consumer. */
#define WI_KINESIS_SUBSCRIBE_INTERVAL_MS 1000

struct wi_kinesis_consumer {
    char arn[WI_KINESIS_ARN_SIZE];
    bool is_active; /* else it is being created or deleted */
};

/* `consumer` is a name or an ARN; a name needs the stream's ARN. WEIR_ENOTFOUND: it is not
 * registered. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_describe_consumer(
    struct wi_kinesis_api *api,
    const char *stream_arn,
    const char *consumer,
    struct wi_kinesis_consumer *ret,
    struct weir_detail *detail);

/* WEIR_EBUSY: it is registered already. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_register_consumer(
    struct wi_kinesis_api *api,
    const char *stream_arn,
    const char *name,
    struct wi_kinesis_consumer *ret,
    struct weir_detail *detail);

/* Called with each event in turn, JSON that wi_kinesis_page_read() reads; false ends the
 * subscription. It may block: nothing more is received then. */
typedef bool (*wi_kinesis_event_fn)(void *context, struct weir_bytes event);

struct wi_kinesis_subscribe {
    const char *consumer_arn;
    struct weir_str shard_id;
    const struct weir_position *from; /* any but SHARD_END; sub-sequence numbers do not count */
    int64_t quiet_timeout_ms;
    const atomic_bool *canceled;
    wi_kinesis_event_fn take;
    void *context;
};

/* Subscribe to a shard and take what comes until it ends. WEIR_OK: the service ended it between
 * two events, as it does after five minutes. WEIR_EBUSY: somebody else has it, or has taken it
 * over. WEIR_ECORRUPT: no event stream, or a damaged one; WEIR_EIO, WEIR_ETIMEOUT: the connection
 * broke or went silent; WEIR_ECANCELED: canceled, or refused by `take`. All that was taken before
 * counts. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_subscribe(
    struct wi_kinesis_api *api,
    const struct wi_kinesis_subscribe *subscribe,
    struct weir_detail *detail);

#endif
