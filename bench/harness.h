/** One run: its folder, the processes it has started, what went wrong. */
#ifndef WI_BENCH_HARNESS_H
#define WI_BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "bench/bench.h"
#include "bench/shared.h"

struct bench {
    const struct bench_options *options;
    const struct weir_env *env;
    char directory[BENCH_PATH_SIZE]; /**< removed at the end */
    bool made_data;                  /**< the data directory as well */
    struct bench_shared *shared;
    int shared_fd;
    int pid[BENCH_SLOTS_MAX]; /**< of each slot; 0: none */
    int server_pid;           /**< of a peer's server; 0: none */
    char failure[BENCH_TEXT_SIZE];
};

/** Prepare; false with errno. */
bool bench_open(struct bench *bench, const struct bench_options *options);

/** End every process, remove the folder. */
void bench_close(struct bench *bench);

/** Whether SIGINT or SIGTERM came. */
bool bench_interrupted(void);

/** Note why a line cannot be measured, the first reason counts; returns false. */
bool bench_fail(struct bench *bench, const char *format, ...) WEIR_PRINTF(2, 3);

/** The same for a call of the library; true for WEIR_OK. */
bool bench_check(
    struct bench *bench, enum weir_error error, const struct weir_detail *detail, const char *what);

/** Repetitions: `full` of them, or `quick` with --quick. */
size_t bench_count(const struct bench *bench, size_t full, size_t quick);

/** An empty folder DIRECTORY/name, in `path`; what was there before is removed. */
bool bench_folder(struct bench *bench, const char *name, char path[BENCH_PATH_SIZE]);

/** Remove a folder and what is in it. */
void bench_remove(const char *path);

/** Clear slot `index`, for the caller to fill in. Its process must have ended. */
struct bench_slot *bench_slot(struct bench *bench, size_t index, enum bench_role role);

/** Forget what processors have noted of shards, and samples. */
void bench_forget(struct bench *bench);

/** Start the process of a slot. */
bool bench_start(struct bench *bench, size_t index);

/** Send a signal to the process of a slot. */
void bench_signal(struct bench *bench, size_t index, int signal_number);

/**
 * Wait for the process of a slot to end by itself.
 * @param ret_cpu_ns its CPU time since cpu_start_ns, or NULL
 */
bool bench_finish(struct bench *bench, size_t index, int64_t *ret_cpu_ns);

/** Kill the process of a slot, or all; waits for the end. */
void bench_kill(struct bench *bench, size_t index);
void bench_kill_all(struct bench *bench);

/** Ask workers to hand over and end (SIGTERM), wait for all. */
bool bench_drain(struct bench *bench);

/** Whether something has come true; `context` is the caller's. */
typedef bool (*bench_condition_fn)(struct bench *bench, void *context);

/** Look every `every_ns` until it is; false after `limit_ms`, a signal or a failed process. */
bool bench_until(
    struct bench *bench,
    bench_condition_fn condition,
    void *context,
    int64_t every_ns,
    int64_t limit_ms);

/** Sleep in small pieces; false after a signal. */
bool bench_pause(const struct bench *bench, int64_t ms);

#endif
