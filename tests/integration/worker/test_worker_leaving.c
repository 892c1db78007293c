/* Workers that leave: drained by a call, a signal or an operator, and aborted. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/integration/worker/crew.h"
#include "tests/support/weir_test.h"

#define RECORDS UINT64_C(20)

static const char *const plain[] = {NULL};

static void
put_everywhere(struct crew *crew, uint64_t first)
{
    for (uint64_t i = 0; i < 4; i++) {
        crew_put(crew, CREW_SHARD(i, 4), first + RECORDS * i, RECORDS);
    }
}

/* DESIGN G5. */
static void
expect_no_redelivery(struct crew *crew, uint64_t count)
{
    for (uint64_t value = 0; value < count; value++) {
        assert_int_equal(crew_deliveries(crew, value), 1);
    }
}

static bool
no_worker_is_left(struct crew *crew, void *context)
{
    struct weir_app_description description = {.leader = ""};
    bool none;

    (void)context;
    assert_int_equal(
        weir_app_describe(&crew->env, crew->dir.path, "crew", &description, NULL), WEIR_OK);
    none = description.worker_count == 0;
    for (size_t i = 0; i < description.shard_count; i++) {
        none = none && description.shards[i].owner[0] == '\0';
    }
    weir_app_description_free(&crew->env, &description);
    return none;
}

/* --- SIGTERM --- */

static void
drains_at_sigterm_without_a_redelivery(void **state)
{
    struct crew *crew = *state;
    pid_t pids[3];
    int status;

    for (uint32_t i = 0; i < 3; i++) {
        pids[i] = crew_spawn(crew, i, plain);
    }
    crew_wait_balanced(crew, 3);
    for (uint32_t i = 0; i < 3; i++) {
        put_everywhere(crew, 4 * RECORDS * i);
        assert_int_equal(kill(pids[i], i == 1 ? SIGINT : SIGTERM), 0);
        status = crew_reap(crew, pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    assert_true(no_worker_is_left(crew, NULL));
    pids[0] = crew_spawn(crew, 3, plain);
    put_everywhere(crew, 12 * RECORDS);
    crew_wait_processed(crew, 0, 16 * RECORDS);
    assert_int_equal(kill(pids[0], SIGTERM), 0);
    assert_int_equal(crew_reap(crew, pids[0]), 0);
    expect_no_redelivery(crew, 16 * RECORDS);
    crew_check_protocol(crew, true);
}

/* A standard signal is not queued: the second one would be lost behind the first. */
static bool
signal_was_read(struct crew *crew, void *context)
{
    const pid_t *pid = context;
    char path[64];
    char line[256];
    FILE *file;
    unsigned long long pending = 0;

    (void)crew;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)*pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        (void)sscanf(line, "ShdPnd: %llx", &pending);
    }
    (void)fclose(file);
    return (pending & (1ULL << (SIGTERM - 1))) == 0;
}

static void
send_signal(struct crew *crew, pid_t pid)
{
    assert_int_equal(kill(pid, SIGTERM), 0);
    crew_wait(crew, signal_was_read, &pid);
}

/* As timeout(1) does: to the process, and then to its group. It is stopped while they come, so that
 * they are read together however busy the machine is. */
static void
takes_signals_that_come_together_for_one(void **state)
{
    struct crew *crew = *state;
    pid_t pid = crew_spawn(crew, 0, plain);
    int status;

    crew_put(crew, 0, 0, 1);
    crew_wait_count(crew, CREW_BATCH, 0, 0, 1);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(kill(pid, SIGINT), 0);
    assert_int_equal(kill(pid, SIGCONT), 0);
    status = crew_reap(crew, pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    crew_wait_count(crew, CREW_RESULT, 0, CREW_ANY, 1);
    assert_int_equal(crew_entry(crew, CREW_RESULT, 0, 0).error, WEIR_OK);
    crew_check_protocol(crew, true);
}

static void
aborts_at_the_second_signal(void **state)
{
    /* Longer than signals that count as one may be apart. */
    static const struct timespec not_repeated = {.tv_nsec = 400000000};
    struct crew *crew = *state;
    static const char *const holding[] = {"hold=1", NULL};
    pid_t pid = crew_spawn(crew, 0, holding);
    int status;

    crew_put(crew, 0, 0, 1);
    crew_wait_count(crew, CREW_BATCH, 0, 0, 1);
    send_signal(crew, pid);
    nanosleep(&not_repeated, NULL);
    send_signal(crew, pid);
    crew_open_gate(crew);
    status = crew_reap(crew, pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    crew_wait_count(crew, CREW_RESULT, 0, CREW_ANY, 1);
    assert_int_equal(crew_entry(crew, CREW_RESULT, 0, 0).error, WEIR_ECANCELED);
    crew_check_protocol(crew, false);
}

/* --- calls --- */

static void
releases_everything_when_the_only_worker_drains(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    put_everywhere(crew, 0);
    crew_start(crew, 0, &options);
    crew_wait_processed(crew, 0, 4 * RECORDS);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    assert_true(no_worker_is_left(crew, NULL));
    assert_int_equal(crew_count(crew, CREW_SHUTDOWN, 0, CREW_ANY), 4);
    crew_check_protocol(crew, true);
    crew_start(crew, 1, &options);
    put_everywhere(crew, 4 * RECORDS);
    crew_wait_processed(crew, 4 * RECORDS, 4 * RECORDS);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    expect_no_redelivery(crew, 8 * RECORDS);
}

static enum weir_error
hold_shutdown(struct crew *crew, struct crew_call *call)
{
    if (call->entry->kind == CREW_SHUTDOWN && call->entry->shard == 0) {
        crew_wait_at_gate(crew);
    }
    return WEIR_OK;
}

static int64_t
cpu_ms(void)
{
    struct rusage usage;

    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static bool
half_a_lease_has_passed(struct crew *crew, void *context)
{
    const int64_t *since_ns = context;

    (void)crew;
    return crew_now_ns() - *since_ns > INT64_C(400) * 1000000;
}

/* The time for hand-overs is over, and one processor still flushes: the loop must wait, not spin.
 */
static void
does_not_spin_while_a_drain_takes_too_long(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    int64_t since_ns;
    int64_t used_ms;

    options.drain_timeout_ms = 0;
    crew->answer = hold_shutdown;
    crew_start(crew, 0, &options);
    crew_wait_balanced(crew, 1);
    crew_wait_count(crew, CREW_INITIALIZE, 0, CREW_ANY, 4);
    weir_worker_stop(crew->workers[0].worker);
    crew_wait_count(crew, CREW_SHUTDOWN, 0, CREW_ANY, 3);
    since_ns = crew_now_ns();
    used_ms = cpu_ms();
    crew_wait(crew, half_a_lease_has_passed, &since_ns);
    used_ms = cpu_ms() - used_ms;
    assert_true(used_ms < (crew_now_ns() - since_ns) / 1000000 / 2);
    crew_open_gate(crew);
    assert_int_equal(crew_join(crew, 0), WEIR_OK);
    crew_check_protocol(crew, true);
}

/* The processor never comes back: run gives up after drain_timeout_ms and a lease duration. */
static void
gives_up_a_drain_that_never_ends(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    int64_t since_ns = crew_now_ns();

    options.lease_duration_ms = 300;
    options.drain_timeout_ms = 0;
    crew->answer = hold_shutdown;
    crew_start(crew, 0, &options);
    crew_wait_count(crew, CREW_INITIALIZE, 0, CREW_ANY, 4);
    weir_worker_stop(crew->workers[0].worker);
    crew_wait(crew, half_a_lease_has_passed, &since_ns);
    since_ns = crew_now_ns();
    crew_wait(crew, half_a_lease_has_passed, &since_ns);
    crew_open_gate(crew);
    assert_int_equal(crew_join(crew, 0), WEIR_ECANCELED);
}

static enum weir_error
hold_processing(struct crew *crew, struct crew_call *call)
{
    if (call->entry->kind == CREW_PROCESSED) {
        crew_wait_at_gate(crew);
    }
    return WEIR_OK;
}

static void
destroys_every_state_when_aborted_and_does_not_run_twice(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct weir_worker *worker = NULL;

    crew->answer = hold_processing;
    crew_make(crew, 0, &crew->env, &options, &worker);
    crew_run(crew, 0, worker);
    crew_put(crew, CREW_SHARD(0, 4), 0, 1);
    crew_wait_count(crew, CREW_BATCH, 0, 0, 1);
    crew_wait_count(crew, CREW_INITIALIZE, 0, CREW_ANY, 4);
    weir_worker_abort(worker);
    weir_worker_abort(worker);
    crew_open_gate(crew);
    assert_int_equal(pthread_join(crew->workers[0].thread, NULL), 0);
    crew->workers[0].is_running = false;
    assert_int_equal(crew->workers[0].result, WEIR_ECANCELED);
    assert_int_equal(crew_count(crew, CREW_DESTROY, 0, CREW_ANY), 4);
    assert_int_equal(crew_count(crew, CREW_SHUTDOWN, 0, CREW_ANY), 0);
    assert_int_equal(weir_worker_run(worker, NULL), WEIR_ESTATE);
    weir_worker_free(worker);
    crew_check_protocol(crew, false);
}

/* A backlog that never ends: each record that is processed puts the next one. */
static enum weir_error
put_another(struct crew *crew, struct crew_call *call)
{
    if (call->entry->kind == CREW_PROCESSED) {
        crew_wait_at_gate(crew);
        crew_put(crew, CREW_SHARD(0, 4), crew_value(&call->input->records[0]) + 1, 1);
    }
    return WEIR_OK;
}

/* Nobody renews or checkpoints any more: what it went on with would come again elsewhere. The lease
 * lasts longer than any test, so that only the abort can end the shard. */
static void
leaves_its_backlog_alone_when_aborted(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    options.lease_duration_ms = 3600000;
    options.batch_records_max = 1;
    crew->answer = put_another;
    crew_put(crew, CREW_SHARD(0, 4), 0, 1);
    crew_start(crew, 0, &options);
    crew_wait_count(crew, CREW_BATCH, 0, 0, 1);
    weir_worker_abort(crew->workers[0].worker);
    crew_open_gate(crew);
    assert_int_equal(crew_join(crew, 0), WEIR_ECANCELED);
    crew_check_protocol(crew, false);
}

static void
takes_null_where_it_says_so(void **state)
{
    (void)state;
    weir_worker_stop(NULL);
    weir_worker_abort(NULL);
    weir_worker_free(NULL);
    assert_int_equal(weir_worker_run(NULL, NULL), WEIR_ESTATE);
    assert_int_equal(weir_worker_new(NULL, NULL, NULL, NULL, NULL), WEIR_EINVAL);
}

/* --- operators --- */

static void
drains_when_an_operator_asks(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    crew_start(crew, 0, &options);
    options.worker_id = "w1";
    crew_start(crew, 1, &options);
    crew_wait_balanced(crew, 2);
    put_everywhere(crew, 0);
    assert_int_equal(weir_app_drain(&crew->env, crew->dir.path, "crew", "w0", NULL), WEIR_OK);
    assert_int_equal(crew_join(crew, 0), WEIR_OK);
    crew_wait_balanced(crew, 1);
    crew_wait_processed(crew, 0, 4 * RECORDS);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    expect_no_redelivery(crew, 4 * RECORDS);
    crew_check_protocol(crew, true);
}

static void
leaves_a_moved_shard_where_an_operator_wanted_it(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    const struct weir_str first = {"shardId-000000000000", 20};
    const char *to;

    crew_start(crew, 0, &options);
    options.worker_id = "w1";
    crew_start(crew, 1, &options);
    crew_wait_balanced(crew, 2);
    to = strcmp(crew_shard(crew, 0).owner, "w0") == 0 ? "w1" : "w0";
    put_everywhere(crew, 0);
    assert_int_equal(weir_app_move(&crew->env, crew->dir.path, "crew", first, to, NULL), WEIR_OK);
    crew_wait_owner(crew, 0, to);
    options.worker_id = "w2";
    crew_start(crew, 2, &options);
    crew_wait_count(crew, CREW_INITIALIZE, 2, CREW_ANY, 1);
    crew_wait_balanced(crew, 3);
    assert_string_equal(crew_shard(crew, 0).owner, to);
    crew_wait_processed(crew, 0, 4 * RECORDS);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(crew_stop(crew, i), WEIR_OK);
    }
    expect_no_redelivery(crew, 4 * RECORDS);
    crew_check_protocol(crew, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            drains_at_sigterm_without_a_redelivery, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            takes_signals_that_come_together_for_one, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(aborts_at_the_second_signal, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            releases_everything_when_the_only_worker_drains, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            does_not_spin_while_a_drain_takes_too_long, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            gives_up_a_drain_that_never_ends, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            destroys_every_state_when_aborted_and_does_not_run_twice, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            leaves_its_backlog_alone_when_aborted, crew_setup_4, crew_teardown),
        cmocka_unit_test(takes_null_where_it_says_so),
        cmocka_unit_test_setup_teardown(drains_when_an_operator_asks, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            leaves_a_moved_shard_where_an_operator_wanted_it, crew_setup_4, crew_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
