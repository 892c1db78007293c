/* The lease table: what it accepted, refused and deleted. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "sim/checker_parts.h"
#include "sim/checker_state.h"
#include "sim/history.h"

static bool
is_owners(enum wi_history_operation operation)
{
    return operation == WI_OPERATION_CHECKPOINT || operation == WI_OPERATION_RELEASE ||
           operation == WI_OPERATION_FINISH || operation == WI_OPERATION_RENEW;
}

static bool
changes_owner(enum wi_history_operation operation)
{
    return operation == WI_OPERATION_ASSIGN || operation == WI_OPERATION_RELEASE ||
           operation == WI_OPERATION_RESET;
}

/*
 * I1, G3, P1 row chain: e(w') = e(w) + 1 if w' is an assignment or a release, else e(w') = e(w) and
 * the owner stays; e(first row) > every epoch that a row of the shard ever had. I15: a shard has
 * one row; a finished one does not come back.
 */
static bool
i1_row_chain(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_row *row = &shard->row;
    uint64_t expected = row->epoch + (changes_owner(event->operation) ? 1 : 0);

    if (event->operation == WI_OPERATION_CREATE) {
        return !row->existed && event->epoch > row->epoch_highest
                   ? true
                   : wi_check_break(
                         checker,
                         row->existed ? "I15" : "I1",
                         "shard %" PRIu32 ": a row was created under epoch %" PRIu64
                         "; there %s one under %" PRIu64,
                         shard->number,
                         event->epoch,
                         row->exists ? "is" : "was",
                         row->epoch_highest);
    }
    if (!row->exists) {
        return wi_check_break(
            checker, "I1", "shard %" PRIu32 ": a write to a row that is not there", shard->number);
    }
    if (event->worker != row->owner && !changes_owner(event->operation)) {
        return wi_check_break(
            checker,
            "I1",
            "shard %" PRIu32 ": owner %" PRIu32 " became %" PRIu32 " without assignment or release",
            shard->number,
            row->owner,
            event->worker);
    }
    if (event->epoch != expected) {
        return wi_check_break(
            checker,
            "I1",
            "shard %" PRIu32 ": epoch %" PRIu64 " followed %" PRIu64 ", not %" PRIu64,
            shard->number,
            event->epoch,
            row->epoch,
            expected);
    }
    return true;
}

/* I4: is the write one of the owner's, under the row's epoch, and allowed to it? */
static bool
i4_is_owners_own(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_row *row = &shard->row;

    if (event->under != row->epoch || row->owner == 0 ||
        (event->writer != 0 && event->writer != row->owner)) {
        return wi_check_break(
            checker,
            "I4",
            "shard %" PRIu32 ": a write of worker %" PRIu32 " under epoch %" PRIu64
            " was accepted; worker %" PRIu32 " owns it under %" PRIu64,
            shard->number,
            event->writer,
            event->under,
            row->owner,
            row->epoch);
    }
    return event->operation != WI_OPERATION_RENEW || !row->revoked
               ? true
               : wi_check_break(
                     checker,
                     "I4",
                     "shard %" PRIu32 ": a revoked lease was renewed",
                     shard->number);
}

/* The operations that may move the checkpoint to where the event says. */
static bool
may_move(const struct wi_history_event *event)
{
    return event->shard_end ? event->operation == WI_OPERATION_FINISH
                            : event->operation == WI_OPERATION_CHECKPOINT ||
                                  event->operation == WI_OPERATION_RELEASE ||
                                  event->operation == WI_OPERATION_FINISH;
}

/*
 * I4, G3, P2 fenced table: an owner's write is accepted only if it names the row's epoch and comes
 * from the row's owner; nobody else moves the checkpoint; a revoked lease is not renewed.
 */
static bool
i4_fenced_table(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_row *row = &shard->row;
    bool moves = event->shard_end != row->finished || event->unresolved != row->unresolved ||
                 (!event->shard_end && event->last != row->checkpoint);

    if (event->operation == WI_OPERATION_RESET || event->operation == WI_OPERATION_CREATE) {
        return true;
    }
    if (is_owners(event->operation) && !i4_is_owners_own(checker, event, shard)) {
        return false;
    }
    return !moves || may_move(event)
               ? true
               : wi_check_break(
                     checker,
                     "I4",
                     "shard %" PRIu32 ": the checkpoint moved by a write that may not move it",
                     shard->number);
}

/*
 * I5, G4, P2, P11 monotone checkpoint: ckpt(w) <= ckpt(w'), SHARD_END is above all, and a place
 * never turns back into LATEST or AT_TIMESTAMP. Only an operator's reset may.
 */
static bool
i5_monotone_checkpoint(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_row *row = &shard->row;

    if (event->operation == WI_OPERATION_RESET || event->shard_end) {
        return true;
    }
    if (row->finished || (event->unresolved && !row->unresolved) ||
        (!event->unresolved && event->last < row->checkpoint)) {
        return wi_check_break(
            checker,
            "I5",
            "shard %" PRIu32 ": the checkpoint went back from %s%" PRIu64 " to %s%" PRIu64,
            shard->number,
            row->finished ? "SHARD_END, " : "",
            row->checkpoint,
            event->unresolved ? "LATEST, " : "",
            event->last);
    }
    return true;
}

/*
 * G4, P2 within delivered: ckpt(w') <= what the owner's processor was handed under this epoch, or
 * where it started. LATEST and AT_TIMESTAMP become a place that is not beyond the shard's tip.
 */
static bool
g4_within_delivered(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_row *row = &shard->row;
    const struct wi_check_consumer *consumer = wi_check_consumer_of(shard, row->owner, row->epoch);
    uint64_t limit = row->checkpoint;

    if (event->shard_end || !is_owners(event->operation)) {
        return true;
    }
    if (row->unresolved) {
        limit = shard->tip;
    } else if (consumer != NULL && consumer->delivered > limit) {
        limit = consumer->delivered;
    }
    return event->last <= limit
               ? true
               : wi_check_break(
                     checker,
                     "G4",
                     "shard %" PRIu32 ": checkpoint %" PRIu64 " is beyond what worker %" PRIu32
                     " was handed under epoch %" PRIu64 ": %" PRIu64,
                     shard->number,
                     event->last,
                     row->owner,
                     row->epoch,
                     limit);
}

/* A merged child may get its row at the end of that parent which ends last. */
static bool
waits_for_other_parent(
    const struct wi_checker *checker,
    const struct wi_check_shard *shard,
    const struct wi_check_shard *child)
{
    uint32_t number = child->parents[child->parents[0] == shard->number ? 1 : 0];
    const struct wi_check_shard *other = wi_check_shard_of(checker, number);

    return number != 0 && other != NULL && !other->row.finished;
}

/*
 * P5, I9 shards end in order: SHARD_END is accepted only for a closed shard, after the owner's
 * processor said OK to shard_ended. I15: by then every child has had a row.
 */
static bool
p5_shard_end(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_consumer *consumer =
        wi_check_consumer_of(shard, shard->row.owner, shard->row.epoch);

    if (event->operation != WI_OPERATION_FINISH || shard->row.finished) {
        return true;
    }
    if (!shard->closed || consumer == NULL || !consumer->shard_ended) {
        return wi_check_break(
            checker,
            "P5",
            "shard %" PRIu32 ": SHARD_END although %s",
            shard->number,
            shard->closed ? "its processor has not said OK to shard_ended" : "it is open");
    }
    for (const struct wi_check_shard *child = wi_check_next_child(checker, shard, NULL);
         child != NULL;
         child = wi_check_next_child(checker, shard, child)) {
        if (!child->row.existed && !child->unlisted &&
            !waits_for_other_parent(checker, shard, child)) {
            return wi_check_break(
                checker,
                "I15",
                "shard %" PRIu32 ": SHARD_END before its child %" PRIu32 " had a row",
                shard->number,
                child->number);
        }
    }
    return true;
}

/* R12 writes of leaders: accepted only under the term that the leader row names, while it names a
 * leader, and from that leader. */
static bool
r12_leaders_term(struct wi_checker *checker, const struct wi_history_event *event)
{
    if (event->term == 0 || (event->term == checker->term && checker->leader != 0 &&
                             (event->writer == 0 || event->writer == checker->leader))) {
        return true;
    }
    return wi_check_break(
        checker,
        "R12",
        "shard %" PRIu32 ": a write of worker %" PRIu32 " under term %" PRIu64
        " was accepted; worker %" PRIu32 " leads under %" PRIu64,
        event->shard,
        event->writer,
        event->term,
        checker->leader,
        checker->term);
}

/*
 * G5, I12 planned moves are free: a release after shutdown_requested and before the owner's
 * deadline leaves a checkpoint at or above everything that was processed under the epoch, unless
 * the processor's own checkpoint() failed.
 */
static bool
g5_free_move(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_consumer *consumer =
        wi_check_consumer_of(shard, shard->row.owner, shard->row.epoch);

    if (!checker->settings.free_moves || event->operation != WI_OPERATION_RELEASE ||
        event->shard_end || consumer == NULL || !consumer->shut_down ||
        consumer->checkpoint_failed || event->last >= consumer->position ||
        event->time_ns >= shard->hold.until_ns) {
        return true;
    }
    return wi_check_break(
        checker,
        "G5",
        "shard %" PRIu32 ": released in order at %" PRIu64 " by worker %" PRIu32
        ", which had processed through %" PRIu64,
        shard->number,
        event->last,
        consumer->worker,
        consumer->position);
}

/*
 * P6 no more moves than planned: a release to a successor follows a wish, and no shard moves twice
 * unless workers, the leader, or the set of leases changed: its last move was later than the last
 * such change by what a leader needs to see it.
 */
static bool
p6_planned_moves(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    int64_t grace_ns = checker->settings.hang_takeover_ms * WI_CHECK_NS_PER_MS;
    int64_t moved_ns = shard->moved_ns;

    if (event->operation != WI_OPERATION_RELEASE || event->worker == 0) {
        return true;
    }
    if (!shard->row.wished) {
        return wi_check_break(
            checker,
            "P6",
            "shard %" PRIu32 " was released to worker %" PRIu32 ", and nobody had asked for it",
            shard->number,
            event->worker);
    }
    shard->moved_ns = checker->now_ns;
    if (grace_ns == 0 || checker->faults > 0 || checker->hanging > 0 ||
        moved_ns == WI_CHECK_NEVER || checker->disturbed_ns == WI_CHECK_NEVER ||
        moved_ns - checker->disturbed_ns <= grace_ns) {
        return true;
    }
    return wi_check_break(
        checker,
        "P6",
        "shard %" PRIu32 " moved at %" PRId64 " ns and again, and nothing had changed",
        shard->number,
        moved_ns);
}

/* An operator's wish pins the lease to the worker that gets it because of the wish. */
static void
apply_pin(struct wi_check_row *row, const struct wi_history_event *event)
{
    enum wi_history_operation operation = event->operation;

    if (operation == WI_OPERATION_RELEASE || operation == WI_OPERATION_ASSIGN) {
        row->pinned = row->asked && event->worker != 0;
    } else if (operation == WI_OPERATION_CREATE || operation == WI_OPERATION_RESET) {
        row->pinned = false;
    }
    /* No leader has written it, so it names no term. */
    row->asked = operation == WI_OPERATION_HANDOFF ? event->term == 0
                                                   : row->asked && row->epoch == event->epoch;
}

static void
apply_row(struct wi_check_shard *shard, const struct wi_history_event *event)
{
    struct wi_check_row *row = &shard->row;
    enum wi_history_operation operation = event->operation;

    apply_pin(row, event);
    row->exists = true;
    row->existed = true;
    row->revoked = operation == WI_OPERATION_REVOKE || (row->revoked && row->epoch == event->epoch);
    row->wished = operation == WI_OPERATION_HANDOFF || (row->wished && row->epoch == event->epoch);
    row->owner = event->worker;
    row->epoch = event->epoch;
    row->epoch_highest = event->epoch;
    row->finished = event->shard_end;
    row->unresolved = event->unresolved;
    if (!event->shard_end) {
        row->checkpoint = event->last;
    }
}

/* The write says for the first time where the application starts. */
static bool
is_start(
    const struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_row *before)
{
    bool is_resolved = before->unresolved && !event->unresolved;

    return event->operation == WI_OPERATION_CREATE || event->operation == WI_OPERATION_RESET ||
           (is_resolved && (!event->shard_end || checker->settings.starts_at_time));
}

/* What the write says of the records: covered, or never asked for. */
static bool
apply_checkpoint(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    struct wi_check_shard *shard,
    const struct wi_check_row *before)
{
    struct wi_check_consumer *consumer = wi_check_consumer_of(shard, before->owner, before->epoch);

    if (is_owners(event->operation) && consumer != NULL && !event->unresolved) {
        consumer->accepted = event->shard_end ? UINT64_MAX : event->last;
        if (consumer->unresolved) {
            consumer->unresolved = false;
            consumer->position = event->last;
            consumer->start = event->last;
        }
    }
    if (is_start(checker, event, before)) {
        wi_check_forget(checker, shard, event->shard_end ? shard->tip : event->last);
        return true;
    }
    if (event->shard_end) {
        return before->finished || wi_check_cover(checker, shard, UINT64_MAX);
    }
    return event->last == before->checkpoint || wi_check_cover(checker, shard, event->last);
}

bool
wi_check_row_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_row before = shard->row;

    if (!i1_row_chain(checker, event, shard) || !r12_leaders_term(checker, event) ||
        !i4_fenced_table(checker, event, shard)) {
        return false;
    }
    if (event->operation != WI_OPERATION_CREATE &&
        (!i5_monotone_checkpoint(checker, event, shard) ||
         !g4_within_delivered(checker, event, shard) || !p5_shard_end(checker, event, shard) ||
         !g5_free_move(checker, event, shard) || !p6_planned_moves(checker, event, shard))) {
        return false;
    }
    apply_row(shard, event);
    return apply_checkpoint(checker, event, shard, &before) &&
           wi_check_row_changed(checker, shard, &before);
}

/*
 * I15 rows are not deleted too early: the shard is finished and no longer listed, and every child
 * has a row above TRIM_HORIZON, or had one that is finished.
 */
static bool
i15_deletion(struct wi_checker *checker, const struct wi_check_shard *shard)
{
    if (!shard->row.finished || !shard->unlisted) {
        return wi_check_break(
            checker,
            "I15",
            "shard %" PRIu32 ": its row was deleted although it is %s",
            shard->number,
            shard->row.finished ? "still listed" : "not finished");
    }
    for (const struct wi_check_shard *child = wi_check_next_child(checker, shard, NULL);
         child != NULL;
         child = wi_check_next_child(checker, shard, child)) {
        bool never_was = !child->row.existed && child->unlisted;

        if (!never_was && !child->row.finished &&
            (!child->row.exists || child->row.checkpoint == 0)) {
            return wi_check_break(
                checker,
                "I15",
                "shard %" PRIu32 ": its row was deleted before its child %" PRIu32 " had begun",
                shard->number,
                child->number);
        }
    }
    return true;
}

bool
wi_check_row_deleted_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard)
{
    struct wi_check_row before = shard->row;
    bool reset = event->operation == WI_OPERATION_RESET;

    if (!before.exists) {
        return wi_check_break(
            checker, "I1", "shard %" PRIu32 ": there is no row to delete", shard->number);
    }
    if (!r12_leaders_term(checker, event) || (!reset && !i15_deletion(checker, shard))) {
        return false;
    }
    shard->row = (struct wi_check_row){
        .epoch_highest = before.epoch_highest,
        .existed = !reset,
        .finished = !reset,
    };
    return wi_check_row_changed(checker, shard, &before);
}

/* I4 the other way round: the table does not refuse the owner as if it had lost the lease. */
bool
wi_check_refused_event(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard)
{
    const struct wi_check_row *row = &shard->row;

    if (event->error != WEIR_ELEASELOST || !is_owners(event->operation) ||
        event->operation == WI_OPERATION_RENEW || !row->exists || event->worker != row->owner ||
        event->epoch != row->epoch) {
        return true;
    }
    return wi_check_break(
        checker,
        "I4",
        "shard %" PRIu32 ": a write of its owner %" PRIu32 " under epoch %" PRIu64 " was refused",
        shard->number,
        row->owner,
        row->epoch);
}

/* P1, R12 one leader: the term grows by one with every new leader, and only then. */
bool
wi_check_leader_event(struct wi_checker *checker, const struct wi_history_event *event)
{
    uint64_t expected = checker->term + (event->worker != 0 ? 1 : 0);

    if (event->epoch != expected) {
        return wi_check_break(
            checker,
            "P1",
            "leader %" PRIu32 " under term %" PRIu64 " followed leader %" PRIu32 " under %" PRIu64,
            event->worker,
            event->epoch,
            checker->leader,
            checker->term);
    }
    checker->term = event->epoch;
    checker->leader = event->worker;
    wi_check_membership_changed(checker);
    return true;
}
