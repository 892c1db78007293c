/** `weir chaos`: a fleet of real processes, faults from a seed, a ledger, a verdict, a report. */
#ifndef WI_CHAOS_CHAOS_H
#define WI_CHAOS_CHAOS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>

#include "chaos/fault.h"

/** Bounds of the options. */
#define CHAOS_SECONDS_MAX 86400
#define CHAOS_WORKERS_MAX 32
#define CHAOS_SHARDS_MAX  64
#define CHAOS_RATE_MAX    100000
#define CHAOS_LEASE_MIN   200
#define CHAOS_LEASE_MAX   60000

/** Room for the sentence about a run that could not be made. */
#define CHAOS_FAILURE_SIZE 512

/** Deliberate mistakes of the built-in processor: the verdict has to find them. */
enum chaos_broken {
    CHAOS_SOUND = 0,
    CHAOS_ACKNOWLEDGE_BEFORE_WRITE /**< checkpoints first, so that a kill loses records */
};

/** What to do; all members are set by the caller. */
struct chaos_options {
    const struct weir_env *env;
    const char *directory; /**< work in a new folder below it; NULL: $TMPDIR, else the system's */
    uint64_t seed;
    uint32_t seconds; /**< of faults; then the fleet works off what is left */
    uint32_t workers;
    uint32_t shards;
    uint32_t rate; /**< records per second */
    int64_t lease_duration_ms;
    uint32_t faults;       /**< bits of enum chaos_fault_kind */
    const char *processor; /**< command that is the worker; NULL: the built-in one */
    const char *report;    /**< HTML file to write, or NULL */
    const char *history;   /**< file for the history, or NULL */
    bool keep;
    bool json;
    enum chaos_broken broken;
};

/** How a run ended. */
enum chaos_result {
    CHAOS_PASS,
    CHAOS_FAIL,        /**< the ledger shows a violation */
    CHAOS_IMPOSSIBLE,  /**< the run could not be made: `failure` says why */
    CHAOS_INTERRUPTED, /**< by SIGINT or SIGTERM; everything is cleaned up */
    CHAOS_UNWRITTEN    /**< the verdict stands, but a file could not be written: `failure` */
};

/** Run, print progress and verdict. Not thread-safe: handles signals, forks, mounts. */
enum chaos_result chaos_run(const struct chaos_options *options, char failure[CHAOS_FAILURE_SIZE]);

/** First arguments of processes that a run has started: "weir chaos @worker ...". */
#define CHAOS_WORKER_WORD   "@worker"
#define CHAOS_PRODUCER_WORD "@producer"

/** Be such a process; returns its exit status. */
int chaos_worker_main(int argc, char **argv);
int chaos_producer_main(int argc, char **argv);

#endif
