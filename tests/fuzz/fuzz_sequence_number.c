/* Any text as a sequence number: what is taken is written and read as the same number. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/sequence_number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[WEIR_SEQUENCE_NUMBER_SIZE];
    struct weir_sequence_number number;
    struct weir_sequence_number again;
    size_t length;

    if (weir_sequence_number_parse((struct weir_str){(const char *)data, size}, &number) !=
        WEIR_OK) {
        return 0;
    }
    length = weir_sequence_number_format(&number, text);
    if (length != strlen(text) || length > size ||
        weir_sequence_number_parse((struct weir_str){text, length}, &again) != WEIR_OK ||
        wi_sequence_number_compare(&number, &again) != 0) {
        abort();
    }
    return 0;
}
