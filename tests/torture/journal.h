/*
 * What workers write about themselves, one fixed-size entry at a time, so that a kill -9 loses at
 * most what had not happened yet. One file per process start; the checker reads them all.
 */
#ifndef WI_TESTS_TORTURE_JOURNAL_H
#define WI_TESTS_TORTURE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

enum entry_kind {
    ENTRY_INITIALIZE = 1, /* sequence: of the checkpoint, 0 for none */
    ENTRY_BEGIN,      /* process_records began; `count` ENTRY_RECORDs follow in the same write */
    ENTRY_RECORD,     /* index: of the put */
    ENTRY_END,        /* count: records done */
    ENTRY_CHECKPOINT, /* time: before the call; index: error code */
    ENTRY_LEASE_LOST,
    ENTRY_SHARD_ENDED,
    ENTRY_SHUTDOWN
};

struct entry {
    uint32_t kind;
    uint32_t shard; /* number in the shard's id */
    uint32_t worker;
    uint32_t count;
    uint64_t epoch;
    uint64_t sequence;
    uint64_t index;
    int64_t time_ns; /* CLOCK_BOOTTIME */
};

/* What a record's data holds. */
struct payload {
    uint64_t index; /* of the put, from 0 */
    uint32_t key;
    uint32_t unused;
};

int64_t boot_ns(void);
uint32_t shard_number(const char *shard_id, size_t length);

/* A run of the test binary as a worker process. Returns its exit status. */
int worker_main(int argc, char **argv);

#endif
