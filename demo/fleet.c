#include "demo/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "demo/files.h"
#include "demo/journal.h"
#include "demo/worker.h"

#define SELF "/proc/self/exe"
/* Room for a number as text. */
#define NUMBER_SIZE 32

/*
 * In the child: become a worker. It dies with the demo, whatever ends that. A process group of its
 * own keeps the terminal's Ctrl-C from it: the demo ends its workers itself.
 */
static void
become_worker(pid_t parent, const char *log_path, char *const *argv)
{
    const int null = open("/dev/null", O_RDWR);
    const int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && null >= 0 && log >= 0 &&
        dup2(null, STDIN_FILENO) >= 0 && dup2(null, STDOUT_FILENO) >= 0 &&
        dup2(log, STDERR_FILENO) >= 0) {
        (void)close(null);
        (void)close(log);
        (void)execv(SELF, argv);
    }
}

/* The words behind `weir demo` that make a worker of the process. */
struct worker_words {
    char data[DEMO_PATH_SIZE];
    char folder[DEMO_PATH_SIZE];
    char number[NUMBER_SIZE];
    char duration[NUMBER_SIZE];
};

/* The child's side of demo_fleet_start(). */
static void
run_worker(pid_t parent, struct worker_words *words)
{
    char program[] = "weir";
    char demo[] = "demo";
    char word[] = DEMO_WORKER_WORD;
    char data_option[] = "--data";
    char folder_option[] = "--folder";
    char number_option[] = "--number";
    char duration_option[] = "--lease-duration";
    char *argv[] = {
        program,
        demo,
        word,
        data_option,
        words->data,
        folder_option,
        words->folder,
        number_option,
        words->number,
        duration_option,
        words->duration,
        NULL};
    char log_path[DEMO_PATH_SIZE];
    const int length =
        snprintf(log_path, sizeof log_path, "%s/worker-%s.log", words->folder, words->number);

    if (length > 0 && (size_t)length < sizeof log_path) {
        become_worker(parent, log_path, argv);
    }
    _exit(127);
}

int
demo_fleet_start(
    struct demo_fleet *fleet, const struct demo_files *files, int64_t lease_duration_ms)
{
    struct demo_member *member = &fleet->members[fleet->count];
    const pid_t parent = getpid();
    struct worker_words words;
    pid_t pid;

    if (fleet->count == DEMO_WORKERS_MAX) {
        return EAGAIN;
    }
    memcpy(words.data, files->data, sizeof words.data);
    memcpy(words.folder, files->folder, sizeof words.folder);
    (void)snprintf(words.number, sizeof words.number, "%u", (unsigned)fleet->count + 1);
    (void)snprintf(words.duration, sizeof words.duration, "%lldms", (long long)lease_duration_ms);
    pid = fork();
    if (pid < 0) {
        return errno;
    }
    if (pid == 0) {
        run_worker(parent, &words);
    }
    *member = (struct demo_member){.pid = pid, .state = DEMO_MEMBER_RUNNING};
    (void)snprintf(member->id, sizeof member->id, "worker-%s", words.number);
    fleet->count++;
    return 0;
}

static bool
is_alive(const struct demo_member *member)
{
    return member->state == DEMO_MEMBER_RUNNING || member->state == DEMO_MEMBER_STOPPED;
}

void
demo_fleet_signal(struct demo_member *member, int signal_number)
{
    if (is_alive(member)) {
        member->may_end = member->may_end || signal_number == SIGKILL || signal_number == SIGTERM;
        (void)kill(member->pid, signal_number);
    }
}

static void
note_status(struct demo_member *member, int status)
{
    if (WIFSTOPPED(status)) {
        member->state = DEMO_MEMBER_STOPPED;
    } else if (WIFCONTINUED(status)) {
        member->state = DEMO_MEMBER_RUNNING;
    } else if (WIFSIGNALED(status)) {
        member->state = DEMO_MEMBER_KILLED;
        member->status = WTERMSIG(status);
    } else if (WIFEXITED(status)) {
        member->state = DEMO_MEMBER_LEFT;
        member->status = WEXITSTATUS(status);
    }
}

void
demo_fleet_look(struct demo_fleet *fleet)
{
    for (uint32_t i = 0; i < fleet->count; i++) {
        struct demo_member *member = &fleet->members[i];
        int status = 0;
        while (is_alive(member) &&
               waitpid(member->pid, &status, WNOHANG | WUNTRACED | WCONTINUED) == member->pid) {
            note_status(member, status);
        }
    }
}

uint32_t
demo_fleet_alive(const struct demo_fleet *fleet)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < fleet->count; i++) {
        count += is_alive(&fleet->members[i]) ? 1 : 0;
    }
    return count;
}

struct demo_member *
demo_fleet_find(struct demo_fleet *fleet, const char *worker_id)
{
    for (uint32_t i = 0; i < fleet->count; i++) {
        if (strcmp(fleet->members[i].id, worker_id) == 0) {
            return &fleet->members[i];
        }
    }
    return NULL;
}

void
demo_fleet_end(struct demo_fleet *fleet)
{
    demo_fleet_look(fleet);
    for (uint32_t i = 0; i < fleet->count; i++) {
        demo_fleet_signal(&fleet->members[i], SIGKILL);
    }
    for (uint32_t i = 0; i < fleet->count; i++) {
        struct demo_member *member = &fleet->members[i];
        int status = 0;
        while (is_alive(member)) {
            const pid_t pid = waitpid(member->pid, &status, 0);
            if (pid == member->pid) {
                note_status(member, status);
            } else if (errno != EINTR) {
                member->state = DEMO_MEMBER_KILLED;
            }
        }
    }
}
