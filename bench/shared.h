/** What a bench and the processes it has started share: one piece of memory. */
#ifndef WI_BENCH_SHARED_H
#define WI_BENCH_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_SLOTS_MAX   64
#define BENCH_SHARDS_MAX  1024
#define BENCH_SAMPLES_MAX 8192
#define BENCH_PATH_SIZE   4096 /* PATH_MAX: realpath(3) asks for it */
#define BENCH_TEXT_SIZE   256
#define BENCH_NAME_SIZE   64

/** Which program a process runs. */
enum bench_role {
    BENCH_ROLE_WORKER,        /**< weir: a worker */
    BENCH_ROLE_LOAD,          /**< weir: one record to each shard, again and again */
    BENCH_ROLE_PUT,           /**< weir: put as fast as it goes */
    BENCH_ROLE_SCAN,          /**< bare LMDB: read everything, twice */
    BENCH_ROLE_APPEND,        /**< bare LMDB: append as fast as it goes */
    BENCH_ROLE_REDIS_CONSUME, /**< hiredis: XREADGROUP and XACK */
    BENCH_ROLE_REDIS_READ,    /**< hiredis: XREAD BLOCK, one record at a time */
    BENCH_ROLE_SLEEP          /**< nothing: waits to be killed */
};

/** What the record processor of a worker does. */
enum bench_processor {
    BENCH_COUNT,  /**< nothing but count */
    BENCH_TRACK,  /**< note owner, order and times of each shard */
    BENCH_LATENCY /**< note the age of each record */
};

/** One process: what the bench asks of it, and what it found. */
struct bench_slot {
    enum bench_role role;
    enum bench_processor processor;
    char directory[BENCH_PATH_SIZE]; /**< data directory, LMDB directory or socket */
    char stream[BENCH_NAME_SIZE];
    char application[BENCH_NAME_SIZE];
    int64_t lease_duration_ms;
    uint64_t records;      /**< stop after so many; 0: never */
    uint32_t record_bytes; /**< data of one record */
    uint32_t interval_us;  /**< between two rounds of BENCH_ROLE_LOAD */
    bool sync;             /**< durability full, or a sync per transaction */
    bool hashed;           /**< BENCH_ROLE_PUT: with explicit hash keys */

    atomic_bool stop; /**< set by the bench: end the load */
    atomic_bool ready;
    atomic_uint_fast64_t done;    /**< records so far */
    atomic_int_fast64_t first_ns; /**< when the first record was processed; 0: not yet */
    int64_t cpu_start_ns;         /**< of this process, when the work began */
    int64_t cpu_ns;               /**< from then to its end, by its own clock */
    int64_t wall_ns;
    int64_t warm_cpu_ns; /**< BENCH_ROLE_SCAN: of a second pass, over pages that are mapped */
    char failure[BENCH_TEXT_SIZE]; /**< "" if all went well */
};

/** One shard as processors of kind BENCH_TRACK see it. Has one writer at a time: its owner. */
struct bench_shard {
    atomic_uint_fast32_t owner;      /**< slot + 1 of the process that had the last record */
    atomic_uint_fast32_t moves;      /**< changes of owner */
    atomic_uint_fast64_t next_index; /**< of the next record that was not seen before */
    atomic_uint_fast64_t duplicates;
    atomic_uint_fast64_t missing;
    atomic_int_fast64_t first_ns;    /**< first record of this owner */
    atomic_int_fast64_t last_ns;     /**< last record */
    atomic_int_fast64_t handover_ns; /**< last record of the owner before to first_ns */
    atomic_int_fast64_t wait_ns;     /**< longest time from before the put of a record to here */
};

struct bench_shared {
    struct bench_slot slot[BENCH_SLOTS_MAX];
    struct bench_shard shard[BENCH_SHARDS_MAX];
    atomic_uint_fast32_t sample_count; /**< ages of records, BENCH_LATENCY */
    int64_t sample_ns[BENCH_SAMPLES_MAX];
};

/** Descriptor of the memory in a process that was started. */
#define BENCH_SHARED_FD 3

/** Data of a record of BENCH_ROLE_LOAD and of latencies. */
struct bench_payload {
    uint64_t index;  /**< 0, 1, 2 ... within its shard */
    int64_t sent_ns; /**< just before the put */
};

#endif
