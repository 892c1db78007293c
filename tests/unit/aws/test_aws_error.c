/* Errors of services: names, words, classes. */
#include <stdbool.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/aws_error.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

static void
finds_name_and_message(void **state)
{
    static const struct {
        const char *header;
        const char *body;
        const char *type;
        const char *message;
    } rows[] = {
        {"", "{\"__type\":\"a.b#XException\",\"message\":\"m\"}", "XException", "m"},
        {"", "{\"__type\":\"XException\",\"Message\":\"m\"}", "XException", "m"},
        {"XException:http://internal/", "{\"message\":\"m\"}", "XException", "m"},
        {"XException", "{\"__type\":\"YException\"}", "XException", ""},
        {"", "{\"code\":\"X\"}", "X", ""},
        {"", "<html>", "", ""},
        {"", "", "", ""},
        {"", "[1,2]", "", ""},
        {"", "{\"__type\":7,\"message\":{}}", "", ""},
        {"", "{\"__type\":\"A\\nB\",\"message\":\"a\\u0007\\r\\nb\"}", "A?B", "a???b"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wi_aws_error found;

        wi_aws_error_parse(rows[i].header, wi_str(rows[i].body), &found);
        assert_string_equal(found.type, rows[i].type);
        assert_string_equal(found.message, rows[i].message);
    }
}

#define BODY(literal) {literal, sizeof(literal) - 1}
static const struct {
    struct weir_str body;
    const char *type;
    const char *message;
} in_cbor[] = {
    {BODY("\xa2\x66__type\x6aXException\x67message\x61m"), "XException", "m"},
    {BODY("\xbf\x67Message\x7f\x61m\x61n\xff\x66__type\143a#X\xff"), "X", "mn"},
    {BODY("\xa2\x66__type\x07\x67message\x81\x81\x61m"), "", ""},
    {BODY("\xa2\144code\x61X\x67message\x78\377cut"), "X", ""},
    {BODY("\xa1\x67message\x62\n\x01"), "", "??"},
    {BODY("\xbf"), "", ""},
    {BODY("\xa1\x01\x02"), "", ""},
};
#undef BODY

/* Services that are asked in CBOR answer in CBOR, and may leave out the header. */
static void
finds_name_and_message_in_cbor(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof in_cbor / sizeof in_cbor[0]; i++) {
        struct wi_aws_error found;

        wi_aws_error_parse("", in_cbor[i].body, &found);
        assert_string_equal(found.type, in_cbor[i].type);
        assert_string_equal(found.message, in_cbor[i].message);
        wi_aws_error_parse("YException:", in_cbor[i].body, &found);
        assert_string_equal(found.type, "YException");
    }
}

static const struct {
    const char *type;
    int status;
    enum wi_aws_class right;
    enum weir_error code;
} classes[] = {
    {"ConditionalCheckFailedException", 400, WI_AWS_CONDITION, WEIR_ECONFLICT},
    {"ProvisionedThroughputExceededException", 400, WI_AWS_THROTTLED, WEIR_ETHROTTLED},
    {"ThrottlingException", 400, WI_AWS_THROTTLED, WEIR_ETHROTTLED},
    {"LimitExceededException", 400, WI_AWS_THROTTLED, WEIR_ETHROTTLED},
    {"", 429, WI_AWS_THROTTLED, WEIR_ETHROTTLED},
    {"ResourceNotFoundException", 400, WI_AWS_NOT_FOUND, WEIR_ENOTFOUND},
    {"ResourceInUseException", 400, WI_AWS_IN_USE, WEIR_EBUSY},
    {"ExpiredIteratorException", 400, WI_AWS_EXPIRED, WEIR_EEXPIRED},
    {"ExpiredNextTokenException", 400, WI_AWS_EXPIRED, WEIR_EEXPIRED},
    {"UnrecognizedClientException", 400, WI_AWS_DENIED, WEIR_EACCESS},
    {"AccessDeniedException", 400, WI_AWS_DENIED, WEIR_EACCESS},
    {"", 403, WI_AWS_DENIED, WEIR_EACCESS},
    {"ValidationException", 400, WI_AWS_INVALID, WEIR_EINVAL},
    {"SerializationException", 400, WI_AWS_INVALID, WEIR_EINVAL},
    {"InternalServerError", 500, WI_AWS_SERVER, WEIR_ETIMEOUT},
    {"", 502, WI_AWS_SERVER, WEIR_ETIMEOUT},
    {"SomethingNew", 503, WI_AWS_SERVER, WEIR_ETIMEOUT},
    {"SomethingNew", 400, WI_AWS_OTHER, WEIR_EIO},
    {"", 302, WI_AWS_OTHER, WEIR_EIO},
    {"", 404, WI_AWS_OTHER, WEIR_EIO},
};

static void
tells_the_classes_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        enum wi_aws_class found = wi_aws_error_class(classes[i].type, classes[i].status);

        assert_int_equal(found, classes[i].right);
        assert_int_equal(wi_aws_class_error(found, "PutItem"), classes[i].code);
    }
    assert_int_equal(wi_aws_class_error(WI_AWS_IN_USE, "CreateTable"), WEIR_EEXISTS);
    assert_int_equal(wi_aws_class_error(WI_AWS_OK, "PutItem"), WEIR_OK);
}

static void
says_what_to_do_about_each_denial(void **state)
{
    static const struct {
        struct wi_aws_error error;
        const char *word;
    } rows[] = {
        {{"UnrecognizedClientException", "the token is invalid"}, "access key"},
        {{"InvalidSignatureException", "does not match"}, "secret key"},
        {{"InvalidSignatureException", "Signature expired: 2015"}, "clock"},
        {{"InvalidSignatureException", "Credential should be scoped to a valid region"}, "region"},
        {{"ExpiredTokenException", ""}, "temporary"},
        {{"MissingAuthenticationTokenException", ""}, "endpoint"},
        {{"AccessDeniedException", ""}, "right"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *advice = wi_aws_error_advice(WI_AWS_DENIED, &rows[i].error);
        assert_non_null(strstr(advice, rows[i].word));
    }
    assert_string_equal(wi_aws_error_advice(WI_AWS_OK, &rows[0].error), "");
}

static void
knows_expired_tokens_and_clocks(void **state)
{
    (void)state;
    assert_true(wi_aws_error_is_expired_token("ExpiredTokenException"));
    assert_true(wi_aws_error_is_expired_token("ExpiredToken"));
    assert_false(wi_aws_error_is_expired_token("ExpiredIteratorException"));
    assert_true(wi_aws_error_is_skew("RequestTimeTooSkewed", ""));
    assert_true(wi_aws_error_is_skew("InvalidSignatureException", "Signature expired: x"));
    assert_true(wi_aws_error_is_skew("InvalidSignatureException", "Signature not yet current"));
    assert_false(wi_aws_error_is_skew("InvalidSignatureException", "does not match"));
    assert_false(wi_aws_error_is_skew("AccessDeniedException", "expired"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_name_and_message),
        cmocka_unit_test(finds_name_and_message_in_cbor),
        cmocka_unit_test(tells_the_classes_apart),
        cmocka_unit_test(says_what_to_do_about_each_denial),
        cmocka_unit_test(knows_expired_tokens_and_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
