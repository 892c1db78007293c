#include "cli/line_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/types.h>
#include <unistd.h>

#include <weir/types.h>

#define CAPACITY_FIRST ((size_t)1 << 20)

bool
cli_lines_open(struct line_reader *reader, int fd, size_t line_max)
{
    *reader = (struct line_reader){.fd = fd, .line_max = line_max};
    reader->buffer = malloc(CAPACITY_FIRST);
    reader->capacity = CAPACITY_FIRST;
    return reader->buffer != NULL;
}

void
cli_lines_close(struct line_reader *reader)
{
    free(reader->buffer);
    reader->buffer = NULL;
}

/* The line that ends at `end`, exclusive; the next one begins at `next`. */
static enum line_found
take_line(struct line_reader *reader, size_t end, size_t next, struct weir_bytes *ret)
{
    const struct weir_bytes line = {reader->buffer + reader->start, end - reader->start};
    const bool too_long = reader->skipping || line.length > reader->line_max;

    reader->start = next;
    reader->scanned = next;
    reader->skipping = false;
    if (too_long) {
        return LINE_TOO_LONG;
    }
    *ret = line;
    return LINE_WHOLE;
}

enum line_found
cli_lines_next(struct line_reader *reader, struct weir_bytes *ret)
{
    const char *newline =
        memchr(reader->buffer + reader->scanned, '\n', reader->end - reader->scanned);

    if (newline != NULL) {
        const size_t end = (size_t)(newline - reader->buffer);
        return take_line(reader, end, end + 1, ret);
    }
    reader->scanned = reader->end;
    if (!reader->over) {
        return LINE_MORE;
    }
    if (reader->start < reader->end || reader->skipping) {
        /* The last line has no newline; it counts all the same. */
        return take_line(reader, reader->end, reader->end, ret);
    }
    return LINE_END;
}

bool
cli_lines_ready(const struct line_reader *reader)
{
    struct pollfd input = {.fd = reader->fd, .events = POLLIN};

    return !reader->over && reader->end < reader->capacity && poll(&input, 1, 0) == 1;
}

/* Room for more bytes behind `end`. */
static bool
make_room(struct line_reader *reader)
{
    const size_t left = reader->end - reader->start;
    size_t capacity = reader->capacity * 2;
    char *buffer;

    if (reader->end < reader->capacity) {
        return true;
    }
    if (left > reader->line_max) {
        reader->skipping = true;
    }
    if (reader->skipping) {
        /* The line cannot be used any more: only its end matters. */
        reader->start = reader->end;
    }
    memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
    reader->end -= reader->start;
    reader->scanned -= reader->start;
    reader->start = 0;
    if (reader->end < reader->capacity) {
        return true;
    }
    /* One byte above line_max tells a line that is too long. */
    capacity = capacity > reader->line_max + 1 ? reader->line_max + 1 : capacity;
    buffer = realloc(reader->buffer, capacity);
    if (buffer == NULL) {
        return false;
    }
    reader->buffer = buffer;
    reader->capacity = capacity;
    return true;
}

int
cli_lines_fill(struct line_reader *reader)
{
    ssize_t length;

    if (reader->over) {
        return 0;
    }
    if (!make_room(reader)) {
        return ENOMEM;
    }
    for (;;) {
        length = read(reader->fd, reader->buffer + reader->end, reader->capacity - reader->end);
        if (length >= 0) {
            reader->over = length == 0;
            reader->end += (size_t)length;
            return 0;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd input = {.fd = reader->fd, .events = POLLIN};
            (void)poll(&input, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
}
