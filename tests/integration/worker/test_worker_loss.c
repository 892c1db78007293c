/* Workers that die, stop, or lose their session; tables and disks that refuse. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/integration/worker/crew.h"
#include "tests/support/weir_test.h"

#define RECORDS UINT64_C(10)

static const char *const plain[] = {NULL};
static const char *const no_checkpoints[] = {"checkpoint_interval_ms=0", NULL};
/* Without checkpoints it hardly ever stops inside a write to the table, which would be its end
 * (ADR 4). */
static const char *const short_lease[] = {
    "lease_duration_ms=600", "checkpoint_interval_ms=0", NULL};

static void
expect_clean_exit(struct crew *crew, pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGTERM), 0);
    status = crew_reap(crew, pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- kill -9 --- */

/* DESIGN 5, "replay possible": what an earlier owner may have been handed, and nothing else. */
static void
marks_what_a_killed_owner_may_have_had(void **state)
{
    struct crew *crew = *state;
    pid_t pid = crew_spawn(crew, 0, no_checkpoints);

    crew_put(crew, 0, 0, RECORDS);
    crew_wait_processed(crew, 0, RECORDS);
    crew_kill(crew, pid);
    pid = crew_spawn(crew, 1, no_checkpoints);
    crew_wait_count(crew, CREW_RECORD, 1, 0, RECORDS);
    crew_put(crew, 0, 100, RECORDS);
    crew_wait_processed(crew, 100, RECORDS);
    for (uint64_t i = 0; i < RECORDS; i++) {
        assert_int_equal(crew_deliveries(crew, i), 2);
        assert_false(crew_delivery(crew, i, 0).replay_possible);
        assert_true(crew_delivery(crew, i, 1).replay_possible);
        assert_false(crew_delivery(crew, 100 + i, 0).replay_possible);
    }
    expect_clean_exit(crew, pid);
    crew_check_protocol(crew, false);
}

static void
marks_nothing_after_a_clean_handover(void **state)
{
    struct crew *crew = *state;
    pid_t pid = crew_spawn(crew, 0, plain);

    crew_put(crew, 0, 0, RECORDS);
    crew_wait_processed(crew, 0, RECORDS);
    expect_clean_exit(crew, pid);
    crew_put(crew, 0, 100, RECORDS);
    pid = crew_spawn(crew, 1, plain);
    crew_wait_processed(crew, 100, RECORDS);
    for (uint64_t i = 0; i < RECORDS; i++) {
        assert_int_equal(crew_deliveries(crew, i), 1);
        assert_false(crew_delivery(crew, 100 + i, 0).replay_possible);
    }
    expect_clean_exit(crew, pid);
    crew_check_protocol(crew, true);
}

/* DESIGN R9: with a lease of a minute only the kernel's word can be the reason. */
static void
takes_over_from_a_killed_worker_without_waiting_for_its_lease(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    static const char *const long_lease[] = {"lease_duration_ms=60000", NULL};
    pid_t pids[3];

    options.lease_duration_ms = 60000;
    crew_start(crew, 0, &options);
    crew_wait_balanced(crew, 1);
    for (uint32_t i = 0; i < 3; i++) {
        pids[i] = crew_spawn(crew, i + 1, long_lease);
    }
    crew_wait_balanced(crew, 4);
    for (uint32_t i = 0; i < 3; i++) {
        crew_kill(crew, pids[i]);
        crew_wait_balanced(crew, 3 - i);
    }
    for (uint64_t i = 0; i < 4; i++) {
        crew_put(crew, CREW_SHARD(i, 4), RECORDS * i, RECORDS);
    }
    crew_wait_processed(crew, 0, 4 * RECORDS);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    crew_check_protocol(crew, false);
}

/* The follower hears of it as well: the leader dies. */
static void
leads_at_once_when_the_leader_was_killed(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    static const char *const long_lease[] = {"lease_duration_ms=60000", NULL};
    pid_t pid = crew_spawn(crew, 1, long_lease);

    crew_wait_count(crew, CREW_INITIALIZE, 1, CREW_ANY, 4);
    options.lease_duration_ms = 60000;
    crew_start(crew, 0, &options);
    crew_wait_balanced(crew, 2);
    crew_kill(crew, pid);
    crew_wait_balanced(crew, 1);
    crew_put(crew, 0, 0, RECORDS);
    crew_wait_processed(crew, 0, RECORDS);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    crew_check_protocol(crew, false);
}

/* --- SIGSTOP --- */

static void
wait_for_owner_of_all(struct crew *crew, const char *worker_id)
{
    for (uint32_t shard = 0; shard < 4; shard++) {
        crew_wait_owner(crew, shard, worker_id);
    }
}

/* Whoever owns a shard has begun with it then, which the table does not tell. */
static void
process_in_each_shard(struct crew *crew, uint64_t first)
{
    for (uint64_t i = 0; i < 4; i++) {
        crew_put(crew, CREW_SHARD(i, 4), first + 100 * i, RECORDS);
    }
    for (uint64_t i = 0; i < 4; i++) {
        crew_wait_processed(crew, first + 100 * i, RECORDS);
    }
}

static void
rejoins_under_a_new_identity_after_its_session_was_lost(void **state)
{
    struct crew *crew = *state;
    /* Long enough that nobody else loses a session on a machine with much to do. */
    static const char *const lease[] = {"lease_duration_ms=3000", "checkpoint_interval_ms=0", NULL};
    pid_t pids[2];

    pids[0] = crew_spawn(crew, 0, lease);
    pids[1] = crew_spawn(crew, 1, lease);
    crew_wait_balanced(crew, 2);
    for (size_t round = 0; round < 3; round++) {
        process_in_each_shard(crew, 1000 * round);
        assert_int_equal(kill(pids[0], SIGSTOP), 0);
        wait_for_owner_of_all(crew, "w1");
        assert_int_equal(kill(pids[0], SIGCONT), 0);
        crew_wait_count(crew, CREW_LEASE_LOST, 0, CREW_ANY, 2 * (round + 1));
        crew_wait_balanced(crew, 2);
        assert_int_equal(crew_count(crew, CREW_LEASE_LOST, 0, CREW_ANY), 2 * (round + 1));
    }
    process_in_each_shard(crew, 3000);
    expect_clean_exit(crew, pids[0]);
    expect_clean_exit(crew, pids[1]);
    crew_check_protocol(crew, true);
}

/* DESIGN R11. */
static void
aborts_a_strict_worker_that_still_processes_after_its_lease(void **state)
{
    struct crew *crew = *state;
    static const char *const strict[] = {"lease_duration_ms=600", "strict=true", "hold=1", NULL};
    pid_t pid = crew_spawn(crew, 0, strict);
    pid_t other;
    int status;

    crew_put(crew, 0, 0, 1);
    crew_wait_count(crew, CREW_BATCH, 0, 0, 1);
    other = crew_spawn(crew, 1, short_lease);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    crew_wait_processed(crew, 0, 1);
    assert_int_equal(kill(pid, SIGCONT), 0);
    status = crew_reap(crew, pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    expect_clean_exit(crew, other);
}

/* --- a stopped process inside the table (ADR 4) --- */

static pid_t
given_a_stopped_writer(struct crew *crew, const char *argument)
{
    const char *const arguments[] = {argument, NULL};
    pid_t pid = crew_spawn(crew, 7, arguments);
    int status = 0;

    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    return pid;
}

static void
check_eviction(struct crew *crew, const char *argument)
{
    struct weir_worker_options options = crew_options(crew, "w0");
    int status;
    pid_t pid;

    options.lease_duration_ms = 1000;
    crew_start(crew, 0, &options);
    crew_wait_balanced(crew, 1);
    pid = given_a_stopped_writer(crew, argument);
    crew_put(crew, 0, 0, RECORDS);
    status = crew_reap(crew, pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    crew_wait_processed(crew, 0, RECORDS);
    crew_wait_checkpoint(crew, 0, crew_delivery(crew, RECORDS - 1, 0).sequence);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    crew_check_protocol(crew, true);
}

static void
ends_a_process_that_stopped_inside_the_leases(void **state)
{
    check_eviction(*state, "stop_inside=leases");
}

static void
ends_a_process_that_stopped_inside_the_liveness(void **state)
{
    check_eviction(*state, "stop_inside=liveness");
}

static bool
three_durations_have_passed(struct crew *crew, void *context)
{
    const int64_t *since_ns = context;

    (void)crew;
    return crew_now_ns() - *since_ns > INT64_C(900) * 1000000;
}

static void
leaves_a_stopped_process_alone_if_told_so(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    int64_t since_ns;
    int status = 0;
    pid_t pid;

    options.lease_duration_ms = 300;
    options.evict_stopped_writers = false;
    crew_start(crew, 0, &options);
    crew_wait_balanced(crew, 1);
    pid = given_a_stopped_writer(crew, "stop_inside=leases");
    since_ns = crew_now_ns();
    crew_wait(crew, three_durations_have_passed, &since_ns);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    assert_int_equal(kill(pid, SIGCONT), 0);
    status = crew_reap(crew, pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
}

/* --- disk and stream --- */

static void
loses_nothing_while_the_disk_is_full(void **state)
{
    struct crew *crew = *state;
    static const char *const full[] = {"lease_duration_ms=1000", "file_bytes=4096", NULL};
    pid_t pid = crew_spawn(crew, 0, full);
    uint64_t sequence;

    crew_put(crew, 0, 0, 1);
    crew_wait_count(crew, CREW_PROCESSED, 0, 0, 1);
    crew_put(crew, 0, 1, RECORDS);
    crew_wait_count(crew, CREW_LEASE_LOST, 0, 0, 1);
    assert_int_not_equal(crew_shard(crew, 0).checkpoint.type, WEIR_AFTER_SEQUENCE_NUMBER);
    crew_open_gate(crew);
    crew_wait_processed(crew, 0, RECORDS + 1);
    sequence = crew_delivery(crew, RECORDS, 0).sequence;
    crew_wait_checkpoint(crew, 0, sequence);
    expect_clean_exit(crew, pid);
    crew_check_protocol(crew, true);
}

static void
ends_with_an_error_when_the_stream_is_deleted(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    crew_put(crew, 0, 0, 1);
    crew_start(crew, 0, &options);
    options.worker_id = "w1";
    crew_start(crew, 1, &options);
    crew_wait_processed(crew, 0, 1);
    crew_wait_balanced(crew, 2);
    assert_int_equal(weir_stream_delete(&crew->env, crew->dir.path, "s", NULL), WEIR_OK);
    assert_int_equal(crew_join(crew, 0), WEIR_ENOTFOUND);
    assert_int_equal(crew_join(crew, 1), WEIR_ENOTFOUND);
    crew_check_protocol(crew, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            marks_what_a_killed_owner_may_have_had, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            marks_nothing_after_a_clean_handover, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            takes_over_from_a_killed_worker_without_waiting_for_its_lease,
            crew_setup_4,
            crew_teardown),
        cmocka_unit_test_setup_teardown(
            leads_at_once_when_the_leader_was_killed, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            rejoins_under_a_new_identity_after_its_session_was_lost, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            aborts_a_strict_worker_that_still_processes_after_its_lease,
            crew_setup_1,
            crew_teardown),
        cmocka_unit_test_setup_teardown(
            ends_a_process_that_stopped_inside_the_leases, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            ends_a_process_that_stopped_inside_the_liveness, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            leaves_a_stopped_process_alone_if_told_so, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            loses_nothing_while_the_disk_is_full, crew_setup_1, crew_teardown),
        cmocka_unit_test_setup_teardown(
            ends_with_an_error_when_the_stream_is_deleted, crew_setup_4, crew_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
