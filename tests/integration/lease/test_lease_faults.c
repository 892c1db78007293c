/* Failing memory, full maps, read-only folders, names: the LMDB backend, and memory where it fits.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/str.h"
#include "storage/storage.h"
#include "tests/contract/lease/lease_fixture.h"
#include "tests/support/weir_test.h"

#define JUNK_BYTES 60000U
#define JUNK_ROWS  100U
#define SMALL_MAP  ((uint64_t)16 << 20U)

/* --- memory --- */

static enum weir_error
use_leases(struct wi_lease_store *store, uint64_t epoch)
{
    const struct wi_assignment take = {"shard-a", "w1", epoch, 0};
    const struct wi_release let_go = {.lease_key = "shard-a", .owner = "w1", .to = "w1"};
    struct wi_handoff_request wish = {.lease_key = "shard-a"};
    struct wi_release release = let_go;
    enum weir_error result = WEIR_OK;
    enum weir_error error = store->ops->assign(store->store, 0, &take, 1, &result);

    wish.expected_epoch = epoch + 1;
    wish.handoff.reason = WI_HANDOFF_DRAIN;
    release.epoch = epoch + 1;
    if (error == WEIR_OK) {
        error = store->ops->request_handoff(store->store, 0, &wish, 1, &result);
    }
    if (error == WEIR_OK) {
        error = store->ops->release(store->store, &release, 1, &result);
    }
    return error == WEIR_OK ? store->ops->request_drain(store->store, "w1") : error;
}

/* Every operation that allocates, until the first failure. */
static enum weir_error
use_store(struct wi_lease_store *store)
{
    struct wi_application application = an_application();
    struct wi_worker worker = {.owner = "w1"};
    struct wi_lease lease = a_lease("shard-a");
    struct wi_lease_table table;
    uint64_t epoch = 1;
    uint64_t term;
    size_t created;
    enum weir_error error = store->ops->open_application(store->store, &application, &application);

    if (error == WEIR_OK) {
        error = store->ops->put_worker(store->store, &worker);
    }
    if (error == WEIR_OK) {
        error = store->ops->create(store->store, 0, &lease, 1, &created);
    }
    if (error == WEIR_OK) {
        error = store->ops->take_leader(store->store, "w1", 0, 0, &term);
    }
    if (error == WEIR_OK) {
        error = use_leases(store, epoch);
    }
    if (error == WEIR_OK) {
        error = store->ops->get(store->store, "shard-a", &lease);
    }
    if (error == WEIR_OK) {
        error = store->ops->list(store->store, &table);
    }
    if (error == WEIR_OK) {
        wi_lease_table_free(store->env, &table);
    }
    return error;
}

static enum weir_error
open_and_use(struct lease_fixture *fixture, enum lease_backend backend)
{
    struct wi_lease_store_lmdb_options options = {
        .data_directory = fixture->dir.path, .application = "app", .lock_patience_ms = 2000};
    struct wi_lease_store *store = NULL;
    enum weir_error error =
        backend == LEASE_MEMORY
            ? wi_lease_store_open_memory(&fixture->env.env, &store)
            : wi_lease_store_open_lmdb(&fixture->env.env, &options, &store, NULL);

    if (error == WEIR_OK) {
        error = use_store(store);
        wi_lease_store_close(store);
    }
    return error;
}

static void
fail_each_allocation(enum lease_backend backend)
{
    struct lease_fixture fixture = {.backend = backend};
    enum weir_error error;

    for (size_t n = 1;; n++) {
        test_env_init(&fixture.env);
        test_dir_make(&fixture.dir);
        fixture.env.fail_at = n;
        error = open_and_use(&fixture, backend);
        test_dir_remove(&fixture.dir);
        test_env_assert_no_leak(&fixture.env);
        if (!test_env_has_failed(&fixture.env)) {
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
        assert_in_range(n, 1, 1000);
    }
    assert_int_equal(error, WEIR_OK);
}

static void
memory_store_survives_every_allocation_failure(void **state)
{
    (void)state;
    fail_each_allocation(LEASE_MEMORY);
}

static void
lmdb_store_survives_every_allocation_failure(void **state)
{
    (void)state;
    fail_each_allocation(LEASE_LMDB);
}

/* --- a full map --- */

struct junk {
    MDB_dbi rows;
    uint32_t number;
    uint32_t count; /* rows of one transaction: each costs a sync */
    size_t size;
};

static enum weir_error
write_junk(MDB_txn *txn, void *context)
{
    static unsigned char bytes[JUNK_BYTES];
    struct junk *junk = context;
    enum weir_error error = WEIR_OK;

    for (uint32_t i = 0; error == WEIR_OK && i < junk->count; i++) {
        uint32_t number = junk->number + i;
        MDB_val key = {sizeof number, &number};
        MDB_val value = {junk->size, bytes};

        error = wi_error_from_lmdb(mdb_put(txn, junk->rows, &key, &value, 0));
    }
    return error;
}

/* Fill the map, large values and many at a time first, until ordinary writes find only the reserve.
 */
static void
fill_map(struct wi_storage *storage)
{
    struct junk junk = {.size = JUNK_BYTES};

    assert_int_equal(wi_storage_database(storage, "junk", MDB_CREATE, &junk.rows), WEIR_OK);
    for (; junk.size > 0; junk.size /= 10) {
        for (junk.count = JUNK_ROWS; junk.count > 0; junk.count /= JUNK_ROWS) {
            enum weir_error error = WEIR_OK;
            for (int i = 0; error == WEIR_OK && i < 100000; i++) {
                error = wi_storage_write(storage, WI_WRITE_DEFAULT, write_junk, &junk, NULL);
                junk.number += junk.count;
            }
            assert_int_equal(error, WEIR_EFULL);
        }
    }
}

/* What fills the map comes through a share of its own. */
static struct wi_storage *
open_share(const struct lease_fixture *fixture)
{
    char path[TEST_DIR_PATH_SIZE];
    struct wi_storage_options options = {
        .directory = path,
        .kind = "leases",
        .format_version = 1,
        .sync = WI_SYNC_FULL,
        .map_bytes_initial = SMALL_MAP,
        .map_bytes_max = SMALL_MAP,
        .databases_max = 4,
        .lock_patience_ms = 2000};
    struct wi_storage *storage = NULL;

    test_dir_join(&fixture->dir, "apps/app/leases", path, sizeof path);
    assert_int_equal(wi_storage_open(&fixture->env.env, &options, &storage, NULL), WEIR_OK);
    return storage;
}

static struct wi_lease_store *
open_small(const struct lease_fixture *fixture)
{
    const struct wi_lease_store_lmdb_options options = {
        .data_directory = fixture->dir.path,
        .application = "app",
        .lock_patience_ms = 2000,
        .leases_bytes_max = SMALL_MAP};
    struct wi_lease_store *store = NULL;

    assert_int_equal(wi_lease_store_open_lmdb(&fixture->env.env, &options, &store, NULL), WEIR_OK);
    return store;
}

static void
goes_on_renewing_and_checkpointing_when_the_map_is_full(void **state)
{
    struct lease_fixture fixture = {.backend = LEASE_LMDB};
    struct wi_storage *share;
    struct wi_lease_store *store;
    uint64_t epoch;

    (void)state;
    test_env_init(&fixture.env);
    test_dir_make(&fixture.dir);
    store = open_small(&fixture);
    share = open_share(&fixture);
    epoch = given_owned(store, "shard-a", "w1");
    fill_map(share);
    assert_int_equal(create_lease(store, "shard-b"), WEIR_EFULL);
    for (uint64_t i = 1; i <= 100; i++) {
        assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_OK);
        assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, i), WEIR_OK);
    }
    put_worker(store, "w2");
    assert_int_equal(assign_lease(store, "shard-a", "w2", epoch, counter_of(store, "w1")), WEIR_OK);
    assert_int_equal(release_lease(store, "shard-a", "w2", epoch + 1, "", 200), WEIR_OK);
    assert_int_equal(store->ops->remove(store->store, 0, "shard-a", epoch + 2), WEIR_OK);
    wi_lease_store_close(store);
    wi_storage_close(share);
    test_env_assert_no_leak(&fixture.env);
    test_dir_remove(&fixture.dir);
}

/* --- a full disk --- */

/* Nothing may be written behind what the data file of this environment has on the disk by now. */
static void
limit_files_to(const struct lease_fixture *fixture, const char *data_file)
{
    char path[TEST_DIR_PATH_SIZE];
    struct rlimit limit;
    struct stat status;
    int fd;

    test_dir_join(&fixture->dir, data_file, path, sizeof path);
    fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fsync(fd), 0); /* its size on the disk is settled from here on */
    assert_int_equal(fstat(fd, &status), 0);
    close(fd);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = (rlim_t)status.st_blocks * 512;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
lift_limit(void)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The worst moment: the first worker has just started, and no page was ever freed. */
static void
goes_on_renewing_when_the_disk_is_full_from_the_start(void **state)
{
    struct lease_fixture *fixture = *state;
    enum weir_error error = WEIR_OK;

    put_worker(fixture->store, "w1");
    limit_files_to(fixture, "apps/app/liveness/data.mdb");
    for (int i = 0; error == WEIR_OK && i < 200; i++) {
        error = renew_session(fixture->store, "w1");
    }
    lift_limit();
    assert_int_equal(error, WEIR_OK);
}

static void
goes_on_checkpointing_when_the_disk_is_full_from_the_start(void **state)
{
    struct lease_fixture *fixture = *state;
    enum weir_error error = WEIR_OK;
    uint64_t epoch = given_owned(fixture->store, "shard-a", "w1");

    limit_files_to(fixture, "apps/app/leases/data.mdb");
    for (uint64_t i = 1; error == WEIR_OK && i <= 200; i++) {
        error = checkpoint_at(fixture->store, "shard-a", "w1", epoch, i);
    }
    lift_limit();
    assert_int_equal(error, WEIR_OK);
}

/* --- opening --- */

static enum weir_error
open_with(
    struct lease_fixture *fixture,
    struct wi_lease_store_lmdb_options options,
    struct wi_lease_store **ret)
{
    struct weir_detail detail = {""};
    enum weir_error error;

    options.data_directory = options.data_directory == NULL ? fixture->dir.path : "";
    options.lock_patience_ms = 2000;
    error = wi_lease_store_open_lmdb(&fixture->env.env, &options, ret, &detail);
    assert_true(error == WEIR_OK || detail.text[0] != '\0');
    return error;
}

static void
refuses_names_that_would_leave_the_data_directory(void **state)
{
    static const char *const names[] = {"", "..", ".", "a/b", "../other", "a b"};
    struct lease_fixture *fixture = *state;
    struct wi_lease_store_lmdb_options options = {.application = "app", .data_directory = ""};
    struct wi_lease_store *store = NULL;

    assert_int_equal(open_with(fixture, options, &store), WEIR_EINVAL);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        options = (struct wi_lease_store_lmdb_options){.application = names[i]};
        assert_int_equal(open_with(fixture, options, &store), WEIR_EINVAL);
    }
    assert_null(store);
}

static void
finds_no_application_where_none_is(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store_lmdb_options options = {.application = "none", .must_exist = true};
    struct wi_lease_store *store = NULL;

    assert_int_equal(open_with(fixture, options, &store), WEIR_ENOTFOUND);
    options = (struct wi_lease_store_lmdb_options){.application = "none", .read_only = true};
    assert_int_equal(open_with(fixture, options, &store), WEIR_ENOTFOUND);
    assert_null(store);
}

static void
reads_but_does_not_write_when_opened_read_only(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store_lmdb_options options = {.application = "app", .read_only = true};
    struct wi_lease_store *store = NULL;
    uint64_t epoch = given_owned(fixture->store, "shard-a", "w1");

    assert_int_equal(open_with(fixture, options, &store), WEIR_OK);
    assert_int_equal(get_lease(store, "shard-a").epoch, epoch);
    assert_int_equal(counter_of(store, "w1"), 1);
    assert_int_not_equal(create_lease(store, "shard-b"), WEIR_OK);
    assert_int_not_equal(checkpoint_at(store, "shard-a", "w1", epoch, 5), WEIR_OK);
    assert_int_not_equal(renew_session(store, "w1"), WEIR_OK);
    assert_int_equal(get_lease(fixture->store, "shard-a").checkpoint.type, WEIR_TRIM_HORIZON);
    wi_lease_store_close(store);
}

/* An archived data directory: not even the lock files may be written. Root may write anything. */
static void
reads_a_directory_without_write_permission(void **state)
{
    struct lease_fixture fixture = {.backend = LEASE_LMDB};
    struct wi_lease_store_lmdb_options options = {.application = "app", .read_only = true};
    struct wi_lease_store *store;
    char command[TEST_DIR_PATH_SIZE + 32];

    (void)state;
    if (geteuid() == 0) {
        skip();
    }
    test_env_init(&fixture.env);
    test_dir_make(&fixture.dir);
    store = lease_fixture_new_store(&fixture, LEASE_LMDB);
    assert_int_equal(create_lease(store, "shard-a"), WEIR_OK);
    wi_lease_store_close(store);
    (void)snprintf(command, sizeof command, "chmod -R a-w '%s'", fixture.dir.path);
    assert_int_equal(system(command), 0);
    assert_int_equal(open_with(&fixture, options, &store), WEIR_OK);
    assert_int_equal(get_lease(store, "shard-a").epoch, 1);
    wi_lease_store_close(store);
    options.read_only = false;
    assert_int_equal(open_with(&fixture, options, &store), WEIR_EACCESS);
    (void)snprintf(command, sizeof command, "chmod -R u+w '%s'", fixture.dir.path);
    assert_int_equal(system(command), 0);
    test_dir_remove(&fixture.dir);
}

static void
collect_name(void *context, const char *name)
{
    char *names = context;
    size_t length = strlen(names);

    (void)snprintf(names + length, 64 - length, "%s,", name);
}

static void
lists_applications_in_order_and_nothing_else(void **state)
{
    struct lease_fixture *fixture = *state;
    struct wi_lease_store_lmdb_options options = {.application = "zeta"};
    struct wi_lease_store *store = NULL;
    char names[64] = "";
    char path[TEST_DIR_PATH_SIZE];

    assert_int_equal(open_with(fixture, options, &store), WEIR_OK);
    wi_lease_store_close(store);
    test_dir_join(&fixture->dir, "apps/not-one", path, sizeof path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(
        wi_lease_store_each_application(&fixture->env.env, fixture->dir.path, collect_name, names),
        WEIR_OK);
    assert_string_equal(names, "app,zeta,");
    names[0] = '\0';
    assert_int_equal(
        wi_lease_store_each_application(&fixture->env.env, path, collect_name, names), WEIR_OK);
    assert_string_equal(names, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_store_survives_every_allocation_failure),
        cmocka_unit_test(lmdb_store_survives_every_allocation_failure),
        cmocka_unit_test(goes_on_renewing_and_checkpointing_when_the_map_is_full),
        LEASE_TEST(goes_on_renewing_when_the_disk_is_full_from_the_start),
        LEASE_TEST(goes_on_checkpointing_when_the_disk_is_full_from_the_start),
        LEASE_TEST(refuses_names_that_would_leave_the_data_directory),
        LEASE_TEST(finds_no_application_where_none_is),
        LEASE_TEST(reads_but_does_not_write_when_opened_read_only),
        cmocka_unit_test(reads_a_directory_without_write_permission),
        LEASE_TEST(lists_applications_in_order_and_nothing_else),
    };

    return lease_fixture_run_lmdb("lease: faults", tests, sizeof tests / sizeof tests[0]);
}
