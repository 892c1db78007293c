/* Any bytes as the input of `weir put`: the lines that are read, and only those that are too long
 * left out, are the input again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/line_reader.h"

#define LINE_LENGTH 64U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The line that begins at `at`, by the plainest means. */
static size_t
length_at(const uint8_t *data, size_t size, size_t at)
{
    const uint8_t *end = memchr(data + at, '\n', size - at);

    return end == NULL ? size - at : (size_t)(end - data) - at;
}

static void
compare(struct line_reader *reader, const uint8_t *data, size_t size)
{
    struct weir_bytes line = {NULL, 0};
    size_t at = 0;

    for (;;) {
        const enum line_found found = cli_lines_next(reader, &line);

        if (found == LINE_END) {
            break;
        }
        if (found == LINE_MORE) {
            if (cli_lines_fill(reader) != 0) {
                abort();
            }
            continue;
        }
        if (at >= size || (found == LINE_TOO_LONG) != (length_at(data, size, at) > LINE_LENGTH) ||
            (found == LINE_WHOLE && (line.length != length_at(data, size, at) ||
                                     memcmp(line.data, data + at, line.length) != 0))) {
            abort();
        }
        at += length_at(data, size, at) + 1;
    }
    if (at < size) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int fd = memfd_create("input", MFD_CLOEXEC);
    struct line_reader reader;

    if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0 ||
        !cli_lines_open(&reader, fd, LINE_LENGTH)) {
        abort();
    }
    compare(&reader, data, size);
    cli_lines_close(&reader);
    close(fd);
    return 0;
}
