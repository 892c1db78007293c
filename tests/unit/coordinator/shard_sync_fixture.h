/* A list of shards, a table, and the plan of the last sync. */
#ifndef WI_TESTS_UNIT_COORDINATOR_SHARD_SYNC_FIXTURE_H
#define WI_TESTS_UNIT_COORDINATOR_SHARD_SYNC_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coordinator/shard_sync.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define SHARDS_MAX 64

struct fixture {
    struct test_env test;
    struct weir_shard shards[SHARDS_MAX];
    size_t shard_count;
    struct wi_lease leases[SHARDS_MAX];
    size_t lease_count;
    struct wi_shard_sync_plan plan;
};

/* The one fixture of a test program. */
extern struct fixture fixture;

int setup_fixture(void **state);
int teardown_fixture(void **state);

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, setup_fixture, teardown_fixture)

/* Add a shard over all hash keys; "" is no parent. Younger shards are added later. */
struct weir_shard *given_shard(
    const char *id, const char *parent, const char *other_parent, bool is_closed);
void given_open(const char *id, const char *parent);
/* By the order in which the shards were added. */
void set_range(size_t shard, uint64_t start, uint64_t end);

/* Add a lease; call in the order of the keys. */
void given_lease(const char *id, enum weir_position_type checkpoint);

/* The plan is fixture.plan. */
enum weir_error sync_from(const struct weir_position *initial);

#endif
