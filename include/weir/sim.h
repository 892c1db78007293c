/**
 * The deterministic simulator: a fleet of weir workers, a lease table and a stream in virtual time,
 * with every fault that a seed asks for. The engines are those of the product. Link with
 * libweir_sim.a and libweir.a (`pkg-config --libs weir-sim`, or weir::sim of
 * find_package(weir)); libweir.so does not contain it.
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
#include <weir/processor.h>
#include <weir/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Room for counters in struct weir_sim_statistics. */
#define WEIR_SIM_COUNTERS_MAX 448
/** Room for the text of a verdict. */
#define WEIR_SIM_TEXT_SIZE 384
/** Room for the name of a counter, a fault or a property. */
#define WEIR_SIM_NAME_SIZE 64

/** What of a seed may happen; all of it by default (all members 0). */
struct weir_sim_limits {
    uint64_t without; /**< bits of kinds that are left out; see weir_sim_fault_name() */
    uint64_t skip;    /**< bits of incidents that are left out, by their place in the seed's list */
    uint32_t workers; /**< at most so many at the start; 0: as many as the seed wants */
    uint32_t shards;  /**< at most so many at the start; 0: as many as the seed wants */
    int64_t chaos_ms; /**< faults and new records for so long at most; 0: as the seed wants */
};

#define WEIR_SIM_LIMITS_INIT {0, 0, 0, 0, 0}

/** Options of weir_sim_run(); start from WEIR_SIM_OPTIONS_INIT. */
struct weir_sim_options {
    size_t struct_size;
    struct weir_sim_limits limits;
    bool history; /**< lines are the text form of docs/history.md instead of text for people */
    /** Called with each line of the trace, without newline; NULL: no trace, which is faster. */
    void (*trace)(void *context, const char *line);
    void *context; /**< passed to trace */
    /** The user's own record processor and how to judge it; NULL: the simulator's model of one. */
    const struct weir_sim_application *application;
};

#define WEIR_SIM_OPTIONS_INIT                                                                      \
    {sizeof(struct weir_sim_options), WEIR_SIM_LIMITS_INIT, false, NULL, NULL, NULL}

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
    uint32_t workers;   /**< at the start */
    uint32_t shards;    /**< at the start */
    int64_t chaos_ms;   /**< how long there were faults */
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
 * Leave out as many faults as possible, then workers, shards and time, while `fails` still says
 * that the seed fails. `fails` runs the seed under the limits (in a child process if assertions are
 * to be survived) and says whether it fails for the same reason.
 *
 * @param limits in: where to start; workers, shards and chaos_ms as a verdict of the seed has them,
 *        those that are 0 stay so. Out: the smallest run that was found.
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

/** How many of the transitions that a state machine allows were reached. */
struct weir_sim_coverage {
    const char *machine; /**< "consumer"; static */
    uint32_t allowed;
    uint32_t reached;
};

/** State machine number `index`; false past the last one. */
bool weir_sim_coverage(
    size_t index, const struct weir_sim_statistics *statistics, struct weir_sim_coverage *ret);

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

/**
 * A record processor under test. Its callbacks and weir_checkpoint() work as in a worker, in
 * virtual time: while one of them waits, everything else goes on. Everything runs on the caller's
 * thread, each call on a stack of 512 KiB; what lasts has to go through a struct weir_sim_sink.
 */

/** Longest key and longest value of a sink. */
#define WEIR_SIM_KEY_SIZE  160
#define WEIR_SIM_VALUE_MAX 256

/**
 * A worker's connection to the sink: a database with keys, values and transactions, beyond a
 * network. It keeps what was committed, whatever happens to workers; what a transaction has not
 * committed is lost with its process. Transactions are serializable: one that has read what
 * somebody else has changed since is refused.
 */
struct weir_sim_sink;
struct weir_sim_transaction;

/**
 * Begin a transaction. It may outlive the callback, but not the worker. Takes no time.
 * @return WEIR_OK; WEIR_ENOMEM; WEIR_ECANCELED: the process is over, return from the callback
 */
WEIR_MUST_CHECK enum weir_error weir_sim_sink_begin(
    struct weir_sim_sink *sink, struct weir_sim_transaction **ret);

/**
 * Read a value: this transaction's own, else the committed one. Takes virtual time.
 * @param key at most WEIR_SIM_KEY_SIZE - 1 bytes
 * @param ret_value at most `size` bytes are written to it
 * @param ret_length length of the value; may be NULL
 * @return WEIR_OK; WEIR_ENOTFOUND; WEIR_EINVAL: the key is too long; WEIR_ECANCELED: the process is
 *         over
 */
WEIR_MUST_CHECK enum weir_error weir_sim_sink_get(
    struct weir_sim_transaction *transaction,
    const char *key,
    void *ret_value,
    size_t size,
    size_t *ret_length);

/** Set a value when the transaction commits. WEIR_EINVAL: key or value is too long. WEIR_ENOMEM. */
WEIR_MUST_CHECK enum weir_error weir_sim_sink_put(
    struct weir_sim_transaction *transaction, const char *key, const void *value, size_t length);

/**
 * Carry out all puts or none, and end the transaction in every case. Takes virtual time, and may be
 * carried out when its process is dead already.
 * @return WEIR_OK; WEIR_ECONFLICT: something that was read has changed, nothing was written;
 *         WEIR_EIO: nothing was written; WEIR_ETIMEOUT: written or not; WEIR_ECANCELED: the process
 *         is over, written or not
 */
WEIR_MUST_CHECK enum weir_error weir_sim_sink_commit(struct weir_sim_transaction *transaction);

/** End the transaction without a trace. NULL is a no-op. */
void weir_sim_sink_abort(struct weir_sim_transaction *transaction);

/** A record that was put into the stream, and what the fleet did with it. */
struct weir_sim_entry {
    struct weir_record record; /**< valid until the next entry is asked for */
    const char *shard_id;
    bool delivered; /**< some worker was handed it: its effect may be there */
    bool done;      /**< some worker reported it as processed: its effect must be there */
};

struct weir_sim_ledger;

/** Entry number `index`, shard by shard in order; false past the last one. */
bool weir_sim_ledger_entry(
    struct weir_sim_ledger *ledger, size_t index, struct weir_sim_entry *ret);

/** Start from WEIR_SIM_APPLICATION_INIT. `context` is passed to every slot. */
struct weir_sim_application {
    size_t struct_size;
    void *context;
    bool
        explicit_checkpoints; /**< the processor checkpoints itself; else weir does after WEIR_OK */

    /**
     * A worker process begins. Required.
     * @param sink its connection, until worker_end
     * @param ret its processor; initialized with WEIR_PROCESSOR_INIT
     * @return WEIR_OK; anything else ends the run as failed
     */
    enum weir_error (*worker_start)(
        void *context, struct weir_sim_sink *sink, struct weir_processor *ret);

    /**
     * A worker process is over, after a crash too: free what is its own. After a crash the
     * callbacks under way have returned (the sink and checkpoints refuse everything from then on)
     * and destroy was called for each shard, which a real crash does not do. May be NULL.
     */
    void (*worker_end)(void *context, struct weir_processor *processor);

    /**
     * Data of record number `number` (1, 2, ...), at most WEIR_SIM_VALUE_MAX bytes. May be NULL:
     * the number as text.
     * @return its length
     */
    size_t (*payload)(void *context, uint64_t number, char *buffer);

    /**
     * At the end: how often the sink shows the effect of this record. Demanded is once for a record
     * that is done, at most once for one that was delivered, and nothing for others. May be NULL.
     */
    uint32_t (*applied)(
        void *context, struct weir_sim_transaction *sink, const struct weir_sim_entry *entry);

    /**
     * At the end: whether the sink is as it must be. May be NULL.
     * @param sink what is committed
     * @param text WEIR_SIM_TEXT_SIZE bytes for what is wrong
     */
    bool (*check)(
        void *context,
        struct weir_sim_transaction *sink,
        struct weir_sim_ledger *ledger,
        char *text);
};

#define WEIR_SIM_APPLICATION_INIT                                                                  \
    {sizeof(struct weir_sim_application), NULL, false, NULL, NULL, NULL, NULL, NULL}

#ifdef __cplusplus
}
#endif

#endif
