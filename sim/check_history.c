/*
 * Reads a history and says whether it holds.
 *
 *   check_history FILE     `-`: standard input
 *
 * Exit status: 0 it holds, 1 a property is broken, 2 it is not a history.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "sim/checker.h"
#include "sim/history_text.h"

enum status {
    STATUS_HOLDS = 0,
    STATUS_BROKEN = 1,
    STATUS_NO_HISTORY = 2
};

struct run {
    struct wi_checker *checker; /* NULL before the first event */
    uint64_t line;
    uint64_t events;
};

static enum status
refuse(const char *what)
{
    (void)fprintf(stderr, "check_history: %s\n", what);
    return STATUS_NO_HISTORY;
}

static enum status
feed(struct run *run, const struct wi_history_line *line)
{
    struct wi_violation violation;

    if (line->type == WI_HISTORY_LINE_REMARK) {
        return STATUS_HOLDS;
    }
    if (line->type == WI_HISTORY_LINE_SETTINGS && run->checker != NULL) {
        return refuse("settings stand before the first event, and once");
    }
    if (run->checker == NULL &&
        wi_checker_new(weir_env_default(), &line->settings, &run->checker) != WEIR_OK) {
        return refuse("these settings are out of range, or there is no memory");
    }
    if (line->type == WI_HISTORY_LINE_SETTINGS) {
        return STATUS_HOLDS;
    }
    run->events++;
    if (wi_checker_feed(run->checker, &line->event, &violation)) {
        return STATUS_HOLDS;
    }
    (void)printf(
        "broken: %s %s: %s\nevent %" PRIu64 ", line %" PRIu64 "\n",
        violation.property,
        violation.name,
        violation.text,
        violation.event,
        run->line);
    return STATUS_BROKEN;
}

static enum status
read_line(struct run *run, const char *text, size_t length)
{
    struct weir_detail detail;
    struct wi_history_line line;

    run->line++;
    if (wi_history_parse(text, length, run->line, &line, &detail) != WEIR_OK) {
        return refuse(detail.text);
    }
    return feed(run, &line);
}

/* One line of at most WI_HISTORY_LINE_SIZE bytes, zero bytes included; of a longer one that many,
 * which is too many for a history. False at the end. */
static bool
next_line(FILE *file, char text[static WI_HISTORY_LINE_SIZE], size_t *ret_length)
{
    size_t length = 0;
    int c = getc(file);

    if (c == EOF) {
        return false;
    }
    while (c != EOF && c != '\n' && length < WI_HISTORY_LINE_SIZE) {
        text[length++] = (char)c;
        c = length < WI_HISTORY_LINE_SIZE ? getc(file) : EOF;
    }
    *ret_length = length;
    return true;
}

static enum status
read_all(struct run *run, FILE *file)
{
    char text[WI_HISTORY_LINE_SIZE];
    enum status status = STATUS_HOLDS;
    size_t length;

    while (status == STATUS_HOLDS && next_line(file, text, &length)) {
        status = read_line(run, text, length);
    }
    if (status == STATUS_HOLDS && ferror(file)) {
        return refuse("the file cannot be read to its end");
    }
    return status;
}

int
main(int argc, char **argv)
{
    struct run run = {.line = 0};
    enum status status;
    FILE *file = stdin;

    if (argc != 2) {
        return (int)refuse("usage: check_history FILE");
    }
    if (strcmp(argv[1], "-") != 0) {
        file = fopen(argv[1], "r");
    }
    if (file == NULL) {
        return (int)refuse(errno == ENOENT ? "there is no such file" : "the file cannot be opened");
    }
    status = read_all(&run, file);
    if (status == STATUS_HOLDS) {
        (void)printf("holds: %" PRIu64 " events\n", run.events);
    }
    wi_checker_free(run.checker);
    (void)fclose(file);
    return (int)status;
}
