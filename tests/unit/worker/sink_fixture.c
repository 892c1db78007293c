#include "tests/unit/worker/sink_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/str.h"
#include "tests/support/weir_test.h"

void
sink_begin_transaction(struct sink_fixture *fixture)
{
    assert_null(fixture->txn);
    assert_int_equal(mdb_txn_begin(fixture->env, NULL, 0, &fixture->txn), 0);
}

void
sink_commit(struct sink_fixture *fixture)
{
    assert_int_equal(mdb_txn_commit(fixture->txn), 0);
    fixture->txn = NULL;
}

void
sink_abort(struct sink_fixture *fixture)
{
    mdb_txn_abort(fixture->txn);
    fixture->txn = NULL;
}

void
sink_open(struct sink_fixture *fixture)
{
    assert_int_equal(mdb_env_create(&fixture->env), 0);
    assert_int_equal(mdb_env_set_maxdbs(fixture->env, 4), 0);
    assert_int_equal(mdb_env_set_mapsize(fixture->env, (size_t)64 << 20), 0);
    assert_int_equal(mdb_env_open(fixture->env, fixture->dir.path, MDB_NOSYNC, 0600), 0);
    sink_begin_transaction(fixture);
    assert_int_equal(weir_sink_open(fixture->txn, &fixture->sink), WEIR_OK);
    sink_commit(fixture);
}

void
sink_close(struct sink_fixture *fixture)
{
    mdb_txn_abort(fixture->txn);
    mdb_env_close(fixture->env);
    fixture->txn = NULL;
    fixture->env = NULL;
}

int
sink_setup(void **state)
{
    struct sink_fixture *fixture = calloc(1, sizeof *fixture);

    test_dir_make(&fixture->dir);
    sink_open(fixture);
    *state = fixture;
    return 0;
}

int
sink_teardown(void **state)
{
    struct sink_fixture *fixture = *state;

    if (fixture->txn != NULL) {
        sink_abort(fixture);
    }
    mdb_env_close(fixture->env);
    test_dir_remove(&fixture->dir);
    free(fixture);
    return 0;
}

struct weir_token
sink_token(const char *shard_id, uint64_t epoch)
{
    return (struct weir_token){
        .stream = WI_STR("orders"),
        .shard_id = wi_str(shard_id),
        .lease_epoch = epoch,
        .attempt = 1,
    };
}

struct weir_record
sink_record(uint64_t number)
{
    return (struct weir_record){.sequence_number = {{0, 0, 0, number}}};
}

static void
end_transaction(struct sink_fixture *fixture, enum weir_error error)
{
    if (error == WEIR_OK) {
        sink_commit(fixture);
    } else {
        sink_abort(fixture);
    }
}

enum weir_error
sink_acquire(
    struct sink_fixture *fixture,
    const char *shard_id,
    uint64_t epoch,
    const char *parent,
    struct weir_position *ret_position)
{
    struct weir_shard shard = {.closed = false};
    struct weir_shard_context context = {
        .worker_id = "w1", .token = sink_token(shard_id, epoch), .shard = &shard};
    enum weir_error error = WEIR_OK;

    (void)snprintf(shard.shard_id, sizeof shard.shard_id, "%s", shard_id);
    if (parent != NULL) {
        (void)snprintf(shard.parent_shard_ids[1], sizeof shard.parent_shard_ids[1], "%s", parent);
    }
    sink_begin_transaction(fixture);
    error = weir_sink_acquire(&fixture->sink, fixture->txn, &context, ret_position);
    end_transaction(fixture, error);
    return error;
}

enum weir_error
sink_advance(struct sink_fixture *fixture, const char *shard_id, uint64_t epoch, uint64_t number)
{
    struct weir_token token = sink_token(shard_id, epoch);
    struct weir_record record = sink_record(number);
    struct weir_position position;
    enum weir_error error = WEIR_OK;

    sink_begin_transaction(fixture);
    error = weir_sink_begin(&fixture->sink, fixture->txn, &token, &position);
    if (error == WEIR_OK) {
        error = weir_sink_advance(&fixture->sink, fixture->txn, &token, &record);
    }
    end_transaction(fixture, error);
    return error;
}
