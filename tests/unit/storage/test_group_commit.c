/* Writes of several threads share transactions, and one that fails takes no other with it. */
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/version.h>

#include "storage/environment.h"
#include "storage/storage.h"
#include "tests/support/weir_test.h"
#include "tests/unit/storage/storage_fixture.h"

#define THREADS 8
#define WRITES  200

/* The linker binds LMDB's calls to this function, so it must be visible. */
static atomic_bool syncs_fail;
WEIR_API int fdatasync(int fd);

int
fdatasync(int fd)
{
    if (atomic_load(&syncs_fail)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

struct writer {
    struct fixture *fixture;
    pthread_t thread;
    uint64_t key;
    enum weir_error error;    /* what the call returned */
    enum weir_error returned; /* what the function returns, after it has written */
    bool writes_first;
};

static void *
increment_often(void *context)
{
    struct writer *writer = context;
    struct fixture own = *writer->fixture;

    for (int i = 0; i < WRITES && writer->error == WEIR_OK; i++) {
        writer->error = fixture_increment(&own, writer->key);
    }
    return NULL;
}

static void
counts_every_write_of_every_thread_once(void **state)
{
    struct fixture fixture;
    struct writer writers[THREADS];
    uint64_t sum = 0;
    (void)state;
    fixture_make(&fixture);
    fixture.options.sync = WI_SYNC_FULL;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    for (uint64_t i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){.fixture = &fixture, .key = i % 2};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, increment_often, &writers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_int_equal(writers[i].error, WEIR_OK);
    }
    for (uint64_t key = 0; key < 2; key++) {
        uint64_t value = 0;

        assert_int_equal(fixture_get(&fixture, key, &value), WEIR_OK);
        sum += value;
    }
    assert_true(sum == (uint64_t)THREADS * WRITES);
    fixture_end(&fixture);
}

/* --- a group that is known: the first write holds the transaction until the others queue --- */

struct holding {
    struct fixture *fixture;
    size_t wanted; /* writes to wait for */
    atomic_bool has_begun;
};

/* Writes that wait. Looks inside: there is no other way to know without waiting for some time. */
static size_t
count_queued(struct wi_environment *environment)
{
    size_t count = 0;

    pthread_mutex_lock(&environment->mutex);
    count = environment->queue_length;
    pthread_mutex_unlock(&environment->mutex);
    return count;
}

static enum weir_error
hold_until_queued(MDB_txn *txn, void *context)
{
    struct holding *holding = context;

    (void)txn;
    atomic_store(&holding->has_begun, true);
    while (count_queued(holding->fixture->storage->environment) < holding->wanted) {
        sched_yield();
    }
    return WEIR_ECONFLICT;
}

static enum weir_error
write_and_return(MDB_txn *txn, void *context)
{
    struct writer *writer = context;
    MDB_val key = {sizeof writer->key, &writer->key};
    MDB_val value = {sizeof writer->key, &writer->key};

    if (writer->writes_first && mdb_put(txn, writer->fixture->dbi, &key, &value, 0) != 0) {
        return WEIR_EINTERNAL;
    }
    return writer->returned;
}

static void *
write_once(void *context)
{
    struct writer *writer = context;

    writer->error = wi_storage_write(
        writer->fixture->storage, WI_WRITE_DEFAULT, write_and_return, writer, NULL);
    return NULL;
}

static void *
hold_once(void *context)
{
    struct holding *holding = context;

    assert_int_equal(
        wi_storage_write(
            holding->fixture->storage, WI_WRITE_DEFAULT, hold_until_queued, holding, NULL),
        WEIR_ECONFLICT);
    return NULL;
}

/* Run the writers as one group. */
static void
run_writers(struct fixture *fixture, struct writer *writers, size_t count)
{
    struct holding holding = {.fixture = fixture, .wanted = count};
    pthread_t holder;

    assert_int_equal(pthread_create(&holder, NULL, hold_once, &holding), 0);
    /* Before it runs, it may still take others into its own group, though it has the lock. */
    while (!atomic_load(&holding.has_begun)) {
        sched_yield();
    }
    for (size_t i = 0; i < count; i++) {
        writers[i].fixture = fixture;
        writers[i].key = i;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_once, &writers[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
    }
    assert_int_equal(pthread_join(holder, NULL), 0);
}

/* The same, and each gets what its function returns; returns the number of transactions. */
static uint64_t
run_as_group(struct fixture *fixture, struct writer *writers, size_t count)
{
    uint64_t before = wi_storage_version(fixture->storage);

    run_writers(fixture, writers, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(writers[i].error, writers[i].returned);
    }
    return wi_storage_version(fixture->storage) - before;
}

static void
commits_a_queue_at_once(void **state)
{
    struct fixture fixture;
    struct writer writers[THREADS] = {{.writes_first = false}};
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    for (size_t i = 0; i < THREADS; i++) {
        writers[i].writes_first = true;
    }

    assert_int_equal(run_as_group(&fixture, writers, THREADS), 1);
    for (uint64_t i = 0; i < THREADS; i++) {
        assert_int_equal(fixture_get(&fixture, i, &value), WEIR_OK);
    }
    fixture_end(&fixture);
}

static void
goes_on_after_a_function_that_wrote_nothing(void **state)
{
    struct fixture fixture;
    struct writer writers[3] = {
        {.writes_first = true},
        {.returned = WEIR_ELEASELOST},
        {.writes_first = true},
    };
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    (void)run_as_group(&fixture, writers, 3);
    assert_int_equal(fixture_get(&fixture, 0, &value), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_ENOTFOUND);
    assert_int_equal(fixture_get(&fixture, 2, &value), WEIR_OK);
    fixture_end(&fixture);
}

static void
takes_back_a_function_that_failed_half_way_and_no_other(void **state)
{
    struct fixture fixture;
    struct writer writers[4] = {
        {.writes_first = true},
        {.writes_first = true, .returned = WEIR_ECORRUPT},
        {.writes_first = true},
        {.returned = WEIR_EINVAL},
    };
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    (void)run_as_group(&fixture, writers, 4);
    assert_int_equal(fixture_get(&fixture, 0, &value), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_ENOTFOUND);
    assert_int_equal(fixture_get(&fixture, 2, &value), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 3, &value), WEIR_ENOTFOUND);
    fixture_end(&fixture);
}

/* The lease is lost because of what another one wrote; if that is not committed, it is not lost. */
static void
gives_all_of_a_group_the_error_of_its_commit(void **state)
{
    struct fixture fixture;
    struct writer writers[2] = {{.writes_first = true}, {.returned = WEIR_ELEASELOST}};
    (void)state;
    fixture_make(&fixture);
    fixture.options.sync = WI_SYNC_FULL;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    atomic_store(&syncs_fail, true);
    run_writers(&fixture, writers, 2);
    atomic_store(&syncs_fail, false);
    assert_int_equal(writers[0].error, WEIR_EIO);
    assert_int_equal(writers[1].error, WEIR_EIO);
    assert_int_equal(fixture_put(&fixture, 0, 1), WEIR_OK);
    fixture_end(&fixture);
}

/* --- readers beside a map that moves --- */

struct reader {
    struct fixture *fixture;
    pthread_t thread;
    atomic_bool *is_over;
    enum weir_error error;
};

static void *
read_often(void *context)
{
    struct reader *reader = context;
    uint64_t last = 0;

    while (!atomic_load(reader->is_over) && reader->error == WEIR_OK) {
        uint64_t value = 0;

        reader->error = fixture_get(reader->fixture, 0, &value);
        if (reader->error == WEIR_OK && value < last) {
            reader->error = WEIR_ECORRUPT;
        }
        last = value;
    }
    return NULL;
}

static void
serves_readers_while_the_map_grows(void **state)
{
    struct fixture fixture;
    struct reader readers[THREADS];
    atomic_bool is_over = false;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_put(&fixture, 0, 1), WEIR_OK);
    for (size_t i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){.fixture = &fixture, .is_over = &is_over};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_often, &readers[i]), 0);
    }

    for (uint64_t i = 1; i < 300; i++) {
        assert_int_equal(fixture_put_block(&fixture, i, 60000, WI_WRITE_DEFAULT), WEIR_OK);
        assert_int_equal(fixture_put(&fixture, 0, i), WEIR_OK);
    }
    atomic_store(&is_over, true);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        assert_int_equal(readers[i].error, WEIR_OK);
    }
    fixture_end(&fixture);
}

/* --- after fork() --- */

static int
use_the_environment_of_the_parent(struct fixture *fixture, void *context)
{
    uint64_t value = 0;
    MDB_dbi dbi = 0;

    (void)context;
    if (fixture_put(fixture, 1, 2) != WEIR_ESTATE ||
        fixture_get(fixture, 1, &value) != WEIR_ESTATE ||
        wi_storage_database(fixture->storage, "numbers", 0, &dbi) != WEIR_ESTATE) {
        return 1;
    }
    (void)wi_storage_version(fixture->storage);
    fixture_close(fixture);
    /* Its own is another matter. */
    return fixture_open(fixture) == WEIR_OK && fixture_put(fixture, 1, 2) == WEIR_OK ? 0 : 2;
}

static void
refuses_to_work_in_a_forked_child(void **state)
{
    struct fixture fixture;
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);

    assert_int_equal(fixture_run_child(&fixture, use_the_environment_of_the_parent, NULL), 0);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_OK);
    assert_true(value == 2);
    assert_int_equal(fixture_put(&fixture, 1, 3), WEIR_OK);
    fixture_end(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_every_write_of_every_thread_once),
        cmocka_unit_test(commits_a_queue_at_once),
        cmocka_unit_test(goes_on_after_a_function_that_wrote_nothing),
        cmocka_unit_test(takes_back_a_function_that_failed_half_way_and_no_other),
        cmocka_unit_test(gives_all_of_a_group_the_error_of_its_commit),
        cmocka_unit_test(serves_readers_while_the_map_grows),
        cmocka_unit_test(refuses_to_work_in_a_forked_child),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
