/** Writing to stdout, and being asked to stop. */
#ifndef WI_CLI_OUTPUT_H
#define WI_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Write everything, however often write(2) has to be called.
 * @return 0, or an errno value: EPIPE if nobody reads any more, EINTR after cli_stopped()
 */
int cli_write_all(int fd, const char *data, size_t length);

/** Whether to wait longer for a reader that does not read. */
typedef bool (*cli_patience_fn)(const void *context);

/**
 * Write lines: each stays whole, also when several processes write to one pipe (as far as a line
 * fits into PIPE_BUF). A reader that does not read is waited for while `patience` says so, which is
 * asked ten times a second.
 * @return 0, or an errno value: EAGAIN if patience has ended between two lines, ECANCELED if it has
 *         ended inside a line
 */
int cli_write_lines(
    int fd, const char *data, size_t length, cli_patience_fn patience, const void *context);

/** From now on SIGINT and SIGTERM set a flag and interrupt system calls. */
void cli_stop_on_signals(void);

/** Whether one of them came. */
bool cli_stopped(void);

struct table_row;

/** A table for people: rows are added, then printed with columns aligned. */
#define TABLE_COLUMNS_MAX 8

struct table {
    size_t columns;
    struct table_row *first;
    struct table_row *last;
    bool failed; /**< memory ran out */
};

/** Add a row of `columns` cells, "" as "-"; the first one is the heading. */
void cli_table_add(struct table *table, const char *const *cells);

/** Print with two blanks between columns and free the rows. False: memory ran out. */
bool cli_table_print(struct table *table);

#endif
