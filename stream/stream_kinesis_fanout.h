/*
 * Enhanced fan-out: what stream_kinesis_fanout.c (positions, pace, the consumer) knows of
 * stream_kinesis_subscription.c (a thread that receives, and its queue), and readers of both.
 */
#ifndef WI_STREAM_STREAM_KINESIS_FANOUT_H
#define WI_STREAM_STREAM_KINESIS_FANOUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "stream/stream_kinesis.h"

/* Events of one shard that wait to be read, in bytes and in number; when all pages of the handle
 * have reached WI_KINESIS_PAGES_BYTES_MAX, one. Beyond that nothing more is received. */
#define WI_KINESIS_QUEUE_BYTES_MAX  ((size_t)1024 * 1024)
#define WI_KINESIS_QUEUE_EVENTS_MAX 256U
/* A subscription whose events nobody takes for so long, because the shard is somebody else's by
 * now, or its processor hangs, is given up, and so is the memory. So is a page, when memory for
 * pages is scarce. */
#define WI_KINESIS_UNREAD_MS 60000
/* How long a read waits for a consumer that is being created. */
#define WI_KINESIS_CONSUMER_WAIT_MS 10000
/* How long the read that has subscribed at a new place waits for what comes first. */
#define WI_KINESIS_FIRST_EVENT_MS 2000
/* How often a reader looks that nobody has woken. */
#define WI_KINESIS_LOOK_MS 1000
/* Back-off after subscriptions that failed: base and cap. */
#define WI_KINESIS_SUBSCRIBE_BACKOFF_MS     1000
#define WI_KINESIS_SUBSCRIBE_BACKOFF_MAX_MS 10000

struct wi_kinesis_subscription;

/* What a subscription that has ended leaves behind. */
struct wi_kinesis_ended {
    enum weir_error error; /* OK: the service has ended it */
    uint64_t events;       /* that came */
    struct weir_detail detail;
};

/* --- a thread and its queue; start, take, reap and stop by the reader's thread --- */

/* `word` is raised for each event, and outlives the subscription. */
enum weir_error wi_kinesis_subscription_new(
    struct wi_kinesis_stream *stream,
    const char *shard_id,
    atomic_uint *word,
    struct wi_kinesis_subscription **ret);
/* Stops it. NULL is a no-op. */
void wi_kinesis_subscription_free(struct wi_kinesis_subscription *subscription);

/* Subscribe, by a thread of its own. It must not be running. WEIR_ELIMIT: no thread is to be had;
 * WEIR_ECANCELED: the handle was interrupted. */
enum weir_error wi_kinesis_subscription_start(
    struct wi_kinesis_subscription *subscription,
    const char *consumer_arn,
    const struct weir_position *from);
/* End it and empty the queue. */
void wi_kinesis_subscription_stop(struct wi_kinesis_subscription *subscription);

bool wi_kinesis_subscription_is_running(const struct wi_kinesis_subscription *subscription);
/* Wait for an event or the end. */
void wi_kinesis_subscription_wait(struct wi_kinesis_subscription *subscription, int64_t ms);
/* Put the next event in place of `text`; false: there is none. */
bool wi_kinesis_subscription_take(
    struct wi_kinesis_subscription *subscription, struct wi_buffer *text);
bool wi_kinesis_subscription_has_events(struct wi_kinesis_subscription *subscription);
/* If it has ended, and all events are taken: what became of it. It is not running any more then. */
bool wi_kinesis_subscription_reap(
    struct wi_kinesis_subscription *subscription, struct wi_kinesis_ended *ret);

/* End all of a handle without waiting for it. */
void wi_kinesis_subscriptions_interrupt(struct wi_kinesis_stream *stream);

/* --- reading --- */

/* What a reader keeps between reads. */
struct wi_kinesis_fanout {
    struct wi_kinesis_subscription *subscription;
    uint32_t failures;           /* in a row */
    struct weir_mono not_before; /* of the next call */
    struct weir_mono called;     /* when the last one was made */
};

/* Make the next event with records the page, or the shard's end; a page without records if there
 * is none yet. The page before it is used up. */
enum weir_error wi_kinesis_fanout_fetch(
    struct wi_kinesis_reader *reader, atomic_uint *word, struct weir_detail *detail);
/* When to come back at the latest; never 0. */
int64_t wi_kinesis_fanout_wait_ms(const struct wi_kinesis_reader *reader);
/* Have the consumer registered and active within some time, or say why not: WEIR_EBUSY: not yet. */
enum weir_error wi_kinesis_fanout_find_consumer(
    struct wi_kinesis_stream *stream, int64_t wait_ms, struct weir_detail *detail);
/* NULL is a no-op. */
void wi_kinesis_fanout_free(struct wi_kinesis_fanout *fanout, const struct weir_env *env);

#endif
