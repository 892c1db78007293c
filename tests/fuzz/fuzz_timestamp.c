/* Any text as a time: what is taken is written and read as the same millisecond. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[WI_TIMESTAMP_SIZE];
    int64_t ms = 0;
    int64_t again = 0;
    size_t length;

    if (wi_timestamp_parse((struct weir_str){(const char *)data, size}, &ms) != WEIR_OK) {
        return 0;
    }
    length = wi_timestamp_format(ms, text);
    if (length != strlen(text) ||
        wi_timestamp_parse((struct weir_str){text, length}, &again) != WEIR_OK || again != ms) {
        abort();
    }
    return 0;
}
