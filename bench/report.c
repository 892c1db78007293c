#include "bench/report.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/harness.h"
#include "bench/lines.h"
#include "bench/shared.h"

/* Columns of the table. */
#define FORMAT "%-27s %12s %-11s %12s %8s %10s  %-4s  %s\n"
/* Room for one cell. */
#define CELL_SIZE 32
/* From here on a figure needs no decimals, or fewer. */
#define LARGE  1000.0
#define MEDIUM 10.0

static double
ratio_of(const struct bench_result *result)
{
    return result->limit > 0 ? result->value / result->limit : 0;
}

bool
report_passes(const struct bench_line *line, const struct bench_result *result)
{
    switch (line->bind) {
    case BENCH_RATIO_AT_MOST:
        return result->limit > 0 && ratio_of(result) <= line->budget;
    case BENCH_RATIO_AT_LEAST:
        return result->limit > 0 && ratio_of(result) >= line->budget;
    case BENCH_VALUE_AT_MOST:
        break;
    }
    return result->value <= line->budget || (line->reference > 0 && result->limit > 0 &&
                                             ratio_of(result) <= line->budget / line->reference);
}

static const char *
format_number(double value, char text[CELL_SIZE])
{
    const int decimals = value >= LARGE ? 0 : (value >= MEDIUM ? 1 : 3);

    (void)snprintf(text, CELL_SIZE, "%.*f", value <= 0 ? 0 : decimals, value);
    return text;
}

void
report_head(void)
{
    printf(FORMAT, "line", "value", "unit", "limit", "ratio", "budget", "", "min..max, notes");
}

static void
format_budget(const struct bench_line *line, char text[CELL_SIZE])
{
    char number[CELL_SIZE];

    switch (line->bind) {
    case BENCH_RATIO_AT_MOST:
        (void)snprintf(text, CELL_SIZE, "<= %.3gx", line->budget);
        return;
    case BENCH_RATIO_AT_LEAST:
        (void)snprintf(text, CELL_SIZE, ">= %.3gx", line->budget);
        return;
    case BENCH_VALUE_AT_MOST:
        break;
    }
    (void)snprintf(text, CELL_SIZE, "<= %.6s", format_number(line->budget, number));
}

static void
print_row(
    const struct bench_line *line,
    const struct bench_result *result,
    const char *verdict,
    const char *note)
{
    char value[CELL_SIZE] = "-";
    char limit[CELL_SIZE] = "-";
    char ratio[CELL_SIZE] = "-";
    char budget[CELL_SIZE];
    char notes[BENCH_TEXT_SIZE + 4 * CELL_SIZE] = "";
    char min[CELL_SIZE];
    char max[CELL_SIZE];

    format_budget(line, budget);
    if (result != NULL) {
        (void)format_number(result->value, value);
    }
    if (result != NULL && result->limit > 0) {
        (void)format_number(result->limit, limit);
        (void)snprintf(ratio, sizeof ratio, "%.3gx", ratio_of(result));
    }
    if (result != NULL && result->max > 0) {
        (void)snprintf(
            notes,
            sizeof notes,
            "%s..%s",
            format_number(result->min, min),
            format_number(result->max, max));
    }
    if (note != NULL) {
        const size_t length = strlen(notes);
        (void)snprintf(notes + length, sizeof notes - length, "%s%s", length > 0 ? "; " : "", note);
    }
    printf(FORMAT, line->name, value, line->unit, limit, ratio, budget, verdict, notes);
}

/* A JSON string; notes hold paths and words of others. */
static void
print_string(const char *text)
{
    putchar('"');
    for (const char *c = text; *c != '\0'; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\') {
            printf("\\%c", byte);
        } else if (byte < ' ') {
            printf("\\u%04x", byte);
        } else {
            putchar(byte);
        }
    }
    putchar('"');
}

static void
print_member(const char *name, bool known, double value)
{
    if (known) {
        printf(",\"%s\":%.9g", name, value);
    } else {
        printf(",\"%s\":null", name);
    }
}

static void
print_json(
    const struct bench_line *line,
    const struct bench_result *result,
    const char *pass,
    const char *note)
{
    const bool known = result != NULL;
    const bool limited = known && result->limit > 0;

    printf("{\"name\":\"%s\"", line->name);
    print_member("value", known, known ? result->value : 0);
    printf(",\"unit\":\"%s\"", line->unit);
    print_member("limit", limited, limited ? result->limit : 0);
    print_member("ratio", limited, limited ? ratio_of(result) : 0);
    print_member("budget", true, line->budget);
    printf(",\"pass\":%s", pass);
    printf(
        ",\"budget_of\":\"%s\",\"budget_is\":\"%s\"",
        line->bind == BENCH_VALUE_AT_MOST ? "value" : "ratio",
        line->bind == BENCH_RATIO_AT_LEAST ? "least" : "most");
    print_member("min", known && result->max > 0, known ? result->min : 0);
    print_member("max", known && result->max > 0, known ? result->max : 0);
    if (note != NULL) {
        printf(",\"note\":");
        print_string(note);
    }
    printf("}\n");
}

void
report_row(
    const struct bench *bench,
    const struct bench_line *line,
    const struct bench_result *result,
    bool judged,
    const char *note)
{
    const bool passes = judged && result != NULL && report_passes(line, result);
    const bool failed = judged && !passes;

    report_progress(NULL);
    if (bench->options->json) {
        print_json(line, result, passes ? "true" : (failed ? "false" : "null"), note);
    } else {
        print_row(line, result, passes ? "PASS" : (failed ? "FAIL" : "-"), note);
    }
    (void)fflush(stdout);
}

void
report_progress(const char *name)
{
    if (isatty(STDERR_FILENO) == 0) {
        return;
    }
    if (name == NULL) {
        (void)fputs("\r\033[K", stderr);
    } else {
        (void)fprintf(stderr, "\r\033[Kmeasuring %s ...", name);
    }
    (void)fflush(stderr);
}
