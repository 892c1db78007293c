/*
 * Requests of DynamoDB: one function builds each of them, one reads every answer, both without I/O;
 * wi_dynamodb_perform() sends some side by side and counts what they cost.
 *
 *     build -> wi_dynamodb_perform() -> look at .error and .item / .items -> free
 */
#ifndef WI_AWS_DYNAMODB_API_H
#define WI_AWS_DYNAMODB_API_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/dynamodb_item.h"
#include "core/metrics.h"
#include "core/str.h"

/* Most attributes of an item that came, most items of a page: more is no answer of DynamoDB. */
#define WI_DYNAMODB_PAGE_ITEMS_MAX 100000U

struct wi_dynamodb_table {
    const char *name;
    const char *key; /* name of the hash key, an S */
};

/* Where requests go, and what they have cost so far. Thread-safe. */
struct wi_dynamodb {
    const struct weir_env *env;
    struct wi_aws_client *client; /* not owned */
    struct wi_counter requests;
    struct wi_counter read_milliunits; /* thousandths of a capacity unit */
    struct wi_counter write_milliunits;
    struct wi_counter throttled;
};

struct wi_dynamodb_request {
    struct wi_aws_call call;
    struct wi_buffer body;
    bool is_write;
    enum weir_error error; /* OK; ECONFLICT: the condition does not hold; ENOTFOUND: no such table;
                            * EEXISTS: it exists or is in use; ETIMEOUT: the outcome is unknown;
                            * ETHROTTLED, EACCESS, ECORRUPT (no answer of DynamoDB), ... */
    cJSON *answer;         /* owned */
    const cJSON *item;     /* the row; after ECONFLICT as it was, if DynamoDB told; NULL: none */
    const cJSON *items;    /* of a scan or query: an array */
    const cJSON *last_key; /* there is another page behind this key; NULL: no */
    double units;
};

/* An empty request; begin again with _reset(), which keeps memory. */
void wi_dynamodb_request_init(struct wi_dynamodb_request *request, const struct weir_env *env);
void wi_dynamodb_request_reset(struct wi_dynamodb_request *request);
void wi_dynamodb_request_free(struct wi_dynamodb_request *request);

/* --- rows --- */

void wi_dynamodb_build_get(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const char *key,
    bool is_consistent);

/* `write` of an update. `wants_item`: the row as it is afterwards comes back. */
void wi_dynamodb_build_update(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const char *key,
    const struct wi_dynamodb_write *write,
    bool wants_item);

/* `write` of a put; its item holds the key. */
void wi_dynamodb_build_put(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const struct wi_dynamodb_write *write);

/* Only the conditions of `write` count; NULL: none. */
void wi_dynamodb_build_delete(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const char *key,
    const struct wi_dynamodb_write *write);

/* A page of the table. `start_key` NULL: the first. segment < segments. */
void wi_dynamodb_build_scan(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const cJSON *start_key,
    unsigned segment,
    unsigned segments);

/* A page of the rows of an index whose hash key is `value`. */
void wi_dynamodb_build_query(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const char *index,
    const char *attribute,
    const char *value,
    const cJSON *start_key);

/* --- tables --- */

/* An index by one text attribute, holding keys only. */
struct wi_dynamodb_index {
    const char *name;
    const char *attribute;
};

void wi_dynamodb_build_describe(
    struct wi_dynamodb_request *request, const struct wi_dynamodb_table *table);
/* On demand; `index` NULL: none. */
void wi_dynamodb_build_create(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const struct wi_dynamodb_index *index);
/* Add an index to a table on demand. */
void wi_dynamodb_build_add_index(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const struct wi_dynamodb_index *index);

/* What DescribeTable tells. */
struct wi_dynamodb_description {
    bool is_active;
    bool has_index;
    bool is_index_active;
    char hash_key[64];
    bool has_range_key;
};

/* WEIR_ECORRUPT if the answer is no description. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_read_description(
    const cJSON *answer, const char *index_name, struct wi_dynamodb_description *ret);

/* --- performing --- */

/* Read what came for `request` into it: pure but for its memory. */
void wi_dynamodb_read_answer(struct wi_dynamodb_request *request);

/* Send them side by side; returns when all have ended. Blocks. */
void wi_dynamodb_perform(
    struct wi_dynamodb *dynamodb, struct wi_dynamodb_request *requests, size_t count);

#endif
