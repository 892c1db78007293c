/**
 * Journals of the demo: what each worker process was told, in its own words, on its own file. The
 * sink drops what it has already; a journal shows that it came again, when, and to whom.
 */
#ifndef WI_DEMO_JOURNAL_H
#define WI_DEMO_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/env.h>
#include <weir/types.h>

/** Most worker processes of one run. */
#define DEMO_WORKERS_MAX 8
/** Room for a shard id of an embedded stream, as in struct weir_put_result. */
#define DEMO_SHARD_ID_SIZE 32

/** What an entry says. */
enum demo_event {
    DEMO_INITIALIZE = 1,        /**< initialize has succeeded */
    DEMO_RECORD = 2,            /**< process_records was called: one entry per record */
    DEMO_BATCH_END = 3,         /**< process_records returns `error`, after `count` records */
    DEMO_CHECKPOINT = 4,        /**< weir_checkpoint returned `error` */
    DEMO_LEASE_LOST = 5,        /**< lease_lost was called */
    DEMO_SHARD_ENDED = 6,       /**< shard_ended was called */
    DEMO_SHUTDOWN_REQUESTED = 7 /**< shutdown_requested was called */
};

/** One entry; a file is an array of them. */
struct demo_entry {
    uint32_t event;   /**< enum demo_event */
    uint32_t worker;  /**< number of the process, below DEMO_WORKERS_MAX */
    int64_t begin_ns; /**< CLOCK_BOOTTIME at which the call began */
    int64_t end_ns;   /**< the same at its end; equal to begin_ns where there is none yet */
    uint64_t lease_epoch;
    uint64_t put_index; /**< DEMO_RECORD: the number that the producer gave the record */
    struct weir_sequence_number sequence_number; /**< DEMO_RECORD */
    uint32_t count;                              /**< DEMO_BATCH_END: records of the batch */
    uint32_t error;           /**< DEMO_BATCH_END, DEMO_CHECKPOINT: enum weir_error */
    uint32_t attempt;         /**< DEMO_RECORD */
    uint32_t replay_possible; /**< DEMO_RECORD */
    char shard_id[DEMO_SHARD_ID_SIZE];
};

/** Open the journal of a worker for appending; -1 (errno) on failure. */
int demo_journal_create(const char *directory, uint32_t worker);

/**
 * Append entries with one write(2), so that a process that is killed leaves whole calls. Any number
 * of threads may append to one journal.
 */
bool demo_journal_append(int fd, const struct demo_entry *entries, size_t count);

/** Follows one journal and keeps all its entries. Start with fd -1 and all other members zero. */
struct demo_journal {
    int fd;
    off_t offset;
    struct demo_entry *entries;
    size_t count;
    size_t capacity;
};

/** Read what is new, as far as there is a file yet. False: memory ran out, or it cannot be read. */
bool demo_journal_follow(struct demo_journal *journal, const char *directory, uint32_t worker);

/** Close and free. */
void demo_journal_close(struct demo_journal *journal);

/** Copy a shard id into an entry; longer ones are cut. */
void demo_shard_id_copy(char ret[DEMO_SHARD_ID_SIZE], struct weir_str shard_id);

/** The clock of the journals. */
int64_t demo_now_ns(const struct weir_env *env);

#endif
