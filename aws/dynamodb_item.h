/*
 * DynamoDB's JSON, without I/O: values of an item that came, and the parts of a write in the making
 * (expression, condition, values). Attribute names of the caller must not be reserved words.
 */
#ifndef WI_AWS_DYNAMODB_ITEM_H
#define WI_AWS_DYNAMODB_ITEM_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"

/* --- items that came; `item` may be NULL, and hold anything --- */

/* Text of an S, of an N; NULL if the attribute is absent or of another type. */
const char *wi_dynamodb_text(const cJSON *item, const char *name);
const char *wi_dynamodb_number(const cJSON *item, const char *name);
bool wi_dynamodb_has(const cJSON *item, const char *name);

/* A whole number in range: false, and nothing written, for anything else. */
bool wi_dynamodb_u64(const cJSON *item, const char *name, uint64_t *ret);
bool wi_dynamodb_i64(const cJSON *item, const char *name, int64_t *ret);

/* Members of an SS, or NULL; iterate with cJSON_ArrayForEach and check cJSON_IsString. */
const cJSON *wi_dynamodb_texts(const cJSON *item, const char *name);

/* Bytes of a B: false if there is none, it is no base64, or does not fit `size`. */
bool wi_dynamodb_bytes(
    const cJSON *item, const char *name, uint8_t *ret, size_t size, size_t *ret_length);

/* --- a write in the making --- */

/* An UpdateItem's parts, or, with `is_put`, a whole item for PutItem. */
struct wi_dynamodb_write {
    bool is_put;
    struct wi_buffer set; /* of an update: "a = :v0, ..."; of a put: JSON members */
    struct wi_buffer remove;
    struct wi_buffer condition;
    struct wi_buffer values; /* JSON members */
    unsigned value_count;
};

void wi_dynamodb_write_init(
    struct wi_dynamodb_write *write, const struct weir_env *env, bool is_put);
void wi_dynamodb_write_free(struct wi_dynamodb_write *write);
/* WEIR_ENOMEM if a part could not be appended. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_write_error(const struct wi_dynamodb_write *write);

void wi_dynamodb_set_text(struct wi_dynamodb_write *write, const char *name, const char *text);
void wi_dynamodb_set_u64(struct wi_dynamodb_write *write, const char *name, uint64_t value);
void wi_dynamodb_set_i64(struct wi_dynamodb_write *write, const char *name, int64_t value);
/* A value in DynamoDB's JSON, for instance {"M":{}}. */
void wi_dynamodb_set_json(struct wi_dynamodb_write *write, const char *name, const char *json);
void wi_dynamodb_set_bytes(
    struct wi_dynamodb_write *write, const char *name, struct weir_bytes bytes);
/* A set of the texts that are not empty; DynamoDB knows no empty set, so none is written then. */
void wi_dynamodb_set_texts(
    struct wi_dynamodb_write *write,
    const char *name,
    const char (*texts)[WEIR_NAME_SIZE],
    size_t count);
/* Updates only: name = name + by. */
void wi_dynamodb_increase(struct wi_dynamodb_write *write, const char *name, uint64_t by);
/* Updates only: the number stays as it is; absent, it becomes `first`. */
void wi_dynamodb_begin_number(struct wi_dynamodb_write *write, const char *name, uint64_t first);
/* Updates only. */
void wi_dynamodb_remove(struct wi_dynamodb_write *write, const char *name);

/* Conditions; all of them must hold. `relation` is "=", "<", "<=". */
void wi_dynamodb_require_text(
    struct wi_dynamodb_write *write, const char *name, const char *relation, const char *text);
void wi_dynamodb_require_u64(
    struct wi_dynamodb_write *write, const char *name, const char *relation, uint64_t value);
void wi_dynamodb_require_absent(struct wi_dynamodb_write *write, const char *name);
void wi_dynamodb_require_present(struct wi_dynamodb_write *write, const char *name);
/* An expression of the caller; values that it names come from wi_dynamodb_value_text(). */
void wi_dynamodb_require(struct wi_dynamodb_write *write, const char *format, ...)
    WEIR_PRINTF(2, 3);
/* A value for such an expression: n of its placeholder ":vn". */
unsigned wi_dynamodb_value_text(struct wi_dynamodb_write *write, const char *text);

/* --- JSON --- */

/* A JSON string with its quotes; bytes that are no UTF-8 go through as they are. */
void wi_json_append_text(struct wi_buffer *buffer, struct weir_str text);

#endif
