/* The loop of the demo: everything is done in turns by one thread, so that what one part sees is
 * never newer than what another part knows. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <weir/error.h>
#include <weir/stream.h>

#include "cli/output.h"
#include "demo/audit.h"
#include "demo/demo.h"
#include "demo/fleet.h"
#include "demo/history.h"
#include "demo/journal.h"
#include "demo/producer.h"
#include "demo/table.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  1e9
/* Pause between turns. */
#define NAP_NS (3 * NS_PER_MS)
/* The lease table is sampled this often. */
#define SAMPLE_NS (10 * NS_PER_MS)

void
demo_tell(struct demo *demo, const char *format, ...)
{
    struct demo_happening *event = &demo->events[demo->event_count++ % DEMO_EVENTS_MAX];
    va_list arguments;

    event->at_ns = demo_now_ns(demo->env) - demo->start_ns;
    va_start(arguments, format);
    (void)vsnprintf(event->text, sizeof event->text, format, arguments);
    va_end(arguments);
    if (!demo->screen.live) {
        if (printf("%7.3f s  %s\n", (double)event->at_ns / NS_PER_S, event->text) < 0 ||
            fflush(stdout) != 0) {
            demo->stdout_error = errno;
        }
    }
}

bool
demo_break(struct demo *demo, const char *format, ...)
{
    char text[DEMO_REASON_SIZE];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    demo_reasons_add(&demo->verdict.reasons, "%s", text);
    demo_tell(demo, "%s", text);
    demo->broken = true;
    return false;
}

/* Read what the workers have written meanwhile. */
static bool
follow_journals(struct demo *demo)
{
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        struct demo_journal *journal = &demo->journals[i];
        const size_t known = journal->count;
        if (!demo_journal_follow(journal, demo->files.folder, i)) {
            return demo_break(demo, "the journal of worker-%u cannot be read", (unsigned)i + 1);
        }
        for (size_t j = known; j < journal->count; j++) {
            demo_history_entry(&demo->history, &journal->entries[j]);
        }
    }
    return true;
}

/* Owners that have appeared since the last look. */
static void
tell_owners(struct demo *demo)
{
    for (; demo->spans_told < demo->history.span_count; demo->spans_told++) {
        const struct demo_span *span = &demo->history.spans[demo->spans_told];
        demo_tell(
            demo,
            "worker-%u takes shard %s (lease epoch %llu)",
            (unsigned)span->worker + 1,
            demo_short_shard(demo->history.shards[span->shard].id),
            (unsigned long long)span->lease_epoch);
    }
}

/* A worker that ends unasked, or not well, is a reason to fail. */
static bool
check_fleet(struct demo *demo)
{
    demo_fleet_look(&demo->fleet);
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        struct demo_member *member = &demo->fleet.members[i];
        const bool ended = member->state == DEMO_MEMBER_KILLED || member->state == DEMO_MEMBER_LEFT;
        if (ended && !member->may_end) {
            member->may_end = true;
            return demo_break(
                demo,
                "%s has ended by itself (%s %d): see its log",
                member->id,
                member->state == DEMO_MEMBER_KILLED ? "signal" : "exit status",
                member->status);
        }
    }
    return true;
}

void
demo_sample(struct demo *demo)
{
    /* There is no table before the first worker, and it may be busy: then the last sample stays. */
    if (demo_table_sample(&demo->table, demo->env, demo->files.data) == WEIR_OK) {
        demo->deeds.failover_bound_ms = demo->table.now.failover_bound_ms;
    }
    demo->sampled_ns = demo_now_ns(demo->env);
}

bool
demo_is_over(const struct demo *demo)
{
    return demo->broken || demo->stdout_error != 0 || cli_stopped();
}

bool
demo_turn(struct demo *demo)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};
    struct weir_detail detail = {""};
    enum weir_error error;

    if (demo_is_over(demo)) {
        return false;
    }
    error = demo_producer_turn(&demo->producer, demo->env, &detail);
    if (error != WEIR_OK) {
        return demo_break(
            demo,
            "the producer failed: %s",
            *detail.text == '\0' ? weir_error_text(error) : detail.text);
    }
    if (!follow_journals(demo) || !check_fleet(demo)) {
        return false;
    }
    tell_owners(demo);
    if (demo_now_ns(demo->env) - demo->sampled_ns >= SAMPLE_NS) {
        demo_sample(demo);
    }
    demo_screen_draw(demo, false);
    (void)nanosleep(&nap, NULL);
    return true;
}

bool
demo_wait_in_vain(struct demo *demo, bool (*met)(const struct demo *demo), int64_t timeout_ms)
{
    const int64_t until_ns = demo_now_ns(demo->env) + timeout_ms * NS_PER_MS;

    while (!met(demo)) {
        if (demo_now_ns(demo->env) > until_ns || !demo_turn(demo)) {
            return false;
        }
    }
    return true;
}

bool
demo_wait(
    struct demo *demo, bool (*met)(const struct demo *demo), int64_t timeout_ms, const char *what)
{
    if (demo_wait_in_vain(demo, met, timeout_ms)) {
        return true;
    }
    if (demo_is_over(demo)) {
        return false;
    }
    return demo_break(
        demo,
        "step %u: waited %.0f s in vain until %s",
        demo->step,
        (double)timeout_ms / 1e3,
        what);
}

bool
demo_watch(struct demo *demo, int64_t ms)
{
    const int64_t until_ns = demo_now_ns(demo->env) + ms * NS_PER_MS;

    while (demo_now_ns(demo->env) < until_ns) {
        if (!demo_turn(demo)) {
            return false;
        }
    }
    return true;
}

bool
demo_look_at_shards(struct demo *demo)
{
    struct weir_stream_description shards = {.shards = NULL};
    struct weir_detail detail = {""};
    const enum weir_error error = weir_stream_describe(demo->stream, &shards, &detail);

    if (error != WEIR_OK) {
        return demo_break(demo, "the stream cannot be described: %s", weir_error_text(error));
    }
    weir_stream_description_free(demo->stream, &demo->shards);
    demo->shards = shards;
    for (size_t i = 0; i < shards.shard_count; i++) {
        demo_history_shard(&demo->history, &shards.shards[i]);
    }
    return true;
}
