/* Any bytes as key and data of a record: the line that is printed is JSON, and says the same. */
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare(const struct json_line *line, const struct weir_record *record)
{
    cJSON *root = cJSON_ParseWithLength(line->data, line->length);
    const cJSON *shown = root == NULL ? NULL : cJSON_GetObjectItem(root, "data");

    if (root == NULL || line->data[line->length - 1] != '\n' ||
        memchr(line->data, '\n', line->length - 1) != NULL) {
        abort();
    }
    if (cli_json_is_text(record->data)) {
        if (!cJSON_IsString(shown) || strlen(shown->valuestring) != record->data.length ||
            memcmp(shown->valuestring, record->data.data, record->data.length) != 0) {
            abort();
        }
    } else if (!cJSON_IsString(cJSON_GetObjectItem(root, "data_base64"))) {
        abort();
    }
    cJSON_Delete(root);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t key = size == 0 ? 0 : data[0] % size;
    const struct json_delivery delivery = {.lease_epoch = 1, .attempt = 1, .worker_id = "w"};
    const struct weir_record record = {
        .partition_key = {(const char *)data, key}, .data = {data + key, size - key}};
    struct json_line line = {.data = NULL};

    cli_json_line_record(&line, "s", "shardId-000000000000", &record, &delivery);
    if (!line.failed) {
        compare(&line, &record);
    }
    cli_json_line_free(&line);
    return 0;
}
