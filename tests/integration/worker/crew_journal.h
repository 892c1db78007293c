/* The record processor of the tests of the worker: journals every call, does what it is told. Used
 * in the test itself and in child processes, which send their journal through a pipe. */
#ifndef WI_TESTS_INTEGRATION_WORKER_CREW_JOURNAL_H
#define WI_TESTS_INTEGRATION_WORKER_CREW_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/processor.h>

enum crew_kind {
    CREW_INITIALIZE = 1, /* sequence, sub_sequence: the checkpoint that it starts at */
    CREW_BATCH,          /* count, attempt; its records follow */
    CREW_RECORD,
    CREW_PROCESSED, /* count: done; error */
    CREW_CHECKPOINT,
    CREW_LEASE_LOST,
    CREW_SHARD_ENDED,
    CREW_SHUTDOWN,
    CREW_DESTROY,
    CREW_RESULT /* of a child's weir_worker_run() */
};

/* One line of the journal; written to the pipe as it is, so smaller than PIPE_BUF. */
struct crew_entry {
    uint32_t kind;
    uint32_t worker;
    uint32_t shard;
    uint32_t attempt;
    uint32_t count;
    int32_t error;
    bool replay_possible;
    bool at_shard_end;
    uint64_t epoch;
    uint64_t sequence;
    uint64_t value; /* of a record */
    int64_t time_ns;
};

/* A call that the test may answer. `entry` says which. */
struct crew_call {
    struct crew_journal *journal;
    const struct crew_entry *entry;
    const struct weir_process_input *input; /* process_records only */
    struct weir_checkpointer *checkpointer;
    size_t *ret_processed; /* process_records only */
};

struct crew_journal {
    uint32_t worker;
    void (*record)(void *context, const struct crew_entry *entry);    /* any thread */
    enum weir_error (*answer)(void *context, struct crew_call *call); /* NULL: WEIR_OK */
    void *context;
};

/* A processor whose context is `journal`. */
struct weir_processor crew_processor(struct crew_journal *journal);

/* The records of crew_put() hold their value. */
uint64_t crew_value(const struct weir_record *record);

int64_t crew_now_ns(void);

#endif
