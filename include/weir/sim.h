/**
 * The deterministic simulator: a fleet of weir workers, a lease table and a stream in virtual time,
 * with every fault that a seed asks for. The engines are those of the product. Link with
 * libweir_sim.a and libweir.a; libweir.so does not contain it.
 *
 * The same seed gives the same run, to the byte of its trace, on every machine and build.
 */
#ifndef WEIR_SIM_H
#define WEIR_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Room for counters in struct weir_sim_statistics. */
#define WEIR_SIM_COUNTERS_MAX 384
/** Room for the text of a verdict. */
#define WEIR_SIM_TEXT_SIZE 384
/** Room for the name of a counter, a fault or a property. */
#define WEIR_SIM_NAME_SIZE 64

/** Which faults of a seed may happen; all of them by default. */
struct weir_sim_limits {
    uint64_t without; /**< bits of kinds that are left out; see weir_sim_fault_name() */
    uint64_t skip;    /**< bits of incidents that are left out, by their place in the seed's list */
};

/** Options of weir_sim_run(); start from WEIR_SIM_OPTIONS_INIT. */
struct weir_sim_options {
    size_t struct_size;
    struct weir_sim_limits limits;
    bool history; /**< lines are the text form of docs/history.md instead of text for people */
    /** Called with each line of the trace, without newline; NULL: no trace, which is faster. */
    void (*trace)(void *context, const char *line);
    void *context; /**< passed to trace */
};

#define WEIR_SIM_OPTIONS_INIT {sizeof(struct weir_sim_options), {0, 0}, false, NULL, NULL}

/** How one seed ended. */
struct weir_sim_verdict {
    bool failed;
    char property[WEIR_SIM_NAME_SIZE]; /**< "I2" for instance; "" unless failed */
    char name[WEIR_SIM_NAME_SIZE];     /**< of the property */
    char text[WEIR_SIM_TEXT_SIZE];     /**< what broke it, with numbers */
    int64_t failed_at_ms;              /**< virtual time */
    uint64_t trace_hash;               /**< of everything that happened */
    uint64_t steps;                    /**< of the simulation */
    uint64_t events;                   /**< of the history that the checker read */
    uint64_t records;                  /**< put into the stream */
    int64_t simulated_ms;
    uint32_t incidents; /**< in the seed's list, those left out not counted */
};

/** What runs have reached, summed over runs. Start from all zeros. */
struct weir_sim_statistics {
    uint64_t seeds;
    uint64_t failures;
    uint64_t steps;
    uint64_t events;
    uint64_t records;
    int64_t simulated_ms;
    uint64_t counters[WEIR_SIM_COUNTERS_MAX]; /**< see weir_sim_counter_name() */
};

/**
 * Run one seed to its end, or to the first violation of a property.
 *
 * @param env memory and log; clocks and randomness are the simulator's own
 * @param statistics added to; may be NULL
 * @return WEIR_OK also if the seed failed; WEIR_EINVAL for a wrong struct_size
 * An assertion of an engine that does not hold ends the process: run seeds in a child. Thread-safe.
 */
WEIR_MUST_CHECK enum weir_error weir_sim_run(
    const struct weir_env *env,
    uint64_t seed,
    const struct weir_sim_options *options,
    struct weir_sim_verdict *ret,
    struct weir_sim_statistics *statistics);

/**
 * Leave out as many faults as possible while `fails` still says that the seed fails. `fails` runs
 * the seed under the limits (in a child process if assertions are to be survived).
 *
 * @param limits in: where to start; out: the smallest set that was found
 * @return how often `fails` was asked
 */
uint32_t weir_sim_shrink(
    bool (*fails)(void *context, const struct weir_sim_limits *limits),
    void *context,
    struct weir_sim_limits *limits);

/**
 * Name of a counter: what was reached, for instance "consumer: PROCESSING -> SHUTTING_DOWN".
 * @return NULL past the last one; "" for a number that is not in use. `text` otherwise.
 */
const char *weir_sim_counter_name(size_t index, char text[WEIR_SIM_NAME_SIZE]);

/** Name of a kind of fault, bit `index` of limits.without; NULL past the last one. Static. */
const char *weir_sim_fault_name(size_t index);

/** A property that the checker holds runs to. */
struct weir_sim_property {
    const char *property; /**< "I2" */
    const char *name;     /**< a few words */
    const char *formula;
};

/** Property number `index`; false past the last one. Strings are static. */
bool weir_sim_property(size_t index, struct weir_sim_property *ret);

#ifdef __cplusplus
}
#endif

#endif
