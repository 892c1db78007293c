#include "tests/unit/storage/storage_fixture.h"

#include <lmdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>

#include "storage/storage.h"
#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"

#define BLOCK_MAX 65536

void
fixture_make(struct fixture *fixture)
{
    memset(fixture, 0, sizeof *fixture);
    test_dir_make(&fixture->dir);
    fixture->options = (struct wi_storage_options){
        .directory = fixture->dir.path,
        .kind = "test",
        .format_version = 1,
        .sync = WI_SYNC_NONE,
        .map_bytes_initial = FIXTURE_MAP_BYTES,
        .map_bytes_max = FIXTURE_MAP_BYTES_MAX,
        .databases_max = 4,
        .lock_patience_ms = 20000,
    };
}

enum weir_error
fixture_open(struct fixture *fixture)
{
    enum weir_error error =
        wi_storage_open(weir_env_default(), &fixture->options, &fixture->storage, &fixture->detail);

    if (error != WEIR_OK) {
        return error;
    }
    error = wi_storage_database(fixture->storage, "numbers", MDB_INTEGERKEY, &fixture->dbi);
    if (error != WEIR_OK) {
        fixture_close(fixture);
    }
    return error;
}

void
fixture_close(struct fixture *fixture)
{
    wi_storage_close(fixture->storage);
    fixture->storage = NULL;
}

void
fixture_end(struct fixture *fixture)
{
    fixture_close(fixture);
    test_dir_remove(&fixture->dir);
}

struct number {
    MDB_dbi dbi;
    uint64_t key;
    uint64_t value;
    size_t size;
};

static enum weir_error
put_number(MDB_txn *txn, void *context)
{
    struct number *number = context;
    MDB_val key = {sizeof number->key, &number->key};
    MDB_val value = {sizeof number->value, &number->value};

    return wi_error_from_lmdb(mdb_put(txn, number->dbi, &key, &value, 0));
}

static enum weir_error
get_number(MDB_txn *txn, void *context)
{
    struct number *number = context;
    MDB_val key = {sizeof number->key, &number->key};
    MDB_val value;
    int code = mdb_get(txn, number->dbi, &key, &value);

    if (code == 0) {
        memcpy(&number->value, value.mv_data, sizeof number->value);
    }
    return wi_error_from_lmdb(code);
}

static enum weir_error
increment_number(MDB_txn *txn, void *context)
{
    struct number *number = context;
    enum weir_error error = get_number(txn, context);

    if (error == WEIR_ENOTFOUND) {
        number->value = 0;
        error = WEIR_OK;
    }
    number->value++;
    return error == WEIR_OK ? put_number(txn, context) : error;
}

static enum weir_error
put_block(MDB_txn *txn, void *context)
{
    static const char block[BLOCK_MAX];
    struct number *number = context;
    MDB_val key = {sizeof number->key, &number->key};
    MDB_val value = {.mv_size = number->size, .mv_data = NULL};
    int code = mdb_put(txn, number->dbi, &key, &value, MDB_RESERVE);

    if (code == 0) {
        memcpy(value.mv_data, block, number->size);
        memcpy(value.mv_data, &number->key, sizeof number->key);
    }
    return wi_error_from_lmdb(code);
}

enum weir_error
fixture_put(struct fixture *fixture, uint64_t key, uint64_t value)
{
    struct number number = {.dbi = fixture->dbi, .key = key, .value = value};

    return wi_storage_write(
        fixture->storage, WI_WRITE_DEFAULT, put_number, &number, &fixture->detail);
}

enum weir_error
fixture_get(struct fixture *fixture, uint64_t key, uint64_t *ret)
{
    struct number number = {.dbi = fixture->dbi, .key = key};
    enum weir_error error = wi_storage_read(fixture->storage, get_number, &number);

    *ret = number.value;
    return error;
}

enum weir_error
fixture_increment(struct fixture *fixture, uint64_t key)
{
    struct number number = {.dbi = fixture->dbi, .key = key};

    return wi_storage_write(
        fixture->storage, WI_WRITE_DEFAULT, increment_number, &number, &fixture->detail);
}

enum weir_error
fixture_put_block(struct fixture *fixture, uint64_t key, size_t size, enum wi_write_flags flags)
{
    struct number number = {.dbi = fixture->dbi, .key = key, .size = size};

    return wi_storage_write(fixture->storage, flags, put_block, &number, &fixture->detail);
}

void
fixture_path(const struct fixture *fixture, const char *name, char path[TEST_DIR_PATH_SIZE])
{
    test_dir_join(&fixture->dir, name, path, TEST_DIR_PATH_SIZE);
}

pid_t
fixture_fork(struct fixture *fixture, fixture_child_fn fn, void *context)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(fn(fixture, context));
    }
    return pid;
}

int
fixture_wait(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

int
fixture_run_child(struct fixture *fixture, fixture_child_fn fn, void *context)
{
    return fixture_wait(fixture_fork(fixture, fn, context));
}
