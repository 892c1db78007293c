/* PutRecords. */
#include <cjson/cJSON.h>
#include <stddef.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_api.h"
#include "aws/kinesis_base64.h"
#include "aws/kinesis_json.h"
#include "core/check.h"
#include "core/str.h"

#define OPERATION "PutRecords"
/* Bytes that are encoded at a time: a multiple of three, so that no padding comes in between. */
#define CHUNK_BYTES 3072U

static void
append_base64(struct wi_buffer *body, struct weir_bytes data)
{
    char text[CHUNK_BYTES / 3 * 4];
    const unsigned char *bytes = data.data;
    size_t done = 0;

    while (done < data.length) {
        const size_t left = data.length - done;
        const size_t size = left < CHUNK_BYTES ? left : CHUNK_BYTES;

        wi_base64_encode((struct weir_bytes){bytes + done, size}, text);
        wi_buffer_append(body, text, wi_base64_encoded_length(size));
        done += size;
    }
}

static void
append_entry(struct wi_buffer *body, const struct wi_kinesis_put_entry *entry)
{
    char key[WEIR_HASH_KEY_SIZE];

    wi_buffer_append_z(body, "{\"Data\":\"");
    append_base64(body, entry->data);
    wi_buffer_append_z(body, "\",\"PartitionKey\":");
    wi_json_append_string(body, entry->partition_key);
    if (entry->explicit_hash_key != NULL) {
        (void)weir_hash_key_format(*entry->explicit_hash_key, key);
        wi_buffer_printf(body, ",\"ExplicitHashKey\":\"%s\"", key);
    }
    wi_buffer_append_z(body, "}");
}

static enum weir_error
read_result(const cJSON *object, struct wi_kinesis_put_result *ret)
{
    const char *code = wi_json_text(object, "ErrorCode");
    const char *shard_id = wi_json_text(object, "ShardId");
    const char *number = wi_json_text(object, "SequenceNumber");

    *ret = (struct wi_kinesis_put_result){.error = WEIR_OK};
    if (code != NULL) {
        ret->error = strcmp(code, "ProvisionedThroughputExceededException") == 0 ? WEIR_ETHROTTLED
                                                                                 : WEIR_EIO;
        return WEIR_OK;
    }
    if (weir_name_check(wi_str(shard_id)) != WEIR_OK ||
        weir_sequence_number_parse(wi_str(number), &ret->sequence_number) != WEIR_OK) {
        return WEIR_ECORRUPT;
    }
    (void)wi_str_copy(ret->shard_id, sizeof ret->shard_id, wi_str(shard_id));
    return WEIR_OK;
}

static enum weir_error
read_results(const cJSON *answer, size_t count, struct wi_kinesis_put_result *ret_results)
{
    const cJSON *records = cJSON_GetObjectItemCaseSensitive(answer, "Records");
    const cJSON *object = NULL;
    size_t i = 0;

    if (!cJSON_IsArray(records) || (size_t)cJSON_GetArraySize(records) != count) {
        return WEIR_ECORRUPT;
    }
    cJSON_ArrayForEach(object, records)
    {
        enum weir_error error = read_result(object, &ret_results[i++]);

        if (error != WEIR_OK) {
            return error;
        }
    }
    return WEIR_OK;
}

enum weir_error
wi_kinesis_put_records(
    struct wi_kinesis_api *api,
    const struct wi_kinesis_put_entry *entries,
    size_t count,
    struct wi_kinesis_put_result *ret_results,
    struct weir_detail *detail)
{
    struct wi_buffer body;
    const struct wi_kinesis_request request = {
        .operation = OPERATION,
        .body = &body,
        .repeatable = true,
        .attempt_timeout_ms = WI_KINESIS_PUT_TIMEOUT_MS};
    cJSON *answer = NULL;
    enum weir_error error;

    WEIR_ASSERT(count >= 1 && count <= WI_KINESIS_PUT_RECORDS_MAX);
    wi_buffer_init(&body, api->env);
    wi_buffer_append_z(&body, "{");
    wi_kinesis_append_stream(api, &body);
    wi_buffer_append_z(&body, ",\"Records\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            wi_buffer_append_z(&body, ",");
        }
        append_entry(&body, &entries[i]);
    }
    wi_buffer_append_z(&body, "]}");
    error = wi_kinesis_ask(api, &request, &answer, detail);
    if (error == WEIR_OK && read_results(answer, count, ret_results) != WEIR_OK) {
        error = wi_kinesis_bad_answer(OPERATION, detail);
    }
    cJSON_Delete(answer);
    wi_buffer_free(&body);
    return error;
}
