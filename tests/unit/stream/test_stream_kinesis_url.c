/* kinesis: URLs, and the pace of reads. */
#include <stdint.h>
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
        cmocka_unit_test(keeps_to_five_reads_and_two_megabytes_a_second),
        cmocka_unit_test(reads_less_often_at_the_tip),
        cmocka_unit_test(backs_off_when_refused_and_comes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
