/* A sink in LMDB for tests: a folder, an environment, and one transaction after the other. */
#ifndef WI_TESTS_UNIT_WORKER_SINK_FIXTURE_H
#define WI_TESTS_UNIT_WORKER_SINK_FIXTURE_H

#include <lmdb.h>
#include <stdint.h>

#include <weir/dedupe.h>

#include "tests/support/test_dir.h"

struct sink_fixture {
    struct test_dir dir;
    MDB_env *env;
    MDB_txn *txn; /* the open one, or NULL */
    struct weir_sink sink;
};

/* Open (create) the environment in dir.path and the database of the sink. */
void sink_open(struct sink_fixture *fixture);
void sink_close(struct sink_fixture *fixture);

void sink_begin_transaction(struct sink_fixture *fixture);
void sink_commit(struct sink_fixture *fixture);
void sink_abort(struct sink_fixture *fixture);

/* cmocka's setup and teardown: *state is a struct sink_fixture. */
int sink_setup(void **state);
int sink_teardown(void **state);

/* A token of stream "orders"; the shard id is borrowed. */
struct weir_token sink_token(const char *shard_id, uint64_t epoch);
struct weir_record sink_record(uint64_t number);

/* Acquire in a transaction of its own; committed on WEIR_OK. Parents may be NULL. */
enum weir_error sink_acquire(
    struct sink_fixture *fixture,
    const char *shard_id,
    uint64_t epoch,
    const char *parent,
    struct weir_position *ret_position);

/* begin and advance in a transaction of its own; committed on WEIR_OK. */
enum weir_error sink_advance(
    struct sink_fixture *fixture, const char *shard_id, uint64_t epoch, uint64_t number);

#endif
