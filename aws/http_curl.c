#include <curl/curl.h>
#include <curl/multi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/curl_library.h"
#include "aws/http.h"
#include "aws/http_lane.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/memory.h"

/* Most callers that are kept, with their connections, while nobody performs. */
#define IDLE_CALLERS_MAX 64U
/* Longest sleep while transfers run; libcurl's own timers end it earlier. */
#define POLL_MAX_MS INT64_C(1000)
#define NS_PER_MS   1000000
#define MS_PER_S    1000

/* What one thread needs to perform: each has its own connections, so no thread waits for another.
 */
struct caller {
    struct caller *next; /* among the idle or among the busy ones */
    CURLM *multi;
    struct wi_http_lane lanes[WI_HTTP_PARALLEL_MAX];
};

struct curl_http {
    struct wi_http base;
    struct wi_curl curl;
    char *ca_file; /* NULL: the system's */
    pthread_mutex_t mutex;
    pthread_cond_t interruption;
    struct caller *idle;     /* guarded by mutex; the one used last comes first: it is warm */
    struct caller *busy;     /* guarded by mutex */
    uint32_t idle_count;     /* guarded by mutex */
    atomic_bool interrupted; /* written under mutex */
};

static void
free_caller(const struct curl_http *http, struct caller *caller)
{
    if (caller == NULL) {
        return;
    }
    for (size_t i = 0; i < WI_HTTP_PARALLEL_MAX; i++) {
        wi_http_lane_free(&caller->lanes[i]);
    }
    (void)http->curl.multi_cleanup(caller->multi);
    wi_free(http->base.env, caller);
}

static struct caller *
new_caller(const struct curl_http *http)
{
    const struct weir_env *env = http->base.env;
    struct caller *caller = wi_alloc(env, sizeof *caller);

    if (caller == NULL) {
        return NULL;
    }
    caller->multi = http->curl.multi_init();
    if (caller->multi == NULL) {
        wi_free(env, caller);
        return NULL;
    }
    (void)http->curl.multi_setopt(caller->multi, CURLMOPT_MAXCONNECTS, (long)WI_HTTP_PARALLEL_MAX);
    for (size_t i = 0; i < WI_HTTP_PARALLEL_MAX; i++) {
        caller->lanes[i].env = env;
        caller->lanes[i].curl = &http->curl;
    }
    return caller;
}

static struct caller *
take_caller(struct curl_http *http)
{
    struct caller *caller;

    (void)pthread_mutex_lock(&http->mutex);
    caller = http->idle;
    if (caller != NULL) {
        http->idle = caller->next;
        http->idle_count--;
    } else {
        caller = new_caller(http);
    }
    if (caller != NULL) {
        caller->next = http->busy;
        http->busy = caller;
    }
    (void)pthread_mutex_unlock(&http->mutex);
    return caller;
}

static void
give_back(struct curl_http *http, struct caller *caller)
{
    struct caller **place = &http->busy;
    struct caller *surplus = NULL;

    (void)pthread_mutex_lock(&http->mutex);
    while (*place != caller) {
        place = &(*place)->next;
    }
    *place = caller->next;
    if (http->idle_count < IDLE_CALLERS_MAX) {
        caller->next = http->idle;
        http->idle = caller;
        http->idle_count++;
    } else {
        surplus = caller;
    }
    (void)pthread_mutex_unlock(&http->mutex);
    free_caller(http, surplus);
}

/* One perform() on its way. */
struct batch {
    struct curl_http *http;
    const struct wi_curl *curl;
    struct caller *caller;
    struct wi_http_exchange *const *exchanges;
    size_t count;
    size_t next;   /* the first that was not started */
    size_t active; /* lanes in use */
};

static void
fail(struct wi_http_exchange *exchange, enum weir_error error, const char *why)
{
    exchange->status = 0;
    exchange->failure = WI_HTTP_NOT_SENT;
    exchange->error = wi_detail(&exchange->detail, error, "%s: %s", exchange->request.url, why);
}

static struct wi_http_lane *
free_lane(struct caller *caller)
{
    for (size_t i = 0; i < WI_HTTP_PARALLEL_MAX; i++) {
        if (caller->lanes[i].exchange == NULL) {
            return &caller->lanes[i];
        }
    }
    WEIR_ASSERT(!"more transfers than lanes");
    return NULL;
}

static void
start_one(struct batch *batch, struct wi_http_exchange *exchange)
{
    struct wi_http_lane *lane = free_lane(batch->caller);
    enum weir_error error = wi_http_lane_start(lane, exchange, batch->http->ca_file);

    if (error != WEIR_OK) {
        exchange->error = error;
        exchange->failure = WI_HTTP_NOT_SENT;
        return;
    }
    if (batch->curl->multi_add_handle(batch->caller->multi, lane->easy) != CURLM_OK) {
        wi_http_lane_abandon(lane, WEIR_ENOMEM, "no memory for an HTTP request");
        return;
    }
    batch->active++;
}

static void
start_more(struct batch *batch)
{
    while (batch->next < batch->count && batch->active < WI_HTTP_PARALLEL_MAX) {
        start_one(batch, batch->exchanges[batch->next++]);
    }
}

static void
finish_some(struct batch *batch)
{
    int left = 0;
    const CURLMsg *message;

    while ((message = batch->curl->multi_info_read(batch->caller->multi, &left)) != NULL) {
        struct wi_http_lane *lane = NULL;
        CURLcode code = message->data.result;

        (void)batch->curl->easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &lane);
        (void)batch->curl->multi_remove_handle(batch->caller->multi, lane->easy);
        wi_http_lane_finish(lane, code);
        batch->active--;
    }
}

static void
abandon(struct batch *batch, struct wi_http_lane *lane, enum weir_error error, const char *why)
{
    (void)batch->curl->multi_remove_handle(batch->caller->multi, lane->easy);
    wi_http_lane_abandon(lane, error, why);
    batch->active--;
}

static void
abandon_all(struct batch *batch, enum weir_error error, const char *why)
{
    for (size_t i = 0; i < WI_HTTP_PARALLEL_MAX; i++) {
        if (batch->caller->lanes[i].exchange != NULL) {
            abandon(batch, &batch->caller->lanes[i], error, why);
        }
    }
    while (batch->next < batch->count) {
        fail(batch->exchanges[batch->next++], error, why);
    }
}

/* Whether nobody wants the answer any more. */
static bool
is_canceled(const struct wi_http_lane *lane)
{
    const atomic_bool *canceled = lane->exchange->request.canceled;

    return canceled != NULL && atomic_load(canceled);
}

/* End the exchanges that are canceled or have been silent for too long; how long the others may
 * be. */
static int64_t
check_lanes(struct batch *batch)
{
    struct weir_mono now = wi_mono_now(batch->http->base.env);
    int64_t least_ms = POLL_MAX_MS;

    for (size_t i = 0; i < WI_HTTP_PARALLEL_MAX; i++) {
        struct wi_http_lane *lane = &batch->caller->lanes[i];
        int64_t left_ms =
            lane->exchange == NULL ? INT64_MAX : wi_http_lane_quiet_left_ms(lane, now);

        if (lane->exchange != NULL && is_canceled(lane)) {
            abandon(batch, lane, WEIR_ECANCELED, "not wanted any more");
        } else if (left_ms <= 0) {
            abandon(batch, lane, WEIR_ETIMEOUT, "silence for too long");
        } else if (left_ms < least_ms) {
            least_ms = left_ms;
        }
    }
    return least_ms;
}

static void
run(struct batch *batch)
{
    start_more(batch);
    while (batch->active > 0) {
        int running = 0;
        CURLMcode code = batch->curl->multi_perform(batch->caller->multi, &running);
        int64_t wait_ms;

        finish_some(batch);
        if (code == CURLM_OK && atomic_load(&batch->http->interrupted)) {
            abandon_all(batch, WEIR_ECANCELED, "given up because of a shutdown");
            return;
        }
        wait_ms = check_lanes(batch);
        start_more(batch);
        if (code == CURLM_OK && batch->active > 0 && running > 0) {
            code = batch->curl->multi_poll(batch->caller->multi, NULL, 0, (int)wait_ms, NULL);
        }
        if (code != CURLM_OK) {
            abandon_all(batch, WEIR_ENOMEM, batch->curl->multi_strerror(code));
        }
    }
}

static void
perform(void *self, struct wi_http_exchange *const *exchanges, size_t count)
{
    struct curl_http *http = self;
    struct caller *caller = take_caller(http);
    struct batch batch = {
        .http = http,
        .curl = &http->curl,
        .caller = caller,
        .exchanges = exchanges,
        .count = count};

    if (caller == NULL || atomic_load(&http->interrupted)) {
        for (size_t i = 0; i < count; i++) {
            fail(
                exchanges[i],
                caller == NULL ? WEIR_ENOMEM : WEIR_ECANCELED,
                caller == NULL ? "no memory for a connection" : "given up because of a shutdown");
        }
    } else {
        run(&batch);
    }
    if (caller != NULL) {
        give_back(http, caller);
    }
}

static void
poke(void *self)
{
    struct curl_http *http = self;

    (void)pthread_mutex_lock(&http->mutex);
    for (const struct caller *caller = http->busy; caller != NULL; caller = caller->next) {
        (void)http->curl.multi_wakeup(caller->multi);
    }
    (void)pthread_mutex_unlock(&http->mutex);
}

static void
interrupt(void *self)
{
    struct curl_http *http = self;

    (void)pthread_mutex_lock(&http->mutex);
    atomic_store(&http->interrupted, true);
    for (const struct caller *caller = http->busy; caller != NULL; caller = caller->next) {
        (void)http->curl.multi_wakeup(caller->multi);
    }
    (void)pthread_cond_broadcast(&http->interruption);
    (void)pthread_mutex_unlock(&http->mutex);
}

static void
pause_for(void *self, int64_t ms)
{
    struct curl_http *http = self;
    struct timespec until;
    int waited = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / MS_PER_S);
    until.tv_nsec += (long)(ms % MS_PER_S) * NS_PER_MS;
    if (until.tv_nsec >= (long)MS_PER_S * NS_PER_MS) {
        until.tv_sec++;
        until.tv_nsec -= (long)MS_PER_S * NS_PER_MS;
    }
    (void)pthread_mutex_lock(&http->mutex);
    while (!atomic_load(&http->interrupted) && waited == 0) {
        waited = pthread_cond_timedwait(&http->interruption, &http->mutex, &until);
    }
    (void)pthread_mutex_unlock(&http->mutex);
}

static void
close_http(void *self)
{
    struct curl_http *http = self;
    const struct weir_env *env = http->base.env;

    WEIR_ASSERT(http->busy == NULL);
    while (http->idle != NULL) {
        struct caller *caller = http->idle;
        http->idle = caller->next;
        free_caller(http, caller);
    }
    (void)pthread_cond_destroy(&http->interruption);
    (void)pthread_mutex_destroy(&http->mutex);
    http->curl.global_cleanup();
    wi_free(env, http->ca_file);
    wi_free(env, http);
}

static const struct wi_http_ops curl_ops = {
    .close = close_http,
    .perform = perform,
    .interrupt = interrupt,
    .poke = poke,
    .pause = pause_for,
};

static bool
init_waiting(struct curl_http *http)
{
    pthread_condattr_t attributes;
    bool ready = false;

    if (pthread_mutex_init(&http->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_condattr_init(&attributes) == 0) {
        ready = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&http->interruption, &attributes) == 0;
        (void)pthread_condattr_destroy(&attributes);
    }
    if (!ready) {
        (void)pthread_mutex_destroy(&http->mutex);
    }
    return ready;
}

/* WEIR_ENOMEM; WEIR_EPLATFORM without libcurl. */
static enum weir_error
init_http(struct curl_http *http, const char *ca_file, struct weir_detail *detail)
{
    enum weir_error error = wi_curl_load(WI_CURL_LIBRARY, &http->curl, detail);

    if (error != WEIR_OK) {
        return error;
    }
    if (ca_file != NULL && *ca_file != '\0') {
        http->ca_file = wi_strdup(http->base.env, ca_file);
        if (http->ca_file == NULL) {
            return wi_detail(detail, WEIR_ENOMEM, "no memory for HTTP");
        }
    }
    /* Counted and thread-safe since libcurl 7.84. */
    if (http->curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return wi_detail(detail, WEIR_ENOMEM, "libcurl has no memory to begin with");
    }
    if (!init_waiting(http)) {
        http->curl.global_cleanup();
        return wi_detail(detail, WEIR_ENOMEM, "no memory for a lock");
    }
    return WEIR_OK;
}

enum weir_error
wi_http_open_curl(
    const struct weir_env *env,
    const struct wi_http_curl_options *options,
    struct wi_http **ret,
    struct weir_detail *detail)
{
    const char *ca_file = options == NULL ? NULL : options->ca_file;
    struct curl_http *http = wi_alloc(env, sizeof *http);
    enum weir_error error;

    if (http == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "no memory for HTTP");
    }
    if (ca_file == NULL) {
        ca_file = getenv("AWS_CA_BUNDLE"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */
    }
    http->base = (struct wi_http){&curl_ops, http, env};
    error = init_http(http, ca_file, detail);
    if (error != WEIR_OK) {
        wi_free(env, http->ca_file);
        wi_free(env, http);
        return error;
    }
    *ret = &http->base;
    return WEIR_OK;
}

void
wi_http_close(struct wi_http *http)
{
    if (http != NULL) {
        http->ops->close(http->http);
    }
}
