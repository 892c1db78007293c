#include "lease/lease_url_dynamodb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/detail.h"
#include "core/quantity.h"
#include "core/str.h"

#define POLL_MIN_MS 10
#define POLL_MAX_MS 3600000
#define HEX         16U

bool
wi_dynamodb_url_matches(struct weir_str text)
{
    return wi_str_starts_with(text, WI_STR(WI_DYNAMODB_URL_PREFIX));
}

static bool
is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static bool
is_table_name(struct weir_str name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (!is_name_character(name.data[i])) {
            return false;
        }
    }
    return name.length >= WI_DYNAMODB_NAME_MIN && name.length <= WI_DYNAMODB_NAME_MAX;
}

static unsigned
hex_value(char digit)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *place = digit == '\0' ? NULL : strchr(digits, digit);

    return place == NULL ? HEX : (unsigned)(place - digits) % HEX;
}

/* Percent-encoded text; false if it is not, or does not fit. */
static bool
decode(struct weir_str text, char *ret, size_t size)
{
    size_t length = 0;

    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];

        if (c == '%') {
            bool is_whole = text.length - i > 2;
            unsigned high = is_whole ? hex_value(text.data[i + 1]) : HEX;
            unsigned low = is_whole ? hex_value(text.data[i + 2]) : HEX;

            if (high == HEX || low == HEX || high + low == 0) {
                return false;
            }
            c = (char)(high * HEX + low);
            i += 2;
        }
        if (length + 1 >= size) {
            return false;
        }
        ret[length++] = c;
    }
    ret[length] = '\0';
    return length > 0;
}

static enum weir_error
set_create(struct weir_str value, struct wi_dynamodb_url *url, struct weir_detail *detail)
{
    if (!wi_str_equal_z(value, "never") && !wi_str_equal_z(value, "if-missing")) {
        return wi_detail(detail, WEIR_EINVAL, "create: `never` or `if-missing`");
    }
    url->create = wi_str_equal_z(value, "if-missing");
    return WEIR_OK;
}

static enum weir_error
set_poll(struct weir_str value, struct wi_dynamodb_url *url, struct weir_detail *detail)
{
    int64_t ms = 0;

    if (wi_duration_parse(value, &ms) != WEIR_OK || ms < POLL_MIN_MS || ms > POLL_MAX_MS) {
        return wi_detail(detail, WEIR_EINVAL, "poll: a time of 10ms to 1h");
    }
    url->poll_ms = ms;
    return WEIR_OK;
}

static enum weir_error
set_option(
    struct weir_str name,
    struct weir_str value,
    struct wi_dynamodb_url *url,
    struct weir_detail *detail)
{
    const struct {
        const char *name;
        char *place;
        size_t size;
    } texts[] = {
        {"region", url->region, sizeof url->region},
        {"endpoint", url->endpoint, sizeof url->endpoint},
        {"profile", url->profile, sizeof url->profile},
    };

    if (wi_str_equal_z(name, "create")) {
        return set_create(value, url, detail);
    }
    if (wi_str_equal_z(name, "poll")) {
        return set_poll(value, url, detail);
    }
    for (size_t i = 0; i < WI_ARRAY_LENGTH(texts); i++) {
        if (wi_str_equal_z(name, texts[i].name)) {
            return decode(value, texts[i].place, texts[i].size)
                       ? WEIR_OK
                       : wi_detail(
                             detail,
                             WEIR_EINVAL,
                             "%s: empty, too long or not a URL's text",
                             texts[i].name);
        }
    }
    return wi_detail(
        detail,
        WEIR_EINVAL,
        "table: unknown option `%.*s`; allowed: region, endpoint, profile, create, poll",
        (int)(name.length < 64 ? name.length : 64),
        name.data);
}

static enum weir_error
set_options(struct weir_str options, struct wi_dynamodb_url *url, struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;

    while (options.length > 0 && error == WEIR_OK) {
        struct weir_str option = options;
        struct weir_str rest = {NULL, 0};
        struct weir_str name = options;
        struct weir_str value = {NULL, 0};

        if (wi_str_cut(options, '&', &option, &rest)) {
            options = rest;
        } else {
            options = (struct weir_str){NULL, 0};
        }
        if (!wi_str_cut(option, '=', &name, &value)) {
            return wi_detail(detail, WEIR_EINVAL, "table: an option is NAME=VALUE");
        }
        error = set_option(name, value, url, detail);
    }
    return error;
}

enum weir_error
wi_dynamodb_url_parse(struct weir_str text, struct wi_dynamodb_url *ret, struct weir_detail *detail)
{
    struct wi_dynamodb_url url = {.create = false};
    struct weir_str name = text;
    struct weir_str options = {NULL, 0};
    enum weir_error error = WEIR_OK;

    if (!wi_dynamodb_url_matches(text)) {
        return wi_detail(detail, WEIR_EINVAL, "table: not of the form dynamodb:TABLE?region=...");
    }
    name.data += strlen(WI_DYNAMODB_URL_PREFIX);
    name.length -= strlen(WI_DYNAMODB_URL_PREFIX);
    (void)wi_str_cut(name, '?', &name, &options);
    if (!is_table_name(name)) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "table: the name of a DynamoDB table has %d to %d of a-z A-Z 0-9 _ . -",
            WI_DYNAMODB_NAME_MIN,
            WI_DYNAMODB_NAME_MAX);
    }
    (void)wi_str_copy(url.table, sizeof url.table, name);
    error = set_options(options, &url, detail);
    if (error == WEIR_OK) {
        *ret = url;
    }
    return error;
}
