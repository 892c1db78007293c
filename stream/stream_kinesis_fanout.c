/*
 * Reading by enhanced fan-out: where a subscription begins, when the next one may, and its events
 * as pages of a reader.
 *
 * A subscription begins, and begins anew, only when somebody reads: one whose shard has gone to
 * another worker ends there and takes nothing back from it. Where it goes on is the reader's own
 * knowledge, the last event that was read, and never what may have come after that.
 */
#include "stream/stream_kinesis_fanout.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_api.h"
#include "aws/kinesis_fanout.h"
#include "core/backoff.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_url.h"

/* A continuation number that is older is not used. */
#define CONTINUATION_MS INT64_C(300000)
/* How soon a consumer that is being created is looked at again. */
#define CONSUMER_POLL_MS 500
/* Another subscriber that stays is told of once in so many failures, and not while a lease moves,
 * when it is one of ours that has subscribed in the last five seconds. */
#define TELL_EVERY 20U
#define TELL_FIRST 8U

/* --- the consumer --- */

static enum weir_error
describe_or_register(
    struct wi_kinesis_stream *stream, struct wi_kinesis_consumer *ret, struct weir_detail *detail)
{
    const char *consumer = stream->url.consumer;
    enum weir_error error =
        wi_kinesis_describe_consumer(&stream->api, stream->arn, consumer, ret, detail);

    if (error != WEIR_ENOTFOUND || wi_kinesis_is_arn(wi_str(consumer))) {
        return error;
    }
    error = wi_kinesis_register_consumer(&stream->api, stream->arn, consumer, ret, detail);
    if (error == WEIR_OK) {
        wi_log(
            stream->env,
            WEIR_LOG_INFO,
            "stream",
            "registered %s as a consumer of %s for enhanced fan-out",
            consumer,
            stream->url.stream_name);
    } else if (error == WEIR_ETHROTTLED) {
        wi_log(stream->env, WEIR_LOG_WARN, "stream", "%s: again in a moment", detail->text);
        error = WEIR_EBUSY;
    }
    return error;
}

/* Under the lock. */
static enum weir_error
look_at_consumer(struct wi_kinesis_stream *stream, struct weir_detail *detail)
{
    struct wi_kinesis_consumer consumer = {.is_active = false};
    const enum weir_error error = describe_or_register(stream, &consumer, detail);

    if (error != WEIR_OK) {
        return error;
    }
    if (!consumer.is_active) {
        return WEIR_EBUSY;
    }
    (void)wi_str_copy(stream->consumer_arn, sizeof stream->consumer_arn, wi_str(consumer.arn));
    return WEIR_OK;
}

enum weir_error
wi_kinesis_fanout_find_consumer(
    struct wi_kinesis_stream *stream, int64_t wait_ms, struct weir_detail *detail)
{
    const struct weir_env *env = stream->env;
    const struct weir_mono deadline = wi_mono_add_ms(wi_mono_now(env), wait_ms);
    enum weir_error error = WEIR_OK;

    pthread_mutex_lock(&stream->consumer_lock);
    while (stream->consumer_arn[0] == '\0') {
        error = look_at_consumer(stream, detail);
        if (error != WEIR_EBUSY || !wi_mono_before(wi_mono_now(env), deadline)) {
            break;
        }
        if (!wi_kinesis_pause(stream, CONSUMER_POLL_MS)) {
            error = WEIR_ECANCELED;
            break;
        }
    }
    pthread_mutex_unlock(&stream->consumer_lock);
    return error;
}

static void
forget_consumer(struct wi_kinesis_stream *stream)
{
    pthread_mutex_lock(&stream->consumer_lock);
    stream->consumer_arn[0] = '\0';
    pthread_mutex_unlock(&stream->consumer_lock);
}

/* --- beginning and ending --- */

static struct weir_mono
later(struct weir_mono a, struct weir_mono b)
{
    return wi_mono_before(a, b) ? b : a;
}

/* The next call is made no sooner than Kinesis allows, and later after failures. Not after those
 * that somebody else's subscription has caused: a call that is refused costs its holder nothing,
 * and whoever has the shard's lease is to read on as soon as the other one lets go. */
static void
plan_next(struct wi_kinesis_reader *reader, enum weir_error error)
{
    const struct weir_env *env = reader->stream->env;
    struct wi_kinesis_fanout *fanout = reader->fanout;
    int64_t wait_ms = 0;

    if (error == WEIR_EBUSY) {
        wait_ms = WI_KINESIS_SUBSCRIBE_INTERVAL_MS;
    } else if (error != WEIR_OK) {
        wait_ms = wi_backoff_ms(
            fanout->failures,
            WI_KINESIS_SUBSCRIBE_BACKOFF_MS,
            WI_KINESIS_SUBSCRIBE_BACKOFF_MAX_MS,
            wi_random(env));
    }
    fanout->not_before = later(
        wi_mono_add_ms(fanout->called, WI_KINESIS_SUBSCRIBE_INTERVAL_MS),
        wi_mono_add_ms(wi_mono_now(env), wait_ms));
}

static void
tell(const struct wi_kinesis_reader *reader, const struct wi_kinesis_ended *ended)
{
    const bool is_taken = ended->error == WEIR_EBUSY;
    const uint32_t failures = reader->fanout->failures;
    const bool is_loud =
        is_taken ? failures % TELL_EVERY == TELL_FIRST : ended->error == WEIR_ECORRUPT;

    wi_log(
        reader->stream->env,
        is_loud ? WEIR_LOG_WARN : WEIR_LOG_DEBUG,
        "stream",
        "%s: the subscription ended after %llu events: %s%s",
        reader->shard_id,
        (unsigned long long)ended->events,
        ended->detail.text[0] != '\0' ? ended->detail.text : weir_error_text(ended->error),
        is_taken && is_loud ? ": does another application use the same consumer?" : "");
}

/* Whether it is the reader's caller who has to know. What broke after events came, and what another
 * subscriber caused, is over with the next subscription. */
static bool
is_callers(const struct wi_kinesis_ended *ended)
{
    switch ((int)ended->error) {
    case WEIR_OK:
    case WEIR_EBUSY:
    case WEIR_ETHROTTLED:
        return false;
    case WEIR_EACCESS:
    case WEIR_ENOTFOUND:
        return true;
    default:
        return ended->events == 0;
    }
}

/* If the subscription has ended: note it, and say what the caller is told. */
static enum weir_error
note_end(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    struct wi_kinesis_fanout *fanout = reader->fanout;
    struct wi_kinesis_ended ended;

    if (!wi_kinesis_subscription_reap(fanout->subscription, &ended)) {
        return WEIR_OK;
    }
    if (ended.error == WEIR_OK && ended.events == 0) {
        /* Nothing would tell that nothing comes. */
        ended.error = wi_detail(
            &ended.detail, WEIR_EIO, "SubscribeToShard: the answer ended without an event");
    }
    fanout->failures = ended.events > 0 ? 0 : fanout->failures;
    fanout->failures += ended.error == WEIR_OK || fanout->failures == UINT32_MAX ? 0 : 1;
    tell(reader, &ended);
    if (ended.error == WEIR_ENOTFOUND) {
        forget_consumer(reader->stream);
    }
    if (ended.error == WEIR_EINVAL) {
        reader->has_number = false; /* the last record's number is known to be one */
    }
    plan_next(reader, ended.error);
    return is_callers(&ended) ? wi_detail(detail, ended.error, "%s", ended.detail.text) : WEIR_OK;
}

/* Where the next subscription begins: as with iterators, AT a number that Kinesis gave, so that
 * nothing is passed over whatever lies there; what was delivered is left out. */
static struct weir_position
place_of(const struct wi_kinesis_reader *reader)
{
    struct weir_position from = reader->next;

    if (reader->has_number || reader->has_wanted) {
        from.type = WEIR_AT_SEQUENCE_NUMBER;
        from.sequence_number = reader->has_number ? reader->number : reader->wanted.sequence_number;
        from.sub_sequence_number = 0;
    }
    WEIR_ASSERT(from.type != WEIR_SHARD_END);
    return from;
}

/* Whether retention has taken something is seen by the record that was left off at, which must come
 * again. A continuation number cannot tell, so an old one is not used. */
static void
look_back(struct wi_kinesis_reader *reader)
{
    const struct weir_mono now = wi_mono_now(reader->stream->env);

    if (reader->has_wanted && reader->has_number &&
        wi_mono_elapsed_ms(reader->number_since, now) >= CONTINUATION_MS) {
        reader->has_number = false;
    }
    if (reader->has_wanted && !reader->has_number) {
        reader->look_for_first = true;
    }
}

static enum weir_error
begin(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = reader->stream;
    struct wi_kinesis_fanout *fanout = reader->fanout;
    struct weir_position from;
    char arn[WI_KINESIS_ARN_SIZE];
    enum weir_error error =
        wi_kinesis_fanout_find_consumer(stream, WI_KINESIS_CONSUMER_WAIT_MS, detail);

    if (error != WEIR_OK) {
        fanout->not_before = wi_mono_add_ms(wi_mono_now(stream->env), CONSUMER_POLL_MS);
        return error == WEIR_EBUSY ? WEIR_OK : error;
    }
    pthread_mutex_lock(&stream->consumer_lock);
    (void)wi_str_copy(arn, sizeof arn, wi_str(stream->consumer_arn));
    pthread_mutex_unlock(&stream->consumer_lock);
    look_back(reader);
    from = place_of(reader);
    fanout->called = wi_mono_now(stream->env);
    error = wi_kinesis_subscription_start(fanout->subscription, arn, &from);
    if (error != WEIR_OK) {
        plan_next(reader, error);
        return wi_detail(
            detail, error, "SubscribeToShard: no thread for it: %s", weir_error_text(error));
    }
    return WEIR_OK;
}

/* --- reading --- */

static enum weir_error
give_fanout(struct wi_kinesis_reader *reader, atomic_uint *word)
{
    const struct weir_env *env = reader->stream->env;
    struct wi_kinesis_fanout *fanout;
    enum weir_error error;

    if (reader->fanout != NULL) {
        return WEIR_OK;
    }
    fanout = wi_alloc(env, sizeof *fanout);
    if (fanout == NULL) {
        return WEIR_ENOMEM;
    }
    error =
        wi_kinesis_subscription_new(reader->stream, reader->shard_id, word, &fanout->subscription);
    if (error != WEIR_OK) {
        wi_free(env, fanout);
        return error;
    }
    reader->fanout = fanout;
    return WEIR_OK;
}

void
wi_kinesis_fanout_free(struct wi_kinesis_fanout *fanout, const struct weir_env *env)
{
    if (fanout != NULL) {
        wi_kinesis_subscription_free(fanout->subscription);
        wi_free(env, fanout);
    }
}

/* Read events until one has records that are wanted, or there is none. */
static enum weir_error
next_page(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    while (!wi_kinesis_reader_has_records(reader) && !reader->at_end &&
           wi_kinesis_subscription_take(reader->fanout->subscription, &reader->text)) {
        const enum weir_error error = wi_kinesis_reader_read(reader, true);

        if (error == WEIR_OK) {
            continue;
        }
        reader->follows = false; /* what comes behind it must not be read without it */
        reader->fanout->failures += reader->fanout->failures < UINT32_MAX ? 1 : 0;
        plan_next(reader, error);
        return error == WEIR_ECORRUPT
                   ? wi_detail(
                         detail, error, "SubscribeToShard: the event is not one that Kinesis gives")
                   : error;
    }
    return WEIR_OK;
}

/* Who reads at a new place gets records if there are any, as from GetRecords, and learns what is
 * wrong. */
static enum weir_error
wait_for_first(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    const struct weir_env *env = reader->stream->env;
    struct wi_kinesis_subscription *subscription = reader->fanout->subscription;
    const struct weir_mono deadline = wi_mono_add_ms(wi_mono_now(env), WI_KINESIS_FIRST_EVENT_MS);
    enum weir_error error = WEIR_OK;

    while (error == WEIR_OK && wi_kinesis_subscription_is_running(subscription) &&
           wi_mono_before(wi_mono_now(env), deadline)) {
        wi_kinesis_subscription_wait(subscription, wi_mono_until_ms(wi_mono_now(env), deadline));
        error = next_page(reader, detail);
        if (error != WEIR_OK || wi_kinesis_reader_has_records(reader) || reader->at_end ||
            reader->page.millis_behind == 0) {
            break;
        }
        error = note_end(reader, detail);
    }
    return error;
}

static enum weir_error
fetch(struct wi_kinesis_reader *reader, struct weir_detail *detail)
{
    struct wi_kinesis_fanout *fanout = reader->fanout;
    enum weir_error error;

    if (!reader->follows) {
        wi_kinesis_subscription_stop(fanout->subscription);
        fanout->not_before = later(
            fanout->not_before, wi_mono_add_ms(fanout->called, WI_KINESIS_SUBSCRIBE_INTERVAL_MS));
        reader->page.millis_behind = 1; /* nobody has said that this is the tip */
        reader->follows = true;
    }
    error = next_page(reader, detail);
    if (reader->at_end) {
        wi_kinesis_subscription_stop(fanout->subscription);
    }
    if (error != WEIR_OK || wi_kinesis_reader_has_records(reader) || reader->at_end) {
        return error;
    }
    if (!wi_kinesis_pause(reader->stream, 0)) {
        return WEIR_ECANCELED; /* interrupted */
    }
    error = note_end(reader, detail);
    if (error != WEIR_OK || wi_kinesis_subscription_is_running(fanout->subscription) ||
        wi_mono_before(wi_mono_now(reader->stream->env), fanout->not_before)) {
        return error;
    }
    error = begin(reader, detail);
    if (error != WEIR_OK || !wi_kinesis_subscription_is_running(fanout->subscription)) {
        return error;
    }
    if (reader->has_number) {
        return WEIR_OK; /* it goes on, and its events wake the reader */
    }
    return wait_for_first(reader, detail);
}

enum weir_error
wi_kinesis_fanout_fetch(
    struct wi_kinesis_reader *reader, atomic_uint *word, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = reader->stream;
    const size_t before = wi_kinesis_reader_page_bytes(reader);
    enum weir_error error = give_fanout(reader, word);

    WEIR_ASSERT(!wi_kinesis_reader_has_records(reader));
    reader->page.count = 0;
    reader->index = 0;
    if (error == WEIR_OK) {
        error = fetch(reader, detail);
    }
    atomic_fetch_add(stream->pages_bytes, wi_kinesis_reader_page_bytes(reader));
    atomic_fetch_sub(stream->pages_bytes, before);
    return error;
}

int64_t
wi_kinesis_fanout_wait_ms(const struct wi_kinesis_reader *reader)
{
    const struct wi_kinesis_fanout *fanout = reader->fanout;
    int64_t wait_ms = WI_KINESIS_LOOK_MS;

    if (fanout == NULL) {
        return wait_ms;
    }
    if (wi_kinesis_subscription_has_events(fanout->subscription)) {
        return 1;
    }
    if (!wi_kinesis_subscription_is_running(fanout->subscription)) {
        wait_ms = wi_mono_until_ms(wi_mono_now(reader->stream->env), fanout->not_before);
    }
    return wait_ms > 1 ? wait_ms : 1;
}
