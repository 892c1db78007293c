/* kinesis: URLs, and the pace of reads. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/check.h"
#include "core/mono.h"
#include "stream/stream_kinesis_pace.h"
#include "stream/stream_kinesis_url.h"
#include "tests/support/weir_test.h"

static void
reads_names_and_options(void **state)
{
    struct wi_kinesis_url url;

    (void)state;
    assert_int_equal(wi_kinesis_url_parse("kinesis:orders", &url, NULL), WEIR_OK);
    assert_string_equal(url.stream_name, "orders");
    assert_string_equal(url.region, "");
    assert_int_equal(url.reads_per_second, 5);
    assert_int_equal(url.encoding, WI_KINESIS_JSON);
    assert_int_equal(
        wi_kinesis_url_parse(
            "kinesis:orders?region=eu-west-1&endpoint=http%3A//127.0.0.1:4567&profile=p"
            "&reads_per_second=20&idle=250ms&encoding=cbor",
            &url,
            NULL),
        WEIR_OK);
    assert_string_equal(url.region, "eu-west-1");
    assert_string_equal(url.endpoint, "http://127.0.0.1:4567");
    assert_string_equal(url.profile, "p");
    assert_int_equal(url.reads_per_second, 20);
    assert_int_equal(url.idle_ms, 250);
    assert_int_equal(url.encoding, WI_KINESIS_CBOR);
    assert_int_equal(wi_kinesis_url_parse("kinesis:s?encoding=json", &url, NULL), WEIR_OK);
    assert_int_equal(url.encoding, WI_KINESIS_JSON);
}

static void
names_a_consumer_of_enhanced_fan_out(void **state)
{
    struct wi_kinesis_url url;

    (void)state;
    assert_int_equal(wi_kinesis_url_parse("kinesis:s", &url, NULL), WEIR_OK);
    assert_string_equal(url.consumer, "");
    assert_int_equal(url.quiet_ms, 30000);
    assert_int_equal(
        wi_kinesis_url_parse("kinesis:s?fan_out=fleet&fan_out_quiet=5s", &url, NULL), WEIR_OK);
    assert_string_equal(url.consumer, "fleet");
    assert_int_equal(url.quiet_ms, 5000);
    assert_int_equal(
        wi_kinesis_url_parse(
            "kinesis:s?fan_out=arn:aws:kinesis:r:1:stream/s/consumer/fleet:1", &url, NULL),
        WEIR_OK);
    assert_string_equal(url.consumer, "arn:aws:kinesis:r:1:stream/s/consumer/fleet:1");
}

static void
takes_name_and_region_of_an_arn(void **state)
{
    struct wi_kinesis_url url;

    (void)state;
    assert_int_equal(
        wi_kinesis_url_parse(
            "kinesis:arn:aws:kinesis:us-east-2:123456789012:stream/s1", &url, NULL),
        WEIR_OK);
    assert_string_equal(url.stream_arn, "arn:aws:kinesis:us-east-2:123456789012:stream/s1");
    assert_string_equal(url.stream_name, "s1");
    assert_string_equal(url.region, "us-east-2");
    assert_int_equal(wi_kinesis_url_parse("kinesis:arn:aws:stream/s1", &url, NULL), WEIR_OK);
    assert_string_equal(url.region, ""); /* as without an ARN: whatever the configuration says */
}

static void
refuses_what_is_no_url(void **state)
{
    static const char *const texts[] = {
        "orders",
        "kinesis:",
        "kinesis:a/b",
        "kinesis:arn:aws:kinesis:us-east-2:1",
        "kinesis:arn:aws:kinesis:us-east-2:1:stream/..",
        "kinesis:s?region",
        "kinesis:s?region=",
        "kinesis:s?colour=red",
        "kinesis:s?endpoint=%4",
        "kinesis:s?endpoint=%zz",
        "kinesis:s?endpoint=%00",
        "kinesis:s?endpoint=%-1",
        "kinesis:s?endpoint=%@1",
        "kinesis:s?encoding=xml",
        "kinesis:s?reads_per_second=many",
        "kinesis:s?reads_per_second=0",
        "kinesis:s?reads_per_second=1001",
        "kinesis:s?idle=soon",
        "kinesis:s?idle=0ms",
        "kinesis:s?idle=2m",
        "kinesis:s?fan_out=",
        "kinesis:s?fan_out=a/b",
        "kinesis:s?fan_out_quiet=x",
        "kinesis:s?fan_out_quiet=0s",
        "kinesis:s?fan_out_quiet=1h",
    };
    struct wi_kinesis_url url;
    struct weir_detail detail;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        detail.text[0] = '\0';
        assert_int_equal(wi_kinesis_url_parse(texts[i], &url, &detail), WEIR_EINVAL);
        assert_true(detail.text[0] != '\0');
    }
}

static void
refuses_parts_without_room(void **state)
{
    static const char *const before[] = {
        "kinesis:arn:aws:kinesis:r:1:stream/", "kinesis:s?endpoint=", "kinesis:s?"};
    char text[1024];
    struct wi_kinesis_url url;
    struct weir_detail detail;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(before); i++) {
        memset(text, 'x', sizeof text);
        memcpy(text, before[i], strlen(before[i]));
        text[sizeof text - 1] = '\0';
        detail.text[0] = '\0';
        assert_int_equal(wi_kinesis_url_parse(text, &url, &detail), WEIR_EINVAL);
        assert_true(detail.text[0] != '\0');
    }
}

/* --- several streams --- */

static void
tells_one_stream_from_several(void **state)
{
    (void)state;
    assert_false(wi_kinesis_url_is_set("kinesis:orders"));
    assert_false(wi_kinesis_url_is_set("kinesis:orders?endpoint=http://127.0.0.1:1,2"));
    assert_false(wi_kinesis_url_is_set("kinesis:arn:aws:kinesis:r:1:stream/s"));
    assert_false(wi_kinesis_url_is_set("weir:a,b"));
    assert_true(wi_kinesis_url_is_set("kinesis:a,b"));
    assert_true(wi_kinesis_url_is_set("kinesis:a,"));
    assert_true(wi_kinesis_url_is_set("kinesis:111122223333:orders:1700000000"));
    assert_true(wi_kinesis_url_is_set("kinesis:*?region=r"));
    assert_true(wi_kinesis_url_is_any("kinesis:*?region=r"));
    assert_false(wi_kinesis_url_is_any("kinesis:a,b"));
    assert_false(wi_kinesis_url_is_any("weir:*"));
}

static void
reads_a_list_of_streams(void **state)
{
    struct wi_kinesis_set_url url;
    struct wi_kinesis_element element;

    (void)state;
    assert_int_equal(
        wi_kinesis_set_url_parse(
            "kinesis:orders,arn:aws:kinesis:eu-west-1:111122223333:stream/payments,"
            "111122223333:refunds:17?region=eu-west-1&idle=2s&fan_out=fleet",
            &url,
            NULL),
        WEIR_OK);
    assert_int_equal(url.count, 3);
    assert_string_equal(url.options.region, "eu-west-1");
    assert_int_equal(url.options.idle_ms, 2000);
    assert_string_equal(url.options.stream_name, "");
    assert_int_equal(wi_kinesis_element_parse(url.elements[0], &element), WEIR_OK);
    assert_string_equal(element.name, "orders");
    assert_false(element.is_identified);
    assert_int_equal(wi_kinesis_element_parse(url.elements[1], &element), WEIR_OK);
    assert_string_equal(element.name, "payments");
    assert_string_equal(element.arn, "arn:aws:kinesis:eu-west-1:111122223333:stream/payments");
    assert_int_equal(wi_kinesis_element_parse(url.elements[2], &element), WEIR_OK);
    assert_true(element.is_identified);
    assert_string_equal(element.name, "refunds");
    assert_int_equal(element.identifier.created_s, 17);
    assert_int_equal(wi_kinesis_set_url_parse("kinesis:*?region=r", &url, NULL), WEIR_OK);
    assert_int_equal(url.count, 0);
}

/* Longer than what a message shows. */
#define LONG_NAME "a_stream_whose_name_says_more_than_anybody_wants_to_know_about_it_at_all"

static void
refuses_what_is_no_list(void **state)
{
    static const char long_and_foreign[] = "kinesis:a," LONG_NAME "/";
    static const char two_long_names[] = "kinesis:" LONG_NAME "," LONG_NAME;
    static const char *const texts[] = {
        "orders,payments",
        "kinesis:,",
        "kinesis:a,",
        "kinesis:,a",
        "kinesis:a,,b",
        "kinesis:a,b,a",
        "kinesis:a,*",
        "kinesis:a,b/c",
        "kinesis:a, b",
        "kinesis:1:a:1",
        "kinesis:a,111122223333:b:",
        "kinesis:a,arn:aws:kinesis:r:1",
        "kinesis:a,b?colour=red",
        long_and_foreign,
        two_long_names,
        "kinesis:a,b?fan_out=arn:aws:kinesis:r:1:stream/s/consumer/fleet:1",
    };
    struct wi_kinesis_set_url url;
    struct weir_detail detail;

    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        print_message("%s\n", texts[i]);
        detail.text[0] = '\0';
        assert_int_equal(wi_kinesis_set_url_parse(texts[i], &url, &detail), WEIR_EINVAL);
        assert_true(detail.text[0] != '\0');
    }
}

static void
bounds_the_list(void **state)
{
    char text[2048] = "kinesis:s0";
    size_t length = strlen(text);
    struct wi_kinesis_set_url url;
    struct weir_detail detail;

    (void)state;
    for (unsigned i = 1; i < WI_KINESIS_STREAMS_MAX; i++) {
        length += (size_t)snprintf(text + length, sizeof text - length, ",s%u", i);
    }
    assert_int_equal(wi_kinesis_set_url_parse(text, &url, &detail), WEIR_OK);
    assert_int_equal(url.count, WI_KINESIS_STREAMS_MAX);
    (void)snprintf(text + length, sizeof text - length, ",more");
    assert_int_equal(wi_kinesis_set_url_parse(text, &url, &detail), WEIR_ELIMIT);
    assert_non_null(strstr(detail.text, "256"));
}

/* What puts, splits and creates wants one stream. */
static void
takes_no_list_for_one_stream(void **state)
{
    struct wi_kinesis_url url;
    struct weir_detail detail;

    (void)state;
    assert_int_equal(wi_kinesis_url_parse("kinesis:a,b", &url, &detail), WEIR_EINVAL);
    assert_non_null(strstr(detail.text, "name one"));
    assert_int_equal(wi_kinesis_url_parse("kinesis:111122223333:a:1", &url, &detail), WEIR_EINVAL);
}

/* --- pace --- */

static struct weir_mono
at_ms(int64_t ms)
{
    return (struct weir_mono){ms * WI_NS_PER_MS};
}

static void
keeps_to_five_reads_and_two_megabytes_a_second(void **state)
{
    struct wi_kinesis_pace pace;

    (void)state;
    wi_kinesis_pace_init(&pace, 200, 1000);
    assert_int_equal(wi_kinesis_pace_wait_ms(&pace, at_ms(1000)), 0);
    wi_kinesis_pace_read(&pace, at_ms(1000), at_ms(1050), 1000, false);
    assert_int_equal(wi_kinesis_pace_wait_ms(&pace, at_ms(1050)), 150);
    wi_kinesis_pace_read(&pace, at_ms(2000), at_ms(2050), 10 * WI_KINESIS_BYTES_PER_SECOND, false);
    assert_in_range(wi_kinesis_pace_wait_ms(&pace, at_ms(2000)), 9900, 10100);
    /* A slow answer is paid for already. */
    wi_kinesis_pace_read(&pace, at_ms(20000), at_ms(20900), 1000, false);
    assert_int_equal(wi_kinesis_pace_wait_ms(&pace, at_ms(20900)), 0);
}

static void
reads_less_often_at_the_tip(void **state)
{
    struct wi_kinesis_pace pace;
    int64_t before = 0;

    (void)state;
    wi_kinesis_pace_init(&pace, 200, 1000);
    for (int64_t now = 0; now < 10000; now += 1000) {
        wi_kinesis_pace_read(&pace, at_ms(now), at_ms(now), 0, true);
        assert_true(wi_kinesis_pace_wait_ms(&pace, at_ms(now)) >= before);
        before = wi_kinesis_pace_wait_ms(&pace, at_ms(now));
    }
    assert_int_equal(before, 1000);
    wi_kinesis_pace_read(&pace, at_ms(20000), at_ms(20000), 100, false);
    assert_int_equal(wi_kinesis_pace_wait_ms(&pace, at_ms(20000)), 200);
    /* The last records that there are: more may be on their way. */
    wi_kinesis_pace_read(&pace, at_ms(30000), at_ms(30000), 0, true);
    wi_kinesis_pace_read(&pace, at_ms(40000), at_ms(40000), 100, true);
    assert_int_equal(pace.tip_ms, 0);
}

static void
backs_off_when_refused_and_comes_back(void **state)
{
    struct wi_kinesis_pace pace;

    (void)state;
    wi_kinesis_pace_init(&pace, 200, 1000);
    for (uint64_t i = 0; i < 20; i++) {
        wi_kinesis_pace_refused(&pace, at_ms(0), i * UINT64_C(0x9e3779b97f4a7c15));
        assert_in_range(wi_kinesis_pace_wait_ms(&pace, at_ms(0)), 1, WI_KINESIS_THROTTLED_MS_MAX);
    }
    assert_int_equal(pace.now_ms, WI_KINESIS_THROTTLED_MS_MAX);
    for (int i = 0; i < 100; i++) {
        wi_kinesis_pace_read(&pace, at_ms(0), at_ms(0), 100, false);
    }
    assert_int_equal(pace.now_ms, 200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_names_and_options),
        cmocka_unit_test(names_a_consumer_of_enhanced_fan_out),
        cmocka_unit_test(takes_name_and_region_of_an_arn),
        cmocka_unit_test(refuses_what_is_no_url),
        cmocka_unit_test(refuses_parts_without_room),
        cmocka_unit_test(tells_one_stream_from_several),
        cmocka_unit_test(reads_a_list_of_streams),
        cmocka_unit_test(refuses_what_is_no_list),
        cmocka_unit_test(bounds_the_list),
        cmocka_unit_test(takes_no_list_for_one_stream),
        cmocka_unit_test(keeps_to_five_reads_and_two_megabytes_a_second),
        cmocka_unit_test(reads_less_often_at_the_tip),
        cmocka_unit_test(backs_off_when_refused_and_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
