#include "core/position.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/sequence_number.h"
#include "core/str.h"
#include "core/timestamp.h"

static const struct position_name {
    enum weir_position_type type;
    const char *name;
    bool has_argument; /* ":" and more follow */
} names[] = {
    {WEIR_TRIM_HORIZON, "TRIM_HORIZON", false},
    {WEIR_LATEST, "LATEST", false},
    {WEIR_AT_TIMESTAMP, "AT_TIMESTAMP", true},
    {WEIR_AT_SEQUENCE_NUMBER, "AT_SEQUENCE_NUMBER", true},
    {WEIR_AFTER_SEQUENCE_NUMBER, "AFTER_SEQUENCE_NUMBER", true},
    {WEIR_SHARD_END, "SHARD_END", false},
};

/* What stands on top of what, from the bottom. */
static int
rank(enum weir_position_type type)
{
    switch (type) {
    case WEIR_TRIM_HORIZON:
        return 0;
    case WEIR_AT_TIMESTAMP:
        return 1;
    case WEIR_LATEST:
        return 2;
    case WEIR_AT_SEQUENCE_NUMBER:
    case WEIR_AFTER_SEQUENCE_NUMBER:
        return 3;
    case WEIR_SHARD_END:
        return 4;
    }
    WEIR_ASSERT(false); /* an enum has no other values */
    return 0;
}

/* Order of two positions with a sequence number. */
static int
compare_numbers(const struct weir_position *a, const struct weir_position *b)
{
    int order = wi_sequence_number_compare(&a->sequence_number, &b->sequence_number);
    if (order != 0) {
        return order;
    }
    if (a->sub_sequence_number != b->sub_sequence_number) {
        return a->sub_sequence_number < b->sub_sequence_number ? -1 : 1;
    }
    return (a->type == WEIR_AFTER_SEQUENCE_NUMBER) - (b->type == WEIR_AFTER_SEQUENCE_NUMBER);
}

int
wi_checkpoint_compare(const struct weir_position *a, const struct weir_position *b)
{
    int rank_a = rank(a->type);
    int rank_b = rank(b->type);
    if (rank_a != rank_b) {
        return rank_a < rank_b ? -1 : 1;
    }
    if (rank_a == rank(WEIR_AT_SEQUENCE_NUMBER)) {
        return compare_numbers(a, b);
    }
    if (a->type == WEIR_AT_TIMESTAMP) {
        return (a->timestamp_ms > b->timestamp_ms) - (a->timestamp_ms < b->timestamp_ms);
    }
    return 0;
}

/* The row of a type. */
static const struct position_name *
find_name(enum weir_position_type type)
{
    size_t i = 0;
    while (i < WI_ARRAY_LENGTH(names) && names[i].type != type) {
        i++;
    }
    WEIR_ASSERT(i < WI_ARRAY_LENGTH(names));
    return &names[i];
}

/* "49590338271490256608559692538361571095921575989136588898" or that, ':' and a sub-sequence
 * number. */
static enum weir_error
parse_numbers(struct weir_str text, struct weir_position *position)
{
    struct weir_str number = text;
    struct weir_str sub;
    if (wi_str_cut(text, ':', &number, &sub)) {
        enum weir_error error = wi_str_to_u64(sub, &position->sub_sequence_number);
        if (error != WEIR_OK) {
            return error;
        }
    }
    return weir_sequence_number_parse(number, &position->sequence_number);
}

enum weir_error
weir_position_parse(struct weir_str text, struct weir_position *ret)
{
    struct weir_position position = {.type = WEIR_TRIM_HORIZON};
    struct weir_str name = text;
    struct weir_str argument = {NULL, 0};
    bool has_argument = wi_str_cut(text, ':', &name, &argument);
    const struct position_name *found = NULL;

    for (size_t i = 0; i < WI_ARRAY_LENGTH(names); i++) {
        if (wi_str_equal_z(name, names[i].name)) {
            found = &names[i];
        }
    }
    if (found == NULL || found->has_argument != has_argument) {
        return WEIR_EINVAL;
    }
    position.type = found->type;
    if (has_argument) {
        enum weir_error error = found->type == WEIR_AT_TIMESTAMP
                                    ? wi_timestamp_parse(argument, &position.timestamp_ms)
                                    : parse_numbers(argument, &position);
        if (error != WEIR_OK) {
            return error;
        }
    }
    *ret = position;
    return WEIR_OK;
}

size_t
weir_position_format(const struct weir_position *position, char text[WEIR_POSITION_SIZE])
{
    char number[WEIR_SEQUENCE_NUMBER_SIZE] = "";
    const struct position_name *found = find_name(position->type);
    int length;
    if (!found->has_argument) {
        length = snprintf(text, WEIR_POSITION_SIZE, "%s", found->name);
    } else if (position->type == WEIR_AT_TIMESTAMP) {
        _Static_assert(WI_TIMESTAMP_SIZE <= sizeof number, "a timestamp or a sequence number");
        (void)wi_timestamp_format(position->timestamp_ms, number);
        length = snprintf(text, WEIR_POSITION_SIZE, "%s:%s", found->name, number);
    } else {
        (void)weir_sequence_number_format(&position->sequence_number, number);
        length = snprintf(text, WEIR_POSITION_SIZE, "%s:%s", found->name, number);
        if (position->sub_sequence_number != 0) {
            length += snprintf(
                text + length,
                WEIR_POSITION_SIZE - (size_t)length,
                ":%llu",
                (unsigned long long)position->sub_sequence_number);
        }
    }
    WEIR_ASSERT(length > 0 && length < WEIR_POSITION_SIZE);
    return (size_t)length;
}
