#include "cli/output.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/stat.h>
#include <unistd.h>

/* How often patience is asked for. */
#define PATIENCE_MS 100

/* The one variable of the program: a signal handler can reach nothing else. */
static volatile sig_atomic_t stop_flag;

static void
note_stop(int signal_number)
{
    (void)signal_number;
    stop_flag = 1;
}

void
cli_stop_on_signals(void)
{
    struct sigaction action = {.sa_handler = note_stop};

    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool
cli_stopped(void)
{
    return stop_flag != 0;
}

int
cli_write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        const ssize_t written = write(fd, data, length);
        if (written >= 0) {
            data += written;
            length -= (size_t)written;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            (void)poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
        if (length > 0 && cli_stopped()) {
            return EINTR;
        }
    }
    return 0;
}

/* How many of the bytes go into one write: whole lines if possible, at most PIPE_BUF, since that
 * much goes into a pipe in one piece and without waiting once poll(2) has said that there is room.
 */
static size_t
next_piece(const char *data, size_t length)
{
    if (length <= PIPE_BUF) {
        return length;
    }
    for (size_t end = PIPE_BUF; end > 0; end--) {
        if (data[end - 1] == '\n') {
            return end;
        }
    }
    return PIPE_BUF;
}

/* Wait until there is room, or patience ends. */
static bool
wait_for_room(int fd, cli_patience_fn patience, const void *context)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};

    do {
        if (!patience(context)) {
            return false;
        }
    } while (poll(&room, 1, PATIENCE_MS) <= 0);
    return true;
}

int
cli_write_lines(
    int fd, const char *data, size_t length, cli_patience_fn patience, const void *context)
{
    struct stat status;
    bool inside_line = false;

    if (fstat(fd, &status) != 0) {
        return errno;
    }
    while (length > 0) {
        /* One write to a file is one piece, of any length. */
        const size_t piece = S_ISREG(status.st_mode) ? length : next_piece(data, length);
        int error;
        if (!wait_for_room(fd, patience, context)) {
            return inside_line ? ECANCELED : EAGAIN;
        }
        error = cli_write_all(fd, data, piece);
        if (error != 0) {
            return error;
        }
        inside_line = data[piece - 1] != '\n';
        data += piece;
        length -= piece;
    }
    return 0;
}

/* Cells behind each other, each with its final zero. */
struct table_row {
    struct table_row *next;
    char text[];
};

/* "-" stands for nothing: each column has a word for awk(1). */
static const char *
cell_text(const char *cell)
{
    return *cell == '\0' ? "-" : cell;
}

void
cli_table_add(struct table *table, const char *const *cells)
{
    struct table_row *row;
    size_t size = 0;

    for (size_t i = 0; i < table->columns; i++) {
        size += strlen(cell_text(cells[i])) + 1;
    }
    row = malloc(sizeof *row + size);
    if (row == NULL) {
        table->failed = true;
        return;
    }
    row->next = NULL;
    size = 0;
    for (size_t i = 0; i < table->columns; i++) {
        const size_t length = strlen(cell_text(cells[i])) + 1;
        memcpy(row->text + size, cell_text(cells[i]), length);
        size += length;
    }
    if (table->last == NULL) {
        table->first = row;
    } else {
        table->last->next = row;
    }
    table->last = row;
}

static void
print_row(const struct table *table, const struct table_row *row, const size_t *width)
{
    const char *cell = row->text;

    for (size_t i = 0; i + 1 < table->columns; i++) {
        printf("%-*s  ", (int)width[i], cell);
        cell += strlen(cell) + 1;
    }
    printf("%s\n", cell);
}

static void
widen(const struct table *table, const struct table_row *row, size_t *width)
{
    const char *cell = row->text;

    for (size_t i = 0; i < table->columns; i++) {
        const size_t length = strlen(cell);
        width[i] = length > width[i] ? length : width[i];
        cell += length + 1;
    }
}

bool
cli_table_print(struct table *table)
{
    size_t width[TABLE_COLUMNS_MAX] = {0};
    const bool whole = !table->failed;

    for (const struct table_row *row = table->first; row != NULL; row = row->next) {
        widen(table, row, width);
    }
    while (table->first != NULL) {
        struct table_row *row = table->first;
        if (whole) {
            print_row(table, row, width);
        }
        table->first = row->next;
        free(row);
    }
    *table = (struct table){.columns = table->columns};
    return whole;
}
