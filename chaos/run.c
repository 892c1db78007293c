/* A run from its first process to the last. */
#include "chaos/run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <weir/error.h>
#include <weir/stream.h>

#include "chaos/assets.h"
#include "chaos/base.h"
#include "chaos/chaos.h"
#include "chaos/control.h"
#include "chaos/fault.h"
#include "chaos/ledger.h"
#include "chaos/outcome.h"
#include "chaos/place.h"
#include "chaos/schedule.h"

#define TURN_MS 2
/* The fleet gets this long to come up, and to work off the backlog when the faults are over. */
#define START_NS (20 * CHAOS_NS_PER_S)
#define HEAL_NS  (90 * CHAOS_NS_PER_S)
#define DRAIN_NS (45 * CHAOS_NS_PER_S)
/* What a small file system holds beside the records: maps, lease table. */
#define TMPFS_MIB      96U
#define TMPFS_RECORD   1024U
#define TMPFS_MIB_MAX  4096U
#define RETENTION_MS   (INT64_C(300) * 24 * 3600 * 1000) /* longer than any jump of a clock */
#define HEALTHY_CHECKS 3

static volatile sig_atomic_t asked_to_stop;

static void
stop(int signal_number)
{
    (void)signal_number;
    asked_to_stop = 1;
}

bool
chaos_impossible(struct chaos_run *run, const char *format, ...)
{
    va_list arguments;

    if (*run->failure == '\0') {
        va_start(arguments, format);
        (void)vsnprintf(run->failure, CHAOS_FAILURE_SIZE, format, arguments);
        va_end(arguments);
    }
    return false;
}

/* --- before ---------------------------------------------------------------------------------- */

static bool
write_preload(struct chaos_run *run)
{
    const uint32_t needed = (1U << CHAOS_FAULT_SLOW_DISK) | (1U << CHAOS_FAULT_CLOCK);
    bool whole = true;
    int fd;

    if ((run->options->faults & needed) == 0 || chaos_asset_preload_size == 0) {
        return true;
    }
    chaos_place_file(run->place.work, "preload.so", run->preload);
    fd = open(run->preload, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    whole = fd >= 0 && write(fd, chaos_asset_preload, chaos_asset_preload_size) ==
                           (ssize_t)chaos_asset_preload_size;
    if (fd >= 0) {
        (void)close(fd);
    }
    return whole || chaos_impossible(run, "a file cannot be written in %s", run->place.work);
}

static uint32_t
disk_size(const struct chaos_options *options)
{
    const uint64_t bytes = (uint64_t)options->seconds * options->rate * TMPFS_RECORD;
    const uint64_t mib = TMPFS_MIB + bytes / 1048576;

    if ((options->faults & (1U << CHAOS_FAULT_FULL_DISK)) == 0) {
        return 0;
    }
    return (uint32_t)(mib < TMPFS_MIB_MAX ? mib : TMPFS_MIB_MAX);
}

static bool
make_stream(struct chaos_run *run)
{
    struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_detail detail = {""};
    char data[CHAOS_PATH_SIZE];
    enum weir_error error;

    create.shards = run->options->shards;
    create.retention_ms = RETENTION_MS;
    chaos_place_data(run->place.work, data);
    error = weir_stream_create(run->options->env, data, CHAOS_STREAM, &create, &detail);
    if (error == WEIR_OK) {
        error =
            weir_stream_open(run->options->env, data, CHAOS_STREAM, NULL, &run->stream, &detail);
    }
    return error == WEIR_OK ||
           chaos_impossible(
               run, "the stream: %s", *detail.text ? detail.text : weir_error_text(error));
}

/* A run of ten minutes should not find out at its end that it cannot write. */
static bool
can_write(struct chaos_run *run, const char *path)
{
    const int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    if (path != NULL && fd < 0) {
        return chaos_impossible(run, "'%s' cannot be written: %s", path, strerrordesc_np(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return true;
}

static bool
prepare(struct chaos_run *run)
{
    const struct chaos_options *options = run->options;
    char path[CHAOS_PATH_SIZE];

    run->random = options->seed ^ UINT64_C(0x6b1d5f3a);
    run->seats = options->workers + CHAOS_SEATS_SPARE;
    run->ledger.has_callbacks = options->processor == NULL;
    run->ledger.lease_duration_ms = options->lease_duration_ms;
    for (size_t i = 0; i < CHAOS_SEATS_MAX; i++) {
        run->members[i].tail.fd = -1;
    }
    if (!can_write(run, options->report) || !can_write(run, options->history)) {
        return false;
    }
    if (!chaos_place_open(&run->place, options->directory, disk_size(options))) {
        return chaos_impossible(
            run,
            "no folder can be made in '%s': %s",
            options->directory == NULL ? "$TMPDIR" : options->directory,
            strerrordesc_np(errno));
    }
    chaos_place_file(run->place.work, "control", path);
    run->control = chaos_control_create(path);
    if (run->control == NULL) {
        return chaos_impossible(run, "a file cannot be made in %s", run->place.work);
    }
    run->plans = chaos_schedule(options->seed, options->seconds, options->faults, &run->plan_count);
    return write_preload(run) && make_stream(run);
}

/* --- the loop -------------------------------------------------------------------------------- */

static bool
turn(struct chaos_run *run, const char *doing)
{
    run->interrupted = run->interrupted || asked_to_stop != 0;
    chaos_reap(run);
    chaos_effects(run, chaos_now_ns());
    chaos_progress(run, doing);
    chaos_sleep_ms(TURN_MS);
    return !run->interrupted && *run->failure == '\0';
}

static bool
start_fleet(struct chaos_run *run)
{
    const int64_t until_ns = chaos_now_ns() + START_NS;

    run->ledger.begin_ns = chaos_now_ns();
    if (!chaos_sampler_start(run) || !chaos_start_producer(run)) {
        return false;
    }
    for (uint32_t seat = 1; seat <= run->options->workers; seat++) {
        if (!chaos_start_worker(run, seat)) {
            return false;
        }
    }
    chaos_note_shards(run);
    while (atomic_load(&run->open_shards) < run->options->shards ||
           atomic_load(&run->unowned) > 0) {
        if (run->ledger.incident_count > 0) {
            return chaos_impossible(run, "%s (see --keep)", run->ledger.incidents[0].text);
        }
        if (chaos_now_ns() > until_ns) {
            return chaos_impossible(
                run,
                "the workers do not take the shards of the stream within %d s: is the command a "
                "worker of application %s?",
                (int)(START_NS / CHAOS_NS_PER_S),
                CHAOS_APPLICATION);
        }
        if (!turn(run, "starting")) {
            return false;
        }
    }
    return true;
}

static bool
make_faults(struct chaos_run *run)
{
    const int64_t begin_ns = chaos_now_ns();
    const int64_t end_ns = begin_ns + (int64_t)run->options->seconds * CHAOS_NS_PER_S;

    run->ledger.faults_ns = begin_ns;
    while (chaos_now_ns() < end_ns) {
        if (!turn(run, "faults")) {
            return false;
        }
        if (run->plans_done < run->plan_count &&
            chaos_now_ns() - begin_ns >= run->plans[run->plans_done].at_ms * CHAOS_NS_PER_MS) {
            chaos_inject(run, &run->plans[run->plans_done++]);
        }
    }
    return true;
}

static bool
stop_producer(struct chaos_run *run)
{
    struct chaos_member *producer = &run->members[CHAOS_PRODUCER_SEAT];
    const int64_t until_ns = chaos_now_ns() + DRAIN_NS;

    if (producer->state == CHAOS_RUNNING) {
        producer->state = CHAOS_DRAINING;
        chaos_signal(producer, SIGTERM);
    }
    while (producer->state != CHAOS_EMPTY) {
        if (chaos_now_ns() > until_ns) {
            return chaos_impossible(run, "the producer does not end");
        }
        if (!turn(run, "stopping")) {
            return false;
        }
    }
    producer->restart_ns = 0;
    return true;
}

/* The table alone does not say it: where the producer's clock was ahead, records that nobody has
 * read yet are not old. */
static bool
is_worked_off(struct chaos_run *run, char why[CHAOS_TEXT_SIZE])
{
    if (!chaos_is_worked_off(run, why)) {
        return false;
    }
    (void)snprintf(why, CHAOS_TEXT_SIZE, "records were not processed");
    return !run->ledger.has_callbacks || chaos_ledger_is_processed(&run->ledger);
}

static bool
heal(struct chaos_run *run)
{
    const int64_t until_ns = chaos_now_ns() + HEAL_NS;
    char why[CHAOS_TEXT_SIZE] = "";
    uint32_t checks = 0;

    chaos_effects(run, INT64_MAX);
    if (!stop_producer(run)) {
        return false;
    }
    run->ledger.healed_ns = chaos_now_ns();
    while (checks < HEALTHY_CHECKS && chaos_now_ns() < until_ns) {
        for (int i = 0; i < 10; i++) {
            if (!turn(run, "healing")) {
                return false;
            }
        }
        for (uint32_t seat = 1; chaos_count(run, CHAOS_RUNNING) < 2 && seat <= run->seats; seat++) {
            if (run->members[seat].state == CHAOS_EMPTY && !chaos_start_worker(run, seat)) {
                return false;
            }
        }
        checks = is_worked_off(run, why) ? checks + 1 : 0;
    }
    if (checks == HEALTHY_CHECKS) {
        run->ledger.quiet_ns = chaos_now_ns();
    } else {
        chaos_ledger_incident(
            &run->ledger,
            "L5",
            "%d s after the faults not all was done: %s",
            (int)(HEAL_NS / CHAOS_NS_PER_S),
            why);
    }
    return true;
}

static bool
drain(struct chaos_run *run)
{
    const int64_t until_ns = chaos_now_ns() + DRAIN_NS;

    for (uint32_t seat = 1; seat <= run->seats; seat++) {
        struct chaos_member *member = &run->members[seat];

        member->restart_ns = 0;
        if (member->state == CHAOS_RUNNING) {
            member->state = CHAOS_DRAINING;
            chaos_signal(member, SIGTERM);
        }
    }
    while (chaos_count(run, CHAOS_EMPTY) < run->seats) {
        if (chaos_now_ns() > until_ns) {
            chaos_ledger_incident(
                &run->ledger, "L7", "a worker did not leave when it was asked to");
            return true;
        }
        if (!turn(run, "draining")) {
            return false;
        }
    }
    return true;
}

/* --- after ----------------------------------------------------------------------------------- */

/* What the preloaded library has counted. */
static void
read_counters(struct chaos_run *run)
{
    for (size_t i = 0; run->control != NULL && i < CHAOS_SEATS_MAX; i++) {
        struct chaos_seat *seat = &run->control->seats[i];

        run->preloaded = run->preloaded || atomic_load(&seat->preloaded) != 0;
        run->clock_reads += atomic_load(&seat->clock_reads);
        run->syncs_delayed += atomic_load(&seat->syncs_delayed);
    }
}

static enum chaos_result
finish(struct chaos_run *run)
{
    enum chaos_result result;

    if (*run->failure == '\0') {
        chaos_note_shards(run);
    }
    chaos_end_processes(run);
    chaos_sampler_stop(run);
    run->ledger.end_ns = chaos_now_ns();
    read_counters(run);
    chaos_progress_close(run);
    result = *run->failure != '\0' ? CHAOS_IMPOSSIBLE : chaos_tell(run);
    weir_stream_close(run->stream);
    chaos_control_close(run->control);
    if (run->options->keep && run->place.made) {
        (void)fprintf(stderr, "weir: chaos: kept %s\n", run->place.work);
    }
    chaos_place_close(&run->place, run->options->keep);
    free(run->plans);
    chaos_ledger_free(&run->ledger);
    return result;
}

enum chaos_result
chaos_run(const struct chaos_options *options, char failure[CHAOS_FAILURE_SIZE])
{
    const struct sigaction action = {.sa_handler = stop};
    struct chaos_run *run = chaos_zeroed(1, sizeof *run);
    enum chaos_result result;

    *failure = '\0';
    run->options = options;
    run->failure = failure;
    chaos_progress_open(run);
    if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0) {
        (void)chaos_impossible(run, "signals cannot be handled");
    } else if (prepare(run) && start_fleet(run) && make_faults(run) && heal(run)) {
        (void)drain(run);
    }
    result = finish(run);
    free(run);
    return result;
}
