/** Results on standard output: a table, or one JSON object a line. */
#ifndef WI_BENCH_REPORT_H
#define WI_BENCH_REPORT_H

#include <stdbool.h>

#include "bench/harness.h"
#include "bench/lines.h"

/** Whether the result keeps the budget of its line. */
bool report_passes(const struct bench_line *line, const struct bench_result *result);

/** The head of the table. */
void report_head(void);

/**
 * One line.
 * @param result NULL: not measured
 * @param judged false: there is nothing to compare with, so neither PASS nor FAIL
 * @param note or NULL
 */
void report_row(
    const struct bench *bench,
    const struct bench_line *line,
    const struct bench_result *result,
    bool judged,
    const char *note);

/** What is being measured, on stderr if that is a terminal; NULL clears it. */
void report_progress(const char *name);

#endif
