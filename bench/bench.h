/** `weir bench`: every budget of the project, measured beside its limit in one run. */
#ifndef WI_BENCH_BENCH_H
#define WI_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/env.h>

/** What to measure and how to print it. */
struct bench_options {
    const struct weir_env *env;
    const char *directory;    /**< data directory; the bench works in a new folder below it */
    const char *const *names; /**< lines to measure; none means all */
    size_t name_count;
    bool json;   /**< one object a line instead of a table */
    bool quick;  /**< one repetition where three are due: under a minute in all */
    bool strict; /**< a missed budget is a failure */
};

/** How a run ended. */
enum bench_verdict {
    BENCH_DONE,        /**< every line was measured */
    BENCH_MISSED,      /**< a budget was missed, and options->strict */
    BENCH_FAILED,      /**< a line could not be measured; its note says why */
    BENCH_INTERRUPTED, /**< by SIGINT or SIGTERM; everything is cleaned up */
    BENCH_NO_DIRECTORY /**< the data directory cannot be used; errno says why */
};

/** Measure. Ends what it starts, and removes its folder. Not thread-safe: it handles signals. */
enum bench_verdict bench_run(const struct bench_options *options);

/** Name of line `index`, or NULL after the last one. */
const char *bench_line_name(size_t index);

/** What line `index` measures, in a few words. */
const char *bench_line_help(size_t index);

/** The first argument of a process that a bench has started: "weir bench @role N". */
#define BENCH_ROLE_WORD "@role"

/** Be the process that argument N stands for; returns its exit status. */
int bench_role_run(int argc, char **argv);

#endif
