/*
 * Owners of a shard are killed at any point of their sink transactions; the next owner gets records
 * again that may have been applied already. Every effect must happen once, and in order.
 */
#include <lmdb.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/dedupe.h>

#include "core/pcg.h"
#include "core/str.h"
#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"

#define RECORDS     20000U
#define BATCH_MAX   9U
#define REPLAY_MAX  20U
#define PACE_MAX    400U /* steps of an owner before it is killed */
#define OWNERS_MAX  2000U
#define ALL_APPLIED 7 /* exit status of an owner that came to the end */

struct sink {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi effects; /* record -> {how often, as which effect} */
    struct weir_sink positions;
    uint64_t applied; /* effects so far, in this transaction too */
};

struct effect {
    uint64_t times;
    uint64_t order;
};

/* In the owner, a child: whatever goes wrong is its exit status. */
static void
require(bool is_right)
{
    if (!is_right) {
        _exit(1);
    }
}

static void
begin_transaction(struct sink *sink)
{
    require(mdb_txn_begin(sink->env, NULL, 0, &sink->txn) == 0);
}

static void
open_sink(struct sink *sink, const char *directory)
{
    MDB_stat stat;
    require(mdb_env_create(&sink->env) == 0);
    require(mdb_env_set_maxdbs(sink->env, 4) == 0);
    require(mdb_env_set_mapsize(sink->env, (size_t)64 << 20) == 0);
    require(mdb_env_open(sink->env, directory, MDB_NOSYNC, 0600) == 0);
    begin_transaction(sink);
    require(weir_sink_open(sink->txn, &sink->positions) == WEIR_OK);
    require(mdb_dbi_open(sink->txn, "effects", MDB_CREATE | MDB_INTEGERKEY, &sink->effects) == 0);
    require(mdb_stat(sink->txn, sink->effects, &stat) == 0);
    sink->applied = stat.ms_entries;
    require(mdb_txn_commit(sink->txn) == 0);
}

/* Tell the parent that a step is done, and go on when it says so: then it may kill us at any
 * instruction of the next step. */
static void
report_step(int socket_fd)
{
    char byte = 's';
    require(write(socket_fd, &byte, 1) == 1);
    require(read(socket_fd, &byte, 1) == 1);
}

static struct weir_token
token_of(uint64_t epoch)
{
    return (struct weir_token){
        .stream = WI_STR("orders"), .shard_id = WI_STR("s0"), .lease_epoch = epoch, .attempt = 1};
}

static uint64_t
acquire(struct sink *sink, uint64_t epoch)
{
    struct weir_shard shard = {.shard_id = "s0"};
    struct weir_shard_context context = {.token = token_of(epoch), .shard = &shard};
    struct weir_position position;
    begin_transaction(sink);
    require(weir_sink_acquire(&sink->positions, sink->txn, &context, &position) == WEIR_OK);
    require(mdb_txn_commit(sink->txn) == 0);
    return position.type == WEIR_TRIM_HORIZON ? 0 : position.sequence_number.word[3];
}

static void
apply(struct sink *sink, uint64_t number)
{
    struct effect effect = {.times = 0};
    MDB_val key = {sizeof number, &number};
    MDB_val value = {0, NULL};
    if (mdb_get(sink->txn, sink->effects, &key, &value) == 0) {
        memcpy(&effect, value.mv_data, sizeof effect);
    }
    effect.times++;
    effect.order = sink->applied++;
    value = (MDB_val){sizeof effect, &effect};
    require(mdb_put(sink->txn, sink->effects, &key, &value, 0) == 0);
}

/* One batch, as process_records would do it. */
static void
process(struct sink *sink, uint64_t epoch, uint64_t first, uint64_t last, int socket_fd)
{
    struct weir_token token = token_of(epoch);
    struct weir_record record = {.sequence_number = {{0, 0, 0, last}}};
    struct weir_position position;
    begin_transaction(sink);
    require(weir_sink_begin(&sink->positions, sink->txn, &token, &position) == WEIR_OK);
    report_step(socket_fd);
    for (uint64_t number = first; number <= last; number++) {
        record.sequence_number.word[3] = number;
        if (!weir_sink_has(&position, &record)) {
            apply(sink, number);
        }
        report_step(socket_fd);
    }
    require(weir_sink_advance(&sink->positions, sink->txn, &token, &record) == WEIR_OK);
    report_step(socket_fd);
    require(mdb_txn_commit(sink->txn) == 0);
    report_step(socket_fd);
}

_Noreturn static void
own_the_shard(const char *directory, uint64_t epoch, int socket_fd)
{
    struct sink sink = {.env = NULL};
    struct wi_pcg random;
    uint64_t next = 0;
    uint64_t replay = 0;
    wi_pcg_seed(&random, epoch, 1);
    open_sink(&sink, directory);
    next = acquire(&sink, epoch) + 1;
    replay = wi_pcg_below(&random, REPLAY_MAX);
    next = next > replay ? next - replay : 1; /* the checkpoint is behind the sink */
    while (next <= RECORDS) {
        uint64_t last = next + wi_pcg_below(&random, BATCH_MAX);
        last = last > RECORDS ? RECORDS : last;
        process(&sink, epoch, next, last, socket_fd);
        next = last + 1;
    }
    _exit(ALL_APPLIED);
}

/* Start an owner, let it do some steps, kill it. Returns its wait status. */
static int
run_owner(const char *directory, uint64_t epoch, uint64_t steps)
{
    int sockets[2];
    int status = 0;
    char byte = 0;
    pid_t pid;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(sockets[0]);
        own_the_shard(directory, epoch, sockets[1]);
    }
    (void)close(sockets[1]);
    while (steps > 0 && read(sockets[0], &byte, 1) == 1) {
        assert_int_equal(write(sockets[0], &byte, 1), 1);
        steps--;
    }
    if (steps == 0) {
        assert_int_equal(kill(pid, SIGKILL), 0);
    }
    (void)close(sockets[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* After the last owner: LMDB must not be open in a process that forks. */
static void
check_effects(const char *directory)
{
    struct sink sink = {.env = NULL};
    open_sink(&sink, directory);
    begin_transaction(&sink);
    require(sink.applied == RECORDS);
    for (uint64_t number = 1; number <= RECORDS; number++) {
        MDB_val key = {sizeof number, &number};
        MDB_val value = {0, NULL};
        struct effect effect;
        require(mdb_get(sink.txn, sink.effects, &key, &value) == 0);
        memcpy(&effect, value.mv_data, sizeof effect);
        require(effect.times == 1);
        require(effect.order == number - 1);
    }
    mdb_txn_abort(sink.txn);
    mdb_env_close(sink.env);
}

static void
applies_every_effect_once_and_in_order_whoever_is_killed(void **state)
{
    struct test_dir dir;
    struct wi_pcg random;
    uint64_t epoch = 1;
    int status = 0;
    (void)state;
    test_dir_make(&dir);
    wi_pcg_seed(&random, 11, 11);

    for (; epoch < OWNERS_MAX; epoch++) {
        status = run_owner(dir.path, epoch, 1 + wi_pcg_below(&random, PACE_MAX));
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), ALL_APPLIED);
            break;
        }
        assert_int_equal(WTERMSIG(status), SIGKILL);
    }
    assert_true(epoch > 10 && epoch < OWNERS_MAX);
    check_effects(dir.path);
    test_dir_remove(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(applies_every_effect_once_and_in_order_whoever_is_killed),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
