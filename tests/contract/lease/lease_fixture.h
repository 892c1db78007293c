/* A lease store of any backend, and short forms of what the contract's tests do with it. */
#ifndef WI_TESTS_CONTRACT_LEASE_LEASE_FIXTURE_H
#define WI_TESTS_CONTRACT_LEASE_LEASE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lease/lease_store.h"
#include "tests/support/test_dir.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

enum lease_backend {
    LEASE_MEMORY,
    LEASE_LMDB,
    LEASE_DYNAMODB /* alone, if WEIR_TEST_DYNAMODB is the endpoint of a server;
                    * with WEIR_TEST_LOSSY each request's first answer is lost */
};

/* What not every backend can do: docs/lease-table.md, section 6, says why. */
enum lease_capability {
    LEASE_SESSIONS, /* one heartbeat speaks for all leases of a worker, and one fence takes them */
    LEASE_COUNTS    /* one renewal raises a counter by one */
};

#define FIXTURE_D_MS 10000

struct lease_fixture {
    enum lease_backend backend;
    struct test_env env;
    struct test_dir dir; /* LMDB */
    char url[256];       /* DynamoDB */
    struct wi_lease_store *store;
    struct wi_lease_store *second; /* another handle on the same table; memory has only one */
    pid_t child;                   /* of lease_fixture_process(); 0: none */
};

/* Setup and teardown of cmocka; the backend is the one of lease_fixture_run(). */
int lease_fixture_open(void **state);
int lease_fixture_close(void **state);

#define LEASE_TEST(function)                                                                       \
    cmocka_unit_test_setup_teardown(function, lease_fixture_open, lease_fixture_close)

/* Run the group once for each backend; the number of failures. */
int lease_fixture_run(const char *name, const struct CMUnitTest *tests, size_t count);
/* Once, on LMDB. */
int lease_fixture_run_lmdb(const char *name, const struct CMUnitTest *tests, size_t count);

/* False: the backend does without, and the test leaves that part out. */
bool lease_fixture_has(const struct lease_fixture *fixture, enum lease_capability capability);

/* A store on a table of its own, without sessions or rows. */
struct wi_lease_store *lease_fixture_new_store(struct lease_fixture *fixture, enum lease_backend);

/* The process's lease store calls, short. */
enum weir_error create_lease(struct wi_lease_store *store, const char *key);
struct wi_lease get_lease(struct wi_lease_store *store, const char *key);
void put_worker(struct wi_lease_store *store, const char *owner);
enum weir_error assign_lease(
    struct wi_lease_store *store,
    const char *key,
    const char *to,
    uint64_t expected_epoch,
    uint64_t expected_counter);
/* Registered, created, assigned: `owner` holds `key`; returns the epoch. */
uint64_t given_owned(struct wi_lease_store *store, const char *key, const char *owner);
enum weir_error renew_lease(
    struct wi_lease_store *store, const char *key, const char *owner, uint64_t epoch);
enum weir_error renew_session(struct wi_lease_store *store, const char *owner);
enum weir_error checkpoint_at(
    struct wi_lease_store *store,
    const char *key,
    const char *owner,
    uint64_t epoch,
    uint64_t sequence_number);
struct weir_position after(uint64_t sequence_number);
struct weir_position position_of(enum weir_position_type type);
/* A release to `to` without a final checkpoint, having handed through `handed`. */
enum weir_error release_lease(
    struct wi_lease_store *store,
    const char *key,
    const char *owner,
    uint64_t epoch,
    const char *to,
    uint64_t handed);
uint64_t counter_of(struct wi_lease_store *store, const char *owner);
struct wi_lease a_lease(const char *key);
struct wi_application an_application(void);

/* A worker of a real process of its own, registered; memory only pretends. */
void lease_fixture_process(struct lease_fixture *fixture, const char *name, char *ret_owner);
/* kill -9 that process. */
void lease_fixture_kill(struct lease_fixture *fixture, const char *owner);

#endif
