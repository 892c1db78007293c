/* What the kernel says about processes, and the text that names one process start. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "storage/process.h"
#include "tests/support/weir_test.h"

static struct wi_process
self_as_of(pid_t pid)
{
    struct wi_process process;
    char path[64];
    char text[1024];
    FILE *file;
    size_t length;
    long long ticks = 0;

    assert_int_equal(wi_process_self(&process), WEIR_OK);
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    assert_non_null(file);
    length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_int_equal(
        sscanf(
            strrchr(text, ')'),
            ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld",
            &ticks),
        1);
    process.pid = (int32_t)pid;
    process.start_ticks = ticks;
    return process;
}

static void *
live_on(void *context)
{
    (void)context;
    for (;;) {
        pause();
    }
    return NULL;
}

static pid_t
fork_sleeper(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)live_on(NULL);
    }
    return pid;
}

static void
reap(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
finds_itself_running(void **state)
{
    struct wi_process self;
    (void)state;

    assert_int_equal(wi_process_self(&self), WEIR_OK);
    assert_int_equal(self.pid, getpid());
    assert_int_equal(strlen(self.boot_id), 8);
    assert_true(self.start_ticks == self_as_of(getpid()).start_ticks);
    assert_int_equal(wi_process_look(&self), WI_PROCESS_RUNNING);
}

static void
tells_a_stopped_process_from_a_running_and_a_dead_one(void **state)
{
    pid_t pid = fork_sleeper();
    struct wi_process process = self_as_of(pid);
    siginfo_t info;
    (void)state;

    assert_int_equal(wi_process_look(&process), WI_PROCESS_RUNNING);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED), 0);
    assert_int_equal(wi_process_look(&process), WI_PROCESS_STOPPED);

    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(wi_process_look(&process), WI_PROCESS_GONE); /* a zombie runs no code */
    reap(pid);
    assert_int_equal(wi_process_look(&process), WI_PROCESS_GONE);
}

static void
takes_another_start_or_another_boot_for_another_process(void **state)
{
    struct wi_process other;
    (void)state;

    assert_int_equal(wi_process_self(&other), WEIR_OK);
    other.start_ticks++;
    assert_int_equal(wi_process_look(&other), WI_PROCESS_GONE);
    other.start_ticks--;
    other.boot_id[0] = other.boot_id[0] == '0' ? '1' : '0';
    assert_int_equal(wi_process_look(&other), WI_PROCESS_GONE);
    other.pid = 0;
    assert_int_equal(wi_process_look(&other), WI_PROCESS_GONE);
}

static void
end_first_thread_only(int ready_fd)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, live_on, NULL) == 0 && write(ready_fd, "r", 1) == 1) {
        pthread_exit(NULL);
    }
    _exit(1);
}

/* The kernel shows such a process as a zombie, yet its other threads go on processing: its leases
 * must not move. */
static void
does_not_take_a_process_for_gone_whose_first_thread_alone_has_ended(void **state)
{
    struct wi_process process;
    char text[1024] = "";
    char path[64];
    int fds[2];
    pid_t pid;
    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        end_first_thread_only(fds[1]);
    }
    assert_int_equal(read(fds[0], text, 1), 1);
    process = self_as_of(pid);

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    while (strstr(text, ") Z ") == NULL) {
        FILE *file = fopen(path, "r");

        assert_non_null(fgets(text, sizeof text, file));
        assert_int_equal(fclose(file), 0);
    }
    assert_int_equal(wi_process_look(&process), WI_PROCESS_RUNNING);
    reap(pid);
    close(fds[0]);
    close(fds[1]);
}

static void
opens_a_descriptor_for_exactly_this_start(void **state)
{
    pid_t pid = fork_sleeper();
    struct wi_process process = self_as_of(pid);
    int fd = -1;
    (void)state;

    assert_int_equal(wi_process_open_fd(&process, &fd), WEIR_OK);
    assert_true(fd >= 0);
    close(fd);
    process.start_ticks++;
    assert_int_equal(wi_process_open_fd(&process, &fd), WEIR_ENOTFOUND);
    process.start_ticks--;
    reap(pid);
    assert_int_equal(wi_process_open_fd(&process, &fd), WEIR_ENOTFOUND);
    process.pid = -1;
    assert_int_equal(wi_process_open_fd(&process, &fd), WEIR_ENOTFOUND);
}

static void
reads_back_the_owner_that_it_wrote(void **state)
{
    const struct wi_process process = {.boot_id = "1f0c2a77", .pid = 4711, .start_ticks = 8812345};
    struct wi_process back;
    char text[WEIR_OWNER_SIZE];
    size_t length;
    (void)state;

    length = wi_owner_format(WI_STR("w@1"), &process, 0x9e3779b97f4a7c15U, text);
    assert_string_equal(text, "w@1@1f0c2a77-4711-8812345-9e3779b97f4a7c15");
    assert_int_equal(length, strlen(text));
    assert_int_equal(wi_owner_process(wi_str(text), &back), WEIR_OK);
    assert_string_equal(back.boot_id, "1f0c2a77");
    assert_int_equal(back.pid, 4711);
    assert_true(back.start_ticks == 8812345);
    assert_true(wi_str_equal_z(wi_owner_name(wi_str(text)), "w@1"));
}

static void
has_room_for_the_longest_owner(void **state)
{
    const struct wi_process process = {
        .boot_id = "ffffffff", .pid = INT32_MAX, .start_ticks = INT64_MAX};
    char name[WEIR_NAME_MAX];
    char text[WEIR_OWNER_SIZE];
    struct wi_process back;
    (void)state;
    memset(name, 'n', sizeof name);

    (void)wi_owner_format((struct weir_str){name, sizeof name}, &process, UINT64_MAX, text);
    assert_int_equal(wi_owner_process(wi_str(text), &back), WEIR_OK);
    assert_true(back.start_ticks == INT64_MAX);
    assert_int_equal(wi_owner_name(wi_str(text)).length, WEIR_NAME_MAX);
}

static void
takes_any_other_text_for_a_foreign_owner(void **state)
{
    static const char *const foreign[] = {
        "",
        "@",
        "worker-1",
        "user@host",
        "w@1f0c2a77-4711-8812345-9e3779b97f4a7c1",
        "w@1f0c2a77-4711-8812345-9e3779b97f4a7c150",
        "w@1f0c2a77-4711-8812345-9E3779B97F4A7C15",
        "w@1f0c2a7-4711-8812345-9e3779b97f4a7c15",
        "w@1f0c2a77-0-8812345-9e3779b97f4a7c15",
        "w@1f0c2a77--8812345-9e3779b97f4a7c15",
        "w@1f0c2a77-99999999999-8812345-9e3779b97f4a7c15",
        "w@1f0c2a77-4711-99999999999999999999-9e3779b97f4a7c15",
        "w@1f0c2a77-4711-8812345",
        "w@1f0c2a77-4711-8812345-9e3779b97f4a7c15 ",
    };
    struct wi_process process;
    (void)state;

    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        struct weir_str owner = wi_str(foreign[i]);

        assert_int_equal(wi_owner_process(owner, &process), WEIR_EINVAL);
        assert_int_equal(wi_owner_name(owner).length, owner.length);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_itself_running),
        cmocka_unit_test(tells_a_stopped_process_from_a_running_and_a_dead_one),
        cmocka_unit_test(takes_another_start_or_another_boot_for_another_process),
        cmocka_unit_test(does_not_take_a_process_for_gone_whose_first_thread_alone_has_ended),
        cmocka_unit_test(opens_a_descriptor_for_exactly_this_start),
        cmocka_unit_test(reads_back_the_owner_that_it_wrote),
        cmocka_unit_test(has_room_for_the_longest_owner),
        cmocka_unit_test(takes_any_other_text_for_a_foreign_owner),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
