/* A coordinator, the picture of the table that it is shown, and the actions it answers with. Times
 * are milliseconds. The coordinator's own worker is "me". */
#ifndef WI_TESTS_UNIT_COORDINATOR_COORDINATOR_FIXTURE_H
#define WI_TESTS_UNIT_COORDINATOR_COORDINATOR_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "coordinator/coordinator_step.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define DURATION_MS 1000 /* D */
#define LOOK_MS     250  /* D / 4 */
#define TIMEOUT_MS  3000 /* of hand-offs */
#define SYNC_MS     60000
#define TERM        7 /* under which "me" leads in given_leader() */

#define ROWS_MAX 64

struct fixture {
    struct test_env test;
    struct wi_coordinator *coordinator;
    struct wi_coordinator_action action; /* the last one */
    struct wi_lease_table table;
    struct wi_lease leases[ROWS_MAX];
    struct wi_worker workers[ROWS_MAX];
    struct weir_shard shards[ROWS_MAX];
    size_t shard_count;
};

/* The one fixture of a test program. */
extern struct fixture fixture;

int setup_fixture(void **state);
int teardown_fixture(void **state);

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, setup_fixture, teardown_fixture)

struct weir_mono at_ms(int64_t ms);

/* ---- the picture; rows are kept in the order of their keys ---- */

/* A live worker. Its heartbeat moves whenever heartbeats() is called. */
struct wi_worker *given_worker(const char *owner);
struct wi_worker *worker_row(const char *owner);

/* An open shard's lease; owner "" is none. The owner's state is that of its worker row. */
struct wi_lease *given_lease(const char *key, const char *owner);
struct wi_lease *lease_row(const char *key);

/* A finished lease. */
struct wi_lease *given_finished_lease(const char *key, const char *owner);

/* A wish that "key" goes to "to". */
void given_wish(const char *key, const char *to);

/* The worker is gone: so say its own row, its leases and, if it leads, the leader row. */
void given_gone(const char *owner);

void given_leader_row(const char *owner, uint64_t term);

/* A listed shard; "" is no parent. */
struct weir_shard *given_shard(const char *id, const char *parent, bool is_closed);

/* "me" leads, has a fresh list of the shards, and waits; that happened at 0 ms. Workers and leases
 * that are given before must ask for no action. */
void given_leading(void);

/* One more heartbeat of every live worker but `silent` (NULL: of all). */
void heartbeats_but(const char *silent);

/* ---- events; each returns the type of the answer, which stands in fixture.action ---- */

enum wi_coordinator_action_type table_at(int64_t ms);
enum wi_coordinator_action_type tick_at(int64_t ms);
enum wi_coordinator_action_type leave_at(int64_t ms);
enum wi_coordinator_action_type result_at(enum weir_error error, int64_t ms);
enum wi_coordinator_action_type results_at(const enum weir_error *results, int64_t ms);
enum wi_coordinator_action_type taken_at(uint64_t term, int64_t ms);
enum wi_coordinator_action_type shards_at(int64_t ms);

/* Heartbeats and a table at each look from `from` to `to`, as a leader with nothing to do sees
 * them; ends with the first answer that is not WAIT. */
enum wi_coordinator_action_type look_until(int64_t from, int64_t to, const char *silent);

/* The receiver in the ASSIGN or REQUEST_HANDOFF at hand, or NULL if the lease is not in it. */
const char *receiver_of(const char *key);

#endif
