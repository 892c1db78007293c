/* Many processes on one stream: nothing is lost, doubled or out of order, whoever is killed. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/integration/stream/stream_workers.h"
#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"

#define PRODUCERS        3U
#define CONSUMERS        2U
#define RECORDS          30000U /* of each producer */
#define RESHARDS         12U
#define KILLS            25U
#define ACKNOWLEDGED_MAX 40U

static struct test_dir dir;

struct task {
    unsigned producer;
    unsigned records;
    int fd; /* where acknowledged numbers go, or what is waited for */
};

static void
given_stream(uint32_t shards)
{
    struct weir_stream_create_options options = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_detail detail = {""};

    test_dir_make(&dir);
    options.shards = shards;
    assert_int_equal(
        weir_stream_create(weir_env_default(), dir.path, WORKERS_STREAM, &options, &detail),
        WEIR_OK);
}

static int
produce(void *context)
{
    const struct task *task = context;
    struct weir_stream *stream = workers_open(dir.path, WEIR_DURABILITY_NONE);
    unsigned number = 0;
    bool sound = stream != NULL;

    while (sound && number < task->records) {
        const unsigned left = task->records - number;
        const unsigned size = 1 + (number * 7 + task->producer) % 40;
        const unsigned count = size < left ? size : left;

        sound = workers_put(stream, task->producer, number, count) == WEIR_OK;
        number += count;
        if (sound && task->fd >= 0) {
            sound = write(task->fd, &number, sizeof number) == sizeof number;
        }
    }
    weir_stream_close(stream);
    return sound ? 0 : 1;
}

static int
consume(void *context)
{
    const struct task *task = context;
    struct weir_stream *stream = workers_open(dir.path, WEIR_DURABILITY_NONE);
    struct workers_ledger ledger;

    if (stream == NULL) {
        return 1;
    }
    workers_ledger_init(&ledger, PRODUCERS, RECORDS);
    workers_read(stream, &ledger, PRODUCERS * task->records);
    if (ledger.complaint != NULL) {
        (void)fprintf(stderr, "%s (%u records)\n", ledger.complaint, ledger.total);
    }
    const int status = ledger.complaint == NULL && ledger.total == PRODUCERS * RECORDS ? 0 : 2;
    workers_ledger_free(&ledger);
    weir_stream_close(stream);
    return status;
}

/* Split, merge and scale in turn, each after some news has come in. */
static int
reshard(void *context)
{
    struct weir_stream *stream = workers_open(dir.path, WEIR_DURABILITY_NONE);
    struct weir_detail detail = {""};
    enum weir_error error = stream == NULL ? WEIR_EIO : WEIR_OK;
    (void)context;

    for (unsigned i = 0; i < RESHARDS && error == WEIR_OK; i++) {
        struct weir_stream_description d;
        const uint64_t seen = weir_stream_version(stream);

        (void)weir_stream_wait(stream, seen, 20);
        if (weir_stream_describe(stream, &d, &detail) != WEIR_OK) {
            return 1;
        }
        const char *id = d.shards[d.shard_count - 1].shard_id;
        const struct weir_str last = {id, strlen(id)};
        error = i % 2 == 0 ? weir_stream_split(stream, last, NULL, &detail)
                           : weir_stream_scale(stream, 1 + i % 5, &detail);
        weir_stream_description_free(stream, &d);
    }
    if (error != WEIR_OK) {
        (void)fprintf(stderr, "reshard: %s\n", detail.text);
    }
    weir_stream_close(stream);
    return error == WEIR_OK ? 0 : 1;
}

static void
every_record_is_read_once_and_in_order_while_shards_change(void **state)
{
    struct task tasks[PRODUCERS];
    struct task reader = {.records = RECORDS};
    pid_t children[PRODUCERS + CONSUMERS + 1];
    size_t count = 0;
    (void)state;
    given_stream(2);

    for (unsigned i = 0; i < CONSUMERS; i++) {
        children[count++] = workers_fork(consume, &reader);
    }
    for (unsigned i = 0; i < PRODUCERS; i++) {
        tasks[i] = (struct task){i, RECORDS, -1};
        children[count++] = workers_fork(produce, &tasks[i]);
    }
    children[count++] = workers_fork(reshard, NULL);
    for (size_t i = 0; i < count; i++) {
        workers_join(children[i]);
    }
    test_dir_remove(&dir);
}

/* Let a producer live until `acknowledged` puts came back, kill it, return what it was told. */
static unsigned
run_until_killed(unsigned producer, unsigned acknowledged)
{
    struct task task = {producer, 1000000, -1};
    unsigned number = 0;
    unsigned last = 0;
    int pipe_fds[2];
    int status = 0;

    assert_int_equal(pipe(pipe_fds), 0);
    task.fd = pipe_fds[1];
    const pid_t child = workers_fork(produce, &task);
    close(pipe_fds[1]);
    for (unsigned i = 0; i < acknowledged; i++) {
        assert_int_equal(read(pipe_fds[0], &number, sizeof number), sizeof number);
        last = number;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    while (read(pipe_fds[0], &number, sizeof number) == sizeof number) {
        last = number;
    }
    close(pipe_fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    return last;
}

static void
what_was_acknowledged_survives_kill_9(void **state)
{
    unsigned acknowledged[KILLS];
    struct workers_ledger ledger;
    unsigned seed = 4711;
    (void)state;
    given_stream(3);
    for (unsigned i = 0; i < KILLS; i++) {
        seed = seed * 1103515245U + 12345U;
        acknowledged[i] = run_until_killed(i, (seed >> 16) % ACKNOWLEDGED_MAX);
    }

    struct weir_stream *stream = workers_open(dir.path, WEIR_DURABILITY_NONE);
    assert_non_null(stream);
    workers_ledger_init(&ledger, KILLS, 1000000);
    workers_read(stream, &ledger, 0);
    assert_null(ledger.complaint);
    for (unsigned i = 0; i < KILLS; i++) {
        for (unsigned key = 0; key < WORKERS_KEYS; key++) {
            assert_true(ledger.next[i * WORKERS_KEYS + key] >= acknowledged[i]);
        }
    }
    assert_int_equal(workers_put(stream, 0, 999999, 1), WEIR_OK);
    workers_ledger_free(&ledger);
    weir_stream_close(stream);
    test_dir_remove(&dir);
}

static int
wait_for_one_record(void *context)
{
    const struct task *task = context;
    struct weir_stream *stream = workers_open(dir.path, WEIR_DURABILITY_NONE);
    struct workers_ledger ledger;
    char ready = 'r';

    if (stream == NULL) {
        return 1;
    }
    const uint64_t seen = weir_stream_version(stream);
    const bool told = write(task->fd, &ready, 1) == 1;
    const bool woken = told && weir_stream_wait(stream, seen, 60000) != seen;
    workers_ledger_init(&ledger, 1, 1);
    workers_read(stream, &ledger, 0);
    const unsigned total = ledger.total;
    workers_ledger_free(&ledger);
    weir_stream_close(stream);
    return woken && total == 1 ? 0 : 2;
}

static void
a_put_wakes_a_reader_in_another_process(void **state)
{
    int pipe_fds[2];
    char ready = 0;
    (void)state;
    given_stream(1);
    assert_int_equal(pipe(pipe_fds), 0);
    struct task task = {.fd = pipe_fds[1]};

    const pid_t child = workers_fork(wait_for_one_record, &task);
    assert_int_equal(read(pipe_fds[0], &ready, 1), 1);
    struct weir_stream *stream = workers_open(dir.path, WEIR_DURABILITY_FULL);
    assert_int_equal(workers_put(stream, 0, 0, 1), WEIR_OK);
    workers_join(child);
    weir_stream_close(stream);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    test_dir_remove(&dir);
}

static int
produce_large(void *context)
{
    static char data[200000];
    const struct task *task = context;
    struct weir_stream *stream = workers_open(dir.path, WEIR_DURABILITY_NONE);
    const struct weir_put_entry entry = {.partition_key = {"key", 3}, .data = {data, sizeof data}};
    struct weir_put_result result = {.error = WEIR_OK};
    struct weir_detail detail = {""};
    bool sound = stream != NULL;

    for (unsigned i = 0; i < task->records && sound; i++) {
        sound = weir_stream_put(stream, &entry, 1, &result, &detail) == WEIR_OK &&
                result.error == WEIR_OK;
    }
    if (!sound) {
        (void)fprintf(stderr, "put: %s\n", detail.text);
    }
    weir_stream_close(stream);
    return sound ? 0 : 1;
}

/* The first map holds five of these records; four processes make it grow under each other. */
static void
the_map_grows_under_all_processes(void **state)
{
    struct task task = {.records = 40};
    const struct weir_position from = {.type = WEIR_TRIM_HORIZON};
    struct weir_get_result result;
    struct weir_batch *batch = NULL;
    pid_t children[4];
    (void)state;
    given_stream(1);
    for (size_t i = 0; i < 4; i++) {
        children[i] = workers_fork(produce_large, &task);
    }
    for (size_t i = 0; i < 4; i++) {
        workers_join(children[i]);
    }
    struct weir_stream *stream = workers_open(dir.path, WEIR_DURABILITY_NONE);
    assert_int_equal(weir_batch_new(weir_env_default(), &batch), WEIR_OK);
    assert_int_equal(
        weir_stream_get(
            stream,
            &(struct weir_get_request){.shard_id = (struct weir_str){"shardId-000000000000", 20},
                                       .from = from,
                                       .records_max = 1000,
                                       .bytes_max = 1U << 30},
            batch,
            &result),
        WEIR_OK);
    assert_int_equal(weir_batch_count(batch), 160);
    weir_batch_free(batch);
    weir_stream_close(stream);
    test_dir_remove(&dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_is_read_once_and_in_order_while_shards_change),
        cmocka_unit_test(what_was_acknowledged_survives_kill_9),
        cmocka_unit_test(a_put_wakes_a_reader_in_another_process),
        cmocka_unit_test(the_map_grows_under_all_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
