/* What happens to the fleet, step by step. Each step waits for what it is about, never for a time;
 * a step that waits in vain ends the story, and the verdict says at which step. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/app.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "cli/cli.h"
#include "cli/output.h"
#include "demo/demo.h"
#include "demo/fleet.h"
#include "demo/history.h"
#include "demo/journal.h"
#include "demo/producer.h"
#include "demo/table.h"
#include "demo/worker.h"

#define FIRST_WORKERS 3
/* Something to see between two steps, in ms. */
#define WATCH_MS 1200
/* How long a step may take until the verdict is "fail". */
#define STEP_TIMEOUT_MS 12000
/* The same for processing what is left at the end, and for the workers to leave. */
#define FINISH_TIMEOUT_MS 20000
/* The same if the story was broken off: what is lost by then is lost. */
#define BROKEN_TIMEOUT_MS 5000
/* Room for the system's words about an errno. */
#define ERRNO_TEXT 128

static bool
start_worker(struct demo *demo)
{
    char text[ERRNO_TEXT];
    const int error =
        demo_fleet_start(&demo->fleet, &demo->files, demo->settings.lease_duration_ms);

    if (error != 0) {
        return demo_break(
            demo, "a worker cannot be started: %s", cli_errno_text(error, text, sizeof text));
    }
    demo_tell(
        demo,
        "start %s, pid %ld",
        demo->fleet.members[demo->fleet.count - 1].id,
        (long)demo->fleet.members[demo->fleet.count - 1].pid);
    return true;
}

static bool
has_everybody_joined(const struct demo *demo)
{
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        if (demo_table_worker(&demo->table, demo->fleet.members[i].id) == NULL) {
            return false;
        }
    }
    return demo_is_settled(demo);
}

static bool
start_fleet(struct demo *demo)
{
    demo_begin_step(demo, 1, "three workers share four shards");
    for (int i = 0; i < FIRST_WORKERS; i++) {
        if (!start_worker(demo)) {
            return false;
        }
    }
    return demo_look_at_shards(demo) &&
           demo_wait(demo, has_everybody_joined, STEP_TIMEOUT_MS, "three workers had all shards");
}

static struct weir_str
id_of(const struct weir_shard *shard)
{
    return (struct weir_str){shard->shard_id, strlen(shard->shard_id)};
}

static bool
split_shard(struct demo *demo)
{
    const struct weir_shard *shard = NULL;
    struct weir_detail detail = {""};

    demo_begin_step(demo, 3, "split a shard");
    for (size_t i = 0; i < demo->shards.shard_count && shard == NULL; i++) {
        shard = demo->shards.shards[i].closed ? NULL : &demo->shards.shards[i];
    }
    if (shard == NULL || weir_stream_split(demo->stream, id_of(shard), NULL, &detail) != WEIR_OK) {
        return demo_break(demo, "a shard cannot be split: %s", detail.text);
    }
    demo_tell(demo, "split shard %s", demo_short_shard(shard->shard_id));
    return demo_look_at_shards(demo) &&
           demo_wait(
               demo, demo_is_settled, STEP_TIMEOUT_MS, "the split shard's children were at work");
}

/* Whether the newest worker has a shard and everything else is in order. */
static bool
has_newcomer_shards(const struct demo *demo)
{
    for (uint32_t i = 0; i < demo->history.span_count; i++) {
        const struct demo_span *span = &demo->history.spans[i];
        if (span->worker == demo->fleet.count - 1 && span->end == DEMO_SPAN_OPEN) {
            return demo_is_settled(demo);
        }
    }
    return false;
}

static bool
add_worker(struct demo *demo)
{
    demo_begin_step(demo, 4, "add a worker");
    return start_worker(demo) &&
           demo_wait(demo, has_newcomer_shards, STEP_TIMEOUT_MS, "the new worker had a shard");
}

/* Whether the keys of `b` begin where those of `a` end. */
static bool
touches(const struct weir_shard *a, const struct weir_shard *b)
{
    struct weir_hash_key next = a->range.end;

    next.low++;
    next.high += next.low == 0 ? 1 : 0;
    return !a->closed && !b->closed && weir_hash_key_compare(next, b->range.start) == 0 &&
           weir_hash_key_compare(a->range.end, b->range.start) < 0;
}

/* Two open shards side by side, the highest keys first; false if there are none. */
static bool
find_neighbours(
    const struct weir_stream_description *shards,
    const struct weir_shard **ret_low,
    const struct weir_shard **ret_high)
{
    bool found = false;

    for (size_t i = 0; i < shards->shard_count * shards->shard_count; i++) {
        const struct weir_shard *low = &shards->shards[i / shards->shard_count];
        const struct weir_shard *high = &shards->shards[i % shards->shard_count];
        if (touches(low, high) &&
            (!found || weir_hash_key_compare(low->range.start, (*ret_low)->range.start) > 0)) {
            *ret_low = low;
            *ret_high = high;
            found = true;
        }
    }
    return found;
}

static bool
merge_shards(struct demo *demo)
{
    const struct weir_shard *low = NULL;
    const struct weir_shard *high = NULL;
    struct weir_detail detail = {""};

    demo_begin_step(demo, 6, "merge two shards");
    if (!find_neighbours(&demo->shards, &low, &high) ||
        weir_stream_merge(demo->stream, id_of(low), id_of(high), &detail) != WEIR_OK) {
        return demo_break(demo, "two shards cannot be merged: %s", detail.text);
    }
    demo_tell(
        demo,
        "merge shards %s and %s",
        demo_short_shard(low->shard_id),
        demo_short_shard(high->shard_id));
    return demo_look_at_shards(demo) &&
           demo_wait(
               demo, demo_is_settled, STEP_TIMEOUT_MS, "the merged shards' child was at work");
}

/* The worker with most shards that does not lead. */
static struct demo_member *
choose_busiest(struct demo *demo)
{
    struct demo_member *busiest = NULL;
    uint64_t most = 0;

    demo_sample(demo);
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        struct demo_member *member = &demo->fleet.members[i];
        const struct weir_app_worker *row = demo_table_worker(&demo->table, member->id);
        if (row != NULL && member->state == DEMO_MEMBER_RUNNING && row->leases > most &&
            strcmp(member->id, demo->table.now.leader) != 0) {
            busiest = member;
            most = row->leases;
        }
    }
    return busiest;
}

/* Whether all workers that may end have ended, and the others have everything. */
static bool
has_drained(const struct demo *demo)
{
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        const struct demo_member *member = &demo->fleet.members[i];
        if (member->may_end && member->state <= DEMO_MEMBER_STOPPED) {
            return false;
        }
    }
    return demo_is_settled(demo);
}

static bool
drain_worker(struct demo *demo)
{
    struct demo_member *member = choose_busiest(demo);
    struct weir_detail detail = {""};

    demo_begin_step(demo, 7, "drain a worker");
    if (member == NULL) {
        return demo_break(demo, "no worker but the leader has shards");
    }
    if (weir_app_drain(demo->env, demo->files.data, DEMO_APPLICATION, member->id, &detail) !=
        WEIR_OK) {
        return demo_break(demo, "%s cannot be drained: %s", member->id, detail.text);
    }
    member->may_end = true;
    demo_tell(demo, "drain %s", member->id);
    if (!demo_wait(
            demo, has_drained, STEP_TIMEOUT_MS, "the drained worker had handed over and left")) {
        return false;
    }
    if (member->state != DEMO_MEMBER_LEFT || member->status != CLI_OK) {
        return demo_break(demo, "%s was drained and left with an error: see its log", member->id);
    }
    demo_tell(demo, "%s has handed over and left", member->id);
    return true;
}

/* --- The end. --- */

static bool
is_nothing_waiting(const struct demo *demo)
{
    return demo->history.delivered == demo->history.put_count;
}

static bool
is_everything_processed(const struct demo *demo)
{
    return demo_producer_is_done(&demo->producer) && is_nothing_waiting(demo);
}

static bool
process_the_rest(struct demo *demo)
{
    demo_begin_step(demo, 8, "put and process the rest");
    demo->producer.finishing = true;
    demo_tell(demo, "put the rest of the packages at full speed");
    return demo_wait(
        demo, is_everything_processed, FINISH_TIMEOUT_MS, "every record was processed");
}

static bool
has_everybody_left(const struct demo *demo)
{
    return demo_fleet_alive(&demo->fleet) == 0;
}

/* SIGTERM all workers: batches under way come to their end, and nothing is in the air when the
 * books are compared. */
static void
end_workers(struct demo *demo)
{
    const int64_t timeout_ms = demo->broken ? BROKEN_TIMEOUT_MS : FINISH_TIMEOUT_MS;
    const bool was_broken = demo->broken;

    demo->producer.stopped = true;
    demo->deeds.finish_ns = demo_now_ns(demo->env);
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        demo_fleet_signal(&demo->fleet.members[i], SIGCONT);
    }
    demo->broken = false; /* for these last turns */
    if (was_broken) {
        (void)demo_wait(demo, is_nothing_waiting, BROKEN_TIMEOUT_MS, "every record was processed");
        demo->broken = false;
    }
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        demo_fleet_signal(&demo->fleet.members[i], SIGTERM);
    }
    if (!demo_wait(demo, has_everybody_left, timeout_ms, "all workers had left")) {
        demo_fleet_end(&demo->fleet);
    }
    (void)demo_turn(demo); /* the last entries of their journals */
    demo->broken = demo->broken || was_broken;
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        const struct demo_member *member = &demo->fleet.members[i];
        if (member->state == DEMO_MEMBER_LEFT && member->status != CLI_OK && !demo->broken) {
            (void)demo_break(demo, "%s left with an error: see its log", member->id);
        }
    }
}

void
demo_play(struct demo *demo)
{
    static bool (*const steps[])(struct demo *demo) = {
        start_fleet,
        demo_kill_leader,
        split_shard,
        add_worker,
        demo_stop_worker,
        merge_shards,
        drain_worker,
        process_the_rest};
    bool goes_on = true;

    for (size_t i = 0; i < sizeof steps / sizeof *steps && goes_on; i++) {
        goes_on = steps[i](demo) && demo_watch(demo, WATCH_MS);
    }
    if (!cli_stopped() && demo->stdout_error == 0) {
        end_workers(demo);
    }
}
