/* One run of `weir bench`: each measurement once, its lines in order. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/harness.h"
#include "bench/lines.h"
#include "bench/report.h"
#include "bench/shared.h"

/* Most lines. */
#define LINES_MAX 64
/* How much of the log of the processes is shown when something cannot be measured. */
#define LOG_TAIL 2000

/* What became of the lines so far. */
struct run {
    struct bench bench; /* first: the measurements get a pointer to it */
    bool reported[LINES_MAX];
    bool missed;
    bool failed;
};

static struct run *
run_of(struct bench *bench)
{
    return (struct run *)bench;
}

static size_t
index_of(const char *name)
{
    const struct bench_line *lines = bench_lines();
    size_t index = 0;

    while (lines[index].name != NULL && strcmp(lines[index].name, name) != 0) {
        index++;
    }
    return index;
}

void
bench_report(struct bench *bench, const char *name, const struct bench_result *result)
{
    const size_t index = index_of(name);
    const struct bench_line *line = &bench_lines()[index];

    if (bench_wanted(bench, name)) {
        report_row(bench, line, result, true, result->note);
        run_of(bench)->missed = run_of(bench)->missed || !report_passes(line, result);
    }
    run_of(bench)->reported[index] = true;
}

void
bench_report_missing(
    struct bench *bench, const char *name, const struct bench_result *result, const char *why)
{
    const size_t index = index_of(name);

    if (bench_wanted(bench, name)) {
        report_row(bench, &bench_lines()[index], result, false, why);
    }
    run_of(bench)->reported[index] = true;
}

/* The end of what the processes wrote, on stderr: for whoever looks for the cause. */
static void
show_log(const struct bench *bench)
{
    char path[BENCH_PATH_SIZE + sizeof "/log"];
    char text[LOG_TAIL + 1];
    size_t length = 0;
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/log", bench->directory);
    file = fopen(path, "re");
    if (file == NULL) {
        return;
    }
    if (fseek(file, -LOG_TAIL, SEEK_END) != 0) {
        (void)fseek(file, 0, SEEK_SET);
    }
    length = fread(text, 1, LOG_TAIL, file);
    text[length] = '\0';
    (void)fclose(file);
    if (length > 0) {
        (void)fprintf(stderr, "weir bench: the last words of its processes:\n%s", text);
    }
}

/* A measurement has ended: the lines that it owes are lines that could not be measured. */
static void
settle(struct run *run, bench_measure_fn measure, bool ok)
{
    struct bench *bench = &run->bench;
    const struct bench_line *lines = bench_lines();
    const char *why = *bench->failure == '\0' ? "it did not come true in time" : bench->failure;

    bench_kill_all(bench);
    if (!ok && !bench_interrupted()) {
        run->failed = true;
        report_progress(NULL);
        show_log(bench);
    }
    for (size_t i = 0; lines[i].name != NULL; i++) {
        if (lines[i].measure == measure && !run->reported[i] &&
            bench_wanted(bench, lines[i].name) && !bench_interrupted()) {
            report_row(bench, &lines[i], NULL, true, why);
        }
        if (lines[i].measure == measure) {
            run->reported[i] = true;
        }
    }
    *bench->failure = '\0';
}

enum bench_verdict
bench_run(const struct bench_options *options)
{
    struct run run = {0};
    const struct bench_line *lines = bench_lines();

    if (!bench_open(&run.bench, options)) {
        bench_close(&run.bench);
        return BENCH_NO_DIRECTORY;
    }
    if (!options->json) {
        report_head();
    }
    for (size_t i = 0; lines[i].name != NULL && !bench_interrupted(); i++) {
        if (run.reported[i] || !bench_wanted(&run.bench, lines[i].name)) {
            continue;
        }
        report_progress(lines[i].name);
        settle(&run, lines[i].measure, lines[i].measure(&run.bench));
    }
    bench_close(&run.bench);
    if (bench_interrupted()) {
        return BENCH_INTERRUPTED;
    }
    if (run.failed) {
        return BENCH_FAILED;
    }
    return run.missed && options->strict ? BENCH_MISSED : BENCH_DONE;
}
