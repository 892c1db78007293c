/* Kinesis as a stream source: waiting, and being woken. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <weir/error.h>

#include "aws/http.h"
#include "aws/kinesis_api.h"
#include "core/detail.h"
#include "core/mono.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_fanout.h"

#define NS_PER_SECOND 1000000000L

void
wi_kinesis_init_waiting(pthread_mutex_t *lock, pthread_cond_t *woken)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(woken, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Under the lock, `seen` NULL: whatever the word is. */
static void
wait_locked(const struct wi_kinesis_wait *wait, const uint32_t *seen, int64_t ms)
{
    struct timespec until = {0};

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000 * WI_NS_PER_MS);
    if (until.tv_nsec >= NS_PER_SECOND) {
        until.tv_nsec -= NS_PER_SECOND;
        until.tv_sec++;
    }
    while (!*wait->interrupted && (seen == NULL || *seen == *wait->word) &&
           pthread_cond_timedwait(wait->woken, wait->lock, &until) == 0) {
    }
}

uint32_t
wi_kinesis_wait_for(const struct wi_kinesis_wait *wait, uint32_t seen, int64_t ms)
{
    uint32_t word;

    pthread_mutex_lock(wait->lock);
    wait_locked(wait, &seen, ms);
    word = *wait->word;
    pthread_mutex_unlock(wait->lock);
    return word;
}

uint32_t
wi_kinesis_word(const struct wi_kinesis_wait *wait)
{
    uint32_t word;

    pthread_mutex_lock(wait->lock);
    word = *wait->word;
    pthread_mutex_unlock(wait->lock);
    return word;
}

void
wi_kinesis_interrupt_waiting(const struct wi_kinesis_wait *wait)
{
    pthread_mutex_lock(wait->lock);
    *wait->interrupted = true;
    pthread_cond_broadcast(wait->woken);
    pthread_mutex_unlock(wait->lock);
}

static void
raise_word(const struct wi_kinesis_wait *wait)
{
    pthread_mutex_lock(wait->lock);
    (*wait->word)++;
    pthread_cond_broadcast(wait->woken);
    pthread_mutex_unlock(wait->lock);
}

struct wi_kinesis_wait
wi_kinesis_shared_wait(struct wi_kinesis_shared *shared)
{
    return (struct wi_kinesis_wait){
        &shared->lock, &shared->woken, &shared->interrupted, &shared->word};
}

/* --- of one stream --- */

static struct wi_kinesis_wait
wait_of(struct wi_kinesis_stream *stream)
{
    return (struct wi_kinesis_wait){
        &stream->lock, &stream->woken, &stream->interrupted, &stream->word};
}

void
wi_kinesis_wake(struct wi_kinesis_stream *stream)
{
    const struct wi_kinesis_wait own = wait_of(stream);

    raise_word(&own);
    if (stream->shared != NULL) {
        const struct wi_kinesis_wait wait = wi_kinesis_shared_wait(stream->shared);

        raise_word(&wait);
    }
}

bool
wi_kinesis_pause(struct wi_kinesis_stream *stream, int64_t ms)
{
    const struct wi_kinesis_wait wait = wait_of(stream);
    bool interrupted;

    pthread_mutex_lock(&stream->lock);
    wait_locked(&wait, NULL, ms);
    interrupted = stream->interrupted;
    pthread_mutex_unlock(&stream->lock);
    return !interrupted;
}

/* Kinesis wakes nobody, so without subscriptions the word stays the same, and readers come back by
 * themselves after weir_get_result.retry_after_ms. */
uint32_t
wi_kinesis_wait_word(void *source, uint32_t seen, int64_t timeout_ms)
{
    const struct wi_kinesis_wait wait = wait_of(source);

    return wi_kinesis_wait_for(&wait, seen, timeout_ms);
}

uint32_t
wi_kinesis_wake_word(void *source)
{
    const struct wi_kinesis_wait wait = wait_of(source);

    return wi_kinesis_word(&wait);
}

void
wi_kinesis_interrupt(void *source)
{
    struct wi_kinesis_stream *stream = source;
    const struct wi_kinesis_wait wait = wait_of(stream);

    wi_kinesis_interrupt_waiting(&wait);
    stream->http->ops->interrupt(stream->http->http);
    wi_kinesis_subscriptions_interrupt(stream);
}

enum weir_error
wi_kinesis_wait_active(struct wi_kinesis_stream *stream, struct weir_detail *detail)
{
    struct wi_kinesis_summary summary = {.status = WI_KINESIS_UPDATING};

    for (int64_t waited = 0; waited < WI_KINESIS_ACTIVE_WAIT_MS;
         waited += WI_KINESIS_ACTIVE_POLL_MS) {
        const enum weir_error error = wi_kinesis_describe_summary(&stream->api, &summary, detail);

        if (error != WEIR_OK && error != WEIR_ETHROTTLED) {
            return error;
        }
        if (error == WEIR_OK && summary.status == WI_KINESIS_ACTIVE) {
            return WEIR_OK;
        }
        if (!wi_kinesis_pause(stream, WI_KINESIS_ACTIVE_POLL_MS)) {
            return WEIR_ECANCELED;
        }
    }
    return wi_detail(
        detail,
        WEIR_ETIMEOUT,
        "stream %s is still being changed after %d s: it goes on by itself",
        stream->url.stream_name,
        WI_KINESIS_ACTIVE_WAIT_MS / 1000);
}
