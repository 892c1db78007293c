#include "stream/stream_kinesis_url.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/detail.h"
#include "core/quantity.h"
#include "core/shard_key.h"
#include "core/str.h"

#define ARN_RESOURCE ":stream/"
/* How much of a wrong piece a message shows. */
#define SHOWN_MAX 64U

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

bool
wi_kinesis_is_arn(struct weir_str text)
{
    return wi_str_starts_with(text, WI_STR("arn:"));
}

/* arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME */
struct weir_str
wi_kinesis_arn_field(struct weir_str arn, unsigned number)
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

    if (wi_kinesis_is_arn(place)) {
        const char *resource;

        if (!wi_str_copy(ret->stream_arn, sizeof ret->stream_arn, place)) {
            return WEIR_EINVAL;
        }
        resource = strstr(ret->stream_arn, ARN_RESOURCE);
        if (resource == NULL) {
            return WEIR_EINVAL;
        }
        name = wi_str(resource + strlen(ARN_RESOURCE));
        (void)wi_str_copy(
            ret->region, sizeof ret->region, wi_kinesis_arn_field(place, WI_KINESIS_ARN_REGION));
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
           (wi_kinesis_is_arn(wi_str(ret->consumer)) ||
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

static enum weir_error
parse_options(struct weir_str options, struct wi_kinesis_url *ret, struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;

    while (error == WEIR_OK && options.length > 0) {
        struct weir_str option = options;
        struct weir_str rest = {"", 0};

        (void)wi_str_cut(options, '&', &option, &rest);
        error = parse_option(option, ret, detail);
        options = rest;
    }
    return error;
}

/* What stands before the '?', and behind it. */
static struct weir_str
cut_url(const char *url, struct weir_str *ret_options)
{
    struct weir_str place = wi_str(url + strlen(WI_KINESIS_SCHEME));

    *ret_options = (struct weir_str){"", 0};
    (void)wi_str_cut(place, '?', &place, ret_options);
    return place;
}

static struct wi_kinesis_url
defaults(void)
{
    return (struct wi_kinesis_url){.reads_per_second = WI_KINESIS_READS_PER_SECOND_DEFAULT,
                                   .idle_ms = WI_KINESIS_IDLE_MS_DEFAULT,
                                   .quiet_ms = WI_KINESIS_QUIET_MS_DEFAULT};
}

enum weir_error
wi_kinesis_url_parse(const char *url, struct wi_kinesis_url *ret, struct weir_detail *detail)
{
    struct wi_kinesis_url parts = defaults();
    struct weir_str place = {NULL, 0};
    struct weir_str options = {"", 0};
    enum weir_error error = WEIR_OK;

    if (!wi_kinesis_url_is(url)) {
        return bad_name(url, detail);
    }
    if (wi_kinesis_url_is_set(url)) {
        return wi_detail(
            detail, WEIR_EINVAL, "%s: this is for one stream at a time: name one of them", url);
    }
    place = cut_url(url, &options);
    if (parse_place(place, &parts) != WEIR_OK) {
        return bad_name(url, detail);
    }
    error = parse_options(options, &parts, detail);
    if (error == WEIR_OK) {
        *ret = parts;
    }
    return error;
}

/* --- several streams --- */

bool
wi_kinesis_url_is_any(const char *url)
{
    struct weir_str options;

    return wi_kinesis_url_is(url) && wi_str_equal_z(cut_url(url, &options), WI_KINESIS_ANY_STREAM);
}

bool
wi_kinesis_url_is_set(const char *url)
{
    struct weir_str options;
    struct weir_str head;
    struct weir_str tail;
    struct weir_str place = {NULL, 0};

    if (!wi_kinesis_url_is(url)) {
        return false;
    }
    place = cut_url(url, &options);
    return wi_str_cut(place, ',', &head, &tail) || wi_kinesis_url_is_any(url) ||
           (!wi_kinesis_is_arn(place) && wi_str_cut(place, ':', &head, &tail));
}

enum weir_error
wi_kinesis_element_parse(struct weir_str text, struct wi_kinesis_element *ret)
{
    struct wi_kinesis_element element = {.is_identified = false};
    struct wi_kinesis_url place = {.quiet_ms = 0};
    struct weir_str head;
    struct weir_str tail;

    if (!wi_kinesis_is_arn(text) && wi_str_cut(text, ':', &head, &tail)) {
        element.is_identified = true;
        if (wi_stream_identifier_parse(text, &element.identifier) != WEIR_OK) {
            return WEIR_EINVAL;
        }
        memcpy(element.name, element.identifier.name, sizeof element.name);
    } else {
        if (parse_place(text, &place) != WEIR_OK) {
            return WEIR_EINVAL;
        }
        memcpy(element.name, place.stream_name, sizeof element.name);
        memcpy(element.arn, place.stream_arn, sizeof element.arn);
    }
    *ret = element;
    return WEIR_OK;
}

static enum weir_error
add_element(struct weir_str text, struct wi_kinesis_set_url *ret, struct weir_detail *detail)
{
    struct wi_kinesis_element element;

    if (wi_kinesis_element_parse(text, &element) != WEIR_OK) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "'%.*s' in the list of streams is none of NAME, arn:...:stream/NAME and "
            "ACCOUNT:NAME:EPOCH (12 digits, a name, the seconds of its creation)",
            (int)(text.length < SHOWN_MAX ? text.length : SHOWN_MAX),
            text.data);
    }
    for (size_t i = 0; i < ret->count; i++) {
        if (wi_str_equal(ret->elements[i], text)) {
            return wi_detail(
                detail,
                WEIR_EINVAL,
                "'%.*s' is twice in the list of streams",
                (int)(text.length < SHOWN_MAX ? text.length : SHOWN_MAX),
                text.data);
        }
    }
    if (ret->count == WI_KINESIS_STREAMS_MAX) {
        return wi_detail(
            detail,
            WEIR_ELIMIT,
            "more than %u streams: give some of them to another application",
            WI_KINESIS_STREAMS_MAX);
    }
    ret->elements[ret->count++] = text;
    return WEIR_OK;
}

enum weir_error
wi_kinesis_set_url_parse(
    const char *url, struct wi_kinesis_set_url *ret, struct weir_detail *detail)
{
    struct weir_str options;
    struct weir_str rest = {NULL, 0};
    bool is_more = true;
    enum weir_error error = WEIR_OK;

    if (!wi_kinesis_url_is(url)) {
        return bad_name(url, detail);
    }
    *ret = (struct wi_kinesis_set_url){.options = defaults()};
    rest = cut_url(url, &options);
    error = parse_options(options, &ret->options, detail);
    if (error == WEIR_OK && wi_kinesis_is_arn(wi_str(ret->options.consumer))) {
        error = wi_detail(
            detail,
            WEIR_EINVAL,
            "fan_out: an ARN is the consumer of one stream; with several give the name that it has "
            "in each");
    }
    is_more = !wi_str_equal_z(rest, WI_KINESIS_ANY_STREAM);
    while (error == WEIR_OK && is_more) {
        struct weir_str element = rest;

        is_more = wi_str_cut(rest, ',', &element, &rest);
        error = add_element(element, ret, detail);
    }
    return error;
}
