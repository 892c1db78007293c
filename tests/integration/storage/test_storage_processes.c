/* Many processes on one directory: they write, grow, die and stop at any moment. */
#include <lmdb.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <weir/error.h>

#include "storage/process.h"
#include "storage/storage.h"
#include "tests/support/weir_test.h"
#include "tests/unit/storage/storage_fixture.h"

#define PROCESSES   4
#define INCREMENTS  5000
#define KILLS       300
#define BLOCKS      400
#define BLOCK_BYTES 9000
#define PAIR_KEYS   64 /* keys that every transaction changes together; several pages */

/* --- nobody dies --- */

static int
increment_often(struct fixture *fixture, void *context)
{
    const uint64_t *key = context;

    if (fixture_open(fixture) != WEIR_OK) {
        return 1;
    }
    for (int i = 0; i < INCREMENTS; i++) {
        if (fixture_increment(fixture, 0) != WEIR_OK || fixture_increment(fixture, *key) != 0) {
            return 2;
        }
    }
    fixture_close(fixture);
    return 0;
}

static void
run_processes(struct fixture *fixture, fixture_child_fn fn)
{
    uint64_t numbers[PROCESSES];
    pid_t pids[PROCESSES];

    for (uint64_t i = 0; i < PROCESSES; i++) {
        numbers[i] = i + 1;
        pids[i] = fixture_fork(fixture, fn, &numbers[i]);
    }
    for (size_t i = 0; i < PROCESSES; i++) {
        assert_int_equal(fixture_wait(pids[i]), 0);
    }
}

static void
counts_every_write_of_every_process_once(void **state)
{
    struct fixture fixture;
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);

    run_processes(&fixture, increment_often);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 0, &value), WEIR_OK);
    assert_true(value == (uint64_t)PROCESSES * INCREMENTS);
    for (uint64_t key = 1; key <= PROCESSES; key++) {
        assert_int_equal(fixture_get(&fixture, key, &value), WEIR_OK);
        assert_true(value == INCREMENTS);
    }
    fixture_end(&fixture);
}

static int
put_blocks(struct fixture *fixture, void *context)
{
    const uint64_t *number = context;

    if (fixture_open(fixture) != WEIR_OK) {
        return 1;
    }
    for (uint64_t i = 0; i < BLOCKS; i++) {
        uint64_t key = *number * BLOCKS + i;
        uint64_t value = 0;

        if (fixture_put_block(fixture, key, BLOCK_BYTES, WI_WRITE_DEFAULT) != WEIR_OK) {
            return 2;
        }
        if (fixture_get(fixture, *number * BLOCKS + i / 2, &value) != WEIR_OK) {
            return 3;
        }
    }
    fixture_close(fixture);
    return 0;
}

static void
grows_under_all_processes_at_once_without_losing_a_write(void **state)
{
    struct fixture fixture;
    uint64_t used = 0;
    uint64_t map = 0;
    uint64_t value = 0;
    (void)state;
    fixture_make(&fixture);

    run_processes(&fixture, put_blocks);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    for (uint64_t key = BLOCKS; key < (PROCESSES + 1) * (uint64_t)BLOCKS; key++) {
        assert_int_equal(fixture_get(&fixture, key, &value), WEIR_OK);
        assert_true(value == key);
    }
    wi_storage_usage(fixture.storage, &used, &map);
    assert_true(used >= (uint64_t)PROCESSES * BLOCKS * BLOCK_BYTES);
    assert_true(map > FIXTURE_MAP_BYTES);
    fixture_end(&fixture);
}

static int
grow_by_a_round(struct fixture *fixture, void *context)
{
    const uint64_t *round = context;

    fixture->storage = NULL; /* the parent's */
    if (fixture_open(fixture) != WEIR_OK) {
        return 1;
    }
    for (uint64_t i = 0; i < BLOCKS; i++) {
        if (fixture_put_block(fixture, *round * BLOCKS + i, BLOCK_BYTES, WI_WRITE_DEFAULT) != 0) {
            return 2;
        }
    }
    fixture_close(fixture);
    return 0;
}

/* Whatever comes first after another process has grown the map: it adopts the size and works. */
static void
adopts_a_map_that_another_process_has_grown(void **state)
{
    struct fixture fixture;
    uint64_t round = 1;
    uint64_t value = 0;
    MDB_dbi dbi = 0;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    assert_int_equal(fixture_run_child(&fixture, grow_by_a_round, &round), 0);
    assert_int_equal(fixture_get(&fixture, BLOCKS, &value), WEIR_OK);
    round = 3; /* more than twice as much, so that the size of the first round does not fit */
    assert_int_equal(fixture_run_child(&fixture, grow_by_a_round, &round), 0);
    round = 4;
    assert_int_equal(fixture_run_child(&fixture, grow_by_a_round, &round), 0);
    assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);
    for (round = 5; round < 9; round++) {
        assert_int_equal(fixture_run_child(&fixture, grow_by_a_round, &round), 0);
    }
    assert_int_equal(wi_storage_database(fixture.storage, "more", 0, &dbi), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 8 * (uint64_t)BLOCKS, &value), WEIR_OK);
    fixture_end(&fixture);
}

/* --- kill -9 --- */

struct pair {
    MDB_dbi dbi;
    uint64_t value;
};

static enum weir_error
raise_all(MDB_txn *txn, void *context)
{
    const struct pair *pair = context;
    int code = 0;

    for (uint64_t i = 0; code == 0 && i < PAIR_KEYS; i++) {
        unsigned char block[256] = {0};
        MDB_val key = {sizeof i, &i};
        MDB_val value;
        uint64_t number = 0;

        code = mdb_get(txn, pair->dbi, &key, &value);
        if (code == 0) {
            memcpy(&number, value.mv_data, sizeof number);
        }
        number++;
        memcpy(block, &number, sizeof number);
        value = (MDB_val){sizeof block, block};
        code = code == 0 || code == MDB_NOTFOUND ? mdb_put(txn, pair->dbi, &key, &value, 0) : code;
    }
    return wi_error_from_lmdb(code);
}

static enum weir_error
check_all(MDB_txn *txn, void *context)
{
    struct pair *pair = context;
    int code = 0;

    for (uint64_t i = 0; i < PAIR_KEYS; i++) {
        MDB_val key = {sizeof i, &i};
        MDB_val value;
        uint64_t number = 0;

        code = mdb_get(txn, pair->dbi, &key, &value);
        if (code != 0) {
            return wi_error_from_lmdb(code);
        }
        memcpy(&number, value.mv_data, sizeof number);
        if (i > 0 && number != pair->value) {
            return WEIR_ECORRUPT;
        }
        pair->value = number;
    }
    return WEIR_OK;
}

/* Shared with the children: how many writes were acknowledged. */
struct tally {
    _Atomic uint64_t acknowledged;
    _Atomic int is_over;
};

static int
raise_for_ever(struct fixture *fixture, void *context)
{
    struct tally *tally = context;
    struct pair pair = {.value = 0};

    if (fixture_open(fixture) != WEIR_OK) {
        return 1;
    }
    pair.dbi = fixture->dbi;
    while (!tally->is_over) {
        if (wi_storage_write(fixture->storage, 0, raise_all, &pair, &fixture->detail) != WEIR_OK) {
            return 2;
        }
        tally->acknowledged++;
        if (wi_storage_read(fixture->storage, check_all, &pair) != WEIR_OK) {
            return 3;
        }
    }
    fixture_close(fixture);
    return 0;
}

static struct tally *
share_tally(void)
{
    struct tally *tally =
        mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    assert_true(tally != MAP_FAILED);
    return tally;
}

static void
pause_at_random(unsigned *seed)
{
    struct timespec pause = {.tv_nsec = 0};

    *seed = *seed * 1103515245U + 12345U;
    pause.tv_nsec = (long)(*seed >> 8U) % 3000000;
    (void)nanosleep(&pause, NULL);
}

/* Two writers are always at work; one of them is killed at a random moment, again and again. */
static void
kill_writers(struct fixture *fixture, struct tally *tally)
{
    pid_t pids[2];
    unsigned seed = 4417;

    for (size_t i = 0; i < 2; i++) {
        pids[i] = fixture_fork(fixture, raise_for_ever, tally);
    }
    for (size_t i = 0; i < KILLS; i++) {
        size_t victim = (seed >> 16U) % 2;

        pause_at_random(&seed);
        assert_int_equal(kill(pids[victim], SIGKILL), 0);
        assert_int_equal(fixture_wait(pids[victim]), 256 + SIGKILL);
        pids[victim] = fixture_fork(fixture, raise_for_ever, tally);
    }
    tally->is_over = 1;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(fixture_wait(pids[i]), 0);
    }
}

static void
tears_no_transaction_when_writers_are_killed(void **state)
{
    struct fixture fixture;
    struct tally *tally = share_tally();
    struct pair pair = {.value = 0};
    (void)state;
    fixture_make(&fixture);

    kill_writers(&fixture, tally);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    pair.dbi = fixture.dbi;
    assert_int_equal(wi_storage_read(fixture.storage, check_all, &pair), WEIR_OK);
    assert_true(pair.value >= tally->acknowledged); /* one more for each kill after a commit */
    assert_true(pair.value <= tally->acknowledged + KILLS);
    assert_int_equal(munmap(tally, sizeof *tally), 0);
    fixture_end(&fixture);
}

/* The first writer also makes the directory; killed at any point, the next one finishes it. */
static void
opens_a_directory_whose_maker_was_killed(void **state)
{
    struct tally *tally = share_tally();
    unsigned seed = 815;
    (void)state;

    for (int i = 0; i < KILLS / 2; i++) {
        struct fixture fixture;
        struct timespec pause = {.tv_nsec = 0};
        pid_t pid;

        fixture_make(&fixture);
        fixture.options.sync = WI_SYNC_FULL;
        pid = fixture_fork(&fixture, raise_for_ever, tally);
        seed = seed * 1103515245U + 12345U;
        pause.tv_nsec = (long)(seed >> 8U) % 2000000;
        (void)nanosleep(&pause, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(fixture_wait(pid), 256 + SIGKILL);
        assert_int_equal(fixture_open(&fixture), WEIR_OK);
        assert_int_equal(fixture_put(&fixture, 1, 1), WEIR_OK);
        fixture_end(&fixture);
    }
    assert_int_equal(munmap(tally, sizeof *tally), 0);
}

static enum weir_error
read_for_ever(MDB_txn *txn, void *context)
{
    const int *fds = context;

    (void)txn;
    for (bool is_told = false;;) {
        is_told = is_told || write(fds[1], "r", 1) == 1;
        pause();
    }
    return WEIR_OK;
}

static int
open_and_read_for_ever(struct fixture *fixture, void *context)
{
    return fixture_open(fixture) == WEIR_OK
               ? (int)wi_storage_read(fixture->storage, read_for_ever, context)
               : 1;
}

/* A reader that was killed inside a transaction must not keep freed pages for ever. */
static void
reuses_the_pages_of_killed_readers(void **state)
{
    struct fixture fixture;
    char told;
    int fds[2];
    pid_t pid;
    (void)state;
    fixture_make(&fixture);
    fixture.options.map_bytes_max = FIXTURE_MAP_BYTES;
    assert_int_equal(pipe(fds), 0);
    pid = fixture_fork(&fixture, open_and_read_for_ever, fds);
    assert_int_equal(read(fds[0], &told, 1), 1);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(fixture_wait(pid), 256 + SIGKILL);

    for (uint64_t i = 0; i < 500; i++) {
        assert_int_equal(fixture_put_block(&fixture, i % 4, 20000, WI_WRITE_DEFAULT), WEIR_OK);
    }
    close(fds[0]);
    close(fds[1]);
    fixture_end(&fixture);
}

static void
names_a_living_reader_that_keeps_the_map_full(void **state)
{
    struct fixture fixture;
    enum weir_error error = WEIR_OK;
    char text[64];
    char told;
    int fds[2];
    pid_t pid;
    (void)state;
    fixture_make(&fixture);
    fixture.options.map_bytes_max = FIXTURE_MAP_BYTES;
    assert_int_equal(pipe(fds), 0);
    pid = fixture_fork(&fixture, open_and_read_for_ever, fds);
    assert_int_equal(read(fds[0], &told, 1), 1);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    for (uint64_t i = 0; i < 500 && error == WEIR_OK; i++) {
        error = fixture_put_block(&fixture, i % 4, 20000, WI_WRITE_RESERVE);
    }
    assert_int_equal(error, WEIR_EFULL);
    (void)snprintf(text, sizeof text, "process %d", (int)pid);
    assert_non_null(strstr(fixture.detail.text, text));
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(fixture_wait(pid), 256 + SIGKILL);
    assert_int_equal(fixture_put_block(&fixture, 0, 20000, WI_WRITE_RESERVE), WEIR_OK);
    close(fds[0]);
    close(fds[1]);
    fixture_end(&fixture);
}

/* --- SIGSTOP --- */

static enum weir_error
stop_inside(MDB_txn *txn, void *context)
{
    struct fixture *fixture = context;
    uint64_t number = 1;
    MDB_val key = {sizeof number, &number};
    MDB_val value = {sizeof number, &number};
    int code = mdb_put(txn, fixture->dbi, &key, &value, 0);

    (void)raise(SIGSTOP);
    return wi_error_from_lmdb(code);
}

static int
write_and_stop(struct fixture *fixture, void *context)
{
    (void)context;
    if (fixture_open(fixture) != WEIR_OK) {
        return 1;
    }
    return (int)wi_storage_write(fixture->storage, 0, stop_inside, fixture, NULL);
}

static pid_t
given_a_stopped_writer(struct fixture *fixture)
{
    pid_t pid;
    int status = 0;

    fixture_make(fixture);
    fixture->options.lock_patience_ms = 200;
    pid = fixture_fork(fixture, write_and_stop, NULL);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(fixture_open(fixture), WEIR_OK);
    return pid;
}

static void
names_the_process_that_was_stopped_inside_a_transaction(void **state)
{
    struct fixture fixture;
    pid_t pid = given_a_stopped_writer(&fixture);
    struct wi_lock_holder holder;
    struct wi_process process;
    char text[64];
    uint64_t value = 0;
    (void)state;

    assert_int_equal(fixture_put(&fixture, 2, 2), WEIR_EBUSY);
    (void)snprintf(text, sizeof text, "process %d", (int)pid);
    assert_non_null(strstr(fixture.detail.text, text));
    holder = wi_storage_lock_holder(fixture.storage);
    assert_int_equal(holder.pid, pid);
    assert_int_equal(wi_process_self(&process), WEIR_OK);
    process.pid = holder.pid;
    process.start_ticks = holder.start_ticks;
    assert_int_equal(wi_process_look(&process), WI_PROCESS_STOPPED);

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(fixture_put(&fixture, 2, 2), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_ENOTFOUND);
    assert_int_equal(fixture_wait(pid), 256 + SIGKILL);
    fixture_end(&fixture);
}

static void
goes_on_when_the_stopped_writer_goes_on(void **state)
{
    struct fixture fixture;
    pid_t pid = given_a_stopped_writer(&fixture);
    uint64_t value = 0;
    (void)state;

    assert_int_equal(fixture_put(&fixture, 2, 2), WEIR_EBUSY);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_ENOTFOUND); /* readers never wait */
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(fixture_wait(pid), 0);
    assert_int_equal(fixture_put(&fixture, 2, 2), WEIR_OK);
    assert_int_equal(fixture_get(&fixture, 1, &value), WEIR_OK);
    fixture_end(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_every_write_of_every_process_once),
        cmocka_unit_test(grows_under_all_processes_at_once_without_losing_a_write),
        cmocka_unit_test(adopts_a_map_that_another_process_has_grown),
        cmocka_unit_test(tears_no_transaction_when_writers_are_killed),
        cmocka_unit_test(opens_a_directory_whose_maker_was_killed),
        cmocka_unit_test(reuses_the_pages_of_killed_readers),
        cmocka_unit_test(names_a_living_reader_that_keeps_the_map_full),
        cmocka_unit_test(names_the_process_that_was_stopped_inside_a_transaction),
        cmocka_unit_test(goes_on_when_the_stopped_writer_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
