/*
 * Checkpoints in Java KCL's form: a decimal sequence number or the name of a sentinel, and a
 * sub-sequence number. What that form cannot say goes into one of weir's attributes. No I/O.
 */
#ifndef WI_LEASE_LEASE_POSITION_DYNAMODB_H
#define WI_LEASE_LEASE_POSITION_DYNAMODB_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

/* Java's two attributes. */
struct wi_java_position {
    char checkpoint[WEIR_SEQUENCE_NUMBER_SIZE];
    int64_t sub_sequence_number;
};

/* The Java form that means the same, or a place before it: never one behind it. */
struct wi_java_position wi_java_position_of(const struct weir_position *position);

/* Names of the attributes of one position. */
struct wi_java_position_names {
    const char *checkpoint;
    const char *sub_sequence_number;
    const char *exact; /* weir's: used as long as it says the same as Java's two */
};

/* `initial` says what AT_TIMESTAMP means if the row does not. WEIR_ECORRUPT. */
WEIR_MUST_CHECK enum weir_error wi_java_position_read(
    const cJSON *item,
    const struct wi_java_position_names *names,
    const struct weir_position *initial,
    struct weir_position *ret);

/* Whether Java's form says everything about the position. */
bool wi_java_position_is_exact(const struct weir_position *position);

/* Text whose order by bytes is the order of checkpoints, for conditions. */
#define WI_POSITION_ORDER_SIZE 112U
void wi_position_order(const struct weir_position *position, char ret[WI_POSITION_ORDER_SIZE]);

#endif
