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
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <weir/weir.h>

#include "tests/torture/ledger.h"

#define PROCESSES_MAX   64U
#define OPEN_SHARDS_MIN 4U
#define OPEN_SHARDS_MAX 16U
#define PUT_BATCH       8U
#define PUT_PAUSE_MS    8
#define SAMPLE_PAUSE_MS 20
/* The fleet gets this long to work off the backlog when the faults are over. */
#define HEAL_SECONDS 90

enum slot_state {
    SLOT_EMPTY,
    SLOT_RUNNING,
    SLOT_STOPPED,
    SLOT_DRAINING
};

struct slot {
    enum slot_state state;
    pid_t pid;
    uint32_t worker;
    int64_t continue_ns; /* of a stopped one */
};

struct run {
    uint64_t seed;
    uint64_t random;
    uint32_t events;
    uint32_t seconds;
    uint32_t processes;
    int64_t lease_ms;
    char data[4096 - 64];
    char program[4096];
    struct slot slots[PROCESSES_MAX];
    uint32_t workers_started;
    struct weir_stream *stream;
    struct ledger ledger;
    size_t put_capacity;
    atomic_bool producing;
    atomic_bool sampling;
    struct verdict verdict;
    uint32_t counts[8]; /* by enum fault_kind */
};

static uint64_t
next_random(struct run *run)
{
    uint64_t x = (run->random += UINT64_C(0x9e3779b97f4a7c15));

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void
pause_ms(int64_t ms)
{
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000};

    nanosleep(&pause, NULL);
}

static void
die(const char *what, const struct weir_detail *detail)
{
    (void)fprintf(stderr, "torture: %s: %s\n", what, detail == NULL ? "" : detail->text);
    exit(2);
}

/* --- producer -------------------------------------------------------------------------------- */

static void
note_puts(struct run *run, const struct payload *payloads, const struct weir_put_result *results)
{
    for (size_t i = 0; i < PUT_BATCH; i++) {
        if (results[i].error != WEIR_OK) {
            die("a record was refused", NULL);
        }
        run->ledger.puts[run->ledger.put_count++] =
            (struct put){.key = payloads[i].key,
                         .shard = shard_number(results[i].shard_id, strlen(results[i].shard_id)),
                         .sequence = results[i].sequence_number.word[3]};
    }
}

static void *
produce(void *argument)
{
    struct run *run = argument;
    struct payload payloads[PUT_BATCH];
    char keys[PUT_BATCH][16];
    struct weir_put_entry entries[PUT_BATCH];
    struct weir_put_result results[PUT_BATCH];
    struct weir_detail detail = {{0}};
    uint64_t random = run->seed * 7919;

    while (atomic_load(&run->producing) && run->ledger.put_count + PUT_BATCH <= run->put_capacity) {
        for (size_t i = 0; i < PUT_BATCH; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407U;
            payloads[i] = (struct payload){.index = run->ledger.put_count + i,
                                           .key = (uint32_t)((random >> 33) % KEYS)};
            (void)snprintf(keys[i], sizeof keys[i], "key-%u", payloads[i].key);
            entries[i] = (struct weir_put_entry){.partition_key = {keys[i], strlen(keys[i])},
                                                 .data = {&payloads[i], sizeof payloads[i]}};
        }
        if (weir_stream_put(run->stream, entries, PUT_BATCH, results, &detail) != WEIR_OK) {
            die("put", &detail);
        }
        note_puts(run, payloads, results);
        pause_ms(PUT_PAUSE_MS);
    }
    return NULL;
}

/* --- sampler: what the table shows never goes down -------------------------------------------- */

struct sampled {
    uint64_t epoch;
    uint64_t checkpoint; /* UINT64_MAX: SHARD_END */
};

static void
sample_shard(struct run *run, struct sampled *samples, const struct weir_app_shard *shard)
{
    uint32_t number = shard_number(shard->shard_id, strlen(shard->shard_id));
    uint64_t checkpoint = 0;

    if (shard->checkpoint.type == WEIR_SHARD_END) {
        checkpoint = UINT64_MAX;
    } else if (shard->checkpoint.type == WEIR_AFTER_SEQUENCE_NUMBER) {
        checkpoint = shard->checkpoint.sequence_number.word[3];
    }
    if (shard->lease_epoch < samples[number].epoch || checkpoint < samples[number].checkpoint) {
        run->verdict.table_violations++;
        (void)fprintf(stderr, "shard %u: epoch or checkpoint went down\n", number);
    }
    samples[number] = (struct sampled){shard->lease_epoch, checkpoint};
}

static void *
sample(void *argument)
{
    struct run *run = argument;
    struct sampled *samples = calloc(SHARDS_MAX, sizeof *samples);

    while (atomic_load(&run->sampling)) {
        struct weir_app_description description = {0};

        if (weir_app_describe(weir_env_default(), run->data, "torture", &description, NULL) ==
            WEIR_OK) {
            for (size_t i = 0; i < description.shard_count; i++) {
                sample_shard(run, samples, &description.shards[i]);
            }
            weir_app_description_free(weir_env_default(), &description);
        }
        pause_ms(SAMPLE_PAUSE_MS);
    }
    free(samples);
    return NULL;
}

/* --- processes ------------------------------------------------------------------------------- */

static void
start_worker(struct run *run, struct slot *slot)
{
    char number[16];
    char journal[4096];
    char lease[32];
    char seed[32];
    pid_t pid = 0;

    slot->worker = run->workers_started++;
    (void)snprintf(number, sizeof number, "%u", slot->worker);
    (void)snprintf(journal, sizeof journal, "%s/journal-%u", run->data, slot->worker);
    (void)snprintf(lease, sizeof lease, "%" PRId64, run->lease_ms);
    (void)snprintf(seed, sizeof seed, "%" PRIu64, next_random(run));
    pid = fork();
    if (pid == 0) {
        execl(
            run->program,
            run->program,
            "worker",
            number,
            run->data,
            journal,
            lease,
            seed,
            (char *)NULL);
        _exit(127);
    }
    slot->pid = pid;
    slot->state = SLOT_RUNNING;
    ledger_fault(&run->ledger, FAULT_JOIN, slot->worker);
}

static struct slot *
pick(struct run *run, enum slot_state state)
{
    uint32_t begin = (uint32_t)(next_random(run) % run->processes);

    for (uint32_t i = 0; i < run->processes; i++) {
        struct slot *slot = &run->slots[(begin + i) % run->processes];

        if (slot->state == state) {
            return slot;
        }
    }
    return NULL;
}

static uint32_t
count_state(const struct run *run, enum slot_state state)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < run->processes; i++) {
        count += run->slots[i].state == state ? 1 : 0;
    }
    return count;
}

static void
reap(struct run *run)
{
    int status = 0;

    for (uint32_t i = 0; i < run->processes; i++) {
        struct slot *slot = &run->slots[i];

        if (slot->state == SLOT_EMPTY || waitpid(slot->pid, &status, WNOHANG) != slot->pid) {
            continue;
        }
        if (slot->state == SLOT_RUNNING || (WIFEXITED(status) && WEXITSTATUS(status) != 0) ||
            (slot->state == SLOT_DRAINING && WIFSIGNALED(status))) {
            (void)fprintf(stderr, "worker %u ended by itself: %d\n", slot->worker, status);
            run->verdict.table_violations++;
        }
        slot->state =
            SLOT_EMPTY; /* a stopped one may have been ended because it blocked the table */
    }
}

static void
continue_due(struct run *run, int64_t now_ns)
{
    for (uint32_t i = 0; i < run->processes; i++) {
        struct slot *slot = &run->slots[i];

        if (slot->state == SLOT_STOPPED && slot->continue_ns <= now_ns) {
            ledger_fault(&run->ledger, FAULT_CONTINUE, slot->worker);
            kill(slot->pid, SIGCONT);
            slot->state = SLOT_RUNNING;
        }
    }
}

/* --- faults ---------------------------------------------------------------------------------- */

static bool
fault_kill(struct run *run)
{
    struct slot *slot = count_state(run, SLOT_RUNNING) > 2 ? pick(run, SLOT_RUNNING) : NULL;

    if (slot == NULL) {
        return false;
    }
    ledger_fault(&run->ledger, FAULT_KILL, slot->worker);
    kill(slot->pid, SIGKILL);
    waitpid(slot->pid, NULL, 0);
    slot->state = SLOT_EMPTY;
    return true;
}

static bool
fault_stop(struct run *run)
{
    struct slot *slot = count_state(run, SLOT_RUNNING) > 2 ? pick(run, SLOT_RUNNING) : NULL;
    int64_t stop_ms = (int64_t)(next_random(run) % (uint64_t)(run->lease_ms * 3));

    if (slot == NULL) {
        return false;
    }
    ledger_fault(&run->ledger, FAULT_STOP, slot->worker);
    kill(slot->pid, SIGSTOP);
    slot->state = SLOT_STOPPED;
    slot->continue_ns = boot_ns() + stop_ms * 1000000;
    return true;
}

static bool
fault_join(struct run *run)
{
    struct slot *slot = pick(run, SLOT_EMPTY);

    if (slot == NULL) {
        return false;
    }
    start_worker(run, slot);
    return true;
}

static bool
fault_drain(struct run *run)
{
    struct slot *slot = count_state(run, SLOT_RUNNING) > 2 ? pick(run, SLOT_RUNNING) : NULL;

    if (slot == NULL) {
        return false;
    }
    ledger_fault(&run->ledger, FAULT_DRAIN, slot->worker);
    kill(slot->pid, SIGTERM);
    slot->state = SLOT_DRAINING;
    return true;
}

static size_t
open_shards(const struct weir_stream_description *description, const struct weir_shard **ret)
{
    size_t count = 0;

    for (size_t i = 0; i < description->shard_count; i++) {
        if (!description->shards[i].closed) {
            ret[count++] = &description->shards[i];
        }
    }
    return count;
}

static bool
touches(const struct weir_shard *a, const struct weir_shard *b)
{
    struct weir_hash_key end = a->range.end;

    end.low++;
    end.high += end.low == 0 ? 1 : 0;
    return a != b && weir_hash_key_compare(end, b->range.start) == 0;
}

static bool
merge_some(struct run *run, const struct weir_shard **shards, size_t count, size_t begin)
{
    for (size_t i = 0; i < count * count; i++) {
        const struct weir_shard *a = shards[(begin + i) % count];
        const struct weir_shard *b = shards[(i / count) % count];

        if (touches(a, b)) {
            ledger_fault(&run->ledger, FAULT_MERGE, 0);
            return weir_stream_merge(
                       run->stream,
                       (struct weir_str){a->shard_id, strlen(a->shard_id)},
                       (struct weir_str){b->shard_id, strlen(b->shard_id)},
                       NULL) == WEIR_OK;
        }
    }
    return false;
}

static bool
fault_reshard(struct run *run, bool split)
{
    struct weir_stream_description description = {0};
    const struct weir_shard *shards[SHARDS_MAX];
    struct weir_detail detail = {{0}};
    bool done = false;
    size_t count = 0;

    if (weir_stream_describe(run->stream, &description, &detail) != WEIR_OK) {
        die("describe", &detail);
    }
    count = open_shards(&description, shards);
    split = count <= OPEN_SHARDS_MIN || (split && count < OPEN_SHARDS_MAX);
    if (split) {
        const struct weir_shard *shard = shards[next_random(run) % count];

        ledger_fault(&run->ledger, FAULT_SPLIT, 0);
        done = weir_stream_split(
                   run->stream,
                   (struct weir_str){shard->shard_id, strlen(shard->shard_id)},
                   NULL,
                   &detail) == WEIR_OK;
    } else {
        done = merge_some(run, shards, count, next_random(run) % count);
    }
    weir_stream_description_free(run->stream, &description);
    return done;
}

static void
one_fault(struct run *run)
{
    uint64_t dice = next_random(run) % 100;
    bool done = false;

    if (count_state(run, SLOT_RUNNING) < run->processes / 2) {
        dice = 50;
    }
    if (dice < 22) {
        done = fault_kill(run);
    } else if (dice < 40) {
        done = fault_stop(run);
    } else if (dice < 62) {
        done = fault_join(run);
    } else if (dice < 74) {
        done = fault_drain(run);
    } else {
        done = fault_reshard(run, dice < 87);
    }
    if (!done) {
        (void)(fault_join(run) || fault_reshard(run, true));
    }
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
        (void)fault_join(run);
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

    if (length < 0 || (run->data[0] == '\0' && (strcpy(run->data, "/tmp/weir-torture-XXXXXX"),
                                                mkdtemp(run->data) == NULL))) {
        die("no folder to work in", NULL);
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
