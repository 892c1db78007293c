/* When credentials are fetched anew; time is a number, the container's endpoint a canned answer. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "core/str.h"
#include "core/timestamp.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define MINUTE_MS INT64_C(60000)

/* A container's endpoint. */
struct endpoint {
    struct test_env test;
    struct wi_http http;
    struct wi_aws_credential_chain *chain;
    bool down;
    int asked;
    int64_t lifetime_ms;
};

static void
close_nothing(void *http)
{
    (void)http;
}

static void
answer(void *context, struct wi_http_exchange *const *exchanges, size_t count)
{
    struct endpoint *endpoint = context;
    struct wi_http_exchange *exchange = exchanges[0];
    char expiration[WI_TIMESTAMP_SIZE];

    assert_int_equal(count, 1);
    endpoint->asked++;
    wi_buffer_reset(&exchange->body);
    exchange->error = WEIR_OK;
    exchange->failure = WI_HTTP_ANSWERED;
    exchange->status = endpoint->down ? 404 : 200;
    (void)wi_timestamp_format(endpoint->test.wall.ms + endpoint->lifetime_ms, expiration);
    if (endpoint->down) {
        wi_buffer_append_z(&exchange->body, "{}");
    } else {
        wi_buffer_printf(
            &exchange->body,
            "{\"AccessKeyId\":\"K%d\",\"SecretAccessKey\":\"s\",\"Expiration\":\"%s\"}",
            endpoint->asked,
            expiration);
    }
    if (wi_buffer_error(&exchange->body) != WEIR_OK) {
        exchange->error = WEIR_ENOMEM;
        exchange->failure = WI_HTTP_OUTCOME_UNKNOWN;
    }
}

static const struct wi_http_ops canned = {.close = close_nothing, .perform = answer};

/* A chain whose credentials last an hour. */
static void
given(struct endpoint *endpoint)
{
    const struct wi_aws_credential_options options = {.region = "eu-west-1"};

    memset(endpoint, 0, sizeof *endpoint);
    test_env_init(&endpoint->test);
    endpoint->http = (struct wi_http){&canned, endpoint, &endpoint->test.env};
    endpoint->lifetime_ms = 60 * MINUTE_MS;
    assert_int_equal(
        wi_aws_credentials_open(
            &endpoint->test.env, &endpoint->http, &options, &endpoint->chain, NULL),
        WEIR_OK);
}

static void
finish(struct endpoint *endpoint)
{
    wi_aws_credentials_close(endpoint->chain);
    test_env_assert_no_leak(&endpoint->test);
}

/* "" if there are none. */
static const char *
key_of(struct endpoint *endpoint)
{
    static struct wi_aws_credentials found;

    return wi_aws_credentials_get(endpoint->chain, &found, NULL) == WEIR_OK ? found.key_id : "";
}

static void
asks_once_while_they_are_fresh(void **state)
{
    struct endpoint endpoint;

    (void)state;
    given(&endpoint);
    assert_string_equal(key_of(&endpoint), "K1");
    test_env_advance_ms(&endpoint.test, 54 * MINUTE_MS);
    assert_string_equal(key_of(&endpoint), "K1");
    test_env_advance_ms(&endpoint.test, 2 * MINUTE_MS);
    assert_string_equal(key_of(&endpoint), "K2");
    assert_string_equal(key_of(&endpoint), "K2");
    assert_int_equal(endpoint.asked, 2);
    finish(&endpoint);
}

/* Old credentials are better than none, and a source that is down is not asked all the time. */
static void
goes_on_with_the_old_ones_while_the_source_is_down(void **state)
{
    struct endpoint endpoint;

    (void)state;
    given(&endpoint);
    assert_string_equal(key_of(&endpoint), "K1");
    endpoint.down = true;
    test_env_advance_ms(&endpoint.test, 56 * MINUTE_MS);
    assert_string_equal(key_of(&endpoint), "K1");
    assert_string_equal(key_of(&endpoint), "K1");
    assert_int_equal(endpoint.asked, 2);
    test_env_advance_ms(&endpoint.test, 11000);
    assert_string_equal(key_of(&endpoint), "K1");
    assert_int_equal(endpoint.asked, 3);
    test_env_advance_ms(&endpoint.test, 3 * MINUTE_MS + 30000);
    assert_string_equal(key_of(&endpoint), "K1");
    test_env_advance_ms(&endpoint.test, MINUTE_MS);
    assert_string_equal(key_of(&endpoint), "");
    endpoint.down = false;
    assert_string_equal(key_of(&endpoint), "K6");
    finish(&endpoint);
}

static void
asks_at_once_when_the_service_refuses_them(void **state)
{
    struct endpoint endpoint;

    (void)state;
    given(&endpoint);
    assert_string_equal(key_of(&endpoint), "K1");
    wi_aws_credentials_refused(endpoint.chain, "another");
    assert_string_equal(key_of(&endpoint), "K1");
    wi_aws_credentials_refused(endpoint.chain, "K1");
    assert_string_equal(key_of(&endpoint), "K2");
    endpoint.down = true;
    wi_aws_credentials_refused(endpoint.chain, "K2");
    assert_string_equal(key_of(&endpoint), "");
    finish(&endpoint);
}

/* A wrong clock here, or a source that hands out old ones: they are used, and not asked for with
 * every request. */
static void
takes_credentials_that_are_handed_out_expired(void **state)
{
    struct endpoint endpoint;

    (void)state;
    given(&endpoint);
    endpoint.lifetime_ms = -MINUTE_MS;
    assert_string_equal(key_of(&endpoint), "K1");
    assert_string_equal(key_of(&endpoint), "K1");
    test_env_advance_ms(&endpoint.test, 11000);
    assert_string_equal(key_of(&endpoint), "K2");
    finish(&endpoint);
}

static void
survives_every_allocation_failure(void **state)
{
    struct endpoint endpoint;
    enum weir_error error;

    (void)state;
    for (size_t n = 1;; n++) {
        static struct wi_aws_credentials found;

        given(&endpoint);
        endpoint.test.fail_at = n + endpoint.test.allocations;
        error = wi_aws_credentials_get(endpoint.chain, &found, NULL);
        finish(&endpoint);
        if (!test_env_has_failed(&endpoint.test)) {
            break;
        }
        assert_true(error == WEIR_ENOMEM || error == WEIR_OK || error == WEIR_EACCESS);
    }
    assert_int_equal(error, WEIR_OK);
}

static int
set_environment(void **state)
{
    (void)state;
    /* NOLINTBEGIN(concurrency-mt-unsafe): one thread */
    (void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/credentials", 1);
    (void)setenv("HOME", "nowhere", 1);
    (void)unsetenv("AWS_ACCESS_KEY_ID");
    (void)unsetenv("AWS_SECRET_ACCESS_KEY");
    (void)unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    (void)unsetenv("AWS_CONFIG_FILE");
    (void)unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    (void)unsetenv("AWS_PROFILE");
    (void)unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    (void)unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    /* NOLINTEND(concurrency-mt-unsafe) */
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_once_while_they_are_fresh),
        cmocka_unit_test(goes_on_with_the_old_ones_while_the_source_is_down),
        cmocka_unit_test(asks_at_once_when_the_service_refuses_them),
        cmocka_unit_test(takes_credentials_that_are_handed_out_expired),
        cmocka_unit_test(survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, set_environment, NULL);
}
