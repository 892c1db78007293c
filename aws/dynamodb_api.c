#include "aws/dynamodb_api.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/dynamodb_item.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/str.h"

#define MILLI 1000.0
/* No answer costs more; a number beyond it is none. */
#define UNITS_MAX 1e9

/* --- requests ------------------------------------------------------------------------------- */

void
wi_dynamodb_request_init(struct wi_dynamodb_request *request, const struct weir_env *env)
{
    *request = (struct wi_dynamodb_request){.error = WEIR_OK};
    wi_aws_call_init(&request->call, env);
    wi_buffer_init(&request->body, env);
}

void
wi_dynamodb_request_reset(struct wi_dynamodb_request *request)
{
    const struct weir_env *env = request->body.env;
    struct wi_buffer body = request->body;

    cJSON_Delete(request->answer);
    wi_aws_call_free(&request->call);
    *request = (struct wi_dynamodb_request){.error = WEIR_OK, .body = body};
    wi_aws_call_init(&request->call, env);
    wi_buffer_reset(&request->body);
}

void
wi_dynamodb_request_free(struct wi_dynamodb_request *request)
{
    cJSON_Delete(request->answer);
    wi_aws_call_free(&request->call);
    wi_buffer_free(&request->body);
    *request = (struct wi_dynamodb_request){.error = WEIR_OK};
}

static struct wi_buffer *
begin(struct wi_dynamodb_request *request, const char *operation, const char *table_name)
{
    wi_dynamodb_request_reset(request);
    request->call.operation = operation;
    wi_buffer_append_z(&request->body, "{\"TableName\":");
    wi_json_append_text(&request->body, wi_str(table_name));
    return &request->body;
}

/* Reads, and writes with a condition, may be made again when nobody knows what became of them. */
static void
end(struct wi_dynamodb_request *request)
{
    wi_buffer_append_z(&request->body, "}");
    request->call.repeatable = true;
}

static void
append_key(struct wi_buffer *body, const struct wi_dynamodb_table *table, const char *key)
{
    wi_buffer_printf(body, ",\"Key\":{\"%s\":{\"S\":", table->key);
    wi_json_append_text(body, wi_str(key));
    wi_buffer_append_z(body, "}}");
}

static void
append_capacity(struct wi_buffer *body)
{
    wi_buffer_append_z(body, ",\"ReturnConsumedCapacity\":\"TOTAL\"");
}

static void
append_condition(struct wi_buffer *body, const struct wi_dynamodb_write *write)
{
    if (write->condition.length > 0) {
        wi_buffer_append_z(body, ",\"ConditionExpression\":");
        wi_json_append_text(body, wi_buffer_str(&write->condition));
        wi_buffer_append_z(body, ",\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"");
    }
    if (write->values.length > 0) {
        wi_buffer_append_z(body, ",\"ExpressionAttributeValues\":{");
        wi_buffer_append_str(body, wi_buffer_str(&write->values));
        wi_buffer_append_z(body, "}");
    }
}

/* What could not be appended to the write is missing from the request too. */
static void
note_write_error(struct wi_dynamodb_request *request, const struct wi_dynamodb_write *write)
{
    if (wi_dynamodb_write_error(write) != WEIR_OK) {
        request->body.failed = true;
    }
}

void
wi_dynamodb_build_get(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const char *key,
    bool is_consistent)
{
    struct wi_buffer *body = begin(request, "GetItem", table->name);

    append_key(body, table, key);
    if (is_consistent) {
        wi_buffer_append_z(body, ",\"ConsistentRead\":true");
    }
    append_capacity(body);
    end(request);
}

void
wi_dynamodb_build_update(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const char *key,
    const struct wi_dynamodb_write *write,
    bool wants_item)
{
    struct wi_buffer *body = begin(request, "UpdateItem", table->name);

    WEIR_ASSERT(!write->is_put);
    append_key(body, table, key);
    wi_buffer_append_z(body, ",\"UpdateExpression\":\"");
    if (write->set.length > 0) {
        wi_buffer_append_z(body, "SET ");
        wi_buffer_append_str(body, wi_buffer_str(&write->set));
    }
    if (write->remove.length > 0) {
        wi_buffer_append_z(body, write->set.length > 0 ? " REMOVE " : "REMOVE ");
        wi_buffer_append_str(body, wi_buffer_str(&write->remove));
    }
    wi_buffer_append_z(body, "\"");
    append_condition(body, write);
    if (wants_item) {
        wi_buffer_append_z(body, ",\"ReturnValues\":\"ALL_NEW\"");
    }
    append_capacity(body);
    end(request);
    note_write_error(request, write);
    request->is_write = true;
}

void
wi_dynamodb_build_put(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const struct wi_dynamodb_write *write)
{
    struct wi_buffer *body = begin(request, "PutItem", table->name);

    WEIR_ASSERT(write->is_put);
    wi_buffer_append_z(body, ",\"Item\":{");
    wi_buffer_append_str(body, wi_buffer_str(&write->set));
    wi_buffer_append_z(body, "}");
    append_condition(body, write);
    append_capacity(body);
    end(request);
    note_write_error(request, write);
    request->is_write = true;
}

void
wi_dynamodb_build_delete(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const char *key,
    const struct wi_dynamodb_write *write)
{
    struct wi_buffer *body = begin(request, "DeleteItem", table->name);

    append_key(body, table, key);
    if (write != NULL) {
        append_condition(body, write);
        note_write_error(request, write);
    }
    append_capacity(body);
    end(request);
    request->is_write = true;
}

static void
append_start_key(struct wi_dynamodb_request *request, const cJSON *start_key)
{
    char *text = start_key == NULL ? NULL : cJSON_PrintUnformatted(start_key);

    if (text != NULL) {
        wi_buffer_append_z(&request->body, ",\"ExclusiveStartKey\":");
        wi_buffer_append_z(&request->body, text);
        cJSON_free(text);
    } else if (start_key != NULL) {
        request->body.failed = true;
    }
}

void
wi_dynamodb_build_scan(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const cJSON *start_key,
    unsigned segment,
    unsigned segments)
{
    struct wi_buffer *body = begin(request, "Scan", table->name);

    WEIR_ASSERT(segment < segments);
    wi_buffer_append_z(body, ",\"ConsistentRead\":true");
    if (segments > 1) {
        wi_buffer_printf(body, ",\"Segment\":%u,\"TotalSegments\":%u", segment, segments);
    }
    append_start_key(request, start_key);
    append_capacity(body);
    end(request);
}

void
wi_dynamodb_build_query(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const char *index,
    const char *attribute,
    const char *value,
    const cJSON *start_key)
{
    struct wi_buffer *body = begin(request, "Query", table->name);

    wi_buffer_append_z(body, ",\"IndexName\":");
    wi_json_append_text(body, wi_str(index));
    wi_buffer_printf(body, ",\"KeyConditionExpression\":\"%s = :v0\"", attribute);
    wi_buffer_append_z(body, ",\"ExpressionAttributeValues\":{\":v0\":{\"S\":");
    wi_json_append_text(body, wi_str(value));
    wi_buffer_append_z(body, "}}");
    append_start_key(request, start_key);
    append_capacity(body);
    end(request);
}

/* --- tables --------------------------------------------------------------------------------- */

void
wi_dynamodb_build_describe(
    struct wi_dynamodb_request *request, const struct wi_dynamodb_table *table)
{
    (void)begin(request, "DescribeTable", table->name);
    end(request);
}

static void
append_definitions(
    struct wi_buffer *body,
    const struct wi_dynamodb_table *table,
    const struct wi_dynamodb_index *index)
{
    wi_buffer_printf(
        body,
        ",\"AttributeDefinitions\":[{\"AttributeName\":\"%s\",\"AttributeType\":\"S\"}",
        table->key);
    if (index != NULL) {
        wi_buffer_printf(
            body, ",{\"AttributeName\":\"%s\",\"AttributeType\":\"S\"}", index->attribute);
    }
    wi_buffer_append_z(body, "]");
}

static void
append_index(
    struct wi_buffer *body,
    const struct wi_dynamodb_table *table,
    const struct wi_dynamodb_index *index)
{
    wi_buffer_printf(
        body,
        "{\"IndexName\":\"%s\",\"KeySchema\":["
        "{\"AttributeName\":\"%s\",\"KeyType\":\"HASH\"},"
        "{\"AttributeName\":\"%s\",\"KeyType\":\"RANGE\"}],"
        "\"Projection\":{\"ProjectionType\":\"KEYS_ONLY\"}}",
        index->name,
        index->attribute,
        table->key);
}

void
wi_dynamodb_build_create(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const struct wi_dynamodb_index *index)
{
    struct wi_buffer *body = begin(request, "CreateTable", table->name);

    append_definitions(body, table, index);
    wi_buffer_printf(
        body,
        ",\"KeySchema\":[{\"AttributeName\":\"%s\",\"KeyType\":\"HASH\"}]"
        ",\"BillingMode\":\"PAY_PER_REQUEST\"",
        table->key);
    if (index != NULL) {
        wi_buffer_append_z(body, ",\"GlobalSecondaryIndexes\":[");
        append_index(body, table, index);
        wi_buffer_append_z(body, "]");
    }
    end(request);
}

void
wi_dynamodb_build_add_index(
    struct wi_dynamodb_request *request,
    const struct wi_dynamodb_table *table,
    const struct wi_dynamodb_index *index)
{
    struct wi_buffer *body = begin(request, "UpdateTable", table->name);

    append_definitions(body, table, index);
    wi_buffer_append_z(body, ",\"GlobalSecondaryIndexUpdates\":[{\"Create\":");
    append_index(body, table, index);
    wi_buffer_append_z(body, "}]");
    end(request);
}

static bool
is_text(const cJSON *object, const char *name, const char *text)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsString(member) && strcmp(member->valuestring, text) == 0;
}

static void
read_key_schema(const cJSON *table, struct wi_dynamodb_description *description)
{
    const cJSON *element = NULL;

    cJSON_ArrayForEach(element, cJSON_GetObjectItemCaseSensitive(table, "KeySchema"))
    {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(element, "AttributeName");

        if (is_text(element, "KeyType", "HASH") && cJSON_IsString(name)) {
            (void)wi_str_copy(
                description->hash_key, sizeof description->hash_key, wi_str(name->valuestring));
        } else {
            description->has_range_key = true;
        }
    }
}

enum weir_error
wi_dynamodb_read_description(
    const cJSON *answer, const char *index_name, struct wi_dynamodb_description *ret)
{
    const cJSON *table = cJSON_GetObjectItemCaseSensitive(answer, "Table");
    struct wi_dynamodb_description description = {.is_active = false};
    const cJSON *index = NULL;

    if (!cJSON_IsObject(table)) {
        return WEIR_ECORRUPT;
    }
    description.is_active =
        is_text(table, "TableStatus", "ACTIVE") || is_text(table, "TableStatus", "UPDATING");
    read_key_schema(table, &description);
    cJSON_ArrayForEach(index, cJSON_GetObjectItemCaseSensitive(table, "GlobalSecondaryIndexes"))
    {
        if (is_text(index, "IndexName", index_name)) {
            description.has_index = true;
            description.is_index_active = is_text(index, "IndexStatus", "ACTIVE");
        }
    }
    *ret = description;
    return WEIR_OK;
}

/* --- answers -------------------------------------------------------------------------------- */

static const cJSON *
object_of(const cJSON *answer, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(answer, name);

    return cJSON_IsObject(member) ? member : NULL;
}

static double
units_of(const cJSON *answer)
{
    const cJSON *capacity = object_of(answer, "ConsumedCapacity");
    const cJSON *units = cJSON_GetObjectItemCaseSensitive(capacity, "CapacityUnits");
    bool is_sound =
        cJSON_IsNumber(units) && units->valuedouble >= 0.0 && units->valuedouble < UNITS_MAX;

    return is_sound ? units->valuedouble : 0.0;
}

static enum weir_error
error_of(const struct wi_aws_call *call)
{
    switch (call->class) {
    case WI_AWS_OK:
        return call->error;
    case WI_AWS_CONDITION:
        return WEIR_ECONFLICT;
    case WI_AWS_THROTTLED:
        return WEIR_ETHROTTLED;
    case WI_AWS_NOT_FOUND:
        return WEIR_ENOTFOUND;
    case WI_AWS_IN_USE:
        return WEIR_EEXISTS;
    case WI_AWS_DENIED:
        return WEIR_EACCESS;
    case WI_AWS_SERVER:
        return WEIR_ETIMEOUT; /* a server that fails may have carried it out */
    case WI_AWS_NO_ANSWER:
        return call->outcome_unknown ? WEIR_ETIMEOUT : call->error;
    case WI_AWS_EXPIRED:
    case WI_AWS_INVALID:
    case WI_AWS_OTHER:
        break;
    }
    return call->error == WEIR_OK ? WEIR_EIO : call->error;
}

void
wi_dynamodb_read_answer(struct wi_dynamodb_request *request)
{
    const struct weir_str came = wi_buffer_str(&request->call.answer);
    const struct weir_str body = came.length == 0 ? WI_STR("{}") : came;
    const cJSON *answer = NULL;

    request->error = error_of(&request->call);
    if (request->error != WEIR_OK && request->error != WEIR_ECONFLICT) {
        return;
    }
    request->answer = cJSON_ParseWithLength(body.data, body.length);
    answer = request->answer;
    if (!cJSON_IsObject(answer)) {
        request->error = request->error == WEIR_OK ? WEIR_ECORRUPT : request->error;
        return;
    }
    request->item = object_of(answer, "Item");
    if (request->item == NULL) {
        request->item = object_of(answer, "Attributes");
    }
    request->items = cJSON_GetObjectItemCaseSensitive(answer, "Items");
    request->last_key = object_of(answer, "LastEvaluatedKey");
    request->units = units_of(answer);
}

static void
count_cost(struct wi_dynamodb *dynamodb, const struct wi_dynamodb_request *request)
{
    struct wi_counter *units =
        request->is_write ? &dynamodb->write_milliunits : &dynamodb->read_milliunits;

    wi_counter_add(&dynamodb->requests, request->call.attempts);
    wi_counter_add(units, (uint64_t)(request->units * MILLI + 0.5));
    if (request->call.class == WI_AWS_THROTTLED) {
        wi_counter_add(&dynamodb->throttled, 1);
    }
}

static void
fail_all(struct wi_dynamodb_request *requests, size_t count, enum weir_error error)
{
    for (size_t i = 0; i < count; i++) {
        requests[i].error = error;
    }
}

void
wi_dynamodb_perform(
    struct wi_dynamodb *dynamodb, struct wi_dynamodb_request *requests, size_t count)
{
    struct wi_aws_call **calls = NULL;
    enum weir_error error = WEIR_OK;

    if (count == 0) {
        return;
    }
    calls = wi_alloc_array(dynamodb->env, count, sizeof(struct wi_aws_call *));
    error = calls == NULL ? WEIR_ENOMEM : WEIR_OK;
    for (size_t i = 0; i < count && error == WEIR_OK; i++) {
        const struct weir_str body = wi_buffer_str(&requests[i].body);

        error = wi_buffer_error(&requests[i].body);
        requests[i].call.body = (struct weir_bytes){body.data, body.length};
        calls[i] = &requests[i].call;
    }
    if (error != WEIR_OK) {
        fail_all(requests, count, error);
    } else {
        wi_aws_perform_all(dynamodb->client, calls, count);
        for (size_t i = 0; i < count; i++) {
            wi_dynamodb_read_answer(&requests[i]);
            count_cost(dynamodb, &requests[i]);
        }
    }
    wi_free(dynamodb->env, calls);
}
