/* ListShards: all pages, as the shards that the rest of weir knows. */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "aws/kinesis_api.h"
#include "aws/kinesis_json.h"
#include "core/detail.h"
#include "core/hash_key.h"
#include "core/memory.h"
#include "core/str.h"

#define OPERATION "ListShards"
/* A token lives for five minutes; a list that takes longer begins again, this often. */
#define RESTARTS_MAX 2U

/* Shards so far. */
struct list {
    const struct weir_env *env;
    struct weir_shard *shards;
    size_t count;
    size_t capacity;
    struct wi_buffer token; /* of the next page; empty: there is none */
};

static enum weir_error
read_name(const char *text, bool is_required, char ret[WEIR_NAME_SIZE])
{
    if (text == NULL || text[0] == '\0') {
        return is_required ? WEIR_ECORRUPT : WEIR_OK;
    }
    if (weir_name_check(wi_str(text)) != WEIR_OK) {
        return WEIR_ECORRUPT;
    }
    (void)wi_str_copy(ret, WEIR_NAME_SIZE, wi_str(text));
    return WEIR_OK;
}

static enum weir_error
read_range(const cJSON *shard, struct weir_hash_range *ret)
{
    const cJSON *range = cJSON_GetObjectItemCaseSensitive(shard, "HashKeyRange");
    const char *start = wi_json_text(range, "StartingHashKey");
    const char *end = wi_json_text(range, "EndingHashKey");

    if (weir_hash_key_parse(wi_str(start), &ret->start) != WEIR_OK ||
        weir_hash_key_parse(wi_str(end), &ret->end) != WEIR_OK || !wi_hash_range_is_valid(*ret)) {
        return WEIR_ECORRUPT;
    }
    return WEIR_OK;
}

static enum weir_error
read_numbers(const cJSON *shard, struct weir_shard *ret)
{
    const cJSON *range = cJSON_GetObjectItemCaseSensitive(shard, "SequenceNumberRange");
    const char *start = wi_json_text(range, "StartingSequenceNumber");
    const char *end = wi_json_text(range, "EndingSequenceNumber");
    enum weir_error error =
        weir_sequence_number_parse(wi_str(start), &ret->starting_sequence_number);

    if (error == WEIR_OK && end != NULL) {
        error = weir_sequence_number_parse(wi_str(end), &ret->ending_sequence_number);
        ret->closed = true;
    }
    return error == WEIR_OK ? WEIR_OK : WEIR_ECORRUPT;
}

static enum weir_error
read_shard(const cJSON *object, struct weir_shard *ret)
{
    enum weir_error error = read_name(wi_json_text(object, "ShardId"), true, ret->shard_id);

    if (error == WEIR_OK) {
        error = read_name(wi_json_text(object, "ParentShardId"), false, ret->parent_shard_ids[0]);
    }
    if (error == WEIR_OK) {
        error = read_name(
            wi_json_text(object, "AdjacentParentShardId"), false, ret->parent_shard_ids[1]);
    }
    if (error == WEIR_OK) {
        error = read_range(object, &ret->range);
    }
    return error == WEIR_OK ? read_numbers(object, ret) : error;
}

static enum weir_error
add(struct list *list, const struct weir_shard *shard)
{
    if (list->count == WEIR_SHARDS_MAX) {
        return WEIR_ELIMIT;
    }
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        void *grown = wi_resize_array(list->env, list->shards, capacity, sizeof *list->shards);

        if (grown == NULL) {
            return WEIR_ENOMEM;
        }
        list->shards = grown;
        list->capacity = capacity;
    }
    list->shards[list->count++] = *shard;
    return WEIR_OK;
}

static enum weir_error
read_page(const cJSON *answer, struct list *list)
{
    const cJSON *shards = cJSON_GetObjectItemCaseSensitive(answer, "Shards");
    const char *token = wi_json_text(answer, "NextToken");
    const cJSON *object = NULL;
    enum weir_error error = WEIR_OK;

    if (!cJSON_IsArray(shards) || (token != NULL && strlen(token) > WI_KINESIS_TOKEN_MAX)) {
        return WEIR_ECORRUPT;
    }
    cJSON_ArrayForEach(object, shards)
    {
        struct weir_shard shard = {.closed = false};

        error = read_shard(object, &shard);
        if (error == WEIR_OK) {
            error = add(list, &shard);
        }
        if (error != WEIR_OK) {
            return error;
        }
    }
    wi_buffer_reset(&list->token);
    wi_buffer_append_z(&list->token, token == NULL ? "" : token);
    return wi_buffer_error(&list->token);
}

/* One page; a request with a token names no stream. */
static enum weir_error
ask_page(struct wi_kinesis_api *api, struct list *list, struct weir_detail *detail)
{
    struct wi_buffer body;
    const struct wi_kinesis_request request = {
        .operation = OPERATION, .body = &body, .repeatable = true};
    cJSON *answer = NULL;
    enum weir_error error;

    wi_buffer_init(&body, api->env);
    wi_buffer_append_z(&body, "{");
    if (list->token.length > 0) {
        wi_buffer_append_z(&body, "\"NextToken\":");
        wi_json_append_string(&body, wi_buffer_str(&list->token));
    } else {
        wi_kinesis_append_stream(api, &body);
    }
    wi_buffer_printf(&body, ",\"MaxResults\":%u}", WI_KINESIS_LIST_PAGE);
    error = wi_kinesis_ask(api, &request, &answer, detail);
    if (error == WEIR_OK) {
        error = read_page(answer, list);
        if (error == WEIR_ECORRUPT) {
            error = wi_kinesis_bad_answer(OPERATION, detail);
        }
    }
    cJSON_Delete(answer);
    wi_buffer_free(&body);
    return error;
}

enum weir_error
wi_kinesis_list_shards(
    struct wi_kinesis_api *api,
    struct weir_shard **ret_shards,
    size_t *ret_count,
    struct weir_detail *detail)
{
    struct list list = {.env = api->env};
    enum weir_error error = WEIR_OK;
    unsigned restarts = 0;
    unsigned pages = 0;
    bool begins_again = false;

    wi_buffer_init(&list.token, api->env);
    do {
        if (++pages > WI_KINESIS_LIST_PAGES) {
            error = wi_detail(detail, WEIR_ELIMIT, OPERATION ": the list does not end");
            break;
        }
        error = ask_page(api, &list, detail);
        begins_again = error == WEIR_EEXPIRED && restarts < RESTARTS_MAX;
        if (begins_again) {
            restarts++;
            pages = 0;
            list.count = 0;
            wi_buffer_reset(&list.token);
            error = WEIR_OK;
        }
    } while (error == WEIR_OK && (begins_again || list.token.length > 0));
    if (error == WEIR_OK) {
        *ret_shards = list.shards;
        *ret_count = list.count;
        list.shards = NULL;
    }
    wi_buffer_free(&list.token);
    wi_free(api->env, list.shards);
    return error;
}
