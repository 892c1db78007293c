/* Any text as a duration and as a size: what is taken is written and read as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/quantity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct weir_str given = {(const char *)data, size};
    char text[WI_QUANTITY_SIZE];
    int64_t value = 0;
    int64_t again = 0;

    if (wi_duration_parse(given, &value) == WEIR_OK) {
        const size_t length = wi_duration_format(value, text);

        if (wi_duration_parse((struct weir_str){text, length}, &again) != WEIR_OK ||
            again != value) {
            abort();
        }
    }
    if (wi_size_parse(given, &value) == WEIR_OK) {
        const size_t length = wi_size_format(value, text);

        if (wi_size_parse((struct weir_str){text, length}, &again) != WEIR_OK || again != value) {
            abort();
        }
    }
    return 0;
}
