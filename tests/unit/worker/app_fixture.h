/* An application on a real lease table in a folder of its own: stream "orders" with two shards. */
#ifndef WI_TESTS_UNIT_WORKER_APP_FIXTURE_H
#define WI_TESTS_UNIT_WORKER_APP_FIXTURE_H

#include <weir/app.h>

#include "lease/lease_store.h"
#include "tests/support/test_dir.h"

#define APP_LEASE_DURATION_MS 10000

struct app_fixture {
    struct test_dir dir;
    const struct weir_env *env;
    struct wi_lease_store *store;
    char shard_ids[2][WEIR_NAME_SIZE];
    char owners[4][WEIR_OWNER_SIZE]; /* of registered workers, in order */
    size_t owner_count;
};

/* cmocka's setup and teardown; *state is a struct app_fixture with two unowned leases. */
int app_setup(void **state);
int app_teardown(void **state);

/* Register a worker of that name: this process, or one that is gone. Returns its owner. */
const char *given_worker(struct app_fixture *fixture, const char *name, bool is_alive);

/* Give shard i to `owner`. */
void given_owned(struct app_fixture *fixture, size_t i, const char *owner);

/* Row i as the table has it now. */
struct wi_lease row_of(struct app_fixture *fixture, size_t i);

/* Put `count` records; to which shard they go is left to their keys. */
void given_records(struct app_fixture *fixture, unsigned count);

#endif
