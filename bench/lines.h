/** What is measured: names, units, budgets. */
#ifndef WI_BENCH_LINES_H
#define WI_BENCH_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "bench/harness.h"

/** How a budget binds. */
enum bench_bind {
    BENCH_RATIO_AT_MOST,  /**< value / limit <= budget */
    BENCH_RATIO_AT_LEAST, /**< value / limit >= budget */
    BENCH_VALUE_AT_MOST   /**< value <= budget, or the same ratio to the limit as the budget has to
                               `reference`: absolute budgets are those of a quiet machine */
};

/** Measure some lines; false: bench->failure says why not. */
typedef bool (*bench_measure_fn)(struct bench *bench);

/** One line of output. */
struct bench_line {
    const char *name;
    const char *parent; /**< the line that it belongs to; NULL: it can be asked for itself */
    const char *unit;
    enum bench_bind bind;
    double budget;
    double reference; /**< the limit that an absolute budget was made for; 0: none */
    bench_measure_fn measure;
    const char *help;
};

/** What was measured. `limit` 0: there is none. */
struct bench_result {
    double value;
    double limit;
    double min; /**< of the values; both 0: not known */
    double max;
    const char *note; /**< or NULL */
};

/** All lines, in the order of the output; ends with a NULL name. */
const struct bench_line *bench_lines(void);

/** Whether the user asked for the line. */
bool bench_wanted(const struct bench *bench, const char *name);

/** Print one result if the line is wanted. */
void bench_report(struct bench *bench, const char *name, const struct bench_result *result);

/** Print a line that could not be measured, or whose peer is missing. */
void bench_report_missing(
    struct bench *bench, const char *name, const struct bench_result *result, const char *why);

bool bench_measure_consume_100b(struct bench *bench);
bool bench_measure_consume_1k(struct bench *bench);
bool bench_measure_put_full(struct bench *bench);
bool bench_measure_put_none(struct bench *bench);
bool bench_measure_latency(struct bench *bench);
bool bench_measure_failover(struct bench *bench);
bool bench_measure_hang(struct bench *bench);
bool bench_measure_handoff(struct bench *bench);
bool bench_measure_scale_out(struct bench *bench);
bool bench_measure_coordination(struct bench *bench);
bool bench_measure_memory_4(struct bench *bench);
bool bench_measure_memory_1000(struct bench *bench);
bool bench_measure_start(struct bench *bench);

#endif
