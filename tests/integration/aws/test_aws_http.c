/* HTTP by libcurl against a server that misbehaves. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/http.h"
#include "core/clock.h"
#include "core/mono.h"
#include "core/str.h"
#include "tests/integration/aws/aws_fixture.h"
#include "tests/support/weir_test.h"

static struct wi_http_header target[] = {{"X-Amz-Target", NULL}};

static struct wi_http_exchange
exchange_of(const char *url, const char *operation, const char *body)
{
    struct wi_http_exchange exchange = {.error = WEIR_OK};

    target[0].value = operation;
    wi_buffer_init(&exchange.body, weir_env_default());
    exchange.request = (struct wi_http_request){
        .method = "POST",
        .url = url,
        .headers = target,
        .header_count = 1,
        .body = {body, strlen(body)},
        .connect_timeout_ms = 1000,
        .timeout_ms = 3000,
    };
    return exchange;
}

static void
perform(struct wi_http *http, struct wi_http_exchange *exchange)
{
    http->ops->perform(http->http, &exchange, 1);
}

static void
brings_back_status_body_and_headers(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_http_exchange exchange = exchange_of(fixture->plain, "Test.Big", "5");

    perform(http, &exchange);
    assert_int_equal(exchange.error, WEIR_OK);
    assert_int_equal(exchange.failure, WI_HTTP_ANSWERED);
    assert_int_equal(exchange.status, 200);
    assert_string_equal(wi_buffer_text(&exchange.body), "xxxxx");
    assert_string_equal(exchange.request_id, "request-1");
    assert_in_range(exchange.date_ms - wi_wall_now(weir_env_default()).ms + 10000, 0, 20000);
    assert_int_equal(exchange.retry_after_ms, -1);
    wi_buffer_free(&exchange.body);
    wi_http_close(http);
}

static void
calls_an_unwhole_answer_an_unknown_outcome(void **state)
{
    static const char *const operations[] = {
        "Test.Reset", "Test.Half", "Test.HalfHead", "Test.Garbage", "Test.LongHead"};
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);

    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        struct wi_http_exchange exchange = exchange_of(fixture->plain, operations[i], "{}");

        perform(http, &exchange);
        assert_int_equal(exchange.error, WEIR_EIO);
        assert_int_equal(exchange.failure, WI_HTTP_OUTCOME_UNKNOWN);
        assert_true(exchange.detail.text[0] != '\0');
        wi_buffer_free(&exchange.body);
    }
    wi_http_close(http);
}

static void
ends_a_slow_answer_at_its_time_limit(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_http_exchange exchange = exchange_of(fixture->plain, "Test.Slow", "5");
    struct weir_mono start = wi_mono_now(weir_env_default());

    exchange.request.timeout_ms = 200;
    perform(http, &exchange);
    assert_int_equal(exchange.error, WEIR_ETIMEOUT);
    assert_int_equal(exchange.failure, WI_HTTP_OUTCOME_UNKNOWN);
    assert_in_range(wi_mono_elapsed_ms(start, wi_mono_now(weir_env_default())), 190, 1500);
    wi_buffer_free(&exchange.body);
    wi_http_close(http);
}

static void
ends_an_answer_that_is_too_long(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_http_exchange exchange = exchange_of(fixture->plain, "Test.Huge", "{}");

    perform(http, &exchange);
    assert_int_equal(exchange.error, WEIR_ELIMIT);
    assert_true(exchange.body.length <= WI_HTTP_BODY_MAX);
    wi_buffer_free(&exchange.body);
    wi_http_close(http);
}

static void
knows_that_nothing_was_sent(void **state)
{
    const struct aws_fixture *fixture = *state;
    static const struct {
        const char *url;
        enum weir_error error;
        const char *word;
    } rows[] = {
        {"http://127.0.0.1:1", WEIR_EIO, "runs there"},
        {"http://host.invalid", WEIR_EIO, "region"},
        {"gopher://127.0.0.1:1", WEIR_EINVAL, "endpoint"},
        {"http://", WEIR_EINVAL, "endpoint"},
    };
    struct wi_http *http = open_http(NULL);

    (void)fixture;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wi_http_exchange exchange = exchange_of(rows[i].url, "Test.Big", "1");

        perform(http, &exchange);
        assert_int_equal(exchange.error, rows[i].error);
        assert_int_equal(exchange.failure, WI_HTTP_NOT_SENT);
        assert_non_null(strstr(exchange.detail.text, rows[i].word));
        wi_buffer_free(&exchange.body);
    }
    wi_http_close(http);
}

static void
checks_the_certificate(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *strict = open_http(NULL);
    struct wi_http *trusting = open_http(fixture->certificate);
    struct wi_http_exchange exchange = exchange_of(fixture->secure, "Test.Big", "1");

    perform(strict, &exchange);
    assert_int_equal(exchange.error, WEIR_EACCESS);
    assert_int_equal(exchange.failure, WI_HTTP_NOT_SENT);
    assert_non_null(strstr(exchange.detail.text, "AWS_CA_BUNDLE"));
    perform(trusting, &exchange);
    assert_int_equal(exchange.error, WEIR_OK);
    assert_int_equal(exchange.status, 200);
    wi_buffer_free(&exchange.body);
    wi_http_close(strict);
    wi_http_close(trusting);
}

/* SIGPIPE would end the whole process. */
static void
survives_a_reset_while_it_sends(void **state)
{
    static char body[8 << 20];
    const struct aws_fixture *fixture = *state;
    const char *const urls[] = {fixture->plain, fixture->secure};
    struct wi_http *http = open_http(fixture->certificate);

    for (size_t i = 0; i < 2; i++) {
        struct wi_http_exchange exchange = exchange_of(urls[i], "Test.EarlyReset", "");

        exchange.request.body = (struct weir_bytes){body, sizeof body};
        perform(http, &exchange);
        assert_int_equal(exchange.error, WEIR_EIO);
        assert_int_equal(exchange.failure, WI_HTTP_OUTCOME_UNKNOWN);
        wi_buffer_free(&exchange.body);
    }
    wi_http_close(http);
}

static void
follows_no_redirect(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_http_exchange exchange = exchange_of(fixture->plain, "Test.Redirect", "{}");

    perform(http, &exchange);
    assert_int_equal(exchange.error, WEIR_OK);
    assert_int_equal(exchange.status, 302);
    wi_buffer_free(&exchange.body);
    wi_http_close(http);
}

static void
keeps_its_connection_alive(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    int64_t before = count_of(http, fixture, "connections");

    for (int i = 0; i < 200; i++) {
        struct wi_http_exchange exchange = exchange_of(fixture->plain, "Test.Big", "10");

        perform(http, &exchange);
        assert_int_equal(exchange.error, WEIR_OK);
        wi_buffer_free(&exchange.body);
    }
    assert_int_equal(count_of(http, fixture, "connections"), before);
    wi_http_close(http);
}

/* libcurl would send the body again by itself: a put could be carried out twice. */
static void
never_sends_twice_when_a_kept_connection_ends(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_http_exchange first = exchange_of(fixture->plain, "Test.DieKept", "{}");
    struct wi_http_exchange second = exchange_of(fixture->plain, "Test.DieKept", "{}");

    perform(http, &first);
    assert_int_equal(first.error, WEIR_OK);
    perform(http, &second);
    assert_int_equal(second.error, WEIR_EIO);
    assert_int_equal(second.failure, WI_HTTP_OUTCOME_UNKNOWN);
    assert_int_equal(count_of(http, fixture, "DieKept"), 2);
    wi_buffer_free(&first.body);
    wi_buffer_free(&second.body);
    wi_http_close(http);
}

static void
performs_more_than_its_lanes_side_by_side(void **state)
{
    enum {
        COUNT = WI_HTTP_PARALLEL_MAX + 36
    };
    const struct aws_fixture *fixture = *state;
    static struct wi_http_exchange exchanges[COUNT];
    static struct wi_http_exchange *pointers[COUNT];
    struct wi_http *http = open_http(NULL);
    struct weir_mono start = wi_mono_now(weir_env_default());

    for (size_t i = 0; i < COUNT; i++) {
        exchanges[i] = exchange_of(fixture->plain, "Test.Slow", "0.2");
        pointers[i] = &exchanges[i];
    }
    http->ops->perform(http->http, pointers, COUNT);
    assert_in_range(wi_mono_elapsed_ms(start, wi_mono_now(weir_env_default())), 390, 6000);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(exchanges[i].error, WEIR_OK);
        assert_string_equal(wi_buffer_text(&exchanges[i].body), "late");
        wi_buffer_free(&exchanges[i].body);
    }
    wi_http_close(http);
}

struct pieces {
    int count;
    int max; /* 0: no end */
};

static bool
take_piece(void *context, struct weir_bytes piece)
{
    struct pieces *pieces = context;

    assert_true(piece.length > 0);
    pieces->count++;
    return pieces->max == 0 || pieces->count < pieces->max;
}

static struct wi_http_exchange
stream_of(const struct aws_fixture *fixture, const char *silence_s, struct pieces *pieces)
{
    struct wi_http_exchange exchange = exchange_of(fixture->plain, "Test.Stream", silence_s);

    exchange.request.stream = take_piece;
    exchange.request.stream_context = pieces;
    exchange.request.quiet_timeout_ms = 400;
    return exchange;
}

static void
streams_a_body_and_ends_a_silent_one(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct pieces pieces = {0, 0};
    struct wi_http_exchange whole = stream_of(fixture, "0", &pieces);
    struct wi_http_exchange silent = stream_of(fixture, "2", &pieces);
    struct wi_http_exchange unwanted = stream_of(fixture, "0", &pieces);

    perform(http, &whole);
    assert_int_equal(whole.error, WEIR_OK);
    assert_int_equal(pieces.count, 5);
    assert_int_equal(whole.body.length, 0);

    pieces.count = 0;
    perform(http, &silent);
    assert_int_equal(silent.error, WEIR_ETIMEOUT);
    assert_int_equal(pieces.count, 5);

    pieces = (struct pieces){0, 2};
    perform(http, &unwanted);
    assert_int_equal(unwanted.error, WEIR_ECANCELED);
    assert_int_equal(pieces.count, 2);
    wi_http_close(http);
}

static void
collects_the_body_of_an_error_instead_of_streaming_it(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct pieces pieces = {0, 0};
    struct wi_http_exchange exchange = stream_of(fixture, "0", &pieces);

    target[0].value = "Test.Denied";
    perform(http, &exchange);
    assert_int_equal(exchange.status, 400);
    assert_int_equal(pieces.count, 0);
    assert_non_null(strstr(wi_buffer_text(&exchange.body), "AccessDenied"));
    wi_buffer_free(&exchange.body);
    wi_http_close(http);
}

struct slow_thread {
    struct wi_http *http;
    struct wi_http_exchange exchange;
    pthread_t thread;
};

static void *
run_slow(void *context)
{
    struct slow_thread *slow = context;

    perform(slow->http, &slow->exchange);
    slow->http->ops->pause(slow->http->http, 60000);
    return NULL;
}

static void
an_interrupt_ends_all_calls_now_and_later(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct slow_thread threads[4];
    struct wi_http_exchange late = exchange_of(fixture->plain, "Test.Big", "1");
    struct weir_mono start;

    for (size_t i = 0; i < 4; i++) {
        threads[i] = (struct slow_thread){
            .http = http, .exchange = exchange_of(fixture->plain, "Test.Slow", "3")};
        threads[i].exchange.request.timeout_ms = 60000;
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i].thread, NULL, run_slow, &threads[i]), 0);
    }
    http->ops->pause(http->http, 200);
    start = wi_mono_now(weir_env_default());
    http->ops->interrupt(http->http);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
        assert_int_equal(threads[i].exchange.error, WEIR_ECANCELED);
        wi_buffer_free(&threads[i].exchange.body);
    }
    assert_in_range(wi_mono_elapsed_ms(start, wi_mono_now(weir_env_default())), 0, 1000);
    perform(http, &late);
    assert_int_equal(late.error, WEIR_ECANCELED);
    assert_int_equal(late.failure, WI_HTTP_NOT_SENT);
    wi_http_close(http);
}

static void
refuses_headers_that_would_split(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_http_exchange exchange = exchange_of(fixture->plain, "Test.Big\r\nX: y", "1");

    perform(http, &exchange);
    assert_int_equal(exchange.error, WEIR_EINVAL);
    assert_int_equal(exchange.failure, WI_HTTP_NOT_SENT);
    wi_http_close(http);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brings_back_status_body_and_headers),
        cmocka_unit_test(calls_an_unwhole_answer_an_unknown_outcome),
        cmocka_unit_test(ends_a_slow_answer_at_its_time_limit),
        cmocka_unit_test(ends_an_answer_that_is_too_long),
        cmocka_unit_test(knows_that_nothing_was_sent),
        cmocka_unit_test(checks_the_certificate),
        cmocka_unit_test(survives_a_reset_while_it_sends),
        cmocka_unit_test(follows_no_redirect),
        cmocka_unit_test(keeps_its_connection_alive),
        cmocka_unit_test(never_sends_twice_when_a_kept_connection_ends),
        cmocka_unit_test(performs_more_than_its_lanes_side_by_side),
        cmocka_unit_test(streams_a_body_and_ends_a_silent_one),
        cmocka_unit_test(collects_the_body_of_an_error_instead_of_streaming_it),
        cmocka_unit_test(an_interrupt_ends_all_calls_now_and_later),
        cmocka_unit_test(refuses_headers_that_would_split),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
