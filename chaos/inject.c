/* The faults that hit processes and the disk. What a plan's random number chooses: target first,
 * then how long, then how strongly. */
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <weir/version.h>

#include "chaos/base.h"
#include "chaos/control.h"
#include "chaos/fault.h"
#include "chaos/ledger.h"
#include "chaos/place.h"
#include "chaos/run.h"
#include "chaos/schedule.h"

#define FULL_MIN_MS   300
#define FULL_MAX_MS   2500
#define SLOW_MIN_MS   1000
#define SLOW_MAX_MS   5000
#define SLOW_MIN_US   5000
#define SLOW_MAX_US   120000
#define CLOCK_MIN_MS  1000
#define CLOCK_MAX_MS  8000
#define CLOCK_JUMP_MS (26 * INT64_C(3600) * 1000)
#define CRASH_WAIT_NS (2 * CHAOS_NS_PER_S)
#define PERCENT       100
#define STOP_PERCENT  300 /* of the lease duration, at most */
#define HANG_MIN      110
#define HANG_MAX      250

static int64_t
between(uint64_t *state, int64_t low, int64_t high)
{
    return low + (int64_t)chaos_random_below(state, (uint64_t)(high - low));
}

/* A seat in that state, begun at a random one; NULL: none. */
static struct chaos_member *
pick(struct chaos_run *run, enum chaos_member_state state, uint64_t *random)
{
    const uint32_t begin = (uint32_t)chaos_random_below(random, run->seats);

    for (uint32_t i = 0; i < run->seats; i++) {
        struct chaos_member *member = &run->members[1 + (begin + i) % run->seats];

        if (member->state == state) {
            return member;
        }
    }
    return NULL;
}

/* One that may be hurt: somebody has to stay. */
static struct chaos_member *
pick_victim(struct chaos_run *run, uint64_t *random)
{
    return chaos_count(run, CHAOS_RUNNING) > 1 ? pick(run, CHAOS_RUNNING, random) : NULL;
}

static struct chaos_seat *
orders_of(struct chaos_run *run, const struct chaos_member *member)
{
    return &run->control->seats[member - run->members];
}

WEIR_PRINTF(3, 4)
static size_t
note(struct chaos_run *run, const size_t fault, const char *format, ...)
{
    struct chaos_fault *f = &run->ledger.faults[fault];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(f->text, sizeof f->text, format, arguments);
    va_end(arguments);
    return fault;
}

static size_t
begin(struct chaos_run *run, enum chaos_fault_kind kind, const struct chaos_member *member)
{
    const bool worker = member != NULL && member != &run->members[CHAOS_PRODUCER_SEAT];

    return chaos_ledger_fault(&run->ledger, kind, worker ? member->number : 0, CHAOS_NONE);
}

/* --- one after the other --------------------------------------------------------------------- */

static bool
make_kill(struct chaos_run *run, uint64_t *random)
{
    struct chaos_member *member = pick_victim(run, random);

    if (member == NULL) {
        return false;
    }
    (void)note(run, begin(run, CHAOS_FAULT_KILL, member), "kill -9 of worker %u", member->number);
    member->may_end = true;
    chaos_signal(member, SIGKILL);
    return true;
}

static bool
make_crash(struct chaos_run *run, uint64_t *random)
{
    struct chaos_member *member = pick_victim(run, random);

    if (member == NULL || member->crash.end_ns != 0) {
        return false;
    }
    member->crash = (struct chaos_effect){chaos_now_ns() + CRASH_WAIT_NS,
                                          note(
                                              run,
                                              begin(run, CHAOS_FAULT_CRASH, member),
                                              "the processor of worker %u aborts on its next batch",
                                              member->number)};
    member->may_end = true;
    atomic_store(&orders_of(run, member)->crash, 1);
    return true;
}

static bool
make_stop(struct chaos_run *run, uint64_t *random)
{
    struct chaos_member *member = pick_victim(run, random);
    const int64_t ms =
        between(random, 10, run->options->lease_duration_ms * STOP_PERCENT / PERCENT);

    if (member == NULL) {
        return false;
    }
    member->stop = (struct chaos_effect){chaos_now_ns() + ms * CHAOS_NS_PER_MS,
                                         note(
                                             run,
                                             begin(run, CHAOS_FAULT_STOP, member),
                                             "SIGSTOP of worker %u for %" PRId64 " ms",
                                             member->number,
                                             ms)};
    member->was_stopped = true;
    member->state = CHAOS_STOPPED;
    chaos_signal(member, SIGSTOP);
    return true;
}

static bool
make_hang(struct chaos_run *run, uint64_t *random)
{
    struct chaos_member *member = pick(run, CHAOS_RUNNING, random);
    const int64_t lease_ms = run->options->lease_duration_ms;
    const int64_t ms =
        between(random, lease_ms * HANG_MIN / PERCENT, lease_ms * HANG_MAX / PERCENT);

    if (member == NULL || member->hang.end_ns != 0) {
        return false;
    }
    member->hang =
        (struct chaos_effect){chaos_now_ns() + ms * CHAOS_NS_PER_MS,
                              note(
                                  run,
                                  begin(run, CHAOS_FAULT_HANG, member),
                                  "a batch of worker %u does not return for %" PRId64 " ms",
                                  member->number,
                                  ms)};
    atomic_store(&orders_of(run, member)->hang_ms, (uint32_t)ms);
    return true;
}

static bool
make_producer(struct chaos_run *run)
{
    struct chaos_member *member = &run->members[CHAOS_PRODUCER_SEAT];

    if (member->state != CHAOS_RUNNING) {
        return false;
    }
    (void)note(run, begin(run, CHAOS_FAULT_PRODUCER, member), "kill -9 of the producer");
    member->may_end = true;
    chaos_signal(member, SIGKILL);
    return true;
}

static bool
make_join(struct chaos_run *run, uint64_t *random)
{
    struct chaos_member *member = pick(run, CHAOS_EMPTY, random);

    if (member == NULL || !chaos_start_worker(run, (uint32_t)(member - run->members))) {
        return false;
    }
    (void)note(run, begin(run, CHAOS_FAULT_JOIN, member), "worker %u comes", member->number);
    return true;
}

static bool
make_drain(struct chaos_run *run, uint64_t *random)
{
    struct chaos_member *member = pick_victim(run, random);

    if (member == NULL || member->crash.end_ns != 0) {
        return false;
    }
    (void)note(
        run, begin(run, CHAOS_FAULT_DRAIN, member), "worker %u is asked to leave", member->number);
    member->state = CHAOS_DRAINING;
    chaos_signal(member, SIGTERM);
    return true;
}

/* The largest file of the stream now: the producer may not make it larger. */
static bool
limit_producer(const struct chaos_run *run, bool on)
{
    const struct chaos_member *member = &run->members[CHAOS_PRODUCER_SEAT];
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    char data[CHAOS_PATH_SIZE];
    char path[CHAOS_PATH_SIZE];
    struct stat status;

    if (member->state != CHAOS_RUNNING) {
        return !on;
    }
    if (on) {
        chaos_place_data(run->place.work, data);
        chaos_place_file(data, "streams/" CHAOS_STREAM "/data.mdb", path);
        if (stat(path, &status) != 0) {
            return false;
        }
        limit.rlim_cur = (rlim_t)status.st_size;
    }
    return prlimit(member->pid, RLIMIT_FSIZE, &limit, NULL) == 0;
}

static bool
make_full_disk(struct chaos_run *run, uint64_t *random)
{
    const int64_t ms = between(random, FULL_MIN_MS, FULL_MAX_MS);
    const bool limit = run->place.disk == CHAOS_DISK_LIMIT;
    size_t fault;

    if (run->full.end_ns != 0 ||
        !(limit ? limit_producer(run, true) : chaos_place_fill(&run->place))) {
        return false;
    }
    fault = note(
        run,
        begin(run, CHAOS_FAULT_FULL_DISK, NULL),
        "%s for %" PRId64 " ms",
        limit ? "no mount permitted: file size limit of the producer"
              : "the file system of stream and table is filled",
        ms);
    run->full = (struct chaos_effect){chaos_now_ns() + ms * CHAOS_NS_PER_MS, fault};
    return true;
}

/* A worker, or one time in four the producer. */
static struct chaos_member *
pick_any(struct chaos_run *run, uint64_t *random)
{
    struct chaos_member *producer = &run->members[CHAOS_PRODUCER_SEAT];

    if (chaos_random_below(random, 4) == 0 && producer->state == CHAOS_RUNNING) {
        return producer;
    }
    return pick(run, CHAOS_RUNNING, random);
}

static bool
make_slow_disk(struct chaos_run *run, uint64_t *random)
{
    struct chaos_member *member = pick_any(run, random);
    const int64_t ms = between(random, SLOW_MIN_MS, SLOW_MAX_MS);
    const int64_t us = between(random, SLOW_MIN_US, SLOW_MAX_US);
    size_t fault;

    if (member == NULL || member->slow.end_ns != 0 || *run->preload == '\0') {
        return false;
    }
    fault = begin(run, CHAOS_FAULT_SLOW_DISK, member);
    (void)note(
        run,
        fault,
        "each sync of %s %u takes %" PRId64 " ms longer, for %" PRId64 " ms",
        member == run->members ? "producer" : "worker",
        member->number,
        us / 1000,
        ms);
    member->slow = (struct chaos_effect){chaos_now_ns() + ms * CHAOS_NS_PER_MS, fault};
    atomic_store(&orders_of(run, member)->sync_delay_us, (uint32_t)us);
    return true;
}

static bool
make_clock(struct chaos_run *run, uint64_t *random)
{
    /* Only the table says when a command has processed all, and it needs the producer's clock. */
    struct chaos_member *member =
        run->options->processor == NULL ? pick_any(run, random) : pick(run, CHAOS_RUNNING, random);
    const int64_t ms = between(random, CLOCK_MIN_MS, CLOCK_MAX_MS);
    const int64_t jump_ms = between(random, -CLOCK_JUMP_MS, CLOCK_JUMP_MS);
    size_t fault;

    if (member == NULL || member->clock.end_ns != 0 || *run->preload == '\0') {
        return false;
    }
    fault = begin(run, CHAOS_FAULT_CLOCK, member);
    (void)note(
        run,
        fault,
        "the wall clock of %s %u is %+.1f h off for %" PRId64 " ms",
        member == run->members ? "producer" : "worker",
        member->number,
        (double)jump_ms / 3600000.0,
        ms);
    member->clock = (struct chaos_effect){chaos_now_ns() + ms * CHAOS_NS_PER_MS, fault};
    atomic_store(&orders_of(run, member)->clock_offset_ms, jump_ms);
    return true;
}

static bool
make_reshard(struct chaos_run *run, enum chaos_fault_kind kind, uint64_t random)
{
    char text[CHAOS_TEXT_SIZE] = "";
    uint32_t shard = CHAOS_NONE;

    if (!chaos_reshard(run, kind, random, &shard, text)) {
        return false;
    }
    (void)note(run, chaos_ledger_fault(&run->ledger, kind, 0, shard), "%s", text);
    return true;
}

static bool
make(struct chaos_run *run, enum chaos_fault_kind kind, uint64_t random)
{
    switch (kind) {
    case CHAOS_FAULT_KILL:
        return make_kill(run, &random);
    case CHAOS_FAULT_CRASH:
        return make_crash(run, &random);
    case CHAOS_FAULT_STOP:
        return make_stop(run, &random);
    case CHAOS_FAULT_HANG:
        return make_hang(run, &random);
    case CHAOS_FAULT_PRODUCER:
        return make_producer(run);
    case CHAOS_FAULT_JOIN:
        return make_join(run, &random);
    case CHAOS_FAULT_DRAIN:
        return make_drain(run, &random);
    case CHAOS_FAULT_SPLIT:
    case CHAOS_FAULT_MERGE:
    case CHAOS_FAULT_SCALE:
        return make_reshard(run, kind, random);
    case CHAOS_FAULT_FULL_DISK:
        return make_full_disk(run, &random);
    case CHAOS_FAULT_SLOW_DISK:
        return make_slow_disk(run, &random);
    case CHAOS_FAULT_CLOCK:
        return make_clock(run, &random);
    case CHAOS_FAULT_KINDS:
        break;
    }
    return false;
}

void
chaos_inject(struct chaos_run *run, const struct chaos_plan *plan)
{
    uint64_t random = plan->random;

    if (make(run, plan->kind, random)) {
        return;
    }
    /* Nothing to do it to: let somebody come, so that there will be. */
    if (chaos_count(run, CHAOS_RUNNING) < run->options->workers) {
        (void)make_join(run, &random);
    }
}

/* --- the end of what lasts ------------------------------------------------------------------- */

static bool
is_over(struct chaos_run *run, struct chaos_effect *effect, int64_t now_ns)
{
    if (effect->end_ns == 0 || effect->end_ns > now_ns) {
        return false;
    }
    effect->end_ns = 0;
    run->ledger.faults[effect->fault].end_ns = chaos_now_ns();
    return true;
}

static void
end_effects(struct chaos_run *run, struct chaos_member *member, int64_t now_ns)
{
    struct chaos_seat *orders = orders_of(run, member);

    if (is_over(run, &member->stop, now_ns) && member->state == CHAOS_STOPPED) {
        chaos_signal(member, SIGCONT);
        member->state = CHAOS_RUNNING;
    }
    if (is_over(run, &member->hang, now_ns)) {
        atomic_store(&orders->hang_ms, 0);
    }
    if (is_over(run, &member->crash, now_ns)) {
        atomic_store(&orders->crash, 0); /* no record came */
    }
    if (is_over(run, &member->slow, now_ns)) {
        atomic_store(&orders->sync_delay_us, 0);
    }
    if (is_over(run, &member->clock, now_ns)) {
        atomic_store(&orders->clock_offset_ms, 0);
    }
}

void
chaos_effects(struct chaos_run *run, int64_t now_ns)
{
    for (uint32_t seat = 0; seat <= run->seats; seat++) {
        struct chaos_member *member = &run->members[seat];

        if (member->state == CHAOS_EMPTY) {
            end_effects(run, member, INT64_MAX); /* they went with the process */
        } else {
            end_effects(run, member, now_ns);
        }
        if (member->state == CHAOS_EMPTY && member->restart_ns != 0 &&
            member->restart_ns <= now_ns) {
            member->restart_ns = 0;
            (void)(seat == CHAOS_PRODUCER_SEAT ? chaos_start_producer(run)
                                               : chaos_start_worker(run, seat));
        }
    }
    if (is_over(run, &run->full, now_ns)) {
        if (run->place.disk == CHAOS_DISK_LIMIT) {
            (void)limit_producer(run, false);
        } else {
            chaos_place_unfill(&run->place);
        }
    }
}
