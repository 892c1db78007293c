/* Credentials in answers of metadata services and of STS; whoever answers, nothing breaks. */
#include <stdint.h>
#include <string.h>

#include <weir/error.h>

#include "aws/credential_answer.h"
#include "aws/credentials.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

static const char good_xml[] =
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>"
    "<AssumedRoleUser><Arn>AccessKeyId</Arn></AssumedRoleUser><Credentials>"
    "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>a/b+c&#61;</SecretAccessKey>"
    "<SessionToken>tok</SessionToken><Expiration>2023-11-14T23:13:20Z</Expiration></Credentials>"
    "</AssumeRoleResult><X><AccessKeyId>no</AccessKeyId></X></AssumeRoleResponse>";

static void
reads_the_answer_of_sts(void **state)
{
    struct wi_aws_credentials found;

    (void)state;
    assert_int_equal(wi_aws_answer_xml(wi_str(good_xml), &found, NULL), WEIR_OK);
    assert_string_equal(found.key_id, "ASIA");
    assert_string_equal(found.secret, "a/b+c=");
    assert_string_equal(found.token, "tok");
    assert_int_equal(found.expires_ms, INT64_C(1700003600000));
}

static void
reads_a_refusal_of_sts(void **state)
{
    static const char text[] = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
                               "<Message>not you</Message></Error></ErrorResponse>";
    struct wi_aws_credentials found;
    struct weir_detail detail;

    (void)state;
    assert_int_equal(wi_aws_answer_xml(wi_str(text), &found, &detail), WEIR_EACCESS);
    assert_string_equal(detail.text, "AccessDenied: not you");
}

/* Cut anywhere, an answer gives no half of a key. */
static void
refuses_every_part_of_an_answer(void **state)
{
    (void)state;
    for (size_t length = 0; length + 1 < sizeof good_xml; length++) {
        const struct weir_str part = {good_xml, length};
        struct wi_aws_credentials found;

        assert_int_equal(wi_aws_answer_xml(part, &found, NULL), WEIR_ECORRUPT);
    }
}

static void
refuses_hostile_xml(void **state)
{
    static const char *const texts[] = {
        "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;\">]><x>&b;</x>",
        "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><x/>",
        "<Credentials><AccessKeyId>a b</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        "<Expiration>2023-11-14T23:13:20Z</Expiration></Credentials>",
        "<Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
        "<Expiration>soon</Expiration></Credentials>",
        "<a><b><c><d><e><f><g><h><i><j><k><l><m><n><o><p><q></q></p></o></n></m></l></k></j></i>"
        "</h></g></f></e></d></c></b></a>",
        "{}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct wi_aws_credentials found;
        assert_int_equal(wi_aws_answer_xml(wi_str(texts[i]), &found, NULL), WEIR_ECORRUPT);
    }
}

static void
reads_the_answer_of_a_metadata_service(void **state)
{
    static const char text[] =
        "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIA\","
        "\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"2023-11-14T23:13:20Z\"}";
    struct wi_aws_credentials found;

    (void)state;
    assert_int_equal(wi_aws_answer_json(wi_str(text), &found, NULL), WEIR_OK);
    assert_string_equal(found.key_id, "ASIA");
    assert_string_equal(found.secret, "s");
    assert_string_equal(found.token, "t");
    assert_int_equal(found.expires_ms, INT64_C(1700003600000));
}

static void
refuses_answers_without_credentials(void **state)
{
    static const struct {
        const char *text;
        enum weir_error right;
    } rows[] = {
        {"", WEIR_ECORRUPT},
        {"[]", WEIR_ECORRUPT},
        {"{}", WEIR_ECORRUPT},
        {"{\"AccessKeyId\":\"a\"}", WEIR_ECORRUPT},
        {"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":7}", WEIR_ECORRUPT},
        {"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\\r\\nX: y\"}", WEIR_ECORRUPT},
        {"{\"AccessKeyId\":\"a\",\"SecretAccessKey\":\"s\",\"Expiration\":\"x\"}", WEIR_ECORRUPT},
        {"{\"Code\":\"Failed\",\"Message\":\"no role\"}", WEIR_EACCESS},
        {"{\"code\":\"Failed\",\"message\":\"no role\"}", WEIR_EACCESS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wi_aws_credentials found;
        assert_int_equal(wi_aws_answer_json(wi_str(rows[i].text), &found, NULL), rows[i].right);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_answer_of_sts),
        cmocka_unit_test(reads_a_refusal_of_sts),
        cmocka_unit_test(refuses_every_part_of_an_answer),
        cmocka_unit_test(refuses_hostile_xml),
        cmocka_unit_test(reads_the_answer_of_a_metadata_service),
        cmocka_unit_test(refuses_answers_without_credentials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
