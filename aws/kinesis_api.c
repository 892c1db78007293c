#include "aws/kinesis_api.h"

#include <cbor/encoding.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "aws/kinesis_json.h"
#include "core/check.h"
#include "core/detail.h"
#include "core/log.h"
#include "core/str.h"

#define MS_PER_HOUR   3600000
#define MS_PER_SECOND 1000
#define BYTES_PER_KIB 1024.0
/* Most bytes before an item of CBOR. */
#define CBOR_HEAD_MAX 9
/* Longest time that a server may claim, in hours: Kinesis keeps records for a year at most. */
#define RETENTION_HOURS_MAX (366.0 * 24 * 10)

/* A number of milliseconds from a double of a server, held within what can be computed with. */
static int64_t
ms_of(double value, double unit_ms)
{
    const double limit = 9e15;
    const double ms = value * unit_ms;

    return ms != ms ? 0 : ms > limit ? (int64_t)limit : ms < 0 ? 0 : (int64_t)ms;
}

static void
begin_body(const struct wi_kinesis_api *api, struct wi_buffer *body)
{
    wi_buffer_init(body, api->env);
    wi_buffer_append_z(body, "{");
    wi_kinesis_append_stream(api, body);
}

static enum wi_kinesis_status
status_of(const char *text)
{
    if (text == NULL || strcmp(text, "ACTIVE") == 0) {
        return WI_KINESIS_ACTIVE;
    }
    if (strcmp(text, "CREATING") == 0) {
        return WI_KINESIS_CREATING;
    }
    return strcmp(text, "DELETING") == 0 ? WI_KINESIS_DELETING : WI_KINESIS_UPDATING;
}

static enum weir_error
read_summary(const cJSON *answer, struct wi_kinesis_summary *ret)
{
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(answer, "StreamDescriptionSummary");
    const char *arn = wi_json_text(summary, "StreamARN");
    const double hours =
        cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(summary, "RetentionPeriodHours"));
    const double created =
        cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(summary, "StreamCreationTimestamp"));
    const double open =
        cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(summary, "OpenShardCount"));
    const double record_bytes =
        BYTES_PER_KIB *
        cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(summary, "MaxRecordSizeInKiB"));

    if (!cJSON_IsObject(summary) || !(hours >= 1 && hours <= RETENTION_HOURS_MAX)) {
        return WEIR_ECORRUPT;
    }
    *ret = (struct wi_kinesis_summary){
        .status = status_of(wi_json_text(summary, "StreamStatus")),
        .retention_ms = ms_of(hours, MS_PER_HOUR),
        .created_ms = ms_of(created, MS_PER_SECOND),
        .open_shards = open >= 0 && open <= WEIR_SHARDS_MAX ? (uint64_t)open : 0,
        .record_bytes_max =
            record_bytes >= BYTES_PER_KIB && record_bytes <= (double)WI_KINESIS_RECORD_BYTES_MAX
                ? (size_t)record_bytes
                : WI_KINESIS_RECORD_BYTES_DEFAULT,
    };
    (void)wi_str_copy(ret->stream_arn, sizeof ret->stream_arn, wi_str(arn));
    return WEIR_OK;
}

enum weir_error
wi_kinesis_describe_summary(
    struct wi_kinesis_api *api, struct wi_kinesis_summary *ret, struct weir_detail *detail)
{
    struct wi_buffer body;
    const struct wi_kinesis_request request = {
        .operation = "DescribeStreamSummary", .body = &body, .repeatable = true};
    cJSON *answer = NULL;
    enum weir_error error;

    begin_body(api, &body);
    wi_buffer_append_z(&body, "}");
    error = wi_kinesis_ask(api, &request, &answer, detail);
    if (error == WEIR_OK && read_summary(answer, ret) != WEIR_OK) {
        error = wi_kinesis_bad_answer(request.operation, detail);
    }
    cJSON_Delete(answer);
    wi_buffer_free(&body);
    return error;
}

/* --- iterators and records --- */

static enum weir_error
append_position(struct wi_buffer *body, const struct weir_position *from)
{
    char number[WEIR_SEQUENCE_NUMBER_SIZE];
    const char *type = NULL;

    switch (from->type) {
    case WEIR_TRIM_HORIZON:
        type = "TRIM_HORIZON";
        break;
    case WEIR_LATEST:
        type = "LATEST";
        break;
    case WEIR_AT_TIMESTAMP:
        wi_buffer_printf(
            body,
            ",\"ShardIteratorType\":\"AT_TIMESTAMP\",\"Timestamp\":%" PRId64 ".%03d",
            from->timestamp_ms / MS_PER_SECOND,
            (int)(from->timestamp_ms % MS_PER_SECOND));
        return WEIR_OK;
    case WEIR_AT_SEQUENCE_NUMBER:
    case WEIR_AFTER_SEQUENCE_NUMBER:
        type =
            from->type == WEIR_AT_SEQUENCE_NUMBER ? "AT_SEQUENCE_NUMBER" : "AFTER_SEQUENCE_NUMBER";
        (void)weir_sequence_number_format(&from->sequence_number, number);
        wi_buffer_printf(body, ",\"StartingSequenceNumber\":\"%s\"", number);
        break;
    case WEIR_SHARD_END:
        return WEIR_EINVAL;
    }
    wi_buffer_printf(body, ",\"ShardIteratorType\":\"%s\"", type);
    return WEIR_OK;
}

enum weir_error
wi_kinesis_get_shard_iterator(
    struct wi_kinesis_api *api,
    struct weir_str shard_id,
    const struct weir_position *from,
    struct wi_buffer *ret,
    struct weir_detail *detail)
{
    struct wi_buffer body;
    const struct wi_kinesis_request request = {
        .operation = "GetShardIterator", .body = &body, .repeatable = true};
    cJSON *answer = NULL;
    const char *iterator;
    enum weir_error error;

    begin_body(api, &body);
    wi_buffer_append_z(&body, ",\"ShardId\":");
    wi_json_append_string(&body, shard_id);
    error = append_position(&body, from);
    WEIR_ASSERT(error == WEIR_OK);
    wi_buffer_append_z(&body, "}");
    error = wi_kinesis_ask(api, &request, &answer, detail);
    if (error != WEIR_OK) {
        goto out;
    }
    iterator = wi_json_text(answer, "ShardIterator");
    if (iterator == NULL || iterator[0] == '\0' || strlen(iterator) > WI_KINESIS_TOKEN_MAX) {
        error = wi_kinesis_bad_answer(request.operation, detail);
        goto out;
    }
    wi_buffer_reset(ret);
    wi_buffer_append_z(ret, iterator);
    error = wi_buffer_error(ret);
out:
    cJSON_Delete(answer);
    wi_buffer_free(&body);
    return error;
}

/* What GetRecords is sent, in one encoding. */
static void
append_json_request(
    const struct wi_kinesis_api *api,
    struct weir_str iterator,
    size_t records_max,
    struct wi_buffer *body)
{
    wi_buffer_append_z(body, "{");
    if (api->stream_arn[0] != '\0') {
        wi_kinesis_append_stream(api, body);
        wi_buffer_append_z(body, ",");
    }
    wi_buffer_append_z(body, "\"ShardIterator\":");
    wi_json_append_string(body, iterator);
    wi_buffer_printf(body, ",\"Limit\":%zu}", records_max);
}

static void
append_cbor_text(struct wi_buffer *body, struct weir_str text)
{
    unsigned char head[CBOR_HEAD_MAX];
    const size_t length = cbor_encode_string_start(text.length, head, sizeof head);

    wi_buffer_append(body, head, length);
    wi_buffer_append_str(body, text);
}

/* And in the other. */
static void
append_cbor_request(
    const struct wi_kinesis_api *api,
    struct weir_str iterator,
    size_t records_max,
    struct wi_buffer *body)
{
    const bool by_arn = api->stream_arn[0] != '\0';
    unsigned char head[CBOR_HEAD_MAX];
    size_t length = cbor_encode_map_start(by_arn ? 3 : 2, head, sizeof head);

    wi_buffer_append(body, head, length);
    if (by_arn) {
        append_cbor_text(body, WI_STR("StreamARN"));
        append_cbor_text(body, wi_str(api->stream_arn));
    }
    append_cbor_text(body, WI_STR("ShardIterator"));
    append_cbor_text(body, iterator);
    append_cbor_text(body, WI_STR("Limit"));
    length = cbor_encode_uint(records_max, head, sizeof head);
    wi_buffer_append(body, head, length);
}

static enum weir_error
get_records(
    struct wi_kinesis_api *api,
    const struct wi_buffer *body,
    const char *content_type,
    struct wi_buffer *answer,
    struct weir_detail *detail)
{
    const struct wi_kinesis_request request = {
        .operation = "GetRecords",
        .body = body,
        .content_type = content_type,
        .repeatable = true,
        .bulk = true,
        .attempt_timeout_ms = WI_KINESIS_READ_TIMEOUT_MS,
        .attempts_max = 1};

    return wi_kinesis_send(api, &request, answer, detail);
}

/* Told once: who asked for CBOR should know that it is not what comes. */
static void
give_up_cbor(struct wi_kinesis_api *api, const char *why)
{
    if (atomic_exchange(&api->asks_for_cbor, false)) {
        wi_log(
            api->env,
            WEIR_LOG_WARN,
            "aws",
            "%s: the service does not answer GetRecords in CBOR, so it is asked in JSON from now "
            "on: %s",
            api->stream_name,
            why);
    }
}

enum weir_error
wi_kinesis_get_records(
    struct wi_kinesis_api *api,
    struct weir_str iterator,
    size_t records_max,
    struct wi_buffer *answer,
    struct weir_detail *detail)
{
    struct wi_buffer body;
    enum weir_error error = WEIR_EUNSUPPORTED;

    WEIR_ASSERT(records_max >= 1 && records_max <= WI_KINESIS_GET_RECORDS_MAX);
    wi_buffer_init(&body, api->env);
    if (atomic_load(&api->asks_for_cbor)) {
        struct weir_detail refusal = {""};

        append_cbor_request(api, iterator, records_max, &body);
        error = get_records(api, &body, WI_KINESIS_CBOR_TYPE, answer, &refusal);
        if (error == WEIR_EUNSUPPORTED) {
            give_up_cbor(api, refusal.text);
            wi_buffer_reset(&body);
        } else if (error != WEIR_OK) {
            error = wi_detail(detail, error, "%s", refusal.text);
        } else if (wi_str_starts_with(wi_buffer_str(answer), WI_STR("{"))) {
            give_up_cbor(api, "the answer came in JSON");
        }
    }
    if (error == WEIR_EUNSUPPORTED) {
        append_json_request(api, iterator, records_max, &body);
        error = get_records(api, &body, NULL, answer, detail);
    }
    wi_buffer_free(&body);
    return error;
}

/* --- changes of the stream --- */

/* Send what has no answer worth reading. */
static enum weir_error
command(
    struct wi_kinesis_api *api,
    const char *operation,
    struct wi_buffer *body,
    struct weir_detail *detail)
{
    const struct wi_kinesis_request request = {
        .operation = operation, .body = body, .repeatable = false};
    struct wi_buffer answer;
    enum weir_error error;

    wi_buffer_init(&answer, api->env);
    wi_buffer_append_z(body, "}");
    error = wi_kinesis_send(api, &request, &answer, detail);
    wi_buffer_free(&answer);
    wi_buffer_free(body);
    return error;
}

enum weir_error
wi_kinesis_split_shard(
    struct wi_kinesis_api *api,
    struct weir_str shard_id,
    struct weir_hash_key at,
    struct weir_detail *detail)
{
    struct wi_buffer body;
    char key[WEIR_HASH_KEY_SIZE];

    begin_body(api, &body);
    wi_buffer_append_z(&body, ",\"ShardToSplit\":");
    wi_json_append_string(&body, shard_id);
    (void)weir_hash_key_format(at, key);
    wi_buffer_printf(&body, ",\"NewStartingHashKey\":\"%s\"", key);
    return command(api, "SplitShard", &body, detail);
}

enum weir_error
wi_kinesis_merge_shards(
    struct wi_kinesis_api *api,
    struct weir_str shard_id,
    struct weir_str adjacent_shard_id,
    struct weir_detail *detail)
{
    struct wi_buffer body;

    begin_body(api, &body);
    wi_buffer_append_z(&body, ",\"ShardToMerge\":");
    wi_json_append_string(&body, shard_id);
    wi_buffer_append_z(&body, ",\"AdjacentShardToMerge\":");
    wi_json_append_string(&body, adjacent_shard_id);
    return command(api, "MergeShards", &body, detail);
}

enum weir_error
wi_kinesis_update_shard_count(
    struct wi_kinesis_api *api, uint32_t shards, struct weir_detail *detail)
{
    struct wi_buffer body;

    begin_body(api, &body);
    wi_buffer_printf(
        &body, ",\"TargetShardCount\":%u,\"ScalingType\":\"UNIFORM_SCALING\"", (unsigned)shards);
    return command(api, "UpdateShardCount", &body, detail);
}

enum weir_error
wi_kinesis_create_stream(struct wi_kinesis_api *api, uint32_t shards, struct weir_detail *detail)
{
    struct wi_buffer body;

    begin_body(api, &body);
    wi_buffer_printf(&body, ",\"ShardCount\":%u", (unsigned)shards);
    return command(api, "CreateStream", &body, detail);
}

enum weir_error
wi_kinesis_delete_stream(struct wi_kinesis_api *api, struct weir_detail *detail)
{
    struct wi_buffer body;

    begin_body(api, &body);
    return command(api, "DeleteStream", &body, detail);
}
