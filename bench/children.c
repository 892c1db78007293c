/* Processes of a run: start, wait, end. Each is ended by its own id, never by a name. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h> /* IWYU pragma: keep */
#include <sys/wait.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/clock.h"
#include "bench/harness.h"
#include "bench/shared.h"

#define START_LIMIT_MS 60000
#define EXIT_NO_EXEC   127
#define LOG_MODE       0600

struct bench_slot *
bench_slot(struct bench *bench, size_t index, enum bench_role role)
{
    struct bench_slot *slot = &bench->shared->slot[index];

    memset(slot, 0, sizeof *slot);
    slot->role = role;
    return slot;
}

/* In the child: standard output and errors go to the log, the shared memory to its place. */
static void
become(const struct bench *bench, int parent, const char *index, const char *log)
{
    char word[] = "bench";
    char role[] = BENCH_ROLE_WORD;
    char program[] = "weir";
    char number[16];
    char *argv[] = {program, word, role, number, NULL};
    const int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, LOG_MODE);

    (void)snprintf(number, sizeof number, "%s", index);
    /* Ctrl-C is for the bench, which ends its processes in order. */
    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || fd < 0 ||
        dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0) {
        _exit(EXIT_NO_EXEC);
    }
    if (bench->shared_fd == BENCH_SHARED_FD ? fcntl(BENCH_SHARED_FD, F_SETFD, 0) != 0
                                            : dup2(bench->shared_fd, BENCH_SHARED_FD) < 0) {
        _exit(EXIT_NO_EXEC);
    }
    (void)execv("/proc/self/exe", argv);
    _exit(EXIT_NO_EXEC);
}

bool
bench_start(struct bench *bench, size_t index)
{
    const int parent = (int)getpid();
    char number[16];
    char log[BENCH_PATH_SIZE + sizeof "/log"];
    int pid;

    (void)snprintf(number, sizeof number, "%zu", index);
    (void)snprintf(log, sizeof log, "%s/log", bench->directory);
    pid = (int)fork();
    if (pid == 0) {
        become(bench, parent, number, log);
    }
    if (pid < 0) {
        return bench_fail(bench, "cannot start a process");
    }
    bench->pid[index] = pid;
    return true;
}

void
bench_signal(struct bench *bench, size_t index, int signal_number)
{
    if (bench->pid[index] > 0) {
        (void)kill(bench->pid[index], signal_number);
    }
}

static int64_t
cpu_of(const struct rusage *usage)
{
    return ((int64_t)usage->ru_utime.tv_sec + (int64_t)usage->ru_stime.tv_sec) * BENCH_S +
           ((int64_t)usage->ru_utime.tv_usec + (int64_t)usage->ru_stime.tv_usec) * 1000;
}

/* The end of a process, at most `limit_ms` away. */
static bool
reap(struct bench *bench, size_t index, int64_t limit_ms, int *ret_status, struct rusage *ret_usage)
{
    const int64_t end_ns = bench_now_ns() + limit_ms * BENCH_MS;

    while (!bench_interrupted() && bench_now_ns() < end_ns) {
        const int pid = (int)wait4(bench->pid[index], ret_status, WNOHANG, ret_usage);
        if (pid == bench->pid[index] || (pid < 0 && errno == ECHILD)) {
            bench->pid[index] = 0;
            return true;
        }
        bench_sleep_ns(BENCH_MS / 2);
    }
    return false;
}

bool
bench_finish(struct bench *bench, size_t index, int64_t *ret_cpu_ns)
{
    const struct bench_slot *slot = &bench->shared->slot[index];
    struct rusage usage = {0};
    int status = 0;

    if (!reap(bench, index, START_LIMIT_MS, &status, &usage)) {
        bench_kill(bench, index);
        return bench_fail(bench, "a process did not end within %d s", START_LIMIT_MS / 1000);
    }
    if (*slot->failure != '\0') {
        return bench_fail(bench, "%s", slot->failure);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return bench_fail(
            bench,
            "a process ended by %s %d",
            WIFEXITED(status) ? "exit status" : "signal",
            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
    if (ret_cpu_ns != NULL) {
        *ret_cpu_ns = cpu_of(&usage) - slot->cpu_start_ns;
    }
    return true;
}

void
bench_kill(struct bench *bench, size_t index)
{
    if (bench->pid[index] > 0) {
        (void)kill(bench->pid[index], SIGKILL);
        while (waitpid(bench->pid[index], NULL, 0) < 0 && errno == EINTR) {
        }
        bench->pid[index] = 0;
    }
}

void
bench_kill_all(struct bench *bench)
{
    /* All signals first: a worker need not take over what the next one leaves. */
    for (size_t i = 0; i < BENCH_SLOTS_MAX; i++) {
        bench_signal(bench, i, SIGKILL);
    }
    for (size_t i = 0; i < BENCH_SLOTS_MAX; i++) {
        bench_kill(bench, i);
    }
    if (bench->server_pid > 0) {
        (void)kill(bench->server_pid, SIGKILL);
        while (waitpid(bench->server_pid, NULL, 0) < 0 && errno == EINTR) {
        }
        bench->server_pid = 0;
    }
}

bool
bench_drain(struct bench *bench)
{
    bool ok = true;

    for (size_t i = 0; i < BENCH_SLOTS_MAX; i++) {
        bench_signal(bench, i, SIGTERM);
    }
    for (size_t i = 0; i < BENCH_SLOTS_MAX; i++) {
        if (bench->pid[i] > 0) {
            ok = bench_finish(bench, i, NULL) && ok;
        }
    }
    return ok;
}
