/* Any text as a line that a user's worker prints into the journal of `weir chaos`. */
#include <stdint.h>
#include <stdlib.h>

#include "chaos/tail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chaos_entry entry;

    (void)chaos_tail_parse((const char *)data, size, &entry);
    return 0;
}
