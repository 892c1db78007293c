/* Endpoints by region and partition; URLs of strangers. */
#include <stdbool.h>
#include <string.h>

#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/aws_endpoint.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

static void
knows_the_partitions(void **state)
{
    static const struct {
        struct wi_aws_endpoint_rule rule;
        const char *right;
    } rows[] = {
        {{"kinesis", "eu-west-1", false, false}, "https://kinesis.eu-west-1.amazonaws.com"},
        {{"dynamodb", "cn-north-1", false, false}, "https://dynamodb.cn-north-1.amazonaws.com.cn"},
        {{"kinesis", "us-gov-west-1", false, false}, "https://kinesis.us-gov-west-1.amazonaws.com"},
        {{"kinesis", "us-gov-west-1", true, false}, "https://kinesis.us-gov-west-1.amazonaws.com"},
        {{"kinesis", "us-east-1", true, false}, "https://kinesis-fips.us-east-1.amazonaws.com"},
        {{"kinesis", "us-east-1", false, true}, "https://kinesis.us-east-1.api.aws"},
        {{"kinesis", "us-east-1", true, true}, "https://kinesis-fips.us-east-1.api.aws"},
        {{"sts", "us-iso-east-1", false, true}, "https://sts.us-iso-east-1.c2s.ic.gov"},
        {{"sts", "us-isob-east-1", false, false}, "https://sts.us-isob-east-1.sc2s.sgov.gov"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char found[WI_AWS_ENDPOINT_SIZE];

        assert_int_equal(wi_aws_endpoint_by_rule(&rows[i].rule, found), WEIR_OK);
        assert_string_equal(found, rows[i].right);
    }
}

/* A region becomes part of a host name: nothing else may come in with it. */
static void
refuses_regions_that_would_change_the_host(void **state)
{
    static const char *const regions[] = {
        "",
        "-",
        "eu-west-1-",
        "eu west",
        "evil.example/",
        "a@b",
        "EU-WEST-1",
        "eu\r\nx:y",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    char found[WI_AWS_ENDPOINT_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof regions / sizeof regions[0]; i++) {
        const struct wi_aws_endpoint_rule rule = {"kinesis", regions[i], false, false};

        assert_false(wi_aws_region_is_valid(regions[i]));
        assert_int_equal(wi_aws_endpoint_by_rule(&rule, found), WEIR_EINVAL);
    }
}

static void
takes_urls_apart(void **state)
{
    static const struct {
        const char *text;
        bool tls;
        const char *authority;
        const char *host;
        const char *path;
        const char *query;
    } rows[] = {
        {"http://h", false, "h", "h", "", ""},
        {"https://h:8443/a/b?x=1&y", true, "h:8443", "h", "/a/b", "x=1&y"},
        {"http://[::1]:80/", false, "[::1]:80", "::1", "/", ""},
        {"http://[fd00:ec2::254]", false, "[fd00:ec2::254]", "fd00:ec2::254", "", ""},
        {"http://h?q", false, "h", "h", "", "q"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct wi_aws_url url;

        assert_int_equal(wi_aws_url_parse(wi_str(rows[i].text), &url), WEIR_OK);
        assert_int_equal(url.tls, rows[i].tls);
        assert_true(wi_str_equal_z(url.authority, rows[i].authority));
        assert_true(wi_str_equal_z(url.host, rows[i].host));
        assert_true(wi_str_equal_z(url.path, rows[i].path));
        assert_true(wi_str_equal_z(url.query, rows[i].query));
    }
}

static void
refuses_what_is_no_url(void **state)
{
    static const char *const texts[] = {
        "",
        "h",
        "ftp://h",
        "http://",
        "http:///x",
        "http://?x",
        "http://u@h",
        "http://h:0",
        "http://h:65536",
        "http://h:",
        "http://h:x",
        "http://:80",
        "http://[::1",
        "http://[]",
        "http://[::1]x",
        "http://h/a b",
        "http://h\n",
        "http://h/#f",
        "HTTP://h",
        "http://h\"",
        "http://\xc3\xa4"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct wi_aws_url url;
        assert_int_equal(wi_aws_url_parse(wi_str(texts[i]), &url), WEIR_EINVAL);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_partitions),
        cmocka_unit_test(refuses_regions_that_would_change_the_host),
        cmocka_unit_test(takes_urls_apart),
        cmocka_unit_test(refuses_what_is_no_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
