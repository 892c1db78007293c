/* Aggregated records from anybody: what we accept, protobuf-c accepts and reads the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>

#include "core/check.h"
#include "stream/aggregation.h"
#include "wire/kpl.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
compare(const struct wi_aggregate *aggregate, const Kpl__AggregatedRecord *message)
{
    struct wi_user_record record;
    size_t cursor = 0;

    WEIR_ASSERT(message->n_records == aggregate->record_count);
    for (size_t i = 0; wi_aggregate_next(aggregate, &cursor, &record); i++) {
        const Kpl__Record *right = message->records[i];

        WEIR_ASSERT(right->partition_key_index == record.partition_key);
        WEIR_ASSERT(right->data.len == record.data.length);
        WEIR_ASSERT(
            record.data.length == 0 ||
            memcmp(right->data.data, record.data.data, record.data.length) == 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wi_aggregate aggregate;
    struct wi_aggregate_key *keys;

    if (wi_aggregate_check((struct weir_bytes){data, size}, &aggregate) != WEIR_OK) {
        return 0;
    }
    keys = calloc(aggregate.partition_key_count + aggregate.hash_key_count + 1, sizeof *keys);
    if (keys == NULL) {
        return 0;
    }
    aggregate.partition_keys = keys;
    aggregate.hash_keys = keys + aggregate.partition_key_count;
    if (wi_aggregate_keys(&aggregate) == WEIR_OK) {
        Kpl__AggregatedRecord *message = kpl__aggregated_record__unpack(NULL, size, data);

        /* protobuf-c refuses known fields of a wrong kind, which we pass over. */
        if (message != NULL) {
            compare(&aggregate, message);
            kpl__aggregated_record__free_unpacked(message, NULL);
        }
    }
    free(keys);
    return 0;
}
