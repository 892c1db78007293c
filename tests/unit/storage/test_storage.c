/* One process: opening, sharing, reading, writing, growing, waking. */
#include <errno.h>
#include <lmdb.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/error.h>

#include "storage/environment.h"
#include "storage/storage.h"
#include "tests/support/test_dir.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/storage/storage_fixture.h"

static void
reads_what_it_wrote_also_after_opening_again(void **state)
{
    struct fixture fixture;
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_ENOTFOUND);
    assert_int_equal(fixture_put(&fixture, 1, 42), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_OK);
    assert_true(value == 42);
    fixture_close(&fixture);

    fixture.options.must_exist = true;
    fixture.options.sync = WI_SYNC_FULL;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_OK);
    assert_true(value == 42);
    fixture_end(&fixture);
}

static void
makes_missing_directories_for_the_owner_alone(void **state)
{
    struct fixture fixture;
    struct stat status;
    char path[TEST_DIR_PATH_SIZE];
    char data[TEST_DIR_PATH_SIZE];
    (void)state;
    fixture_make(&fixture);
    fixture_path(&fixture, "a/b//c/", path);
    fixture_path(&fixture, "a/b/c/data.mdb", data);
    fixture.options.directory = path;

    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777U, 0700);
    assert_int_equal(stat(data, &status), 0);
    assert_int_equal(status.st_mode & 0777U, 0600);
    fixture_end(&fixture);
}

static void
creates_nothing_where_something_must_exist(void **state)
{
    struct fixture fixture;
    struct stat status;
    char path[TEST_DIR_PATH_SIZE];
    (void)state;
    fixture_make(&fixture);
    fixture_path(&fixture, "missing", path);

    fixture.options.must_exist = true;
    assert_int_equal(fixture_open(&fixture), WEIR_ENOTFOUND);
    fixture.options.directory = path;
    assert_int_equal(fixture_open(&fixture), WEIR_ENOTFOUND);
    fixture.options.must_exist = false;
    fixture.options.read_only = true;
    assert_int_equal(fixture_open(&fixture), WEIR_ENOTFOUND);
    assert_int_equal(stat(path, &status), -1);
    fixture_end(&fixture);
}

static void
refuses_options_that_make_no_sense(void **state)
{
    struct fixture fixture;
    struct wi_storage_options good;
    (void)state;
    fixture_make(&fixture);
    good = fixture.options;

    fixture.options.directory = "";
    assert_int_equal(fixture_open(&fixture), WEIR_EINVAL);
    fixture.options = good;
    fixture.options.kind = "";
    assert_int_equal(fixture_open(&fixture), WEIR_EINVAL);
    fixture.options = good;
    fixture.options.map_bytes_initial = 1;
    assert_int_equal(fixture_open(&fixture), WEIR_EINVAL);
    fixture.options = good;
    fixture.options.map_bytes_max = fixture.options.map_bytes_initial - 1;
    assert_int_equal(fixture_open(&fixture), WEIR_EINVAL);
    fixture.options = good;
    fixture.options.databases_max = 1000;
    assert_int_equal(fixture_open(&fixture), WEIR_EINVAL);
    fixture.options = good;
    fixture.options.lock_patience_ms = -1;
    assert_int_equal(fixture_open(&fixture), WEIR_EINVAL);
    fixture_end(&fixture);
}

static void
shares_one_environment_within_a_process(void **state)
{
    struct fixture first;
    struct fixture second;
    uint64_t value = 0;
    (void)state;
    fixture_make(&first);
    assert_int_equal(fixture_open(&first), WEIR_OK);
    second = first;
    assert_int_equal(fixture_open(&second), WEIR_OK);

    assert_ptr_equal(first.storage->environment, second.storage->environment);
    assert_int_equal(fixture_put(&first, 1, 7), WEIR_OK);
    fixture_close(&first);
    assert_int_equal(fixture_get(&second, 1, &value), WEIR_OK);
    assert_true(value == 7);
    first.storage = second.storage;
    fixture_end(&first);
}

static void
lets_a_share_neither_weaken_nor_misread_what_is_open(void **state)
{
    struct fixture first;
    struct fixture second;
    (void)state;
    fixture_make(&first);
    first.options.read_only = false;
    assert_int_equal(fixture_open(&first), WEIR_OK);
    second = first;

    second.options.kind = "other";
    assert_int_equal(fixture_open(&second), WEIR_EVERSION);
    assert_non_null(strstr(second.detail.text, "other"));
    second.options = first.options;
    second.options.format_version = 2;
    assert_int_equal(fixture_open(&second), WEIR_EVERSION);
    second.options = first.options;
    second.options.sync = WI_SYNC_RELAXED;
    assert_int_equal(fixture_open(&second), WEIR_OK);
    assert_int_equal(first.storage->environment->mdb_flags, MDB_NOTLS | MDB_NOMETASYNC);
    fixture_close(&second);
    second.options.sync = WI_SYNC_FULL;
    assert_int_equal(fixture_open(&second), WEIR_OK);
    assert_int_equal(first.storage->environment->mdb_flags, MDB_NOTLS);
    assert_int_equal(fixture_put(&first, 1, 7), WEIR_OK);
    fixture_close(&second);
    fixture_end(&first);
}

static void
writes_through_a_share_beside_one_that_only_reads(void **state)
{
    struct fixture writer;
    struct fixture reader;
    uint64_t value = 0;
    (void)state;
    fixture_make(&writer);
    assert_int_equal(fixture_open(&writer), WEIR_OK);
    assert_int_equal(fixture_put(&writer, 1, 7), WEIR_OK);
    fixture_close(&writer);
    reader = writer;
    reader.options.read_only = true;

    assert_int_equal(fixture_open(&reader), WEIR_OK);
    assert_int_equal(fixture_put(&reader, 1, 8), WEIR_EACCESS);
    assert_int_equal(fixture_open(&writer), WEIR_OK);
    assert_int_equal(fixture_put(&reader, 1, 8), WEIR_EACCESS);
    assert_int_equal(fixture_put(&writer, 1, 9), WEIR_OK);
    assert_int_equal(fixture_get(&reader, 1, &value), WEIR_OK);
    assert_true(value == 9);
    fixture_close(&reader);
    fixture_end(&writer);
}

static void
opens_many_databases_once_each(void **state)
{
    struct fixture fixture;
    MDB_dbi first = 0;
    MDB_dbi again = 0;
    MDB_dbi other = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    assert_int_equal(wi_storage_database(fixture.storage, "a", 0, &first), WEIR_OK);
    assert_int_equal(wi_storage_database(fixture.storage, "b", 0, &other), WEIR_OK);
    assert_int_equal(wi_storage_database(fixture.storage, "a", 0, &again), WEIR_OK);
    assert_int_equal(first, again);
    assert_int_not_equal(first, other);
    assert_int_equal(wi_storage_database(fixture.storage, "c", 0, &other), WEIR_OK);
    assert_int_equal(wi_storage_database(fixture.storage, "d", 0, &other), WEIR_ELIMIT);
    fixture_close(&fixture);

    fixture.options.read_only = true;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(wi_storage_database(fixture.storage, "c", 0, &other), WEIR_OK);
    assert_int_equal(wi_storage_database(fixture.storage, "x", 0, &other), WEIR_ENOTFOUND);
    fixture_end(&fixture);
}

static void
counts_commits_and_bytes(void **state)
{
    struct fixture fixture;
    uint64_t version;
    uint64_t used = 0;
    uint64_t used_later = 0;
    uint64_t map = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    version = wi_storage_version(fixture.storage);
    wi_storage_usage(fixture.storage, &used, &map);
    assert_true(map == FIXTURE_MAP_BYTES);

    assert_int_equal(fixture_put_block(&fixture, 1, 65536, WI_WRITE_DEFAULT), WEIR_OK);
    assert_true(wi_storage_version(fixture.storage) == version + 1);
    wi_storage_usage(fixture.storage, &used_later, &map);
    assert_true(used_later >= used + 65536);
    assert_true(used_later < map);
    assert_int_equal(wi_storage_lock_holder(fixture.storage).pid, 0);
    fixture_end(&fixture);
}

static int
count_slot(const char *line, void *context)
{
    size_t *count = context;

    *count += strtol(line, NULL, 10) > 0 ? 1 : 0; /* begins with the pid */
    return 0;
}

/* A slot that is kept is lost to all other processes. */
static void
keeps_few_slots_of_readers_that_have_ended(void **state)
{
    struct fixture fixture;
    MDB_txn *reads[32];
    unsigned slots = 0;
    size_t used = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    struct wi_environment *environment = fixture.storage->environment;

    assert_int_equal(mdb_env_get_maxreaders(environment->mdb, &slots), 0);
    assert_true(slots >= WI_READERS_MAX);
    for (size_t i = 0; i < 32; i++) {
        assert_int_equal(wi_environment_begin_read(environment, &reads[i]), 0);
    }
    (void)mdb_reader_list(environment->mdb, count_slot, &used);
    assert_int_equal(used, 32);
    for (size_t i = 0; i < 32; i++) {
        wi_environment_end_read(environment, reads[i]);
    }
    used = 0;
    (void)mdb_reader_list(environment->mdb, count_slot, &used);
    assert_int_equal(used, WI_IDLE_READS_MAX);
    fixture_end(&fixture);
}

static void
grows_the_map_without_losing_a_write(void **state)
{
    struct fixture fixture;
    uint64_t used = 0;
    uint64_t map = 0;
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    for (uint64_t i = 0; i < 200; i++) {
        assert_int_equal(fixture_put_block(&fixture, i, 60000, WI_WRITE_DEFAULT), WEIR_OK);
    }
    wi_storage_usage(fixture.storage, &used, &map);
    assert_true(used > 10 * FIXTURE_MAP_BYTES && map >= used && map <= FIXTURE_MAP_BYTES_MAX);
    fixture_close(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    for (uint64_t i = 0; i < 200; i++) {
        assert_int_equal(fixture_get(&fixture, i, &value), WEIR_OK);
        assert_true(value == i);
    }
    fixture_end(&fixture);
}

static enum weir_error
delete_block(MDB_txn *txn, void *context)
{
    struct fixture *fixture = context;
    uint64_t number = 0;
    MDB_val key = {sizeof number, &number};

    return wi_error_from_lmdb(mdb_del(txn, fixture->dbi, &key, NULL));
}

static void
keeps_a_reserve_for_those_who_make_room(void **state)
{
    struct fixture fixture;
    enum weir_error error = WEIR_OK;
    uint64_t count = 0;
    (void)state;
    fixture_make(&fixture);
    fixture.options.map_bytes_max = 4 * FIXTURE_MAP_BYTES;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    for (; error == WEIR_OK; count++) {
        error = fixture_put_block(&fixture, count, 20000, WI_WRITE_DEFAULT);
    }
    assert_int_equal(error, WEIR_EFULL);
    assert_non_null(strstr(fixture.detail.text, "reserve"));

    assert_int_equal(fixture_put_block(&fixture, count, 20000, WI_WRITE_RESERVE), WEIR_OK);
    for (error = WEIR_OK; error == WEIR_OK; count++) {
        error = fixture_put_block(&fixture, count, 60000, WI_WRITE_RESERVE);
    }
    assert_int_equal(error, WEIR_EFULL);
    assert_non_null(strstr(fixture.detail.text, "largest size"));
    fixture_end(&fixture);
}

static void
accepts_writes_again_once_data_was_deleted(void **state)
{
    struct fixture fixture;
    enum weir_error error = WEIR_OK;
    uint64_t count = 0;
    (void)state;
    fixture_make(&fixture);
    fixture.options.map_bytes_max = 4 * FIXTURE_MAP_BYTES;
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    for (; error == WEIR_OK; count++) {
        error = fixture_put_block(&fixture, count, 60000, WI_WRITE_DEFAULT);
    }
    assert_int_equal(error, WEIR_EFULL);

    assert_int_equal(
        wi_storage_write(fixture.storage, WI_WRITE_RESERVE, delete_block, &fixture, NULL), WEIR_OK);
    assert_int_equal(fixture_put_block(&fixture, 0, 20000, WI_WRITE_DEFAULT), WEIR_OK);
    fixture_end(&fixture);
}

/* Every allocation of open and close, LMDB's own in test_storage_faults. */
static void
opening_survives_every_allocation_failure(void **state)
{
    struct fixture fixture;
    struct test_env test;
    struct wi_storage *storage = NULL;
    enum weir_error error = WEIR_ENOMEM;
    (void)state;
    fixture_make(&fixture);

    for (size_t n = 1;; n++) {
        test_env_init(&test);
        test.fail_at = n;
        error = wi_storage_open(&test.env, &fixture.options, &storage, NULL);
        if (!test_env_has_failed(&test)) {
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
        assert_null(storage);
        test_env_assert_no_leak(&test);
    }
    assert_int_equal(error, WEIR_OK);
    wi_storage_close(storage);
    test_env_assert_no_leak(&test);
    wi_storage_close(NULL);
    fixture_end(&fixture);
}

static void
translates_every_code_of_lmdb(void **state)
{
    (void)state;

    assert_int_equal(wi_error_from_lmdb(MDB_SUCCESS), WEIR_OK);
    assert_int_equal(wi_error_from_lmdb(MDB_NOTFOUND), WEIR_ENOTFOUND);
    assert_int_equal(wi_error_from_lmdb(MDB_KEYEXIST), WEIR_EEXISTS);
    assert_int_equal(wi_error_from_lmdb(MDB_MAP_FULL), WEIR_EFULL);
    assert_int_equal(wi_error_from_lmdb(ENOSPC), WEIR_EFULL);
    assert_int_equal(wi_error_from_lmdb(EDQUOT), WEIR_EFULL);
    assert_int_equal(wi_error_from_lmdb(EFBIG), WEIR_EFULL);
    assert_int_equal(wi_error_from_lmdb(EIO), WEIR_EIO);
    assert_int_equal(wi_error_from_lmdb(ENOMEM), WEIR_ENOMEM);
    assert_int_equal(wi_error_from_lmdb(EACCES), WEIR_EACCESS);
    assert_int_equal(wi_error_from_lmdb(MDB_CORRUPTED), WEIR_ECORRUPT);
    assert_int_equal(wi_error_from_lmdb(MDB_INVALID), WEIR_ECORRUPT);
    assert_int_equal(wi_error_from_lmdb(MDB_PAGE_NOTFOUND), WEIR_ECORRUPT);
    assert_int_equal(wi_error_from_lmdb(MDB_VERSION_MISMATCH), WEIR_EVERSION);
    assert_int_equal(wi_error_from_lmdb(MDB_READERS_FULL), WEIR_ELIMIT);
    assert_int_equal(wi_error_from_lmdb(MDB_TXN_FULL), WEIR_ELIMIT);
    assert_int_equal(wi_error_from_lmdb(MDB_PANIC), WEIR_EIO);
    assert_int_equal(wi_error_from_lmdb(MDB_MAP_RESIZED), WEIR_EBUSY);
    assert_int_equal(wi_error_from_lmdb(MDB_BAD_VALSIZE), WEIR_EINVAL);
    assert_int_equal(wi_error_from_lmdb(MDB_BAD_TXN), WEIR_EINTERNAL);
    assert_int_equal(wi_error_from_lmdb(EINVAL), WEIR_EINTERNAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_wrote_also_after_opening_again),
        cmocka_unit_test(makes_missing_directories_for_the_owner_alone),
        cmocka_unit_test(creates_nothing_where_something_must_exist),
        cmocka_unit_test(refuses_options_that_make_no_sense),
        cmocka_unit_test(shares_one_environment_within_a_process),
        cmocka_unit_test(lets_a_share_neither_weaken_nor_misread_what_is_open),
        cmocka_unit_test(writes_through_a_share_beside_one_that_only_reads),
        cmocka_unit_test(opens_many_databases_once_each),
        cmocka_unit_test(counts_commits_and_bytes),
        cmocka_unit_test(keeps_few_slots_of_readers_that_have_ended),
        cmocka_unit_test(grows_the_map_without_losing_a_write),
        cmocka_unit_test(keeps_a_reserve_for_those_who_make_room),
        cmocka_unit_test(accepts_writes_again_once_data_was_deleted),
        cmocka_unit_test(opening_survives_every_allocation_failure),
        cmocka_unit_test(translates_every_code_of_lmdb),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
