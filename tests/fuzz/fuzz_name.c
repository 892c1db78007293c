/* Any text as a name, and as a shard id: what is taken keeps inside its bounds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "stream/stream_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct weir_str text = {(const char *)data, size};
    char id[WI_SHARD_ID_LENGTH + 1];
    uint32_t number = 0;

    if (weir_name_check(text) == WEIR_OK &&
        (size == 0 || size > WEIR_NAME_MAX || memchr(data, '/', size) != NULL ||
         memchr(data, '\0', size) != NULL || (size == 2 && memcmp(data, "..", 2) == 0))) {
        abort();
    }
    if (wi_shard_id_parse(text, &number) == WEIR_OK) {
        wi_shard_id_format(number, id);
        if (size != WI_SHARD_ID_LENGTH || memcmp(id, data, size) != 0) {
            abort();
        }
    }
    return 0;
}
