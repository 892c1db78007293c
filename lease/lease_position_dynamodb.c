#include "lease/lease_position_dynamodb.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_item.h"
#include "core/check.h"
#include "core/str.h"

#define NUMBER_DIGITS 78 /* of 2^256 - 1 */

static const struct {
    enum weir_position_type type;
    const char *name;
} sentinels[] = {
    {WEIR_TRIM_HORIZON, "TRIM_HORIZON"},
    {WEIR_LATEST, "LATEST"},
    {WEIR_AT_TIMESTAMP, "AT_TIMESTAMP"},
    {WEIR_SHARD_END, "SHARD_END"},
};

/* The whole position as Java sees it; NULL for a sequence number. */
static const char *
sentinel_name(enum weir_position_type type)
{
    for (size_t i = 0; i < WI_ARRAY_LENGTH(sentinels); i++) {
        if (sentinels[i].type == type) {
            return sentinels[i].name;
        }
    }
    return NULL;
}

static void
decrease(struct weir_sequence_number *number)
{
    for (size_t i = WI_ARRAY_LENGTH(number->word); i > 0; i--) {
        if (number->word[i - 1]-- != 0) {
            return;
        }
    }
}

static bool
is_zero(const struct weir_sequence_number *number)
{
    static const struct weir_sequence_number zero;

    return weir_sequence_number_compare(number, &zero) == 0;
}

/* Java knows "processed through (n, s)" only. Just before a record is just behind the one below it,
 * whether that exists or not. */
static struct weir_position
after_form(const struct weir_position *position)
{
    struct weir_position form = *position;

    if (position->type != WEIR_AT_SEQUENCE_NUMBER) {
        return form;
    }
    form.type = WEIR_AFTER_SEQUENCE_NUMBER;
    if (form.sub_sequence_number > 0) {
        form.sub_sequence_number--;
    } else if (!is_zero(&form.sequence_number)) {
        decrease(&form.sequence_number);
        form.sub_sequence_number = UINT64_MAX;
    } else {
        form.type = WEIR_TRIM_HORIZON;
    }
    return form;
}

struct wi_java_position
wi_java_position_of(const struct weir_position *position)
{
    struct weir_position form = after_form(position);
    struct wi_java_position java = {.sub_sequence_number = 0};
    const char *name = sentinel_name(form.type);

    if (name != NULL) {
        (void)wi_str_copy(java.checkpoint, sizeof java.checkpoint, wi_str(name));
        return java;
    }
    (void)weir_sequence_number_format(&form.sequence_number, java.checkpoint);
    java.sub_sequence_number =
        form.sub_sequence_number > INT64_MAX ? INT64_MAX : (int64_t)form.sub_sequence_number;
    return java;
}

bool
wi_java_position_is_exact(const struct weir_position *position)
{
    return position->type != WEIR_AT_SEQUENCE_NUMBER && position->type != WEIR_AT_TIMESTAMP;
}

/* weir's own text, if Java has not written another checkpoint since. */
static bool
read_exact(const char *text, const struct wi_java_position *java, struct weir_position *ret)
{
    struct weir_position position;
    struct wi_java_position form;

    if (text == NULL || weir_position_parse(wi_str(text), &position) != WEIR_OK) {
        return false;
    }
    form = wi_java_position_of(&position);
    if (strcmp(form.checkpoint, java->checkpoint) != 0 ||
        form.sub_sequence_number != java->sub_sequence_number) {
        return false;
    }
    *ret = position;
    return true;
}

static enum weir_error
read_java(
    const struct wi_java_position *java,
    const struct weir_position *initial,
    struct weir_position *ret)
{
    struct weir_position position = {.type = WEIR_AFTER_SEQUENCE_NUMBER};

    for (size_t i = 0; i < WI_ARRAY_LENGTH(sentinels); i++) {
        if (strcmp(java->checkpoint, sentinels[i].name) == 0) {
            position.type = sentinels[i].type;
        }
    }
    if (position.type == WEIR_AT_TIMESTAMP) {
        /* Doubt about a position never falls back to another one. */
        if (initial->type != WEIR_AT_TIMESTAMP) {
            return WEIR_ECORRUPT;
        }
        position.timestamp_ms = initial->timestamp_ms;
    } else if (position.type == WEIR_AFTER_SEQUENCE_NUMBER) {
        if (weir_sequence_number_parse(wi_str(java->checkpoint), &position.sequence_number) !=
            WEIR_OK) {
            return WEIR_ECORRUPT;
        }
        position.sub_sequence_number = java->sub_sequence_number == INT64_MAX
                                           ? UINT64_MAX
                                           : (uint64_t)java->sub_sequence_number;
    }
    *ret = position;
    return WEIR_OK;
}

enum weir_error
wi_java_position_read(
    const cJSON *item,
    const struct wi_java_position_names *names,
    const struct weir_position *initial,
    struct weir_position *ret)
{
    const char *checkpoint = wi_dynamodb_text(item, names->checkpoint);
    struct wi_java_position java = {.sub_sequence_number = 0};
    bool has_sub = wi_dynamodb_has(item, names->sub_sequence_number);

    if (checkpoint == NULL ||
        !wi_str_copy(java.checkpoint, sizeof java.checkpoint, wi_str(checkpoint))) {
        return WEIR_ECORRUPT;
    }
    if (has_sub && (!wi_dynamodb_i64(item, names->sub_sequence_number, &java.sub_sequence_number) ||
                    java.sub_sequence_number < 0)) {
        return WEIR_ECORRUPT;
    }
    if (read_exact(wi_dynamodb_text(item, names->exact), &java, ret)) {
        return WEIR_OK;
    }
    return read_java(&java, initial, ret);
}

void
wi_position_order(const struct weir_position *position, char ret[WI_POSITION_ORDER_SIZE])
{
    char number[WEIR_SEQUENCE_NUMBER_SIZE] = "";
    int length = 0;

    switch (position->type) {
    case WEIR_TRIM_HORIZON:
        length = snprintf(ret, WI_POSITION_ORDER_SIZE, "0");
        break;
    case WEIR_AT_TIMESTAMP: /* by time, before 1970 too */
        length = snprintf(
            ret,
            WI_POSITION_ORDER_SIZE,
            "1%020" PRIu64,
            (uint64_t)position->timestamp_ms + (UINT64_C(1) << 63U));
        break;
    case WEIR_LATEST:
        length = snprintf(ret, WI_POSITION_ORDER_SIZE, "2");
        break;
    case WEIR_AT_SEQUENCE_NUMBER:
    case WEIR_AFTER_SEQUENCE_NUMBER:
        length = (int)weir_sequence_number_format(&position->sequence_number, number);
        length = snprintf(
            ret,
            WI_POSITION_ORDER_SIZE,
            "3%0*d%s.%020" PRIu64 "%c",
            NUMBER_DIGITS + 1 - length,
            0,
            number,
            position->sub_sequence_number,
            position->type == WEIR_AT_SEQUENCE_NUMBER ? 'a' : 'b');
        break;
    case WEIR_SHARD_END:
        length = snprintf(ret, WI_POSITION_ORDER_SIZE, "4");
        break;
    }
    WEIR_ASSERT(length > 0 && length < (int)WI_POSITION_ORDER_SIZE);
}
