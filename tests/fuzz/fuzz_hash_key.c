/* Any text as a hash key: what is taken is written and read as the same key. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[WEIR_HASH_KEY_SIZE];
    struct weir_hash_key key;
    struct weir_hash_key again;
    size_t length;

    if (weir_hash_key_parse((struct weir_str){(const char *)data, size}, &key) != WEIR_OK) {
        return 0;
    }
    length = weir_hash_key_format(key, text);
    if (length != strlen(text) ||
        weir_hash_key_parse((struct weir_str){text, length}, &again) != WEIR_OK ||
        weir_hash_key_compare(key, again) != 0) {
        abort();
    }
    return 0;
}
