/* The processes of a run. Each is ended by its own id; all die with the run, whatever ends it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos/base.h"
#include "chaos/chaos.h"
#include "chaos/control.h"
#include "chaos/fault.h"
#include "chaos/ledger.h"
#include "chaos/place.h"
#include "chaos/run.h"
#include "chaos/tail.h"

#define SELF           "/proc/self/exe"
#define ENVIRONMENT    512
#define VARIABLES      12
#define NUMBER_SIZE    32
#define ARGUMENTS_MAX  12
#define RESTART_MIN_MS 200
#define RESTART_MAX_MS 1200

extern char **environ;

/* What a process is given. Everything is made before fork(2): afterwards only calls are allowed
 * that are safe in a program of several threads. */
struct start {
    const char *program;
    char *arguments[ARGUMENTS_MAX];
    char variables[VARIABLES][CHAOS_PATH_SIZE + 64];
    char *environment[ENVIRONMENT + VARIABLES + 1];
    size_t variable_count;
    char log[CHAOS_PATH_SIZE];
};

static void
add_variable(struct start *start, const char *name, const char *value)
{
    char *variable = start->variables[start->variable_count];

    (void)snprintf(variable, sizeof start->variables[0], "%s=%s", name, value);
    start->environment[start->variable_count++] = variable;
}

/* The variables of the run first, then those of the caller that are not among them. */
static void
add_environment(struct start *start)
{
    size_t count = start->variable_count;

    for (char **variable = environ; *variable != NULL && count < ENVIRONMENT + VARIABLES;
         variable++) {
        const size_t length = strcspn(*variable, "=") + 1;
        bool mine = false;

        for (size_t i = 0; i < start->variable_count; i++) {
            mine = mine || strncmp(*variable, start->environment[i], length) == 0;
        }
        if (!mine) {
            start->environment[count++] = *variable;
        }
    }
    start->environment[count] = NULL;
}

static void
prepare(const struct chaos_run *run, struct start *start, uint32_t seat)
{
    char path[CHAOS_PATH_SIZE];
    char number[NUMBER_SIZE];

    chaos_place_file(run->place.work, "control", path);
    add_variable(start, CHAOS_CONTROL_FILE, path);
    (void)snprintf(number, sizeof number, "%u", seat);
    add_variable(start, CHAOS_CONTROL_SEAT, number);
    if (*run->preload != '\0') {
        add_variable(start, "LD_PRELOAD", run->preload);
    }
}

static void
become(const struct start *start, pid_t parent)
{
    const int null = open("/dev/null", O_RDWR);
    const int log = open(start->log, O_WRONLY | O_CREAT | O_APPEND, 0600);

    (void)setpgid(0, 0); /* Ctrl-C is for the run, which ends its processes itself */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && null >= 0 && log >= 0 &&
        dup2(null, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 &&
        dup2(log, STDERR_FILENO) >= 0) {
        (void)close(null);
        (void)close(log);
        (void)execve(start->program, start->arguments, start->environment);
    }
    _exit(127);
}

static bool
launch(struct chaos_run *run, const struct start *start, struct chaos_member *member)
{
    const pid_t parent = getpid();
    const pid_t pid = fork();

    if (pid == 0) {
        become(start, parent);
    }
    if (pid < 0) {
        return chaos_impossible(run, "a process cannot be started");
    }
    (void)setpgid(pid, pid);
    member->pid = pid;
    member->state = CHAOS_RUNNING;
    member->may_end = false;
    member->was_stopped = false;
    member->restart_ns = 0;
    return true;
}

/* The number that every process is given is never used again. */
static uint64_t
seed_of(struct chaos_run *run)
{
    return chaos_random(&run->random);
}

static void
prepare_builtin(struct chaos_run *run, struct start *start, uint32_t number, uint32_t seat)
{
    static char word[] = "chaos";
    static char role[] = CHAOS_WORKER_WORD;
    static char program[] = "weir";
    static char texts[5][NUMBER_SIZE];
    size_t i = 0;

    (void)snprintf(texts[0], NUMBER_SIZE, "%u", number);
    (void)snprintf(texts[1], NUMBER_SIZE, "%u", seat);
    (void)snprintf(texts[2], NUMBER_SIZE, "%" PRId64, run->options->lease_duration_ms);
    (void)snprintf(texts[3], NUMBER_SIZE, "%" PRIu64, seed_of(run));
    (void)snprintf(texts[4], NUMBER_SIZE, "%d", (int)run->options->broken);
    start->program = SELF;
    start->arguments[i++] = program;
    start->arguments[i++] = word;
    start->arguments[i++] = role;
    start->arguments[i++] = run->place.work;
    for (size_t t = 0; t < 5; t++) {
        start->arguments[i++] = texts[t];
    }
}

static void
prepare_command(
    const struct chaos_run *run, struct start *start, uint32_t number, const char *journal)
{
    static char shell[] = "sh";
    static char option[] = "-c";
    static char command[CHAOS_PATH_SIZE];
    char path[CHAOS_PATH_SIZE];
    char text[NUMBER_SIZE];

    chaos_place_data(run->place.work, path);
    (void)snprintf(command, sizeof command, "%s", run->options->processor);
    (void)snprintf(text, sizeof text, "w%u", number);
    start->program = "/bin/sh";
    start->arguments[0] = shell;
    start->arguments[1] = option;
    start->arguments[2] = command;
    add_variable(start, "WEIR_DATA", path);
    add_variable(start, "WEIR_CHAOS_JOURNAL", journal);
    add_variable(start, "WEIR_CHAOS_APP", CHAOS_APPLICATION);
    add_variable(start, "WEIR_CHAOS_STREAM", CHAOS_STREAM);
    add_variable(start, "WEIR_CHAOS_WORKER", text);
    (void)snprintf(text, sizeof text, "%" PRId64 "ms", run->options->lease_duration_ms);
    add_variable(start, "WEIR_CHAOS_LEASE_DURATION", text);
}

static void
forget_orders(struct chaos_run *run, uint32_t seat)
{
    struct chaos_seat *orders = &run->control->seats[seat];

    atomic_store(&orders->clock_offset_ms, 0);
    atomic_store(&orders->sync_delay_us, 0);
    atomic_store(&orders->hang_ms, 0);
    atomic_store(&orders->crash, 0);
}

bool
chaos_start_worker(struct chaos_run *run, uint32_t seat)
{
    struct chaos_member *member = &run->members[seat];
    struct chaos_ledger *ledger = &run->ledger;
    struct start *start = chaos_zeroed(1, sizeof *start);
    char journal[CHAOS_PATH_SIZE];
    const bool text = run->options->processor != NULL;
    bool done;

    member->number = ++run->started;
    forget_orders(run, seat);
    chaos_place_numbered(run->place.work, "journal", member->number, journal);
    chaos_place_numbered(run->place.work, "worker", member->number, start->log);
    done = chaos_tail_open(&member->tail, journal, member->number, text) ||
           chaos_impossible(run, "a journal cannot be made");
    prepare(run, start, seat);
    if (text) {
        prepare_command(run, start, member->number, journal);
    } else {
        prepare_builtin(run, start, member->number, seat);
    }
    add_environment(start);
    done = done && launch(run, start, member);
    free(start);
    if (done) {
        ledger->lives = chaos_grown(ledger->lives, ledger->life_count, sizeof *ledger->lives);
        member->life = ledger->life_count++;
        ledger->lives[member->life] = (struct chaos_life){
            .worker = member->number, .seat = seat, .pid = member->pid, .begin_ns = chaos_now_ns()};
    }
    return done;
}

bool
chaos_start_producer(struct chaos_run *run)
{
    static char word[] = "chaos";
    static char role[] = CHAOS_PRODUCER_WORD;
    static char program[] = "weir";
    struct chaos_member *member = &run->members[CHAOS_PRODUCER_SEAT];
    struct start *start = chaos_zeroed(1, sizeof *start);
    char journal[CHAOS_PATH_SIZE];
    char texts[4][NUMBER_SIZE];
    bool done;

    member->number = ++run->producers;
    forget_orders(run, CHAOS_PRODUCER_SEAT);
    chaos_place_numbered(run->place.work, "puts", member->number, journal);
    chaos_place_numbered(run->place.work, "producer", member->number, start->log);
    done = chaos_tail_open(&member->tail, journal, member->number, false) ||
           chaos_impossible(run, "a journal cannot be made");
    (void)snprintf(texts[0], NUMBER_SIZE, "%u", member->number);
    (void)snprintf(texts[1], NUMBER_SIZE, "%u", run->options->rate);
    (void)snprintf(texts[2], NUMBER_SIZE, "%zu", run->ledger.put_count);
    (void)snprintf(texts[3], NUMBER_SIZE, "%" PRIu64, seed_of(run));
    prepare(run, start, CHAOS_PRODUCER_SEAT);
    add_environment(start);
    start->program = SELF;
    start->arguments[0] = program;
    start->arguments[1] = word;
    start->arguments[2] = role;
    start->arguments[3] = run->place.work;
    for (size_t i = 0; i < 4; i++) {
        start->arguments[4 + i] = texts[i];
    }
    done = done && launch(run, start, member);
    free(start);
    return done;
}

void
chaos_signal(const struct chaos_member *member, int signal_number)
{
    if (member->state != CHAOS_EMPTY) {
        /* A command may be a shell with children: its group has its id. */
        (void)kill(-member->pid, signal_number);
    }
}

uint32_t
chaos_count(const struct chaos_run *run, enum chaos_member_state state)
{
    uint32_t count = 0;

    for (uint32_t seat = 1; seat <= run->seats; seat++) {
        count += run->members[seat].state == state ? 1 : 0;
    }
    return count;
}

/* It has been handed something. */
static bool
has_begun(const struct chaos_ledger *ledger, uint32_t worker)
{
    for (size_t i = ledger->entry_count; i > 0; i--) {
        if (ledger->entries[i - 1].worker == worker) {
            return true;
        }
    }
    return false;
}

/* It ended without having been asked to, or not as it should. */
static bool
is_unexpected(const struct chaos_ledger *ledger, const struct chaos_member *member, int status)
{
    if (member->state == CHAOS_DRAINING && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM &&
        !has_begun(ledger, member->number)) {
        return false; /* it was asked to leave before it had got so far as to handle signals */
    }
    if (member->state == CHAOS_DRAINING && WIFEXITED(status)) {
        return WEXITSTATUS(status) != 0;
    }
    /* A process that was stopped in the middle of a write to the table is ended by the others. */
    return !member->may_end &&
           !(member->was_stopped && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* When it died: its own last word if it aborted, the signal if it was killed. The run hears of it
 * a little later. */
static int64_t
death_ns(const struct chaos_run *run, const struct chaos_member *member, int status)
{
    const struct chaos_ledger *ledger = &run->ledger;

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        for (size_t i = ledger->fault_count; i > 0; i--) {
            const struct chaos_fault *fault = &ledger->faults[i - 1];

            if (fault->kind == CHAOS_FAULT_KILL && fault->worker == member->number) {
                return fault->begin_ns;
            }
        }
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) {
        for (size_t i = ledger->entry_count; i > 0; i--) {
            if (ledger->entries[i - 1].worker == member->number) {
                return ledger->entries[i - 1].time_ns;
            }
        }
    }
    return chaos_now_ns();
}

static void
note_end(struct chaos_run *run, struct chaos_member *member, uint32_t seat, int status)
{
    const bool worker = seat != CHAOS_PRODUCER_SEAT;

    if (is_unexpected(&run->ledger, member, status)) {
        chaos_ledger_incident(
            &run->ledger,
            worker ? "G6" : "G8",
            "%s %u ended by itself: %s %d",
            worker ? "worker" : "producer",
            member->number,
            WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    if (member->state != CHAOS_DRAINING) {
        /* Somebody looks after the fleet, as systemd would. */
        member->restart_ns =
            chaos_now_ns() + (RESTART_MIN_MS + (int64_t)chaos_random_below(
                                                   &run->random, RESTART_MAX_MS - RESTART_MIN_MS)) *
                                 CHAOS_NS_PER_MS;
    }
    chaos_tail_read(&member->tail, &run->ledger);
    run->lines_bad += member->tail.bad_lines;
    chaos_tail_close(&member->tail);
    if (worker) {
        run->ledger.lives[member->life].end_ns = death_ns(run, member, status);
        run->ledger.lives[member->life].killed = WIFSIGNALED(status);
    }
    member->state = CHAOS_EMPTY;
}

/* Whether it has ended. Its id is its own until it is waited for: what a command has left behind in
 * its group is ended before that. */
static bool
has_ended(const struct chaos_member *member)
{
    siginfo_t info = {.si_pid = 0};

    if (waitid(P_PID, (id_t)member->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid != member->pid) {
        return false;
    }
    chaos_signal(member, SIGKILL);
    return true;
}

void
chaos_reap(struct chaos_run *run)
{
    for (uint32_t seat = 0; seat <= run->seats; seat++) {
        struct chaos_member *member = &run->members[seat];
        int status = 0;

        if (member->state == CHAOS_EMPTY) {
            continue;
        }
        chaos_tail_read(&member->tail, &run->ledger);
        if (has_ended(member) && waitpid(member->pid, &status, 0) == member->pid) {
            note_end(run, member, seat, status);
        }
    }
}

void
chaos_end_processes(struct chaos_run *run)
{
    for (uint32_t seat = 0; seat <= run->seats; seat++) {
        run->members[seat].may_end = true;
        chaos_signal(&run->members[seat], SIGKILL);
    }
    for (uint32_t seat = 0; seat <= run->seats; seat++) {
        struct chaos_member *member = &run->members[seat];
        int status = 0;

        while (member->state != CHAOS_EMPTY) {
            if (waitpid(member->pid, &status, 0) == member->pid || errno != EINTR) {
                note_end(run, member, seat, status);
            }
        }
    }
}
