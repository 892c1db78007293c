/* Who believes in which shard, and what may be done with it. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/checker_parts.h"
#include "sim/checker_state.h"
#include "sim/history.h"

static bool
is_of(const struct wi_check_hold *hold, const struct wi_history_event *event)
{
    return hold->worker == event->worker && hold->epoch == event->epoch && !hold->dropped;
}

/* The worker that has ended the shard need not know yet that its row is deleted (C40): nothing is
 * left to be done under that epoch, and it is never used again. */
static bool
is_after_the_end(const struct wi_history_event *event, const struct wi_check_shard *shard)
{
    const struct wi_check_row *row = &shard->row;

    return !row->exists && row->finished && row->epoch_highest == event->epoch &&
           is_of(&shard->hold, event);
}

/*
 * I2, BX, G3 belief exclusivity: hold(x, s) and hold(y, s) of workers x != y have no instant in
 * common; the belief of a process that has ended ends with it. And nobody believes under an epoch
 * that the table does not name as its own.
 */
static bool
i2_belief_exclusivity(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_hold *hold = &shard->hold;
    const struct wi_check_worker *holder = wi_check_worker_of(checker, hold->worker);
    const struct wi_check_row *row = &shard->row;

    if (holder != NULL && hold->worker != event->worker && !hold->dropped && !holder->gone &&
        event->time_ns < hold->until_ns) {
        return wi_check_break(
            checker,
            "I2",
            "shard %" PRIu32 ": workers %" PRIu32 " (until %" PRId64 " ns) and %" PRIu32
            " believe at once",
            shard->number,
            hold->worker,
            hold->until_ns,
            event->worker);
    }
    if ((!row->exists || row->owner != event->worker || row->epoch != event->epoch) &&
        !is_after_the_end(event, shard)) {
        return wi_check_break(
            checker,
            "I2",
            "shard %" PRIu32 ": worker %" PRIu32 " believes under epoch %" PRIu64
            "; the row names worker %" PRIu32 " and %" PRIu64,
            shard->number,
            event->worker,
            event->epoch,
            row->owner,
            row->epoch);
    }
    return true;
}

/* P3 renewed whatever processors do. */
bool
wi_check_renewed(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_hold *hold = &shard->hold;
    const struct wi_check_row *row = &shard->row;
    const struct wi_check_worker *worker = wi_check_worker_of(checker, hold->worker);

    if (worker == NULL || !is_of(hold, event) || hold->until_ns > event->time_ns ||
        worker->healthy_ns > hold->since_ns || row->revoked || row->owner != hold->worker ||
        row->epoch != hold->epoch || checker->healed_ns == WI_CHECK_NEVER ||
        checker->healed_ns > hold->since_ns) {
        return true;
    }
    return wi_check_break(
        checker,
        "P3",
        "shard %" PRIu32 ": the belief of worker %" PRIu32 " ran out at %" PRId64
        " ns, and nothing was wrong with it",
        shard->number,
        hold->worker,
        hold->until_ns);
}

bool
wi_check_hold_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    if (event->until_ns <= event->time_ns) {
        return true; /* an answer that came too late */
    }
    if (!i2_belief_exclusivity(checker, event, shard) || !wi_check_renewed(checker, event, shard)) {
        return false;
    }
    shard->hold = (struct wi_check_hold){
        .since_ns = event->time_ns,
        .until_ns = event->until_ns,
        .epoch = event->epoch,
        .worker = event->worker,
    };
    return true;
}

bool
wi_check_drop_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    if (!wi_check_renewed(checker, event, shard)) {
        return false;
    }
    if (is_of(&shard->hold, event)) {
        shard->hold.dropped = true;
    }
    return true;
}

bool
wi_check_in_hold(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_hold *hold = &shard->hold;

    if (is_of(hold, event) && event->time_ns < hold->until_ns) {
        return true;
    }
    return wi_check_break(
        checker,
        "I3",
        "shard %" PRIu32 ": worker %" PRIu32 " started a call under epoch %" PRIu64
        "; worker %" PRIu32 " holds it under %" PRIu64 " until %" PRId64 " ns",
        shard->number,
        event->worker,
        event->epoch,
        hold->worker,
        hold->epoch,
        hold->until_ns);
}
