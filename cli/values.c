/* Values of options: text to numbers, numbers to text. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/types.h>

#include "cli/cli.h"

#define MS_PER_SECOND 1000
#define MS_PER_MINUTE 60000
#define MS_PER_HOUR   3600000
#define MS_PER_DAY    86400000

/* A suffix and what one of it is worth. */
struct unit {
    const char *suffix;
    uint64_t factor;
};

static const struct unit durations[] = {
    {"d", MS_PER_DAY},
    {"h", MS_PER_HOUR},
    {"m", MS_PER_MINUTE},
    {"s", MS_PER_SECOND},
    {"ms", 1},
};

static const struct unit sizes[] = {
    {"", 1},
    {"B", 1},
    {"KiB", UINT64_C(1) << 10},
    {"MiB", UINT64_C(1) << 20},
    {"GiB", UINT64_C(1) << 30},
    {"TiB", UINT64_C(1) << 40},
};

/* Digits at the start of text; *ret_end is where they end. */
static bool
parse_digits(const char *text, uint64_t *ret, const char **ret_end)
{
    uint64_t value = 0;
    const char *c = text;

    for (; *c >= '0' && *c <= '9'; c++) {
        const uint64_t digit = (uint64_t)(*c - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    *ret = value;
    *ret_end = c;
    return c != text;
}

static bool
parse_with_unit(
    const char *text, const struct unit *units, size_t count, uint64_t most, uint64_t *ret)
{
    uint64_t value;
    const char *suffix;

    if (!parse_digits(text, &value, &suffix)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(suffix, units[i].suffix) == 0) {
            if (value > most / units[i].factor) {
                return false;
            }
            *ret = value * units[i].factor;
            return true;
        }
    }
    return false;
}

bool
cli_parse_count(const char *text, uint64_t most, uint64_t *ret)
{
    uint64_t value;
    const char *end;

    if (!parse_digits(text, &value, &end) || *end != '\0' || value > most) {
        return false;
    }
    *ret = value;
    return true;
}

bool
cli_parse_duration(const char *text, int64_t *ret_ms)
{
    uint64_t ms;

    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    if (!parse_with_unit(text, durations, sizeof durations / sizeof *durations, INT64_MAX, &ms)) {
        return false;
    }
    *ret_ms = (int64_t)ms;
    return true;
}

bool
cli_parse_size(const char *text, uint64_t *ret_bytes)
{
    return parse_with_unit(text, sizes, sizeof sizes / sizeof *sizes, UINT64_MAX, ret_bytes);
}

struct weir_str
cli_str(const char *text)
{
    return (struct weir_str){text, strlen(text)};
}

const char *
cli_format_duration(int64_t ms, char text[CLI_VALUE_SIZE])
{
    if (ms < MS_PER_SECOND) {
        (void)snprintf(text, CLI_VALUE_SIZE, "%lldms", (long long)ms);
        return text;
    }
    for (size_t i = 1; i < sizeof durations / sizeof *durations; i++) {
        const int64_t factor = (int64_t)durations[i].factor;
        if (ms % factor == 0) {
            (void)snprintf(
                text, CLI_VALUE_SIZE, "%lld%s", (long long)(ms / factor), durations[i].suffix);
            return text;
        }
        if (factor == MS_PER_SECOND) {
            break;
        }
    }
    (void)snprintf(text, CLI_VALUE_SIZE, "%.1fs", (double)ms / MS_PER_SECOND);
    return text;
}

const char *
cli_format_count(uint64_t count, char text[CLI_VALUE_SIZE])
{
    char digits[CLI_VALUE_SIZE];
    const int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    size_t out = 0;

    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            text[out++] = ',';
        }
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

const char *
cli_format_checkpoint(const struct weir_position *position, char text[WEIR_POSITION_SIZE])
{
    size_t length;

    if (position->type != WEIR_AFTER_SEQUENCE_NUMBER) {
        (void)weir_position_format(position, text);
        return text;
    }
    length = weir_sequence_number_format(&position->sequence_number, text);
    if (position->sub_sequence_number != 0) {
        (void)snprintf(
            text + length,
            WEIR_POSITION_SIZE - length,
            ":%llu",
            (unsigned long long)position->sub_sequence_number);
    }
    return text;
}

bool
cli_stream_is_kinesis(const char *name)
{
    return strncmp(name, "kinesis:", strlen("kinesis:")) == 0;
}
