/* The processes of the fleet, and the faults that are done to it. */
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "tests/torture/journal.h"
#include "tests/torture/ledger.h"
#include "tests/torture/torture.h"

/* --- processes ------------------------------------------------------------------------------- */

void
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

uint32_t
count_state(const struct run *run, enum slot_state state)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < run->processes; i++) {
        count += run->slots[i].state == state ? 1 : 0;
    }
    return count;
}

void
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

void
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

void
one_join(struct run *run)
{
    (void)fault_join(run);
}

void
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
    if (!done && !fault_join(run)) {
        (void)fault_reshard(run, true);
    }
}
