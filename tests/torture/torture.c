/*
 * A fleet under random faults: kill -9, SIGSTOP past the lease, split, merge, join, drain; real
 * processes, real files. Afterwards the checker judges what the workers' journals say.
 *
 *   torture [--seed N] [--events N] [--seconds N] [--processes N] [--lease-duration MS] [--data
 * DIR]
 *
 * The same seed gives the same schedule; what the machine makes of it differs. Prints one JSON
 * object.
 */
#include "tests/torture/torture.h"

#include <getopt.h> /* IWYU pragma: keep */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <weir/app.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "tests/torture/journal.h"
#include "tests/torture/ledger.h"

uint64_t
next_random(struct run *run)
{
    uint64_t x = (run->random += UINT64_C(0x9e3779b97f4a7c15));

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void
pause_ms(int64_t ms)
{
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000};

    nanosleep(&pause, NULL);
}

_Noreturn void
die(const char *what, const struct weir_detail *detail)
{
    (void)fprintf(stderr, "torture: %s: %s\n", what, detail == NULL ? "" : detail->text);
    exit(2);
}

/* --- the run --------------------------------------------------------------------------------- */

static void
make_faults(struct run *run)
{
    int64_t begin_ns = boot_ns();
    int64_t step_ns = (int64_t)run->seconds * 1000000000 / (int64_t)run->events;

    for (uint32_t i = 0; i < run->events; i++) {
        int64_t jitter_ns = (int64_t)(next_random(run) % (uint64_t)step_ns);
        int64_t at_ns = begin_ns + (int64_t)i * step_ns + jitter_ns;

        while (boot_ns() < at_ns) {
            continue_due(run, boot_ns());
            reap(run);
            pause_ms(2);
        }
        one_fault(run);
    }
    continue_due(run, INT64_MAX);
}

/* Everything put has been processed and checkpointed, and every shard is at its tip. */
static bool
is_worked_off(struct run *run)
{
    struct weir_app_description description = {0};
    bool done = false;

    if (weir_app_describe(weir_env_default(), run->data, "torture", &description, NULL) !=
        WEIR_OK) {
        return false;
    }
    done = description.shard_count > 0;
    for (size_t i = 0; i < description.shard_count; i++) {
        const struct weir_app_shard *shard = &description.shards[i];

        done =
            done && (shard->checkpoint.type == WEIR_SHARD_END ||
                     (shard->state == WEIR_SHARD_PROCESSING && shard->millis_behind_latest == 0));
    }
    weir_app_description_free(weir_env_default(), &description);
    return done;
}

static void
heal(struct run *run)
{
    int64_t until_ns = boot_ns() + (int64_t)HEAL_SECONDS * 1000000000;

    while (count_state(run, SLOT_RUNNING) < 2) {
        reap(run);
        one_join(run);
    }
    while (!is_worked_off(run) && boot_ns() < until_ns) {
        reap(run);
        pause_ms(20);
    }
    for (uint32_t i = 0; i < run->processes; i++) {
        if (run->slots[i].state == SLOT_RUNNING) {
            run->slots[i].state = SLOT_DRAINING;
            kill(run->slots[i].pid, SIGTERM);
        }
    }
    while (count_state(run, SLOT_EMPTY) < run->processes && boot_ns() < until_ns) {
        reap(run);
        pause_ms(5);
    }
}

static void
note_parents(struct run *run)
{
    struct weir_stream_description description = {0};

    memset(run->ledger.parents, 0xff, sizeof run->ledger.parents);
    if (weir_stream_describe(run->stream, &description, NULL) != WEIR_OK) {
        die("describe", NULL);
    }
    for (size_t i = 0; i < description.shard_count; i++) {
        const struct weir_shard *shard = &description.shards[i];
        uint32_t number = shard_number(shard->shard_id, strlen(shard->shard_id));

        for (size_t p = 0; p < WEIR_PARENTS_MAX; p++) {
            const char *parent = shard->parent_shard_ids[p];

            if (parent[0] != '\0') {
                run->ledger.parents[number][p] = shard_number(parent, strlen(parent));
            }
        }
    }
    weir_stream_description_free(run->stream, &description);
}

static bool
print_verdict(struct run *run, double seconds)
{
    const struct verdict *v = &run->verdict;
    uint64_t bad = v->lost + v->order_violations + v->gap_violations + v->child_violations +
                   v->stale_checkpoints_accepted + v->table_violations + v->takeover_violations +
                   v->handoff_redelivered;
    uint32_t counts[8] = {0};
    bool pass = false;

    for (size_t i = 0; i < run->ledger.fault_count; i++) {
        counts[run->ledger.faults[i].kind]++;
    }
    /* A stop between the check of the deadline and the call cannot be told from a late start. */
    pass = bad == 0 && v->stale_starts <= counts[FAULT_STOP] / 10 && run->ledger.put_count > 0;
    (void)printf(
        "{\"verdict\":\"%s\",\"seed\":%" PRIu64 ",\"events\":%u,\"kills\":%u,\"stops\":%u,"
        "\"joins\":%u,\"drains\":%u,\"splits\":%u,\"merges\":%u,\"records_put\":%zu,"
        "\"deliveries\":%" PRIu64 ",\"redelivered\":%" PRIu64 ",\"lost\":%" PRIu64
        ",\"order_violations\":%" PRIu64 ",\"gap_violations\":%" PRIu64
        ",\"child_violations\":%" PRIu64 ",\"stale_checkpoints_accepted\":%" PRIu64
        ",\"stale_starts\":%" PRIu64 ",\"table_violations\":%" PRIu64
        ",\"handoff_redelivered\":%" PRIu64 ",\"takeovers\":%" PRIu64
        ",\"takeover_violations\":%" PRIu64 ",\"kill_takeover_max_ms\":%" PRId64
        ",\"stop_takeover_max_ms\":%" PRId64 ",\"seconds\":%.1f}\n",
        pass ? "pass" : "fail",
        run->seed,
        run->events,
        counts[FAULT_KILL],
        counts[FAULT_STOP],
        counts[FAULT_JOIN],
        counts[FAULT_DRAIN],
        counts[FAULT_SPLIT],
        counts[FAULT_MERGE],
        run->ledger.put_count,
        v->deliveries,
        v->redelivered,
        v->lost,
        v->order_violations,
        v->gap_violations,
        v->child_violations,
        v->stale_checkpoints_accepted,
        v->stale_starts,
        v->table_violations,
        v->handoff_redelivered,
        v->takeovers,
        v->takeover_violations,
        v->kill_takeover_max_ms,
        v->stop_takeover_max_ms,
        seconds);
    return pass;
}

static void
parse(struct run *run, int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"events", required_argument, NULL, 'e'},
        {"seconds", required_argument, NULL, 't'},
        {"processes", required_argument, NULL, 'p'},
        {"lease-duration", required_argument, NULL, 'l'},
        {"data", required_argument, NULL, 'd'},
        {NULL, 0, NULL, 0}};
    int option = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t number = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);

        switch (option) {
        case 's':
            run->seed = number;
            break;
        case 'e':
            run->events = (uint32_t)number;
            break;
        case 't':
            run->seconds = (uint32_t)number;
            break;
        case 'p':
            run->processes = (uint32_t)number;
            break;
        case 'l':
            run->lease_ms = (int64_t)number;
            break;
        case 'd':
            (void)snprintf(run->data, sizeof run->data, "%s", optarg);
            break;
        default:
            exit(2);
        }
    }
    if (run->events == 0 || run->seconds == 0 || run->processes < 3 ||
        run->processes > PROCESSES_MAX || run->lease_ms < 200) {
        die("arguments out of range", NULL);
    }
}

static void
prepare(struct run *run)
{
    struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_stream_options open_options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_detail detail = {{0}};
    ssize_t length = readlink("/proc/self/exe", run->program, sizeof run->program - 1);

    if (run->data[0] == '\0') {
        const char *parent = getenv("TMPDIR");

        (void)snprintf(
            run->data,
            sizeof run->data,
            "%s/weir-torture-XXXXXX",
            parent == NULL ? "/tmp" : parent);
        if (mkdtemp(run->data) == NULL) {
            die("no folder to work in", NULL);
        }
    }
    if (length < 0) {
        die("/proc is needed", NULL);
    }
    run->random = run->seed;
    run->put_capacity = ((size_t)run->seconds + HEAL_SECONDS) * PUT_BATCH * 1000 / PUT_PAUSE_MS;
    run->ledger.puts = calloc(run->put_capacity, sizeof *run->ledger.puts);
    run->ledger.lease_duration_ms = run->lease_ms;
    open_options.durability = WEIR_DURABILITY_NONE;
    if (weir_stream_create(weir_env_default(), run->data, "torture", &create, &detail) != WEIR_OK ||
        weir_stream_open(
            weir_env_default(), run->data, "torture", &open_options, &run->stream, &detail) !=
            WEIR_OK) {
        die("stream", &detail);
    }
}

static void
remove_data(const struct run *run)
{
    char command[4096 + 16];

    (void)snprintf(command, sizeof command, "rm -rf '%s'", run->data);
    if (system(command) != 0) {
        (void)fprintf(stderr, "torture: %s is left behind\n", run->data);
    }
}

int
main(int argc, char **argv)
{
    struct run run = {.seed = 1, .events = 40, .seconds = 30, .processes = 8, .lease_ms = 1000};
    pthread_t producer;
    pthread_t sampler;
    int64_t begin_ns = boot_ns();
    bool pass = false;

    if (argc > 1 && strcmp(argv[1], "worker") == 0) {
        return worker_main(argc, argv);
    }
    parse(&run, argc, argv);
    prepare(&run);
    for (uint32_t i = 0; i < run.processes; i++) {
        start_worker(&run, &run.slots[i]);
    }
    atomic_store(&run.producing, true);
    atomic_store(&run.sampling, true);
    if (pthread_create(&producer, NULL, produce, &run) != 0 ||
        pthread_create(&sampler, NULL, sample, &run) != 0) {
        die("threads", NULL);
    }
    make_faults(&run);
    atomic_store(&run.producing, false);
    pthread_join(producer, NULL);
    heal(&run);
    atomic_store(&run.sampling, false);
    pthread_join(sampler, NULL);
    note_parents(&run);
    weir_stream_close(run.stream);
    if (!ledger_load(&run.ledger, run.data)) {
        die("a journal is damaged", NULL);
    }
    ledger_check(&run.ledger, &run.verdict);
    pass = print_verdict(&run, (double)(boot_ns() - begin_ns) / 1e9);
    if (pass) {
        remove_data(&run);
    } else {
        (void)fprintf(stderr, "torture: kept %s\n", run.data);
    }
    free(run.ledger.puts);
    free(run.ledger.faults);
    free(run.ledger.entries);
    return pass ? 0 : 1;
}
