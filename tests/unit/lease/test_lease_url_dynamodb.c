/* URLs of lease tables, and the JSON of DynamoDB. */
#include <cjson/cJSON.h>
#include <string.h>

#include <weir/error.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/str.h"
#include "lease/lease_url_dynamodb.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

static void
reads_a_url(void **state)
{
    struct wi_dynamodb_url url;

    (void)state;
    assert_int_equal(
        wi_dynamodb_url_parse(
            WI_STR("dynamodb:my-app?region=eu-west-1&endpoint=http%3A//127.0.0.1:8000&create="
                   "if-missing&poll=500ms&profile=x"),
            &url,
            NULL),
        WEIR_OK);
    assert_string_equal(url.table, "my-app");
    assert_string_equal(url.region, "eu-west-1");
    assert_string_equal(url.endpoint, "http://127.0.0.1:8000");
    assert_string_equal(url.profile, "x");
    assert_true(url.create);
    assert_true(url.poll_ms == 500);
    assert_int_equal(wi_dynamodb_url_parse(WI_STR("dynamodb:app"), &url, NULL), WEIR_OK);
    assert_false(url.create);
}

static void
says_what_is_wrong_with_a_url(void **state)
{
    static const struct {
        const char *url;
        const char *word;
    } urls[] = {
        {"weir:x", "dynamodb:"},
        {"dynamodb:", "3 to"},
        {"dynamodb:ab", "3 to"},
        {"dynamodb:a b c", "3 to"},
        {"dynamodb:abc?", NULL},
        {"dynamodb:abc?region", "NAME=VALUE"},
        {"dynamodb:abc?region=", "region"},
        {"dynamodb:abc?endpoint=%", "endpoint"},
        {"dynamodb:abc?endpoint=%00", "endpoint"},
        {"dynamodb:abc?endpoint=%4", "endpoint"},
        {"dynamodb:abc?create=yes", "if-missing"},
        {"dynamodb:abc?poll=1ms", "10ms"},
        {"dynamodb:abc?regoin=x", "regoin"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct weir_detail detail = {""};
        struct wi_dynamodb_url url;
        enum weir_error error = wi_dynamodb_url_parse(wi_str(urls[i].url), &url, &detail);

        print_message("%s: %s\n", urls[i].url, detail.text);
        assert_int_equal(error, urls[i].word == NULL ? WEIR_OK : WEIR_EINVAL);
        assert_true(urls[i].word == NULL || strstr(detail.text, urls[i].word) != NULL);
    }
}

static void
escapes_text_and_keeps_bytes(void **state)
{
    static const uint8_t bytes[] = {0, 1, 2, 253, 254};
    struct wi_dynamodb_write write;
    struct wi_buffer text;
    struct test_env test;
    uint8_t found[sizeof bytes];
    size_t length = 0;
    cJSON *item = NULL;

    (void)state;
    test_env_init(&test);
    for (size_t count = 0; count <= sizeof bytes; count++) {
        wi_buffer_init(&text, &test.env);
        wi_dynamodb_write_init(&write, &test.env, true);
        wi_dynamodb_set_bytes(&write, "b", (struct weir_bytes){bytes, count});
        wi_dynamodb_set_text(&write, "s", "a\"\\\n\x01\xc3\xa4");
        wi_buffer_printf(&text, "{%s}", wi_buffer_text(&write.set));
        item = cJSON_Parse(wi_buffer_text(&text));
        assert_string_equal(wi_dynamodb_text(item, "s"), "a\"\\\n\x01\xc3\xa4");
        assert_true(wi_dynamodb_bytes(item, "b", found, sizeof found, &length));
        assert_int_equal(length, count);
        assert_memory_equal(found, bytes, count);
        assert_false(count > 0 && wi_dynamodb_bytes(item, "b", found, count - 1, &length));
        cJSON_Delete(item);
        wi_dynamodb_write_free(&write);
        wi_buffer_free(&text);
    }
    test_env_assert_no_leak(&test);
}

static void
given_answer(struct wi_dynamodb_request *request, enum wi_aws_class class, const char *body)
{
    wi_dynamodb_request_reset(request);
    request->call.class = class;
    request->call.error = class == WI_AWS_OK ? WEIR_OK : WEIR_EIO;
    wi_buffer_append_z(&request->call.answer, body);
    wi_dynamodb_read_answer(request);
}

/* Whatever a server says, there is a row, or an error, or no row. */
static void
reads_answers_of_every_kind(void **state)
{
    struct wi_dynamodb_request request;
    struct test_env test;

    (void)state;
    test_env_init(&test);
    wi_dynamodb_request_init(&request, &test.env);
    given_answer(
        &request,
        WI_AWS_OK,
        "{\"Item\":{\"a\":{\"S\":\"x\"}},\"ConsumedCapacity\":{\"CapacityUnits\":0.5}}");
    assert_int_equal(request.error, WEIR_OK);
    assert_string_equal(wi_dynamodb_text(request.item, "a"), "x");
    assert_true(request.units > 0.4 && request.units < 0.6);
    given_answer(&request, WI_AWS_CONDITION, "{\"__type\":\"x\",\"Item\":{}}");
    assert_int_equal(request.error, WEIR_ECONFLICT);
    assert_non_null(request.item);
    given_answer(&request, WI_AWS_OK, "");
    assert_int_equal(request.error, WEIR_OK);
    assert_null(request.item);
    given_answer(&request, WI_AWS_OK, "{\"Item\":7,\"ConsumedCapacity\":{\"CapacityUnits\":-1}}");
    assert_null(request.item);
    given_answer(&request, WI_AWS_OK, "[]");
    assert_int_equal(request.error, WEIR_ECORRUPT);
    given_answer(&request, WI_AWS_OK, "<html>");
    assert_int_equal(request.error, WEIR_ECORRUPT);
    given_answer(&request, WI_AWS_NOT_FOUND, "");
    assert_int_equal(request.error, WEIR_ENOTFOUND);
    given_answer(&request, WI_AWS_SERVER, "");
    assert_int_equal(request.error, WEIR_ETIMEOUT);
    wi_dynamodb_request_free(&request);
    test_env_assert_no_leak(&test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_url),
        cmocka_unit_test(says_what_is_wrong_with_a_url),
        cmocka_unit_test(escapes_text_and_keeps_bytes),
        cmocka_unit_test(reads_answers_of_every_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
