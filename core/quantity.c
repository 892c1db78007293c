#include "core/quantity.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/str.h"

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first. */
static const struct unit duration_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit size_units[] = {
    {"TiB", INT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};

static enum weir_error
parse(struct weir_str text, const struct unit *units, size_t unit_count, int64_t *ret)
{
    size_t digits = 0;
    int64_t number;
    int64_t factor = 0;
    while (digits < text.length && text.data[digits] >= '0' && text.data[digits] <= '9') {
        digits++;
    }
    enum weir_error error = wi_str_to_i64((struct weir_str){text.data, digits}, &number);
    if (error != WEIR_OK) {
        return error;
    }
    if (digits == text.length) {
        factor = 1;
    } else {
        struct weir_str name = {text.data + digits, text.length - digits};
        for (size_t i = 0; i < unit_count; i++) {
            factor = wi_str_equal_z(name, units[i].name) ? units[i].factor : factor;
        }
    }
    if (factor == 0 || number > INT64_MAX / factor) {
        return WEIR_EINVAL;
    }
    *ret = number * factor;
    return WEIR_OK;
}

/* With the largest unit that leaves a whole number; the last unit always does. */
static size_t
format(int64_t value, const struct unit *units, size_t unit_count, char text[WI_QUANTITY_SIZE])
{
    size_t i = value == 0 ? unit_count - 1 : 0;
    WEIR_ASSERT(value >= 0);
    while (value % units[i].factor != 0) {
        i++;
    }
    WEIR_ASSERT(i < unit_count);
    int length = snprintf(
        text, WI_QUANTITY_SIZE, "%lld%s", (long long)(value / units[i].factor), units[i].name);
    WEIR_ASSERT(length > 0 && length < WI_QUANTITY_SIZE);
    return (size_t)length;
}

enum weir_error
wi_duration_parse(struct weir_str text, int64_t *ret_ms)
{
    return parse(text, duration_units, WI_ARRAY_LENGTH(duration_units), ret_ms);
}

enum weir_error
wi_size_parse(struct weir_str text, int64_t *ret_bytes)
{
    return parse(text, size_units, WI_ARRAY_LENGTH(size_units), ret_bytes);
}

size_t
wi_duration_format(int64_t ms, char text[WI_QUANTITY_SIZE])
{
    return format(ms, duration_units, WI_ARRAY_LENGTH(duration_units), text);
}

size_t
wi_size_format(int64_t bytes, char text[WI_QUANTITY_SIZE])
{
    return format(bytes, size_units, WI_ARRAY_LENGTH(size_units), text);
}
