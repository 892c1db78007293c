/* A large fleet of processes: what the workers write down, and what the test reads. */
#ifndef WI_TESTS_INTEGRATION_SCALE_SCALE_H
#define WI_TESTS_INTEGRATION_SCALE_SCALE_H

#include <stdatomic.h>
#include <stdint.h>

#define SHARDS_MAX  1000U
#define RECORDS_MAX 4000U
#define APPLICATION "scale"
#define STREAM      "scale"

/* In a file that every process has mapped. */
struct board {
    atomic_int owner[SHARDS_MAX];        /* number of the worker that initialized it last, from 1 */
    atomic_uint deliveries[RECORDS_MAX]; /* of the record with that value */
    atomic_uint last_worker[RECORDS_MAX]; /* that processed it */
};

/* scale_fleet worker NUMBER DATA BOARD LEASE_MS */
int worker_main(char **arguments);

struct board *board_map(const char *path);

#endif
