/* Any bytes as a package index, and as the payload of a record. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/types.h>

#include "demo/packages.h"
#include "demo/payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is within its bounds, and nothing is counted twice. */
static bool
is_sound(const struct demo_index *index)
{
    uint64_t packages = 0;

    for (const struct demo_section *section = index->first_section; section != NULL;
         section = section->next) {
        packages += section->packages;
    }
    for (size_t i = 0; i < index->count; i++) {
        const size_t length = strlen(demo_packages_name(index, i));
        if (length == 0 || length > DEMO_PACKAGE_NAME_MAX ||
            index->packages[i].key >= index->key_count) {
            return false;
        }
    }
    return packages == index->count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct demo_index index = {.count = 0};
    struct demo_stanza stanza = {.has_lines = false};
    struct demo_payload payload;
    size_t start = 0;
    bool sound = true;

    for (size_t i = 0; i <= size; i++) {
        if (i == size || data[i] == '\n') {
            const struct weir_bytes line = {data + start, i - start};
            sound = demo_packages_line(&index, &stanza, line) && sound;
            start = i + 1;
        }
    }
    sound = demo_packages_end(&index, &stanza) && demo_packages_seal(&index) && sound;
    if (!sound || !is_sound(&index)) {
        abort();
    }
    demo_packages_free(&index);
    (void)demo_payload_parse((struct weir_bytes){data, size}, &payload);
    return 0;
}
