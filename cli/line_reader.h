/** Lines of a file descriptor, with bounded memory and without copies. */
#ifndef WI_CLI_LINE_READER_H
#define WI_CLI_LINE_READER_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/types.h>

/** What cli_lines_next() found. */
enum line_found {
    LINE_WHOLE,    /**< a line; its bytes are valid until cli_lines_fill() */
    LINE_TOO_LONG, /**< a line above line_max; it has been skipped */
    LINE_MORE,     /**< nothing more in memory: call cli_lines_fill() */
    LINE_END       /**< the input is over */
};

/** Reader of one file; cli_lines_open() fills it. */
struct line_reader {
    int fd;
    size_t line_max; /**< longest line in bytes */
    char *buffer;
    size_t capacity;
    size_t start;   /**< first byte not yet returned */
    size_t scanned; /**< no newline in [start, scanned) */
    size_t end;     /**< bytes in the buffer end here */
    bool skipping;  /**< inside a line that is too long */
    bool over;      /**< read(2) said that the input ends */
};

/** False if memory runs out. */
bool cli_lines_open(struct line_reader *reader, int fd, size_t line_max);

/** Free the memory. */
void cli_lines_close(struct line_reader *reader);

/** The next line of what has been read, without its newline. */
enum line_found cli_lines_next(struct line_reader *reader, struct weir_bytes *ret);

/** Whether cli_lines_fill() would find input at once, and leave the lines returned so far alone. */
bool cli_lines_ready(const struct line_reader *reader);

/**
 * Read once; blocks until there is something. Lines returned so far are gone.
 * @return 0, or an errno value
 */
int cli_lines_fill(struct line_reader *reader);

#endif
