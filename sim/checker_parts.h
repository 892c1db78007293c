/*
 * The parts of the checker, one file each. A function that takes an event answers whether the
 * history still holds, and has noted the event if it does. `shard` and `worker` are the event's,
 * looked up. Private to sim/checker*.c.
 */
#ifndef WI_SIM_CHECKER_PARTS_H
#define WI_SIM_CHECKER_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/checker_state.h"
#include "sim/history.h"

/* --- checker_row.c: the lease table ---------------------------------------------------------- */

bool wi_check_row_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_row_deleted_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_refused_event(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard);
bool wi_check_leader_event(struct wi_checker *checker, const struct wi_history_event *event);

/* --- checker_hold.c: belief ------------------------------------------------------------------ */

bool wi_check_hold_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_drop_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);

/* I3: a call that starts now lies within a hold. */
bool wi_check_in_hold(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard);

/* P3: the belief of a worker in good health does not run out while the row names it. */
bool wi_check_renewed(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    const struct wi_check_shard *shard);

/* --- checker_calls.c: life of a record processor --------------------------------------------- */

bool wi_check_initialize_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_final_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_destroy_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_checkpoint_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);

/* --- checker_batches.c: process_records ------------------------------------------------------ */

bool wi_check_begin_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_end_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);

bool wi_check_processed_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);

/* --- checker_records.c: the stream, and what is covered -------------------------------------- */

bool wi_check_put_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_shard_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_trim_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_dead_letter_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);
bool wi_check_effect_event(
    struct wi_checker *checker, const struct wi_history_event *event, struct wi_check_shard *shard);

/* I6: a checkpoint at `through` was accepted. UINT64_MAX: SHARD_END. */
bool wi_check_cover(struct wi_checker *checker, struct wi_check_shard *shard, uint64_t through);

/* What is at or below `through` was never asked for, or is gone. */
void wi_check_forget(struct wi_checker *checker, struct wi_check_shard *shard, uint64_t through);

/* --- checker_quiet.c: the end of the run ----------------------------------------------------- */

bool wi_check_quiet_event(struct wi_checker *checker);

/* --- checker_time.c: what must happen before long -------------------------------------------- */

/* Does every promise about time hold at checker->now_ns? */
bool wi_check_time(struct wi_checker *checker);

bool wi_check_worker_event(struct wi_checker *checker, const struct wi_history_event *event);
bool wi_check_leaving_event(struct wi_checker *checker, struct wi_check_worker *worker);
bool wi_check_gone_event(struct wi_checker *checker, struct wi_check_worker *worker);
bool wi_check_hang_event(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    struct wi_check_worker *worker);
bool wi_check_fault_event(struct wi_checker *checker, const struct wi_history_event *event);
bool wi_check_healed_event(struct wi_checker *checker);

/* The row of `shard` was `before`. */
bool wi_check_row_changed(
    struct wi_checker *checker, struct wi_check_shard *shard, const struct wi_check_row *before);

/* The leader changed. */
void wi_check_membership_changed(struct wi_checker *checker);

/* Start and stop the timers of L4 and L6 as the shard's state asks for. */
void wi_check_refresh(struct wi_checker *checker, struct wi_check_shard *shard);

/* The same for the shards that wait for this one. */
void wi_check_refresh_children(struct wi_checker *checker, const struct wi_check_shard *shard);

/* L4: something happened in the shard. */
void wi_check_progress(struct wi_checker *checker, struct wi_check_shard *shard);

/* L1: somebody else was given the shard's records. */
void wi_check_taken_over(struct wi_checker *checker, struct wi_check_shard *shard);

#endif
