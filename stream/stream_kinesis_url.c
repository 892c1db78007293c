#include "stream/stream_kinesis_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/detail.h"
#include "core/quantity.h"
#include "core/str.h"

#define ARN_PREFIX   "arn:"
#define ARN_RESOURCE ":stream/"
/* arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME */
#define ARN_REGION_FIELD 3

bool
wi_kinesis_url_is(const char *url)
{
    return strncmp(url, WI_KINESIS_SCHEME, strlen(WI_KINESIS_SCHEME)) == 0;
}

static enum weir_error
bad_name(const char *url, struct weir_detail *detail)
{
    return wi_detail(
        detail,
        WEIR_EINVAL,
        "%s: write kinesis:NAME or kinesis:arn:...:stream/NAME; a name is 1 to 128 of "
        "a-z A-Z 0-9 _ . -",
        url);
}

/* Field `number` of an ARN, from 0. */
static struct weir_str
arn_field(struct weir_str arn, unsigned number)
{
    struct weir_str head = arn;
    struct weir_str tail = arn;

    for (unsigned i = 0; i <= number; i++) {
        if (!wi_str_cut(tail, ':', &head, &tail)) {
            return (struct weir_str){arn.data, 0};
        }
    }
    return head;
}

/* Name, ARN and region of the part before the '?'. */
static enum weir_error
parse_place(struct weir_str place, struct wi_kinesis_url *ret)
{
    struct weir_str name = place;

    if (wi_str_starts_with(place, WI_STR(ARN_PREFIX))) {
        const char *resource;

        if (!wi_str_copy(ret->stream_arn, sizeof ret->stream_arn, place)) {
            return WEIR_EINVAL;
        }
        resource = strstr(ret->stream_arn, ARN_RESOURCE);
        if (resource == NULL) {
            return WEIR_EINVAL;
        }
        name = wi_str(resource + strlen(ARN_RESOURCE));
        (void)wi_str_copy(ret->region, sizeof ret->region, arn_field(place, ARN_REGION_FIELD));
    }
    if (weir_name_check(name) != WEIR_OK) {
        return WEIR_EINVAL;
    }
    (void)wi_str_copy(ret->stream_name, sizeof ret->stream_name, name);
    return WEIR_OK;
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Copy a value with its %XX replaced. */
static bool
copy_value(char *to, size_t size, struct weir_str value)
{
    size_t length = 0;

    for (size_t i = 0; i < value.length; i++) {
        char c = value.data[i];

        if (c == '%') {
            const int high = i + 2 < value.length ? hex_value(value.data[i + 1]) : -1;
            const int low = high >= 0 ? hex_value(value.data[i + 2]) : -1;

            if (low < 0) {
                return false;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0' || length + 1 >= size) {
            return false;
        }
        to[length++] = c;
    }
    to[length] = '\0';
    return length > 0;
}

static bool
parse_reads(struct weir_str value, int64_t *ret)
{
    return wi_str_to_i64(value, ret) == WEIR_OK && *ret >= 1 &&
           *ret <= WI_KINESIS_READS_PER_SECOND_MAX;
}

static bool
parse_idle(struct weir_str value, int64_t *ret)
{
    return wi_duration_parse(value, ret) == WEIR_OK && *ret >= 1 && *ret <= WI_KINESIS_IDLE_MS_MAX;
}

static bool
parse_consumer(struct weir_str value, struct wi_kinesis_url *ret)
{
    return copy_value(ret->consumer, sizeof ret->consumer, value) &&
           (wi_str_starts_with(wi_str(ret->consumer), WI_STR(ARN_PREFIX)) ||
            weir_name_check(wi_str(ret->consumer)) == WEIR_OK);
}

static bool
parse_quiet(struct weir_str value, int64_t *ret)
{
    return wi_duration_parse(value, ret) == WEIR_OK && *ret >= WI_KINESIS_QUIET_MS_LEAST &&
           *ret <= WI_KINESIS_QUIET_MS_MAX;
}

static bool
parse_encoding(struct weir_str value, enum wi_kinesis_encoding *ret)
{
    *ret = wi_str_equal_z(value, "cbor") ? WI_KINESIS_CBOR : WI_KINESIS_JSON;
    return *ret == WI_KINESIS_CBOR || wi_str_equal_z(value, "json");
}

/* One `name=value`. */
static enum weir_error
parse_option(struct weir_str option, struct wi_kinesis_url *ret, struct weir_detail *detail)
{
    struct weir_str name;
    struct weir_str value;
    bool is_good = false;

    if (!wi_str_cut(option, '=', &name, &value)) {
        is_good = false;
    } else if (wi_str_equal_z(name, "region")) {
        is_good = copy_value(ret->region, sizeof ret->region, value);
    } else if (wi_str_equal_z(name, "endpoint")) {
        is_good = copy_value(ret->endpoint, sizeof ret->endpoint, value);
    } else if (wi_str_equal_z(name, "profile")) {
        is_good = copy_value(ret->profile, sizeof ret->profile, value);
    } else if (wi_str_equal_z(name, "reads_per_second")) {
        is_good = parse_reads(value, &ret->reads_per_second);
    } else if (wi_str_equal_z(name, "idle")) {
        is_good = parse_idle(value, &ret->idle_ms);
    } else if (wi_str_equal_z(name, "encoding")) {
        is_good = parse_encoding(value, &ret->encoding);
    } else if (wi_str_equal_z(name, "fan_out")) {
        is_good = parse_consumer(value, ret);
    } else if (wi_str_equal_z(name, "fan_out_quiet")) {
        is_good = parse_quiet(value, &ret->quiet_ms);
    }
    if (is_good) {
        return WEIR_OK;
    }
    return wi_detail(
        detail,
        WEIR_EINVAL,
        "'%.*s' is no option of a kinesis: URL: region=R, endpoint=URL, profile=P, "
        "reads_per_second=1..1000, idle=1ms..60s, encoding=json|cbor, fan_out=CONSUMER, "
        "fan_out_quiet=1s..5m",
        (int)(option.length < WEIR_NAME_MAX ? option.length : WEIR_NAME_MAX),
        option.data);
}

enum weir_error
wi_kinesis_url_parse(const char *url, struct wi_kinesis_url *ret, struct weir_detail *detail)
{
    struct wi_kinesis_url parts = {
        .reads_per_second = WI_KINESIS_READS_PER_SECOND_DEFAULT,
        .idle_ms = WI_KINESIS_IDLE_MS_DEFAULT,
        .quiet_ms = WI_KINESIS_QUIET_MS_DEFAULT};
    struct weir_str place = {NULL, 0};
    struct weir_str options = {"", 0};
    enum weir_error error = WEIR_OK;

    if (!wi_kinesis_url_is(url)) {
        return bad_name(url, detail);
    }
    place = wi_str(url + strlen(WI_KINESIS_SCHEME));
    (void)wi_str_cut(place, '?', &place, &options);
    if (parse_place(place, &parts) != WEIR_OK) {
        return bad_name(url, detail);
    }
    while (error == WEIR_OK && options.length > 0) {
        struct weir_str option = options;
        struct weir_str rest = {"", 0};

        (void)wi_str_cut(options, '&', &option, &rest);
        error = parse_option(option, &parts, detail);
        options = rest;
    }
    if (error == WEIR_OK) {
        *ret = parts;
    }
    return error;
}
