/* Real processes on one lease table that die at any moment, or stop inside a transaction. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/position.h"
#include "core/str.h"
#include "storage/process.h"
#include "storage/storage.h"
#include "tests/contract/lease/lease_fixture.h"
#include "tests/support/weir_test.h"

#define WORKERS      3U
#define KILLS        60U
#define LEASES       4U
#define KEY_SIZE     16U
#define ROUNDS_BOUND 12U /* a worker is killed during one of its first rounds */

/* --- a child process: takes what it may, renews, checkpoints, tells of each round --- */

struct child {
    pid_t pid;
    int rounds; /* one byte per round; end of file: it is dead */
    char owner[WEIR_OWNER_SIZE];
};

static void
key_of(unsigned i, char key[KEY_SIZE])
{
    (void)snprintf(key, KEY_SIZE, "shard-%u", i);
}

/* Others take, too, and this one may be slow: refusals are part of the game. */
static bool
is_expected(enum weir_error error)
{
    return error == WEIR_OK || error == WEIR_ECONFLICT || error == WEIR_ELEASELOST;
}

static bool
work_on(struct wi_lease_store *store, const char *owner, const char *key)
{
    struct wi_lease lease;

    if (store->ops->get(store->store, key, &lease) != WEIR_OK) {
        return false;
    }
    if (lease.owner_state != WI_OWNER_ALIVE) {
        return is_expected(assign_lease(store, key, owner, lease.epoch, 0));
    }
    if (strcmp(lease.owner, owner) != 0) {
        return true;
    }
    return is_expected(renew_lease(store, key, owner, lease.epoch)) &&
           is_expected(checkpoint_at(
               store, key, owner, lease.epoch, lease.checkpoint.sequence_number.word[3] + 1));
}

static void
run_child(struct lease_fixture *fixture, const char *owner, int rounds)
{
    struct wi_lease_store *store = lease_fixture_new_store(fixture, LEASE_LMDB);

    put_worker(store, owner);
    for (;;) {
        for (unsigned i = 0; i < LEASES; i++) {
            char key[KEY_SIZE];
            key_of(i, key);
            if (!work_on(store, owner, key)) {
                _exit(2);
            }
        }
        if (write(rounds, "r", 1) != 1) {
            _exit(3);
        }
    }
}

/* The identity comes over the pipe first. */
static void
start_child(struct lease_fixture *fixture, struct child *child, unsigned number)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    child->pid = fork();
    assert_true(child->pid >= 0);
    if (child->pid == 0) {
        struct wi_process self;
        close(ends[0]);
        if (wi_process_self(&self) != WEIR_OK) {
            _exit(1);
        }
        memset(child->owner, 0, sizeof child->owner);
        (void)wi_owner_format(WI_STR("w"), &self, number, child->owner);
        if (write(ends[1], child->owner, sizeof child->owner) < 0) {
            _exit(1);
        }
        run_child(fixture, child->owner, ends[1]);
    }
    close(ends[1]);
    child->rounds = ends[0];
    assert_int_equal(read(child->rounds, child->owner, sizeof child->owner), sizeof child->owner);
}

static void
kill_child(struct child *child)
{
    int status = 0;

    assert_int_equal(kill(child->pid, SIGKILL), 0);
    assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
    assert_true(WIFSIGNALED(status));
    close(child->rounds);
}

/* A pseudo-random number of rounds, at some point of the next one. */
static void
let_work(const struct child *child, unsigned number)
{
    for (unsigned i = 0; i <= number * 7U % ROUNDS_BOUND; i++) {
        char byte;
        assert_int_equal(read(child->rounds, &byte, 1), 1);
    }
}

/* --- the observer --- */

struct seen {
    uint64_t epoch;
    struct weir_position checkpoint;
};

/* G3, G4: epochs never fall, checkpoints never fall, no row is torn; the dead one is known dead. */
static void
observe(struct wi_lease_store *store, struct seen seen[LEASES], const char *dead)
{
    struct wi_lease_table table;

    assert_int_equal(store->ops->list(store->store, &table), WEIR_OK);
    assert_int_equal(table.damaged_count, 0);
    assert_int_equal(table.lease_count, LEASES);
    for (unsigned i = 0; i < LEASES; i++) {
        const struct wi_lease *lease = &table.leases[i];
        assert_true(lease->epoch >= seen[i].epoch);
        assert_true(wi_checkpoint_compare(&lease->checkpoint, &seen[i].checkpoint) >= 0);
        seen[i] = (struct seen){lease->epoch, lease->checkpoint};
        if (strcmp(lease->owner, dead) == 0) {
            assert_int_equal(lease->owner_state, WI_OWNER_GONE);
        }
    }
    for (size_t i = 0; i < table.worker_count; i++) {
        if (strcmp(table.workers[i].owner, dead) == 0) {
            assert_int_equal(table.workers[i].state, WI_OWNER_GONE);
        }
    }
    wi_lease_table_free(store->env, &table);
}

static void
create_leases(struct lease_fixture *fixture)
{
    struct wi_lease_store *store = lease_fixture_new_store(fixture, LEASE_LMDB);

    for (unsigned i = 0; i < LEASES; i++) {
        char key[KEY_SIZE];
        key_of(i, key);
        assert_int_equal(create_lease(store, key), WEIR_OK);
    }
    wi_lease_store_close(store);
}

static void
keeps_epochs_and_checkpoints_over_kills_at_any_moment(void **state)
{
    struct lease_fixture fixture = {.backend = LEASE_LMDB};
    struct seen seen[LEASES] = {{0}};
    struct child children[WORKERS];
    struct wi_lease_store *store;

    (void)state;
    test_env_init(&fixture.env);
    test_dir_make(&fixture.dir);
    create_leases(&fixture);
    for (unsigned i = 0; i < WORKERS; i++) {
        start_child(&fixture, &children[i], i);
    }
    for (unsigned i = 0; i < KILLS; i++) {
        struct child *victim = &children[i % WORKERS];
        let_work(victim, i);
        kill_child(victim);
        store = lease_fixture_new_store(&fixture, LEASE_LMDB);
        observe(store, seen, victim->owner);
        wi_lease_store_close(store); /* nothing is open across the fork */
        start_child(&fixture, victim, WORKERS + i);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        kill_child(&children[i]);
    }
    for (unsigned i = 0; i < LEASES; i++) {
        assert_int_equal(seen[i].checkpoint.type, WEIR_AFTER_SEQUENCE_NUMBER);
    }
    test_dir_remove(&fixture.dir);
}

/* --- a writer that stops inside its transaction --- */

static enum weir_error
stop_here(MDB_txn *txn, void *context)
{
    (void)txn;
    (void)context;
    (void)raise(SIGSTOP);
    return WEIR_OK;
}

static void
run_stopper(const struct lease_fixture *fixture, const char *kind)
{
    char path[TEST_DIR_PATH_SIZE];
    char folder[64];
    struct wi_storage_options options = {
        .directory = path,
        .kind = kind,
        .format_version = 1,
        .sync = WI_SYNC_NONE,
        .map_bytes_initial = (uint64_t)1 << 20U,
        .map_bytes_max = (uint64_t)256 << 20U,
        .databases_max = 4,
        .lock_patience_ms = 2000};
    struct wi_storage *storage = NULL;

    (void)snprintf(folder, sizeof folder, "apps/app/%s", kind);
    test_dir_join(&fixture->dir, folder, path, sizeof path);
    if (wi_storage_open(&fixture->env.env, &options, &storage, NULL) == WEIR_OK) {
        _exit(
            wi_storage_write(storage, WI_WRITE_DEFAULT, stop_here, NULL, NULL) == WEIR_OK ? 0 : 2);
    }
    _exit(1);
}

static pid_t
start_stopper(const struct lease_fixture *fixture, const char *kind)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        run_stopper(fixture, kind);
    }
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

static struct wi_lease_store *
open_impatient(struct lease_fixture *fixture)
{
    struct wi_lease_store_lmdb_options options = {
        .data_directory = fixture->dir.path, .application = "app", .lock_patience_ms = 50};
    struct wi_lease_store *store = NULL;

    assert_int_equal(wi_lease_store_open_lmdb(&fixture->env.env, &options, &store, NULL), WEIR_OK);
    return store;
}

static void
check_stopped_writer(const char *kind, bool blocks_checkpoints)
{
    struct lease_fixture fixture = {.backend = LEASE_LMDB};
    struct wi_lease_store *store;
    uint64_t epoch;
    pid_t pid;

    test_env_init(&fixture.env);
    test_dir_make(&fixture.dir);
    store = open_impatient(&fixture);
    epoch = given_owned(store, "shard-a", "w1");
    wi_lease_store_close(store);
    pid = start_stopper(&fixture, kind);
    store = open_impatient(&fixture);
    assert_int_equal(
        checkpoint_at(store, "shard-a", "w1", epoch, 5), blocks_checkpoints ? WEIR_EBUSY : WEIR_OK);
    assert_int_equal(renew_session(store, "w1"), blocks_checkpoints ? WEIR_OK : WEIR_EBUSY);
    assert_int_equal(store->ops->stopped_writer(store->store), pid);
    assert_int_equal(get_lease(store, "shard-a").epoch, epoch); /* reading goes on */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(checkpoint_at(store, "shard-a", "w1", epoch, 6), WEIR_OK);
    assert_int_equal(renew_lease(store, "shard-a", "w1", epoch), WEIR_OK);
    assert_int_equal(store->ops->stopped_writer(store->store), 0);
    wi_lease_store_close(store);
    test_env_assert_no_leak(&fixture.env);
    test_dir_remove(&fixture.dir);
}

static void
names_a_writer_that_stopped_inside_the_leases(void **state)
{
    (void)state;
    check_stopped_writer("leases", true);
}

static void
names_a_writer_that_stopped_inside_the_liveness(void **state)
{
    (void)state;
    check_stopped_writer("liveness", false);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_epochs_and_checkpoints_over_kills_at_any_moment),
        cmocka_unit_test(names_a_writer_that_stopped_inside_the_leases),
        cmocka_unit_test(names_a_writer_that_stopped_inside_the_liveness),
    };

    return cmocka_run_group_tests_name("lease: processes", tests, NULL, NULL);
}
