/* The steps of the story that hurt a worker, and when a fleet has got over it. */
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/app.h>
#include <weir/types.h>

#include "demo/audit.h"
#include "demo/board.h"
#include "demo/demo.h"
#include "demo/fleet.h"
#include "demo/history.h"
#include "demo/journal.h"
#include "demo/table.h"

/* How long a step may take until the verdict is "fail". */
#define STEP_TIMEOUT_MS 12000
/* How long a worker may need until it holds still, and until it is stopped. */
#define HOLD_TIMEOUT_MS 5000
/* How long batches wait before the worker is stopped. */
#define HOLD_NS INT64_C(300000000)
/* A worker that moved a shard while it was being stopped is let go on, and stopped again. */
#define STOP_TRIES 10

const char *
demo_short_shard(const char *shard_id)
{
    const char *digits = shard_id + strcspn(shard_id, "0123456789");

    while (digits[0] == '0' && digits[1] != '\0') {
        digits++;
    }
    return *digits == '\0' ? shard_id : digits;
}

void
demo_begin_step(struct demo *demo, unsigned step, const char *name)
{
    demo->step = step;
    (void)snprintf(demo->doing, sizeof demo->doing, "%s", name);
}

static bool
runs(const struct demo *demo, uint32_t worker)
{
    return worker < demo->fleet.count && demo->fleet.members[worker].state == DEMO_MEMBER_RUNNING;
}

/* Whether an owner that runs has the shard, and has been handed what there is of it. */
static bool
is_served(const struct demo *demo, uint32_t shard)
{
    const struct demo_lane *lane = &demo->history.shards[shard];
    const struct demo_span *owner = demo_history_owner(&demo->history, shard);

    return owner != NULL && runs(demo, owner->worker) &&
           (owner->first_begin_ns != 0 || lane->put == lane->delivered);
}

/* Whether a closed shard was read to its end, and the table has it. */
static bool
is_finished(const struct demo *demo, uint32_t shard)
{
    const struct demo_lane *lane = &demo->history.shards[shard];
    const struct weir_app_shard *row = demo_table_shard(&demo->table, lane->id);

    return lane->last_span != DEMO_NONE &&
           demo->history.spans[lane->last_span].end == DEMO_SPAN_FINISHED &&
           (row == NULL || row->state == WEIR_SHARD_SHUTDOWN_COMPLETE);
}

static bool
is_shard_settled(const struct demo *demo, const struct weir_shard *shard)
{
    for (uint32_t i = 0; i < demo->history.shard_count; i++) {
        if (strcmp(demo->history.shards[i].id, shard->shard_id) == 0) {
            return shard->closed ? is_finished(demo, i) : is_served(demo, i);
        }
    }
    return false;
}

/* Whether the row of a shard says that a worker that runs has it, or that it is finished. */
static bool
is_row_settled(const struct demo *demo, const struct weir_app_shard *row)
{
    if (row->state == WEIR_SHARD_SHUTDOWN_COMPLETE) {
        return true;
    }
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        if (strcmp(demo->fleet.members[i].id, row->owner) == 0) {
            return row->state == WEIR_SHARD_PROCESSING && runs(demo, i);
        }
    }
    return false;
}

bool
demo_is_settled(const struct demo *demo)
{
    const struct weir_app_worker *leader = demo_table_worker(&demo->table, demo->table.now.leader);

    if (leader == NULL || demo->table.now.shard_count == 0) {
        return false;
    }
    for (size_t i = 0; i < demo->shards.shard_count; i++) {
        if (!is_shard_settled(demo, &demo->shards.shards[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < demo->table.now.shard_count; i++) {
        if (!is_row_settled(demo, &demo->table.now.shards[i])) {
            return false;
        }
    }
    return true;
}

/* --- kill -9 of the leader. --- */

/* Whether every shard that the worker had at that time has a next owner that is at work. */
static bool
has_been_relieved(const struct demo *demo, const struct demo_blow *blow)
{
    for (uint32_t i = 0; i < demo->history.span_count; i++) {
        const struct demo_span *span = &demo->history.spans[i];
        const bool concerned = span->worker == blow->worker &&
                               span->initialized_ns <= blow->at_ns &&
                               (span->end == DEMO_SPAN_OPEN || span->end_ns >= blow->at_ns);
        const struct demo_span *next = demo_history_next(&demo->history, span);
        if (concerned &&
            (next == NULL || (next->first_begin_ns == 0 && !is_served(demo, next->shard)))) {
            return false;
        }
    }
    return true;
}

static bool
is_leader_relieved(const struct demo *demo)
{
    return has_been_relieved(demo, &demo->deeds.kill) && demo_is_settled(demo);
}

bool
demo_kill_leader(struct demo *demo)
{
    struct demo_member *leader;

    demo_begin_step(demo, 2, "kill -9 of the worker that leads");
    demo_sample(demo);
    leader = demo_fleet_find(&demo->fleet, demo->table.now.leader);
    if (leader == NULL) {
        return demo_break(demo, "nobody leads");
    }
    demo->deeds.kill.worker = (uint32_t)(leader - demo->fleet.members);
    demo->deeds.kill.at_ns = demo_now_ns(demo->env);
    demo_fleet_signal(leader, SIGKILL);
    demo_tell(demo, "kill -9 %s, which leads", leader->id);
    return demo_wait(
        demo, is_leader_relieved, STEP_TIMEOUT_MS, "others had the shards of the killed leader");
}

/* --- SIGSTOP past the lease. --- */

static struct demo_place *
place_of_stopped(const struct demo *demo)
{
    return &demo->board->places[demo->deeds.stop.worker];
}

/* Whether all batches that the worker has begun wait, and no other can get past them. */
static bool
is_outside_of_transactions(const struct demo *demo)
{
    struct demo_place *place = place_of_stopped(demo);

    return atomic_load(&place->batches) == atomic_load(&place->holding);
}

/* The same for some time: each shard that has records holds a batch by then, and weir's automatic
 * checkpoints of the batches before are written. */
static bool
holds_still(const struct demo *demo)
{
    return is_outside_of_transactions(demo) && demo_now_ns(demo->env) - demo->hold_ns > HOLD_NS;
}

/* Records that were handed to the other workers' shards. */
static uint64_t
served_elsewhere(const struct demo *demo)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < demo->history.shard_count; i++) {
        const struct demo_span *owner = demo_history_owner(&demo->history, i);
        if (owner != NULL && owner->worker != demo->deeds.stop.worker) {
            count += demo->history.shards[i].delivered;
        }
    }
    return count;
}

/* Whether the others' checkpoints are written while the worker is stopped, if there are any. */
static bool
is_table_free(const struct demo *demo)
{
    const char *worker_id = demo->fleet.members[demo->deeds.stop.worker].id;

    return demo_table_moves_without(&demo->table, worker_id) != demo->moves_at_stop;
}

static bool
is_stopped(const struct demo *demo)
{
    return demo->fleet.members[demo->deeds.stop.worker].state == DEMO_MEMBER_STOPPED;
}

static bool
is_stopped_relieved(const struct demo *demo)
{
    return has_been_relieved(demo, &demo->deeds.stop);
}

/* Of the workers with shards that do not lead, the one that has seen most records. */
static struct demo_member *
choose_follower(struct demo *demo)
{
    struct demo_member *chosen = NULL;
    uint64_t most = 0;

    demo_sample(demo);
    for (uint32_t i = 0; i < demo->fleet.count; i++) {
        struct demo_member *member = &demo->fleet.members[i];
        if (member->state == DEMO_MEMBER_RUNNING &&
            strcmp(member->id, demo->table.now.leader) != 0 &&
            atomic_load(&demo->board->places[i].shards) > 0 &&
            (chosen == NULL || demo->history.by_worker[i] > most)) {
            chosen = member;
            most = demo->history.by_worker[i];
        }
    }
    return chosen;
}

/* Stop it, and see that it blocks nobody. It may be inside of a transaction of its own accord: it
 * writes checkpoints and renewals. Others would end it then, by weir's rules, after half a lease
 * duration, which is not what this step is about. So it goes on before that, for another try. */
static bool
stop_and_look(struct demo *demo, struct demo_member *member)
{
    demo_sample(demo);
    demo->moves_at_stop = demo_table_moves_without(&demo->table, member->id);
    demo->served_at_stop = served_elsewhere(demo);
    demo->deeds.stop.at_ns = demo_now_ns(demo->env);
    demo_fleet_signal(member, SIGSTOP);
    if (!demo_wait(demo, is_stopped, HOLD_TIMEOUT_MS, "SIGSTOP had stopped a worker")) {
        return false;
    }
    return is_outside_of_transactions(demo) &&
           (demo_wait_in_vain(demo, is_table_free, demo->settings.lease_duration_ms / 4) ||
            served_elsewhere(demo) == demo->served_at_stop);
}

/* Stop the worker while its shards have records at hand that are not applied yet, and none is in a
 * transaction of the sink: board.h says why. */
static bool
stop_while_holding(struct demo *demo, struct demo_member *member)
{
    struct demo_place *place = place_of_stopped(demo);

    for (int i = 0; i < STOP_TRIES; i++) {
        demo->hold_ns = demo_now_ns(demo->env);
        atomic_store(&place->hold, 1);
        if (!demo_wait(demo, holds_still, HOLD_TIMEOUT_MS, "the batches of a worker held still")) {
            return false;
        }
        if (stop_and_look(demo, member)) {
            atomic_store(&place->hold, 0);
            demo->deeds.stopped_batches = atomic_load(&place->holding);
            return true;
        }
        if (demo_is_over(demo)) {
            return false;
        }
        demo_fleet_signal(member, SIGCONT);
    }
    return demo_break(demo, "%s could not be stopped without blocking others", member->id);
}

/* Whether the resumed worker knows that all its leases are gone. */
static bool
is_refused(const struct demo *demo)
{
    for (uint32_t i = 0; i < demo->history.span_count; i++) {
        const struct demo_span *span = &demo->history.spans[i];
        if (span->worker == demo->deeds.stop.worker && span->end == DEMO_SPAN_OPEN &&
            span->initialized_ns <= demo->deeds.stop.at_ns) {
            return false;
        }
    }
    return true;
}

/* Whether it is a member again, with shards of its own. */
static bool
has_rejoined(const struct demo *demo)
{
    for (uint32_t i = 0; i < demo->history.span_count; i++) {
        const struct demo_span *span = &demo->history.spans[i];
        if (span->worker == demo->deeds.stop.worker && span->end == DEMO_SPAN_OPEN &&
            span->initialized_ns > demo->deeds.resume_ns) {
            return demo_is_settled(demo);
        }
    }
    return false;
}

bool
demo_stop_worker(struct demo *demo)
{
    const int64_t timeout_ms = 2 * demo->settings.lease_duration_ms + STEP_TIMEOUT_MS;
    struct demo_member *member = choose_follower(demo);

    demo_begin_step(demo, 5, "SIGSTOP of a worker past its lease");
    if (member == NULL) {
        return demo_break(demo, "no worker but the leader has shards");
    }
    demo->deeds.stop.worker = (uint32_t)(member - demo->fleet.members);
    if (!stop_while_holding(demo, member)) {
        return false;
    }
    demo_tell(
        demo,
        "SIGSTOP %s, with %u batches in its hands",
        member->id,
        (unsigned)demo->deeds.stopped_batches);
    if (!demo_wait(
            demo, is_stopped_relieved, timeout_ms, "others had the shards of the stopped worker")) {
        return false;
    }
    demo->deeds.resume_ns = demo_now_ns(demo->env);
    demo_fleet_signal(member, SIGCONT);
    demo_tell(demo, "SIGCONT %s: its batches and checkpoints are stale now", member->id);
    if (!demo_wait(demo, is_refused, STEP_TIMEOUT_MS, "the resumed worker gave up its shards")) {
        return false;
    }
    demo_tell(
        demo,
        "%s was refused: %llu batches by the sink, %llu checkpoints by weir",
        member->id,
        (unsigned long long)demo->history.fenced,
        (unsigned long long)demo->history.refused_by_worker[demo->deeds.stop.worker]);
    return demo_wait(demo, has_rejoined, timeout_ms, "the resumed worker had shards again");
}
