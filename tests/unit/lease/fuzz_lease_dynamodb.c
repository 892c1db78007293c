/* An item of a DynamoDB table, whatever it holds: read as every kind of row. What can be read as a
 * lease is sound, and a change of it can be written. */
#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_rules.h"
#include "lease/lease_url_dynamodb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_lease(const cJSON *item)
{
    const struct weir_position initial = {.type = WEIR_AT_TIMESTAMP, .timestamp_ms = 5};
    struct wi_dynamodb_lease row;
    struct wi_dynamodb_write write;

    if (wi_dynamodb_lease_read(item, &initial, &row) != WEIR_OK) {
        return;
    }
    if (wi_lease_check(&row.lease) != WEIR_OK) {
        abort();
    }
    wi_dynamodb_write_init(&write, weir_env_default(), false);
    wi_dynamodb_require_as_read(&write, &row, WI_DYNAMODB_GUARD_OWNERS);
    wi_dynamodb_lease_change(&write, &row, &row.lease, 1);
    wi_dynamodb_lease_claim(&write, "w", &row.lease);
    wi_dynamodb_write_free(&write);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    cJSON *item = cJSON_ParseWithLength(text, size);
    struct wi_dynamodb_worker worker;
    struct wi_dynamodb_leader leader;
    struct wi_dynamodb_state state;
    struct wi_dynamodb_url url;
    char key[WEIR_LEASE_KEY_SIZE];

    (void)wi_dynamodb_row_kind(item);
    wi_dynamodb_row_key(item, "leaseKey", key);
    read_lease(item);
    (void)!wi_dynamodb_worker_read(item, "leaseKey", &worker);
    wi_dynamodb_leader_read(item, &leader);
    wi_dynamodb_state_read(item, &state);
    (void)!wi_dynamodb_url_parse((struct weir_str){text, size}, &url, NULL);
    cJSON_Delete(item);
    return 0;
}
