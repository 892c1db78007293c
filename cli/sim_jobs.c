#include "cli/sim_jobs.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/poll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/sim.h>

/* What a child tells its parent; small enough for one atomic write to a pipe. */
enum message_type {
    MESSAGE_BEGIN,
    MESSAGE_END,
    MESSAGE_STATISTICS
};

struct message {
    enum message_type type;
    uint64_t seed;
    union {
        struct weir_sim_verdict verdict;
        struct weir_sim_statistics statistics;
    } as;
};
_Static_assert(sizeof(struct message) <= 4096, "a write to a pipe is atomic up to PIPE_BUF");

struct child {
    pid_t pid; /* 0: none */
    int fd;
    uint64_t next; /* the seed that it begins or goes on with */
    bool is_through;
    struct message message; /* as far as it has been read */
    size_t read;
};

struct pool {
    const struct sim_campaign *campaign;
    struct child children[SIM_JOBS_MAX];
    struct weir_sim_statistics *statistics;
    time_t end; /* 0: none */
};

/* --- in the child ---------------------------------------------------------------------------- */

static void
say(int fd, const struct message *message)
{
    if (write(fd, message, sizeof *message) != (ssize_t)sizeof *message) {
        _exit(EXIT_FAILURE);
    }
}

static time_t
now_s(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static bool
is_last(const struct pool *pool, uint64_t seed)
{
    const struct sim_campaign *campaign = pool->campaign;

    return (campaign->seeds > 0 && seed - campaign->first_seed >= campaign->seeds) ||
           (pool->end != 0 && now_s() >= pool->end);
}

static _Noreturn void
work(const struct pool *pool, uint64_t seed, int fd)
{
    struct weir_sim_options options = WEIR_SIM_OPTIONS_INIT;
    struct message message = {.type = MESSAGE_BEGIN};
    struct message statistics = {.type = MESSAGE_STATISTICS};

    options.limits = pool->campaign->limits;
    for (; !is_last(pool, seed); seed += pool->campaign->jobs) {
        message.type = MESSAGE_BEGIN;
        message.seed = seed;
        say(fd, &message);
        if (weir_sim_run(
                pool->campaign->env,
                seed,
                &options,
                &message.as.verdict,
                &statistics.as.statistics) != WEIR_OK) {
            _exit(EXIT_FAILURE);
        }
        message.type = MESSAGE_END;
        say(fd, &message);
    }
    say(fd, &statistics);
    _exit(EXIT_SUCCESS);
}

/* --- in the parent --------------------------------------------------------------------------- */

static bool
start(struct pool *pool, struct child *child)
{
    int ends[2];

    if (fflush(NULL) != 0 || pipe(ends) != 0) {
        return false;
    }
    child->pid = fork();
    if (child->pid == 0) {
        close(ends[0]);
        work(pool, child->next, ends[1]);
    }
    close(ends[1]);
    if (child->pid < 0) {
        close(ends[0]);
        child->pid = 0;
        return false;
    }
    child->fd = ends[0];
    child->read = 0;
    return true;
}

static void
add_up(struct weir_sim_statistics *sum, const struct weir_sim_statistics *part)
{
    sum->seeds += part->seeds;
    sum->failures += part->failures;
    sum->steps += part->steps;
    sum->events += part->events;
    sum->records += part->records;
    sum->simulated_ms += part->simulated_ms;
    for (size_t i = 0; i < WEIR_SIM_COUNTERS_MAX; i++) {
        sum->counters[i] += part->counters[i];
    }
}

static void
hear(struct pool *pool, struct child *child)
{
    const struct sim_campaign *campaign = pool->campaign;
    const struct message *message = &child->message;

    switch (message->type) {
    case MESSAGE_BEGIN:
        child->next = message->seed;
        break;
    case MESSAGE_END:
        child->next = message->seed + campaign->jobs;
        if (message->as.verdict.failed) {
            campaign->failed(campaign->context, message->seed, &message->as.verdict);
        }
        break;
    case MESSAGE_STATISTICS:
        child->is_through = true;
        add_up(pool->statistics, &message->as.statistics);
        break;
    }
}

static void
describe_death(int status, struct weir_sim_verdict *ret)
{
    *ret = (struct weir_sim_verdict){.failed = true};
    (void)snprintf(ret->property, sizeof ret->property, "A1");
    (void)snprintf(ret->name, sizeof ret->name, "assertions");
    (void)snprintf(
        ret->text,
        sizeof ret->text,
        "the simulation ended by %s %d; its line on stderr says more",
        WIFSIGNALED(status) ? "signal" : "exit status",
        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

/* The child has closed its pipe: it is through, or the seed it was at has ended it. */
static bool
bury(struct pool *pool, struct child *child)
{
    struct weir_sim_verdict verdict;
    int status = 0;

    close(child->fd);
    (void)waitpid(child->pid, &status, 0);
    child->pid = 0;
    if (child->is_through) {
        return true;
    }
    describe_death(status, &verdict);
    pool->campaign->failed(pool->campaign->context, child->next, &verdict);
    pool->statistics->failures++;
    pool->statistics->seeds++;
    child->next += pool->campaign->jobs;
    return start(pool, child);
}

static bool
listen_to(struct pool *pool, struct child *child)
{
    char *to = (char *)&child->message + child->read;
    ssize_t got = read(child->fd, to, sizeof child->message - child->read);

    if (got < 0 && errno == EINTR) {
        return true;
    }
    if (got <= 0) {
        return bury(pool, child);
    }
    child->read += (size_t)got;
    if (child->read == sizeof child->message) {
        child->read = 0;
        hear(pool, child);
    }
    return true;
}

/* False when nobody is left, or one cannot be started again. */
static bool
wait_for_news(struct pool *pool, bool *ret_ok)
{
    struct pollfd polled[SIM_JOBS_MAX];
    uint32_t alive = 0;

    for (uint32_t i = 0; i < pool->campaign->jobs; i++) {
        const struct child *child = &pool->children[i];

        alive += child->pid != 0 ? 1 : 0;
        polled[i] = (struct pollfd){.fd = child->pid != 0 ? child->fd : -1, .events = POLLIN};
    }
    if (alive == 0) {
        return false;
    }
    if (poll(polled, pool->campaign->jobs, -1) < 0) {
        *ret_ok = errno == EINTR;
        return *ret_ok;
    }
    for (uint32_t i = 0; i < pool->campaign->jobs && *ret_ok; i++) {
        if (polled[i].revents != 0) {
            *ret_ok = listen_to(pool, &pool->children[i]);
        }
    }
    return *ret_ok;
}

/* After a failure of the system: nobody is left behind. */
static void
end_children(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->campaign->jobs; i++) {
        struct child *child = &pool->children[i];

        if (child->pid != 0) {
            (void)kill(child->pid, SIGKILL);
            (void)waitpid(child->pid, NULL, 0);
            close(child->fd);
            child->pid = 0;
        }
    }
}

bool
sim_campaign_run(const struct sim_campaign *campaign, struct weir_sim_statistics *ret_statistics)
{
    struct pool *pool = calloc(1, sizeof *pool);
    bool ok = true;

    if (pool == NULL) {
        return false;
    }
    *ret_statistics = (struct weir_sim_statistics){0};
    pool->campaign = campaign;
    pool->statistics = ret_statistics;
    pool->end = campaign->minutes == 0 ? 0 : now_s() + (time_t)(campaign->minutes * 60);
    for (uint32_t i = 0; i < campaign->jobs && ok; i++) {
        pool->children[i].next = campaign->first_seed + i;
        ok = start(pool, &pool->children[i]);
    }
    while (ok && wait_for_news(pool, &ok)) {
    }
    end_children(pool);
    free(pool);
    return ok;
}

/* --- one seed -------------------------------------------------------------------------------- */

struct single {
    bool failed;
    struct weir_sim_verdict verdict;
};

static void
keep_verdict(void *context, uint64_t seed, const struct weir_sim_verdict *verdict)
{
    struct single *single = context;

    (void)seed;
    single->failed = true;
    single->verdict = *verdict;
}

bool
sim_run_apart(
    const struct weir_env *env,
    uint64_t seed,
    const struct weir_sim_limits *limits,
    struct weir_sim_verdict *ret)
{
    struct single single = {.failed = false};
    struct weir_sim_statistics statistics;
    struct sim_campaign campaign = {
        .env = env,
        .limits = *limits,
        .first_seed = seed,
        .seeds = 1,
        .jobs = 1,
        .failed = keep_verdict,
        .context = &single};

    if (!sim_campaign_run(&campaign, &statistics)) {
        return false;
    }
    *ret = single.verdict;
    ret->failed = single.failed;
    return true;
}
