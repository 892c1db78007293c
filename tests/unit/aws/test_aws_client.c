/* A client of AWS with canned answers: no network, no waiting. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/http.h"
#include "core/str.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

/* What the service does with one attempt. */
struct canned {
    enum wi_http_failure failure;
    enum weir_error error;
    int status;
    const char *body;
};

struct service {
    struct test_env test;
    struct wi_http http;
    const struct canned *answers; /* one for each attempt; the last one again and again */
    size_t answer_count;
    size_t asked;
    char url[WI_AWS_ENDPOINT_SIZE];
    bool has_authorization;
};

static void
close_nothing(void *http)
{
    (void)http;
}

static void
answer(void *context, struct wi_http_exchange *const *exchanges, size_t count)
{
    struct service *service = context;

    for (size_t i = 0; i < count; i++) {
        struct wi_http_exchange *exchange = exchanges[i];
        size_t next =
            service->asked < service->answer_count ? service->asked : service->answer_count - 1;
        const struct canned *canned = &service->answers[next];
        const struct wi_http_request *request = &exchange->request;

        service->asked++;
        (void)wi_str_copy(service->url, sizeof service->url, wi_str(request->url));
        service->has_authorization =
            strcmp(request->headers[request->header_count - 1].name, "Authorization") == 0;
        wi_buffer_reset(&exchange->body);
        wi_buffer_append_z(&exchange->body, canned->body);
        exchange->failure = canned->failure;
        exchange->error = canned->error;
        exchange->status = canned->status;
        exchange->retry_after_ms = -1;
    }
}

static const struct wi_http_ops canned_ops = {.close = close_nothing, .perform = answer};

static const struct wi_aws_options options = {
    .service = "dynamodb",
    .target_prefix = "DynamoDB_20120810",
    .content_type = "application/x-amz-json-1.0",
    .region = "eu-west-1",
};

static void
given(struct service *service, const struct canned *answers, size_t count)
{
    memset(service, 0, sizeof *service);
    test_env_init(&service->test);
    service->http = (struct wi_http){&canned_ops, service, &service->test.env};
    service->answers = answers;
    service->answer_count = count;
}

static struct wi_aws_call
perform(struct service *service, bool repeatable)
{
    struct wi_aws_client *client = NULL;
    struct wi_aws_call call;

    wi_aws_call_init(&call, &service->test.env);
    call.operation = "PutItem";
    call.body = (struct weir_bytes){"{}", 2};
    call.repeatable = repeatable;
    assert_int_equal(
        wi_aws_client_open(&service->test.env, &service->http, &options, &client, NULL), WEIR_OK);
    wi_aws_perform(client, &call);
    wi_aws_client_close(client);
    return call;
}

static void
signs_for_the_regular_endpoint(void **state)
{
    static const struct canned good = {WI_HTTP_ANSWERED, WEIR_OK, 200, "{\"a\":1}"};
    struct service service;
    struct wi_aws_call call;

    (void)state;
    given(&service, &good, 1);
    call = perform(&service, true);
    assert_int_equal(call.error, WEIR_OK);
    assert_string_equal(wi_buffer_text(&call.answer), "{\"a\":1}");
    assert_string_equal(service.url, "https://dynamodb.eu-west-1.amazonaws.com");
    assert_true(service.has_authorization);
    wi_aws_call_free(&call);
    test_env_assert_no_leak(&service.test);
}

/* An attempt without an answer may have written: what the last attempt says is not the outcome. */
static void
an_unknown_attempt_stays_unknown_whatever_follows(void **state)
{
    static const char throttled[] = "{\"__type\":\"ThrottlingException\"}";
    static const char condition[] = "{\"__type\":\"ConditionalCheckFailedException\"}";
    static const struct {
        struct canned answers[2];
        enum weir_error error;
    } rows[] = {
        {{{WI_HTTP_OUTCOME_UNKNOWN, WEIR_ETIMEOUT, 0, ""},
          {WI_HTTP_ANSWERED, WEIR_OK, 400, throttled}},
         WEIR_ETIMEOUT},
        {{{WI_HTTP_OUTCOME_UNKNOWN, WEIR_EIO, 0, ""}, {WI_HTTP_NOT_SENT, WEIR_EIO, 0, ""}},
         WEIR_ETIMEOUT},
        {{{WI_HTTP_ANSWERED, WEIR_OK, 500, "{}"}, {WI_HTTP_ANSWERED, WEIR_OK, 400, condition}},
         WEIR_ECONFLICT},
        {{{WI_HTTP_OUTCOME_UNKNOWN, WEIR_EIO, 0, ""}, {WI_HTTP_ANSWERED, WEIR_OK, 200, "{}"}},
         WEIR_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct service service;
        struct wi_aws_call call;

        given(&service, rows[i].answers, 2);
        call = perform(&service, true);
        assert_int_equal(call.error, rows[i].error);
        assert_true(call.outcome_unknown);
        wi_aws_call_free(&call);
    }
}

static void
does_not_repeat_what_is_not_repeatable_after_it_was_sent(void **state)
{
    static const struct canned rows[] = {
        {WI_HTTP_OUTCOME_UNKNOWN, WEIR_ETIMEOUT, 0, ""},
        {WI_HTTP_OUTCOME_UNKNOWN, WEIR_EIO, 0, ""},
        {WI_HTTP_OUTCOME_UNKNOWN, WEIR_ELIMIT, 0, ""},
        {WI_HTTP_OUTCOME_UNKNOWN, WEIR_ENOMEM, 0, ""},
        {WI_HTTP_ANSWERED, WEIR_OK, 502, "<html>"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct service service;
        struct wi_aws_call call;

        given(&service, &rows[i], 1);
        call = perform(&service, false);
        assert_int_equal(call.error, WEIR_ETIMEOUT);
        assert_true(call.outcome_unknown);
        assert_int_equal(service.asked, 1);
        wi_aws_call_free(&call);
    }
}

static void
ends_at_once_on_a_shutdown(void **state)
{
    static const struct canned canceled = {WI_HTTP_NOT_SENT, WEIR_ECANCELED, 0, ""};
    struct service service;
    struct wi_aws_call call;

    (void)state;
    given(&service, &canceled, 1);
    call = perform(&service, true);
    assert_int_equal(call.error, WEIR_ECANCELED);
    assert_int_equal(service.asked, 1);
    wi_aws_call_free(&call);
}

static void
survives_every_allocation_failure(void **state)
{
    static const struct canned good = {WI_HTTP_ANSWERED, WEIR_OK, 200, "{}"};
    struct service service;
    enum weir_error error;

    (void)state;
    for (size_t n = 1;; n++) {
        struct wi_aws_client *client = NULL;
        struct wi_aws_call call;

        given(&service, &good, 1);
        service.test.fail_at = n;
        wi_aws_call_init(&call, &service.test.env);
        call.operation = "PutItem";
        call.body = (struct weir_bytes){"{}", 2};
        error = wi_aws_client_open(&service.test.env, &service.http, &options, &client, NULL);
        if (error == WEIR_OK) {
            wi_aws_perform(client, &call);
            error = call.error;
        }
        wi_aws_call_free(&call);
        wi_aws_client_close(client);
        test_env_assert_no_leak(&service.test);
        if (!test_env_has_failed(&service.test)) {
            break;
        }
        /* The canned answer's own memory may be what fails. */
        assert_true(error == WEIR_ENOMEM || error == WEIR_OK);
    }
    assert_int_equal(error, WEIR_OK);
}

static int
set_environment(void **state)
{
    static const char *const names[] = {
        "AWS_SESSION_TOKEN",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_PROFILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT"};

    (void)state;
    /* NOLINTBEGIN(concurrency-mt-unsafe): one thread */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)unsetenv(names[i]);
    }
    (void)setenv("HOME", "nowhere", 1);
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    /* NOLINTEND(concurrency-mt-unsafe) */
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_for_the_regular_endpoint),
        cmocka_unit_test(an_unknown_attempt_stays_unknown_whatever_follows),
        cmocka_unit_test(does_not_repeat_what_is_not_repeatable_after_it_was_sent),
        cmocka_unit_test(ends_at_once_on_a_shutdown),
        cmocka_unit_test(survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, set_environment, NULL);
}
