/* Real programs at work on a data directory while everything they write is logged, with notes of
 * what they acknowledged. */
#ifndef WI_TESTS_FAULTS_POWER_RUN_H
#define WI_TESTS_FAULTS_POWER_RUN_H

#include <stddef.h>
#include <stdint.h>

#include <weir/types.h>

#include "tests/support/test_dir.h"

#define POWER_SHARDS_MAX 8U
#define POWER_DATA_MAX   6000U

/* Notes in the log: `at` is one of these, `size` its number. */
enum power_note {
    POWER_CREATED = 1, /* `weir stream create` said so */
    POWER_ISSUED,      /* this many records were handed to `weir put` */
    POWER_PUT,         /* this many were acknowledged, in order */
    POWER_SEEN,        /* the application was seen as in seen[size] */
    POWER_SPLIT,       /* the split was acknowledged */
    POWER_DRAINED      /* the worker has left with status 0: seen[size] */
};

/* Checkpoints that a reader of the table saw. */
struct power_seen {
    char shard_id[POWER_SHARDS_MAX][WEIR_NAME_SIZE];
    struct weir_position checkpoint[POWER_SHARDS_MAX];
    size_t count;
};

struct power_run {
    struct test_dir dir;
    char data[TEST_DIR_PATH_SIZE];
    char log[TEST_DIR_PATH_SIZE];
    struct power_seen *seen;
    size_t seen_count;
};

/* Create stream "s", run `weir worker` and put `puts` records one by one, with a split on the way;
 * then SIGTERM. The log is complete afterwards. */
void power_run(struct power_run *run, unsigned puts);
void power_run_free(struct power_run *run);

/* Record `put`: its number and a colon, then as many letters as the number says. */
size_t power_fill(char data[POWER_DATA_MAX], unsigned put);

#endif
