/* A fleet of coordinators over the memory lease store in virtual time: workers that join, crash,
 * hang and drain, slow and failing stores, shards that split. Every random choice comes from the
 * seed. */
#ifndef WI_TESTS_UNIT_COORDINATOR_COORDINATOR_WORLD_H
#define WI_TESTS_UNIT_COORDINATOR_COORDINATOR_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coordinator/coordinator_step.h"
#include "core/pcg.h"
#include "tests/support/test_env.h"

#define WORLD_WORKERS_MAX  8
#define WORLD_SHARDS_MAX   60
#define WORLD_TERMS_MAX    4000
#define WORLD_DURATION_MS  INT64_C(1000) /* D */
#define WORLD_HANDOFF_MS   800
#define WORLD_STEP_MS      5
#define WORLD_SHARDS_FIRST 12

struct world_worker {
    bool alive;
    bool draining;
    char owner[24];
    struct wi_coordinator *coordinator;
    struct wi_coordinator_action action; /* in flight, or WAIT */
    int64_t action_due_ms;
    int64_t renew_due_ms;
    int64_t work_due_ms;
    int64_t hangs_until_ms;
};

struct world {
    struct test_env test;
    struct wi_pcg pcg;
    struct wi_lease_store *store;
    int64_t now_ms;
    bool has_faults;
    bool has_splits;
    unsigned incarnations;
    struct world_worker workers[WORLD_WORKERS_MAX];
    struct weir_shard shards[WORLD_SHARDS_MAX];
    size_t shard_count;
    char leader_of_term[WORLD_TERMS_MAX][24];
    struct wi_lease_table seen; /* after the last step */
    size_t owner_changes;       /* of unfinished leases, all in all */
};

void world_open(struct world *world, uint64_t seed);
void world_close(struct world *world);

/* A new process in an empty place; -1 if there is none. */
int world_join(struct world *world);
void world_crash(struct world *world, size_t worker);

/* Let time pass; check what must hold at every moment: one leader per term. */
void world_run(struct world *world, int64_t ms);

/* Live workers that do not drain. */
size_t world_usable(const struct world *world);

/* Unfinished leases of a worker, and those of nobody that lives. */
size_t world_held(const struct world *world, size_t worker);
size_t world_homeless(const struct world *world);

#endif
