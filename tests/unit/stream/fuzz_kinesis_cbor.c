/* Answers of GetRecords in CBOR from anybody. What is accepted has its parts inside
 * the bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/cbor_reader.h"
#include "aws/kinesis_cbor.h"
#include "aws/kinesis_page.h"
#include "core/check.h"
#include "core/sequence_number.h"

#define RECORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Read every byte as the stream does; the sanitizers watch. */
static void
use(const struct wi_kinesis_page *page, const struct wi_kinesis_record *record, char *room)
{
    WEIR_ASSERT((size_t)record->key_at + record->key_length <= page->text.length);
    WEIR_ASSERT((size_t)record->data_at + record->data_length <= page->text.length);
    memcpy(room, page->text.data + record->key_at, record->key_length);
    memcpy(room, page->text.data + record->data_at, record->data_length);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wi_kinesis_record records[RECORDS_MAX];
    struct wi_kinesis_page page = {.records = records, .capacity = RECORDS_MAX};
    struct wi_cbor_reader reader;
    char *bytes = malloc(size + 1);
    char *room = malloc(size + 1);

    if (bytes == NULL || room == NULL) {
        goto out;
    }
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    wi_cbor_init(&reader, bytes, size);
    if (wi_cbor_skip(&reader)) {
        WEIR_ASSERT(reader.p > reader.begin && reader.p <= reader.end);
    }
    if (size > 0) {
        memcpy(bytes, data, size); /* pieces of strings have been moved */
    }
    if (wi_kinesis_cbor_read(&page, bytes, size) != WEIR_OK) {
        WEIR_ASSERT(page.count == 0 && page.wrong != NULL && page.wrong_at <= size);
        goto out;
    }
    for (size_t i = 0; i < page.count; i++) {
        use(&page, &records[i], room);
        WEIR_ASSERT(
            i == 0 || wi_sequence_number_compare(
                          &records[i - 1].sequence_number, &records[i].sequence_number) < 0);
    }
out:
    free(bytes);
    free(room);
    return 0;
}
