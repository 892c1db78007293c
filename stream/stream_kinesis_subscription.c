/* A subscription to a shard: a thread that receives events, and the queue between it and the
 * reader. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/http.h"
#include "aws/kinesis_api.h"
#include "aws/kinesis_fanout.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_fanout.h"

/* Of a thread: libcurl and TLS take little. */
#define STACK_BYTES   ((size_t)1024 * 1024)
#define MS_PER_SECOND 1000
#define NS_PER_SECOND 1000000000L

struct event {
    struct event *next;
    struct wi_buffer text;
};

struct wi_kinesis_subscription {
    struct wi_kinesis_stream *stream;
    char shard_id[WEIR_NAME_SIZE];
    atomic_uint *word;
    struct wi_kinesis_subscription *next; /* guarded by the stream's lock */
    pthread_t thread;
    bool is_running; /* the thread is to be joined; of the reader's thread */
    /* What the thread is told before it starts. */
    char consumer_arn[WI_KINESIS_ARN_SIZE];
    struct weir_position from;
    atomic_bool canceled;
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed; /* events, room, the end */
    struct event *first;
    struct event **last;
    size_t event_count;
    size_t event_bytes;
    struct weir_mono touched; /* by the reader */
    bool has_ended;
    struct wi_kinesis_ended ended;
};

/* --- the queue, under the lock --- */

static void
wait_locked(struct wi_kinesis_subscription *s, int64_t ms)
{
    struct timespec until = {0};

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / MS_PER_SECOND);
    until.tv_nsec += (long)(ms % MS_PER_SECOND * WI_NS_PER_MS);
    if (until.tv_nsec >= NS_PER_SECOND) {
        until.tv_nsec -= NS_PER_SECOND;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

static void
push(struct wi_kinesis_subscription *s, struct event *event)
{
    event->next = NULL;
    *s->last = event;
    s->last = &event->next;
    s->event_count++;
    s->event_bytes += event->text.capacity;
    atomic_fetch_add(s->stream->pages_bytes, event->text.capacity);
}

static struct event *
pop(struct wi_kinesis_subscription *s)
{
    struct event *event = s->first;

    if (event == NULL) {
        return NULL;
    }
    s->first = event->next;
    if (s->first == NULL) {
        s->last = &s->first;
    }
    s->event_count--;
    s->event_bytes -= event->text.capacity;
    atomic_fetch_sub(s->stream->pages_bytes, event->text.capacity);
    return event;
}

static void
free_event(const struct weir_env *env, struct event *event)
{
    if (event != NULL) {
        wi_buffer_free(&event->text);
        wi_free(env, event);
    }
}

static void
clear_locked(struct wi_kinesis_subscription *s)
{
    while (s->first != NULL) {
        free_event(s->stream->env, pop(s));
    }
    WEIR_ASSERT(s->event_count == 0 && s->event_bytes == 0);
}

static bool
is_full(const struct wi_kinesis_subscription *s, size_t bytes)
{
    return s->first != NULL && (s->event_count >= WI_KINESIS_QUEUE_EVENTS_MAX ||
                                s->event_bytes + bytes > WI_KINESIS_QUEUE_BYTES_MAX ||
                                atomic_load(s->stream->pages_bytes) > WI_KINESIS_PAGES_BYTES_MAX);
}

/* --- the thread --- */

/* Tell whoever waits for this shard to read it. */
static void
wake_reader(struct wi_kinesis_subscription *s)
{
    atomic_fetch_add(s->word, 1);
    wi_kinesis_wake(s->stream);
}

static int64_t
unread_left_ms(const struct wi_kinesis_subscription *s)
{
    return wi_mono_until_ms(
        wi_mono_now(s->stream->env), wi_mono_add_ms(s->touched, WI_KINESIS_UNREAD_MS));
}

/* Add an event as soon as there is room, which holds the server back; false: it is not wanted any
 * more. */
static bool
push_when_there_is_room(struct wi_kinesis_subscription *s, struct event *event)
{
    bool is_wanted;

    pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->canceled) && is_full(s, event->text.capacity) &&
           unread_left_ms(s) > 0) {
        wait_locked(s, unread_left_ms(s));
    }
    is_wanted = !atomic_load(&s->canceled) && unread_left_ms(s) > 0;
    if (is_wanted) {
        push(s, event);
        s->ended.events++;
        pthread_cond_broadcast(&s->changed);
    } else {
        /* What was not taken is asked for again from where the reader stands. */
        clear_locked(s);
    }
    pthread_mutex_unlock(&s->lock);
    return is_wanted;
}

static bool
take_event(void *context, struct weir_bytes payload)
{
    struct wi_kinesis_subscription *s = context;
    struct event *event = wi_alloc(s->stream->env, sizeof *event);

    if (event == NULL) {
        return false;
    }
    wi_buffer_init(&event->text, s->stream->env);
    wi_buffer_append(&event->text, payload.data, payload.length);
    if (wi_buffer_error(&event->text) != WEIR_OK || !push_when_there_is_room(s, event)) {
        free_event(s->stream->env, event);
        return false;
    }
    wake_reader(s);
    return true;
}

static void *
receive(void *argument)
{
    struct wi_kinesis_subscription *s = argument;
    struct weir_detail detail = {""};
    const struct wi_kinesis_subscribe subscribe = {
        .consumer_arn = s->consumer_arn,
        .shard_id = wi_str(s->shard_id),
        .from = &s->from,
        .quiet_timeout_ms = s->stream->url.quiet_ms,
        .canceled = &s->canceled,
        .take = take_event,
        .context = s};
    const enum weir_error error = wi_kinesis_subscribe(&s->stream->api, &subscribe, &detail);

    pthread_mutex_lock(&s->lock);
    s->ended.error = error;
    s->ended.detail = detail;
    s->has_ended = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    wake_reader(s);
    return NULL;
}

/* --- for the reader --- */

enum weir_error
wi_kinesis_subscription_new(
    struct wi_kinesis_stream *stream,
    const char *shard_id,
    atomic_uint *word,
    struct wi_kinesis_subscription **ret)
{
    struct wi_kinesis_subscription *s = wi_alloc(stream->env, sizeof *s);
    pthread_condattr_t attributes;

    if (s == NULL) {
        return WEIR_ENOMEM;
    }
    s->stream = stream;
    s->word = word;
    s->last = &s->first;
    (void)wi_str_copy(s->shard_id, sizeof s->shard_id, wi_str(shard_id));
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_lock(&stream->lock);
    s->next = stream->subscriptions;
    stream->subscriptions = s;
    pthread_mutex_unlock(&stream->lock);
    *ret = s;
    return WEIR_OK;
}

void
wi_kinesis_subscription_free(struct wi_kinesis_subscription *s)
{
    struct wi_kinesis_subscription **place;

    if (s == NULL) {
        return;
    }
    wi_kinesis_subscription_stop(s);
    pthread_mutex_lock(&s->stream->lock);
    for (place = &s->stream->subscriptions; *place != s; place = &(*place)->next) {
    }
    *place = s->next;
    pthread_mutex_unlock(&s->stream->lock);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    wi_free(s->stream->env, s);
}

/* Signals are for the threads of the program. */
static int
create_thread(struct wi_kinesis_subscription *s)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    int failure;

    if (pthread_attr_init(&attributes) != 0) {
        return -1;
    }
    sigfillset(&all);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&s->thread, &attributes, receive, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failure;
}

enum weir_error
wi_kinesis_subscription_start(
    struct wi_kinesis_subscription *s, const char *consumer_arn, const struct weir_position *from)
{
    bool interrupted;

    WEIR_ASSERT(!s->is_running);
    WEIR_ASSERT(s->first == NULL);
    (void)wi_str_copy(s->consumer_arn, sizeof s->consumer_arn, wi_str(consumer_arn));
    s->from = *from;
    s->has_ended = false;
    memset(&s->ended, 0, sizeof s->ended);
    s->touched = wi_mono_now(s->stream->env);
    pthread_mutex_lock(&s->stream->lock);
    interrupted = s->stream->interrupted;
    atomic_store(&s->canceled, interrupted);
    pthread_mutex_unlock(&s->stream->lock);
    if (interrupted) {
        return WEIR_ECANCELED;
    }
    s->is_running = create_thread(s) == 0;
    return s->is_running ? WEIR_OK : WEIR_ELIMIT;
}

static void
cancel(struct wi_kinesis_subscription *s)
{
    atomic_store(&s->canceled, true);
    pthread_mutex_lock(&s->lock);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void
wi_kinesis_subscription_stop(struct wi_kinesis_subscription *s)
{
    const struct wi_http *http = s->stream->http;

    if (s->is_running) {
        cancel(s);
        if (http->ops->poke != NULL) {
            http->ops->poke(http->http);
        }
        pthread_join(s->thread, NULL);
        s->is_running = false;
    }
    pthread_mutex_lock(&s->lock);
    clear_locked(s);
    pthread_mutex_unlock(&s->lock);
}

bool
wi_kinesis_subscription_is_running(const struct wi_kinesis_subscription *s)
{
    return s->is_running;
}

void
wi_kinesis_subscription_wait(struct wi_kinesis_subscription *s, int64_t ms)
{
    const struct weir_env *env = s->stream->env;
    const struct weir_mono deadline = wi_mono_add_ms(wi_mono_now(env), ms);

    pthread_mutex_lock(&s->lock);
    while (s->first == NULL && !s->has_ended) {
        const int64_t left_ms = wi_mono_until_ms(wi_mono_now(env), deadline);

        if (left_ms <= 0) {
            break;
        }
        wait_locked(s, left_ms);
    }
    pthread_mutex_unlock(&s->lock);
}

bool
wi_kinesis_subscription_take(struct wi_kinesis_subscription *s, struct wi_buffer *text)
{
    struct event *event;

    pthread_mutex_lock(&s->lock);
    s->touched = wi_mono_now(s->stream->env);
    event = pop(s);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (event == NULL) {
        return false;
    }
    wi_buffer_free(text);
    *text = event->text;
    wi_free(s->stream->env, event);
    return true;
}

bool
wi_kinesis_subscription_has_events(struct wi_kinesis_subscription *s)
{
    bool any;

    pthread_mutex_lock(&s->lock);
    any = s->first != NULL;
    pthread_mutex_unlock(&s->lock);
    return any;
}

bool
wi_kinesis_subscription_reap(struct wi_kinesis_subscription *s, struct wi_kinesis_ended *ret)
{
    bool is_over;

    pthread_mutex_lock(&s->lock);
    is_over = s->is_running && s->has_ended && s->first == NULL;
    if (is_over) {
        *ret = s->ended;
    }
    pthread_mutex_unlock(&s->lock);
    if (is_over) {
        pthread_join(s->thread, NULL);
        s->is_running = false;
    }
    return is_over;
}

void
wi_kinesis_subscriptions_interrupt(struct wi_kinesis_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    for (struct wi_kinesis_subscription *s = stream->subscriptions; s != NULL; s = s->next) {
        cancel(s);
    }
    pthread_mutex_unlock(&stream->lock);
}
