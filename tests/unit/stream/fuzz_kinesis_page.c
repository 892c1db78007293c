/* Answers of GetRecords from anybody. What is accepted has its parts inside the text. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/kinesis_base64.h"
#include "aws/kinesis_page.h"
#include "core/check.h"

#define RECORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decode as the reader does; the sanitizers watch. */
static void
use(const struct wi_kinesis_page *page, const struct wi_kinesis_record *record, char *room)
{
    const struct weir_str key = {page->text.data + record->key_at, record->key_length};
    const struct weir_str text = {page->text.data + record->data_at, record->data_length};
    size_t length;

    WEIR_ASSERT((size_t)record->key_at + record->key_length <= page->text.length);
    WEIR_ASSERT((size_t)record->data_at + record->data_length <= page->text.length);
    if (wi_kinesis_unescape(key, room, &length) == WEIR_OK) {
        WEIR_ASSERT(length <= key.length);
    }
    if (wi_base64_decode(text, (unsigned char *)room, &length) == WEIR_OK) {
        WEIR_ASSERT(length <= wi_base64_decoded_max(text.length));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wi_kinesis_record records[RECORDS_MAX];
    struct wi_kinesis_page page = {.records = records, .capacity = RECORDS_MAX};
    char *room = malloc(size + 1);

    if (room != NULL &&
        wi_kinesis_page_read(&page, (struct weir_str){(const char *)data, size}) == WEIR_OK) {
        for (size_t i = 0; i < page.count; i++) {
            use(&page, &records[i], room);
        }
    }
    free(room);
    return 0;
}
