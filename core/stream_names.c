#include "core/stream_names.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <weir/types.h>

#include "core/str.h"

static void
write_count(struct wi_stream_names *names)
{
    (void)snprintf(names->text, sizeof names->text, "%zu streams", names->count);
}

void
wi_stream_names_init(struct wi_stream_names *names)
{
    *names = (struct wi_stream_names){.count = 0};
    write_count(names);
}

void
wi_stream_names_add(struct wi_stream_names *names, struct weir_str name)
{
    const bool is_first = names->count == 0;
    size_t length = is_first ? 0 : strlen(names->text);

    names->count++;
    names->is_full = names->is_full || length + !is_first + name.length >= sizeof names->text;
    if (names->is_full) {
        write_count(names);
        return;
    }
    if (!is_first) {
        names->text[length++] = ',';
    }
    (void)wi_str_copy(names->text + length, sizeof names->text - length, name);
}
