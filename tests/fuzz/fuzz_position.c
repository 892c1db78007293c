/* Any text as a position: what is taken is written and read as the same place. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[WEIR_POSITION_SIZE];
    struct weir_position position;
    struct weir_position again;
    size_t length;

    if (weir_position_parse((struct weir_str){(const char *)data, size}, &position) != WEIR_OK) {
        return 0;
    }
    length = weir_position_format(&position, text);
    if (length != strlen(text) ||
        weir_position_parse((struct weir_str){text, length}, &again) != WEIR_OK ||
        again.type != position.type || wi_checkpoint_compare(&position, &again) != 0) {
        abort();
    }
    return 0;
}
