#include <openssl/crypto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/aws_client_state.h"
#include "aws/aws_error.h"
#include "aws/aws_retry.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/secret.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/log.h"
#include "core/log_limit.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"

void
wi_aws_call_init(struct wi_aws_call *call, const struct weir_env *env)
{
    *call = (struct wi_aws_call){.error = WEIR_OK};
    wi_buffer_init(&call->answer, env);
}

void
wi_aws_call_free(struct wi_aws_call *call)
{
    wi_buffer_free(&call->answer);
}

/* A call on its way through its attempts. */
struct course {
    struct wi_aws_call *call;
    struct wi_http_exchange exchange;
    struct wi_aws_signed signature;
    struct wi_buffer arena;
    struct wi_aws_retry retry;
    char key_id[WI_AWS_KEY_ID_SIZE]; /* of the last attempt */
    struct weir_mono deadline;
    struct weir_mono not_before;
    bool under_way; /* in the present round */
    bool ended;
};

static void
begin(const struct wi_aws_client *client, struct course *course, struct weir_mono now)
{
    struct wi_aws_call *call = course->call;

    if (call->attempt_timeout_ms <= 0) {
        call->attempt_timeout_ms = client->attempt_timeout_ms;
    }
    if (call->attempts_max == 0) {
        call->attempts_max = client->attempts_max;
    }
    call->error = WEIR_OK;
    call->class = WI_AWS_OK;
    call->outcome_unknown = false;
    call->attempts = 0;
    call->status = 0;
    call->type[0] = '\0';
    wi_buffer_init(&course->arena, client->env);
    course->exchange.body = call->answer; /* for its memory: megabytes would grow anew each time */
    wi_buffer_reset(&course->exchange.body);
    wi_buffer_init(&call->answer, client->env);
    course->not_before = now;
    course->deadline = wi_mono_add_ms(now, call->attempt_timeout_ms * call->attempts_max);
}

static int64_t
lesser(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Sign the next attempt. A failure ends the call. */
static void
prepare(
    struct wi_aws_client *client,
    struct course *course,
    const struct wi_aws_credentials *credentials,
    struct weir_mono now)
{
    struct wi_aws_call *call = course->call;
    int64_t left_ms = wi_mono_until_ms(now, course->deadline);
    int64_t timeout_ms = lesser(call->attempt_timeout_ms, left_ms > 0 ? left_ms : 1);
    const struct wi_aws_message message = {
        .operation = call->operation, .content_type = call->content_type, .body = call->body};
    enum weir_error error =
        wi_aws_sign_with(client, credentials, &message, &course->arena, &course->signature);

    if (error != WEIR_OK) {
        call->error = wi_detail(&call->detail, error, "no memory to sign a request");
        call->class = WI_AWS_NO_ANSWER;
        course->ended = true;
        return;
    }
    course->exchange.request = (struct wi_http_request){
        .method = "POST",
        .url = client->endpoint,
        .headers = course->signature.headers,
        .header_count = course->signature.count,
        .body = call->body,
        .connect_timeout_ms = lesser(client->connect_timeout_ms, timeout_ms),
        .timeout_ms = timeout_ms,
        .bulk = call->bulk,
    };
    if (call->streaming != NULL) {
        course->exchange.request.http2 = true;
        course->exchange.request.stream = call->streaming->take;
        course->exchange.request.stream_context = call->streaming->context;
        course->exchange.request.quiet_timeout_ms = call->streaming->quiet_timeout_ms;
        course->exchange.request.canceled = call->streaming->canceled;
    }
    (void)wi_str_copy(course->key_id, sizeof course->key_id, wi_str(credentials->key_id));
    course->under_way = true;
    call->attempts++;
}

/* What the exchange says of an attempt that has no answer. */
static void
note_silence(struct course *course, struct wi_aws_attempt *ret)
{
    const struct wi_http_exchange *exchange = &course->exchange;
    struct wi_aws_call *call = course->call;

    call->class = WI_AWS_NO_ANSWER;
    call->status = 0;
    call->error = exchange->error;
    call->detail = exchange->detail;
    ret->outcome_unknown = exchange->failure == WI_HTTP_OUTCOME_UNKNOWN;
    ret->canceled = exchange->error != WEIR_ETIMEOUT && exchange->error != WEIR_EIO;
}

static bool
is_skewed(struct wi_aws_client *client, const struct course *course)
{
    int64_t ours_ms = wi_wall_now(client->env).ms + atomic_load(&client->skew_ms);
    int64_t theirs_ms = course->exchange.date_ms;
    int64_t difference_ms = theirs_ms > ours_ms ? theirs_ms - ours_ms : ours_ms - theirs_ms;

    return theirs_ms > 0 && difference_ms > WI_AWS_SKEW_MIN_MS;
}

static void
note_error(struct wi_aws_client *client, struct course *course, struct wi_aws_attempt *ret)
{
    const struct wi_http_exchange *exchange = &course->exchange;
    struct wi_aws_call *call = course->call;
    struct wi_aws_error found;
    const char *advice;

    wi_aws_error_parse(exchange->error_type, wi_buffer_str(&exchange->body), &found);
    call->class = wi_aws_error_class(found.type, exchange->status);
    call->error = wi_aws_class_error(call->class, call->operation);
    call->status = exchange->status;
    (void)wi_str_copy(call->type, sizeof call->type, wi_str(found.type));
    ret->outcome_unknown = call->class == WI_AWS_SERVER;
    ret->expired_token = wi_aws_error_is_expired_token(found.type);
    ret->skewed = wi_aws_error_is_skew(found.type, found.message) && is_skewed(client, course);
    ret->retry_after_ms = exchange->retry_after_ms;
    advice = wi_aws_error_advice(call->class, &found);
    call->error = wi_detail(
        &call->detail,
        call->error,
        "%s%s%s (HTTP %d%s%s)%s%s",
        found.type[0] != '\0' ? found.type : "an error without a name",
        found.message[0] != '\0' ? ": " : "",
        found.message,
        exchange->status,
        exchange->request_id[0] != '\0' ? ", request " : "",
        exchange->request_id,
        *advice != '\0' ? ": " : "",
        advice);
}

/* The buffers change places, so that no answer is copied. */
static void
hand_over_body(struct course *course)
{
    struct wi_buffer body = course->exchange.body;

    course->exchange.body = course->call->answer;
    course->call->answer = body;
}

static struct wi_aws_attempt
note_attempt(struct wi_aws_client *client, struct course *course)
{
    struct wi_aws_call *call = course->call;
    struct wi_aws_attempt attempt = {
        .repeatable = call->repeatable,
        .attempts = call->attempts,
        .attempts_max = call->attempts_max,
        .retry_after_ms = -1,
        .now = wi_mono_now(client->env),
        .deadline = course->deadline,
        .random = wi_random(client->env),
    };

    call->type[0] = '\0';
    if (course->exchange.error != WEIR_OK) {
        note_silence(course, &attempt);
    } else if (course->exchange.status / 100 == 2) {
        call->class = WI_AWS_OK;
        call->error = WEIR_OK;
        call->status = course->exchange.status;
    } else {
        note_error(client, course, &attempt);
    }
    hand_over_body(course);
    attempt.class = call->class;
    call->outcome_unknown = call->outcome_unknown || attempt.outcome_unknown;
    return attempt;
}

/* Whether an unknown outcome outweighs what the last attempt came to. A later refusal, throttling
 * for instance, says nothing of the attempt before it. */
static bool
is_unknown(const struct wi_aws_call *call)
{
    if (!call->outcome_unknown || call->error == WEIR_ECANCELED) {
        return false;
    }
    switch (call->class) {
    case WI_AWS_THROTTLED:
    case WI_AWS_SERVER:
        return true;
    case WI_AWS_NO_ANSWER:
        /* Who only reads learns more from WEIR_ELIMIT or WEIR_ENOMEM. */
        return !call->repeatable || call->error == WEIR_EIO;
    case WI_AWS_OK:
    case WI_AWS_CONDITION:
    case WI_AWS_NOT_FOUND:
    case WI_AWS_IN_USE:
    case WI_AWS_EXPIRED:
    case WI_AWS_DENIED:
    case WI_AWS_INVALID:
    case WI_AWS_OTHER:
        return false;
    }
    WEIR_ASSERT(!"a class without a rule");
    return true;
}

/* Whether somebody has to do something about it. All else is a word of the protocol, or the
 * caller's to tell. */
static bool
is_trouble(const struct wi_aws_call *call)
{
    switch (call->class) {
    case WI_AWS_DENIED:
    case WI_AWS_SERVER:
    case WI_AWS_OTHER:
        return true;
    case WI_AWS_NO_ANSWER:
        return call->error != WEIR_ECANCELED && call->error != WEIR_ENOMEM;
    case WI_AWS_OK:
    case WI_AWS_CONDITION:
    case WI_AWS_THROTTLED:
    case WI_AWS_NOT_FOUND:
    case WI_AWS_IN_USE:
    case WI_AWS_EXPIRED:
    case WI_AWS_INVALID:
        return false;
    }
    WEIR_ASSERT(!"a class without a rule");
    return true;
}

static void
complain(struct wi_aws_client *client, const struct wi_aws_call *call)
{
    char kind[WI_LOG_LIMIT_KIND_SIZE] = "";

    (void)snprintf(kind, sizeof kind, "%s %s", call->operation, call->type);
    wi_log_limited(&client->complaints, WEIR_LOG_WARN, kind, "%s", call->detail.text);
}

static void
finish(struct wi_aws_client *client, struct course *course)
{
    struct wi_aws_call *call = course->call;

    if (is_unknown(call)) {
        call->error = WEIR_ETIMEOUT;
    }
    if (call->error != WEIR_OK) {
        wi_detail_prefix(
            &call->detail, "%s %s in %s", client->service, call->operation, client->region);
        if (is_trouble(call)) {
            complain(client, call);
        }
    }
    course->ended = true;
}

static void
judge(struct wi_aws_client *client, struct course *course)
{
    struct wi_aws_attempt attempt = note_attempt(client, course);
    struct wi_aws_decision decision;

    course->under_way = false;
    (void)pthread_mutex_lock(&client->mutex);
    decision = wi_aws_retry_decide(&course->retry, &client->budget, &attempt);
    (void)pthread_mutex_unlock(&client->mutex);
    if (decision.step == WI_AWS_END) {
        finish(client, course);
        return;
    }
    if (decision.step == WI_AWS_REFRESH) {
        wi_aws_credentials_refused(client->chain, course->key_id);
    }
    if (decision.step == WI_AWS_CORRECT) {
        atomic_store(&client->skew_ms, course->exchange.date_ms - wi_wall_now(client->env).ms);
    }
    course->not_before = wi_mono_add_ms(attempt.now, decision.wait_ms);
    wi_log(
        client->env,
        WEIR_LOG_DEBUG,
        "aws",
        "%s %s: attempt %u: %s; again in %lld ms",
        client->service,
        course->call->operation,
        (unsigned)course->call->attempts,
        course->call->detail.text,
        (long long)decision.wait_ms);
}

/* Calls that are performed side by side. */
struct convoy {
    struct wi_aws_client *client;
    struct course *courses;
    struct wi_http_exchange **exchanges; /* of the present round */
    size_t count;
};

/* When the next attempt of any call is due; NEVER: all have ended. */
static struct weir_mono
next_due(const struct convoy *convoy)
{
    struct weir_mono due = WI_MONO_NEVER;

    for (size_t i = 0; i < convoy->count; i++) {
        if (!convoy->courses[i].ended) {
            due = wi_mono_earlier(due, convoy->courses[i].not_before);
        }
    }
    return due;
}

static void
end_all(struct convoy *convoy, enum weir_error error, const struct weir_detail *detail)
{
    for (size_t i = 0; i < convoy->count; i++) {
        struct course *course = &convoy->courses[i];

        if (!course->ended) {
            course->call->error = error;
            course->call->class = error == WEIR_EACCESS ? WI_AWS_DENIED : WI_AWS_NO_ANSWER;
            course->call->detail = *detail;
            finish(convoy->client, course);
        }
    }
}

/* Make the attempts that are due at `due`. */
static void
make_round(struct convoy *convoy, struct weir_mono due)
{
    struct wi_aws_client *client = convoy->client;
    struct wi_aws_credentials credentials;
    struct weir_detail detail = {.text = ""};
    struct weir_mono now;
    size_t under_way = 0;
    enum weir_error error = wi_aws_credentials_get(client->chain, &credentials, &detail);

    if (error != WEIR_OK) {
        end_all(convoy, error, &detail);
        return;
    }
    now = wi_mono_now(client->env);
    due = wi_mono_before(due, now) ? now : due;
    for (size_t i = 0; i < convoy->count; i++) {
        struct course *course = &convoy->courses[i];

        if (course->ended || wi_mono_before(due, course->not_before)) {
            continue;
        }
        prepare(client, course, &credentials, now);
        if (course->under_way) {
            convoy->exchanges[under_way++] = &course->exchange;
        }
    }
    OPENSSL_cleanse(&credentials, sizeof credentials);
    client->http->ops->perform(client->http->http, convoy->exchanges, under_way);
    for (size_t i = 0; i < convoy->count; i++) {
        if (convoy->courses[i].under_way) {
            judge(client, &convoy->courses[i]);
        }
    }
}

static void
run(struct convoy *convoy)
{
    const struct wi_http *http = convoy->client->http;

    for (;;) {
        struct weir_mono due = next_due(convoy);
        int64_t wait_ms;

        if (wi_mono_is_never(due)) {
            return;
        }
        wait_ms = wi_mono_until_ms(wi_mono_now(convoy->client->env), due);
        if (wait_ms > 0 && http->ops->pause != NULL) {
            http->ops->pause(http->http, wait_ms);
        }
        make_round(convoy, due);
    }
}

static void
fail_without_memory(struct wi_aws_call *const *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        calls[i]->class = WI_AWS_NO_ANSWER;
        calls[i]->outcome_unknown = false;
        calls[i]->error =
            wi_detail(&calls[i]->detail, WEIR_ENOMEM, "no memory for a request to AWS");
    }
}

void
wi_aws_perform_all(struct wi_aws_client *client, struct wi_aws_call *const *calls, size_t count)
{
    const struct weir_env *env = client->env;
    struct convoy convoy = {.client = client, .count = count};
    struct weir_mono now = wi_mono_now(env);

    convoy.courses = wi_alloc_array(env, count, sizeof *convoy.courses);
    convoy.exchanges = wi_alloc_array(env, count, sizeof *convoy.exchanges);
    if (convoy.courses == NULL || convoy.exchanges == NULL) {
        fail_without_memory(calls, count);
        goto out;
    }
    for (size_t i = 0; i < count; i++) {
        convoy.courses[i].call = calls[i];
        begin(client, &convoy.courses[i], now);
    }
    run(&convoy);
    for (size_t i = 0; i < count; i++) {
        wi_buffer_free(&convoy.courses[i].exchange.body);
        wi_secret_free(&convoy.courses[i].arena);
    }
out:
    wi_free(env, convoy.courses);
    wi_free(env, convoy.exchanges);
}

void
wi_aws_perform(struct wi_aws_client *client, struct wi_aws_call *call)
{
    wi_aws_perform_all(client, &call, 1);
}
