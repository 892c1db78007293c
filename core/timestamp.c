#include "core/timestamp.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"

#define MS_PER_SECOND      1000
#define SECONDS_PER_DAY    INT64_C(86400)
#define DAYS_PER_400_YEARS INT64_C(146097)

/* 0000-01-01T00:00:00.000Z and the millisecond after 9999-12-31: where RFC 3339 ends. */
#define YEAR_0_MS     INT64_C(-62167219200000)
#define YEAR_10000_MS INT64_C(253402300800000)

/* A day of the calendar. */
struct date {
    int64_t year;
    int64_t month; /* [1, 12] */
    int64_t day;   /* [1, 31] */
};

/* What is left to be read. */
struct cursor {
    const char *data;
    size_t length;
};

/* Division that rounds down, for a divisor above 0. */
static int64_t
divide_down(int64_t dividend, int64_t divisor)
{
    return dividend / divisor - (dividend % divisor < 0 ? 1 : 0);
}

static bool
is_leap_year(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t
days_in_month(int64_t year, int64_t month)
{
    static const int64_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap_year(year) ? 1 : 0);
}

/* Days from 1970-01-01 to 1 January of a year in [0, 10000]. */
static int64_t
days_before_year(int64_t year)
{
    /* Leap days since 1 January of year 0, which is a leap year itself. */
    int64_t leap_days = year == 0 ? 0 : (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1;
    const int64_t days_to_1970 = 719528;
    return year * 365 + leap_days - days_to_1970;
}

static int64_t
days_from_date(struct date date)
{
    int64_t days = days_before_year(date.year) + date.day - 1;
    for (int64_t month = 1; month < date.month; month++) {
        days += days_in_month(date.year, month);
    }
    return days;
}

/* The date of a day within the years 0 to 9999. */
static struct date
date_from_days(int64_t days)
{
    /* A year is 146097 / 400 days on average: the guess is right or one too high or too low. */
    int64_t days_since_year_0 = days - days_before_year(0);
    struct date date = {days_since_year_0 * 400 / DAYS_PER_400_YEARS, 1, 0};
    while (days_before_year(date.year) > days) {
        date.year--;
    }
    while (days_before_year(date.year + 1) <= days) {
        date.year++;
    }
    date.day = days - days_before_year(date.year) + 1;
    while (date.day > days_in_month(date.year, date.month)) {
        date.day -= days_in_month(date.year, date.month);
        date.month++;
        WEIR_ASSERT(date.month <= 12);
    }
    return date;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Skip one character if it is one of `set`; false if it is not. */
static bool
skip_one_of(struct cursor *cursor, const char *set)
{
    for (; cursor->length > 0 && *set != '\0'; set++) {
        if (cursor->data[0] == *set) {
            cursor->data++;
            cursor->length--;
            return true;
        }
    }
    return false;
}

/* Read exactly `count` digits of a number in [minimum, maximum]. */
static bool
read_number(struct cursor *cursor, size_t count, int64_t minimum, int64_t maximum, int64_t *ret)
{
    int64_t value = 0;
    if (cursor->length < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_digit(cursor->data[i])) {
            return false;
        }
        value = value * 10 + (cursor->data[i] - '0');
    }
    if (value < minimum || value > maximum) {
        return false;
    }
    cursor->data += count;
    cursor->length -= count;
    *ret = value;
    return true;
}

/* Read "." and at least one digit, or nothing. *ret_rest tells whether there was more than whole
 * milliseconds. */
static bool
read_fraction(struct cursor *cursor, int64_t *ret_ms, bool *ret_rest)
{
    int64_t ms = 0;
    int64_t weight = MS_PER_SECOND / 10;
    bool rest = false;
    if (skip_one_of(cursor, ".")) {
        if (cursor->length == 0 || !is_digit(cursor->data[0])) {
            return false;
        }
        while (cursor->length > 0 && is_digit(cursor->data[0])) {
            int64_t digit = cursor->data[0] - '0';
            ms += digit * weight;
            rest = rest || (weight == 0 && digit != 0);
            weight /= 10;
            cursor->data++;
            cursor->length--;
        }
    }
    *ret_ms = ms;
    *ret_rest = rest;
    return true;
}

/* "2024-02-29" as days since 1970-01-01. */
static bool
read_date(struct cursor *cursor, int64_t *ret_days)
{
    struct date date;
    if (!read_number(cursor, 4, 0, 9999, &date.year) || !skip_one_of(cursor, "-") ||
        !read_number(cursor, 2, 1, 12, &date.month) || !skip_one_of(cursor, "-") ||
        !read_number(cursor, 2, 1, days_in_month(date.year, date.month), &date.day)) {
        return false;
    }
    *ret_days = days_from_date(date);
    return true;
}

/* "23:59:59.5" as milliseconds since midnight. */
static bool
read_time(struct cursor *cursor, int64_t *ret_ms)
{
    int64_t hour;
    int64_t minute;
    int64_t second;
    int64_t fraction_ms;
    bool rest; /* rounded down */
    if (!read_number(cursor, 2, 0, 23, &hour) || !skip_one_of(cursor, ":") ||
        !read_number(cursor, 2, 0, 59, &minute) || !skip_one_of(cursor, ":") ||
        !read_number(cursor, 2, 0, 60, &second) || !read_fraction(cursor, &fraction_ms, &rest)) {
        return false;
    }
    *ret_ms = ((hour * 60 + minute) * 60 + second) * MS_PER_SECOND + fraction_ms;
    return true;
}

/* "Z" or "+01:00" as seconds east of Greenwich. */
static bool
read_offset(struct cursor *cursor, int64_t *ret_seconds)
{
    int64_t hour;
    int64_t minute;
    if (skip_one_of(cursor, "Zz")) {
        *ret_seconds = 0;
        return true;
    }
    int64_t sign = cursor->length > 0 && cursor->data[0] == '-' ? -1 : 1;
    if (!skip_one_of(cursor, "+-") || !read_number(cursor, 2, 0, 23, &hour) ||
        !skip_one_of(cursor, ":") || !read_number(cursor, 2, 0, 59, &minute)) {
        return false;
    }
    *ret_seconds = sign * (hour * 60 + minute) * 60;
    return true;
}

static enum weir_error
parse_rfc3339(struct cursor cursor, int64_t *ret_ms)
{
    int64_t days;
    int64_t time_ms;
    int64_t offset_seconds;
    if (!read_date(&cursor, &days) || !skip_one_of(&cursor, "Tt ") ||
        !read_time(&cursor, &time_ms) || !read_offset(&cursor, &offset_seconds) ||
        cursor.length != 0) {
        return WEIR_EINVAL;
    }
    *ret_ms = (days * SECONDS_PER_DAY - offset_seconds) * MS_PER_SECOND + time_ms;
    return WEIR_OK;
}

/* Digits of a whole number of seconds, as milliseconds. */
static bool
read_seconds(struct cursor *cursor, uint64_t *ret_ms)
{
    const uint64_t seconds_max = (uint64_t)INT64_MAX / MS_PER_SECOND;
    uint64_t seconds = 0;
    size_t digits = 0;
    for (; digits < cursor->length && is_digit(cursor->data[digits]); digits++) {
        seconds = seconds * 10 + (uint64_t)(cursor->data[digits] - '0');
        if (seconds > seconds_max) {
            return false;
        }
    }
    cursor->data += digits;
    cursor->length -= digits;
    *ret_ms = seconds * MS_PER_SECOND;
    return digits > 0;
}

static enum weir_error
parse_epoch(struct cursor cursor, int64_t *ret_ms)
{
    uint64_t magnitude_ms;
    int64_t fraction_ms;
    bool rest;
    bool negative = skip_one_of(&cursor, "-");
    if (!read_seconds(&cursor, &magnitude_ms) || !read_fraction(&cursor, &fraction_ms, &rest) ||
        cursor.length != 0) {
        return WEIR_EINVAL;
    }
    /* Down means away from zero below zero. */
    magnitude_ms += (uint64_t)fraction_ms + (negative && rest ? 1 : 0);
    if (magnitude_ms > (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        return WEIR_EINVAL;
    }
    *ret_ms =
        negative && magnitude_ms > 0 ? -(int64_t)(magnitude_ms - 1) - 1 : (int64_t)magnitude_ms;
    return WEIR_OK;
}

enum weir_error
wi_timestamp_parse(struct weir_str text, int64_t *ret_ms)
{
    struct cursor cursor = {text.data, text.length};
    if (text.length == 0 || text.length > WI_TIMESTAMP_LENGTH_MAX) {
        return WEIR_EINVAL;
    }
    /* Only a date has a hyphen as its fifth character; epoch seconds have one in front at most. */
    bool is_date = text.length > 4 && text.data[4] == '-';
    return is_date ? parse_rfc3339(cursor, ret_ms) : parse_epoch(cursor, ret_ms);
}

size_t
wi_timestamp_format(int64_t ms, char text[WI_TIMESTAMP_SIZE])
{
    int length;
    if (ms < YEAR_0_MS || ms >= YEAR_10000_MS) {
        /* Unsigned, since the magnitude of INT64_MIN is no int64_t. */
        uint64_t magnitude = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
        length = snprintf(
            text,
            WI_TIMESTAMP_SIZE,
            "%s%llu.%03u",
            ms < 0 ? "-" : "",
            (unsigned long long)(magnitude / MS_PER_SECOND),
            (unsigned)(magnitude % MS_PER_SECOND));
    } else {
        int64_t days = divide_down(ms, SECONDS_PER_DAY * MS_PER_SECOND);
        unsigned of_day_ms = (unsigned)(ms - days * SECONDS_PER_DAY * MS_PER_SECOND);
        struct date date = date_from_days(days);
        length = snprintf(
            text,
            WI_TIMESTAMP_SIZE,
            "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
            (unsigned)date.year,
            (unsigned)date.month,
            (unsigned)date.day,
            of_day_ms / 3600000,
            of_day_ms / 60000 % 60,
            of_day_ms / MS_PER_SECOND % 60,
            of_day_ms % MS_PER_SECOND);
    }
    WEIR_ASSERT(length > 0 && length < WI_TIMESTAMP_SIZE);
    return (size_t)length;
}
