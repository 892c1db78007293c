/* A client of AWS against a service that misbehaves: what is repeated, what never is, what is said.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/http.h"
#include "core/clock.h"
#include "core/mono.h"
#include "core/str.h"
#include "tests/integration/aws/aws_fixture.h"
#include "tests/support/weir_test.h"

/* Perform one call of a new client with three attempts. */
static void
perform(const struct aws_fixture *fixture, struct wi_aws_call *call)
{
    struct wi_http *http = open_http(NULL);
    struct wi_aws_client *client = open_client(http, fixture->plain, 3);

    wi_aws_perform(client, call);
    wi_aws_client_close(client);
    wi_http_close(http);
}

static void
signs_so_that_the_service_agrees(void **state)
{
    const struct aws_fixture *fixture = *state;
    static const char *const tokens[] = {NULL, "a/session+token=="};

    for (size_t i = 0; i < 2; i++) {
        struct wi_aws_call call = call_of("Echo", "{\"a\":\"\xc3\xa4\"}", false);

        set("AWS_SESSION_TOKEN", tokens[i]);
        perform(fixture, &call);
        assert_int_equal(call.error, WEIR_OK);
        assert_int_equal(call.class, WI_AWS_OK);
        assert_int_equal(call.attempts, 1);
        assert_string_equal(wi_buffer_text(&call.answer), "{\"a\":\"\xc3\xa4\"}");
        wi_aws_call_free(&call);
    }
    set("AWS_SESSION_TOKEN", NULL);
}

static void
tells_errors_apart_and_says_what_to_do(void **state)
{
    static const struct {
        const char *operation;
        bool repeatable;
        enum weir_error error;
        enum wi_aws_class class;
        uint32_t attempts;
        const char *words;
    } rows[] = {
        {"Denied", true, WEIR_EACCESS, WI_AWS_DENIED, 1, "not authorized"},
        {"WrongRegion", true, WEIR_EACCESS, WI_AWS_DENIED, 1, "does not fit the endpoint"},
        {"Nothing", true, WEIR_EINVAL, WI_AWS_INVALID, 1, "UnknownOperation"},
        {"Redirect", true, WEIR_EIO, WI_AWS_OTHER, 1, "endpoint of the service"},
        {"Internal", true, WEIR_ETIMEOUT, WI_AWS_SERVER, 3, "oops"},
        {"Internal", false, WEIR_ETIMEOUT, WI_AWS_SERVER, 1, "oops"},
        {"Unavailable", true, WEIR_ETIMEOUT, WI_AWS_SERVER, 3, "HTTP 503"},
        {"Reset", true, WEIR_ETIMEOUT, WI_AWS_NO_ANSWER, 3, "ended the connection"},
        {"Garbage", false, WEIR_ETIMEOUT, WI_AWS_NO_ANSWER, 1, "ended the connection"},
    };
    const struct aws_fixture *fixture = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wi_aws_call call = call_of(rows[i].operation, "{}", rows[i].repeatable);
        char start[64];

        perform(fixture, &call);
        assert_int_equal(call.error, rows[i].error);
        assert_int_equal(call.class, rows[i].class);
        assert_int_equal(call.attempts, rows[i].attempts);
        assert_non_null(strstr(call.detail.text, rows[i].words));
        (void)snprintf(start, sizeof start, "kinesis %s in eu-west-1: ", rows[i].operation);
        assert_memory_equal(call.detail.text, start, strlen(start));
        assert_null(strstr(call.detail.text, SECRET));
        wi_aws_call_free(&call);
    }
}

static void
repeats_until_the_service_gives_in(void **state)
{
    static const struct {
        const char *operation;
        uint32_t attempts;
        const char *answer;
        bool outcome_unknown;
    } rows[] = {
        {"Throttled", 3, "through", false},
        {"TooMany", 2, "through", false},
        {"ResetOnce", 2, "second", true},
    };
    const struct aws_fixture *fixture = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wi_aws_call call = call_of(rows[i].operation, "{}", true);

        perform(fixture, &call);
        assert_int_equal(call.error, WEIR_OK);
        assert_int_equal(call.attempts, rows[i].attempts);
        assert_int_equal(call.outcome_unknown, rows[i].outcome_unknown);
        assert_string_equal(wi_buffer_text(&call.answer), rows[i].answer);
        wi_aws_call_free(&call);
    }
}

/* The one promise of this file: a put without an answer is put once. */
static void
never_sends_again_what_may_have_been_carried_out(void **state)
{
    static const char *const operations[] = {"Reset", "Half", "HalfHead", "Garbage", "Internal"};
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);

    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        struct wi_aws_call call = call_of(operations[i], "{}", false);
        int64_t before = count_of(http, fixture, operations[i]);

        perform(fixture, &call);
        assert_int_equal(call.error, WEIR_ETIMEOUT);
        assert_true(call.outcome_unknown);
        assert_int_equal(call.attempts, 1);
        assert_int_equal(count_of(http, fixture, operations[i]), before + 1);
        wi_aws_call_free(&call);
    }
    wi_http_close(http);
}

static void
a_call_that_was_never_sent_has_a_known_outcome(void **state)
{
    struct aws_fixture nowhere = *(const struct aws_fixture *)*state;
    struct wi_aws_call call = call_of("Echo", "{}", false);

    (void)snprintf(nowhere.plain, sizeof nowhere.plain, "http://127.0.0.1:1");
    perform(&nowhere, &call);
    assert_int_equal(call.error, WEIR_EIO);
    assert_int_equal(call.class, WI_AWS_NO_ANSWER);
    assert_false(call.outcome_unknown);
    assert_int_equal(call.attempts, 3);
    wi_aws_call_free(&call);
}

static void
keeps_its_time_limits(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_aws_call call = call_of("Slow", "3", true);
    struct weir_mono start = wi_mono_now(weir_env_default());

    call.attempt_timeout_ms = 150;
    call.attempts_max = 2;
    perform(fixture, &call);
    assert_int_equal(call.error, WEIR_ETIMEOUT);
    assert_true(call.outcome_unknown);
    assert_in_range(wi_mono_elapsed_ms(start, wi_mono_now(weir_env_default())), 140, 1500);
    wi_aws_call_free(&call);
}

static void
corrects_its_clock_by_the_services_date(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_aws_client *client = open_client(http, fixture->plain, 1);

    for (uint32_t expected = 2; expected >= 1; expected--) {
        struct wi_aws_call call = call_of("Skewed", "{}", false);

        wi_aws_perform(client, &call);
        assert_int_equal(call.error, WEIR_OK);
        /* Once corrected, it stays so. */
        assert_int_equal(call.attempts, expected);
        wi_aws_call_free(&call);
    }
    wi_aws_client_close(client);
    wi_http_close(http);
}

static void
refreshes_an_expired_token_once(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_aws_client *client;
    struct wi_aws_call first = call_of("Expired", "{}", false);
    struct wi_aws_call second = call_of("Expired", "{}", false);
    struct wi_aws_call warm = call_of("Echo", "{}", false);

    set("AWS_SESSION_TOKEN", "old");
    client = open_client(http, fixture->plain, 1);
    wi_aws_perform(client, &first);
    assert_int_equal(first.error, WEIR_EACCESS);
    assert_int_equal(first.attempts, 2);
    assert_non_null(strstr(first.detail.text, "get new temporary credentials"));

    wi_aws_perform(client, &warm);
    set("AWS_SESSION_TOKEN", "new");
    wi_aws_perform(client, &second);
    assert_int_equal(second.error, WEIR_OK);
    assert_int_equal(second.attempts, 2);
    assert_string_equal(wi_buffer_text(&second.answer), "fresh");
    set("AWS_SESSION_TOKEN", NULL);
    wi_aws_call_free(&first);
    wi_aws_call_free(&second);
    wi_aws_call_free(&warm);
    wi_aws_client_close(client);
    wi_http_close(http);
}

static void
performs_side_by_side_each_with_its_own_outcome(void **state)
{
    enum {
        COUNT = 100
    };
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_aws_client *client = open_client(http, fixture->plain, 2);
    static struct wi_aws_call calls[COUNT];
    static struct wi_aws_call *pointers[COUNT];

    for (size_t i = 0; i < COUNT; i++) {
        calls[i] = call_of(i % 3 == 0 ? "Denied" : i % 3 == 1 ? "Echo" : "Reset", "{}", true);
        pointers[i] = &calls[i];
    }
    wi_aws_perform_all(client, pointers, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        static const enum weir_error right[] = {WEIR_EACCESS, WEIR_OK, WEIR_ETIMEOUT};

        assert_int_equal(calls[i].error, right[i % 3]);
        wi_aws_call_free(&calls[i]);
    }
    wi_aws_client_close(client);
    wi_http_close(http);
}

static void *
echo_often(void *context)
{
    struct wi_aws_client *client = context;

    for (int i = 0; i < 20; i++) {
        struct wi_aws_call call = call_of("Echo", "{}", true);

        wi_aws_perform(client, &call);
        assert_int_equal(call.error, WEIR_OK);
        wi_aws_call_free(&call);
    }
    return NULL;
}

static void
serves_several_threads(void **state)
{
    enum {
        THREADS = 8
    };
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_aws_client *client = open_client(http, fixture->plain, 1);
    int64_t before = count_of(http, fixture, "connections");
    pthread_t threads[THREADS];

    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, echo_often, client), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    /* One connection a thread, and no more. */
    assert_in_range(count_of(http, fixture, "connections") - before, 0, THREADS);
    wi_aws_client_close(client);
    wi_http_close(http);
}

static void
signs_for_who_sends_himself(void **state)
{
    const struct aws_fixture *fixture = *state;
    struct wi_http *http = open_http(NULL);
    struct wi_aws_client *client = open_client(http, fixture->plain, 1);
    struct wi_http_exchange exchange = {.error = WEIR_OK};
    struct wi_http_exchange *pointer = &exchange;
    struct wi_aws_signed signature = {.count = 0};
    struct wi_buffer arena;
    const struct weir_bytes body = {"{}", 2};

    wi_buffer_init(&arena, weir_env_default());
    wi_buffer_init(&exchange.body, weir_env_default());
    assert_int_equal(wi_aws_sign(client, "Echo", body, &arena, &signature, NULL), WEIR_OK);
    exchange.request = (struct wi_http_request){
        .method = "POST",
        .url = wi_aws_endpoint(client),
        .headers = signature.headers,
        .header_count = signature.count,
        .body = body,
        .connect_timeout_ms = 1000,
        .timeout_ms = 1000,
        .http2 = true,
    };
    http->ops->perform(http->http, &pointer, 1);
    assert_int_equal(exchange.status, 200);
    wi_buffer_free(&exchange.body);
    wi_buffer_free(&arena);
    wi_aws_client_close(client);
    wi_http_close(http);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_so_that_the_service_agrees),
        cmocka_unit_test(tells_errors_apart_and_says_what_to_do),
        cmocka_unit_test(repeats_until_the_service_gives_in),
        cmocka_unit_test(never_sends_again_what_may_have_been_carried_out),
        cmocka_unit_test(a_call_that_was_never_sent_has_a_known_outcome),
        cmocka_unit_test(keeps_its_time_limits),
        cmocka_unit_test(corrects_its_clock_by_the_services_date),
        cmocka_unit_test(refreshes_an_expired_token_once),
        cmocka_unit_test(performs_side_by_side_each_with_its_own_outcome),
        cmocka_unit_test(serves_several_threads),
        cmocka_unit_test(signs_for_who_sends_himself),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
