/*
 * The rules of the rows beside the leases: workers' sessions, the leader, the application, and the
 * table's own counters. Shared by every backend, pure; see lease/lease_rules.h.
 */
#ifndef WI_LEASE_SESSION_RULES_H
#define WI_LEASE_SESSION_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>

#include "lease/lease_rules.h"
#include "lease/lease_store.h"

/* A worker's row as backends keep it. */
struct wi_session {
    struct wi_worker worker; /* without .state, which is judged at each look */
    bool fenced;
    bool drain_requested; /* by an operator */
};

/* Counters of the table itself. */
struct wi_table_counters {
    uint64_t ownership_version; /* + 1 at each change that a renewal could have to report */
    uint64_t epoch_floor;       /* highest epoch of a deleted row */
    uint64_t epoch_highest;     /* highest epoch of any row ever */
};

/* `session` NULL: not registered. */
struct wi_owner_view wi_session_view(const struct wi_session *session, bool process_gone);

/* The listed form: draining if it wants to leave or an operator asked it to. */
struct wi_worker wi_session_worker(const struct wi_session *session, bool process_gone);

/* R8: register (`is_new`), or change one's own row. WEIR_ESESSIONLOST once fenced. */
WEIR_MUST_CHECK enum weir_error wi_session_put(
    struct wi_session *session, bool is_new, const struct wi_worker *worker);

/* R1: one more heartbeat. `session` NULL, fenced or at its last counter: WEIR_ESESSIONLOST. */
WEIR_MUST_CHECK enum weir_error wi_session_renew(
    struct wi_session *session, struct wi_renew_answer *ret_answer);

/*
 * R3: declare a silent owner dead. WEIR_ECONFLICT: its counter moved. OK at once if it is fenced
 * already. Without a row (`is_new`) it becomes a fenced one, which bars a late registration.
 */
WEIR_MUST_CHECK enum weir_error wi_session_fence(
    struct wi_session *session, bool is_new, const char *owner, uint64_t expected_counter);

/* R3: may a leader remove it as that of a dead worker? WEIR_ECONFLICT: its counter moved. */
WEIR_MUST_CHECK enum weir_error wi_session_check_removal(
    const struct wi_owner_view *view, uint64_t expected_counter);

/* R12. Term 0: an operator's or a worker's own write, not checked. */
WEIR_MUST_CHECK enum weir_error wi_leader_check_term(const struct wi_leader *leader, uint64_t term);

struct wi_leader_take {
    const char *owner;
    uint64_t expected_term;
    uint64_t expected_counter;
};

/* May `take->owner` lead? *ret_fence: the present leader's session must be fenced first.
 * WEIR_ECORRUPT: there is no next term. */
WEIR_MUST_CHECK enum weir_error wi_leader_judge_take(
    const struct wi_leader *leader,
    const struct wi_leader_take *take,
    const struct wi_owner_view *present,
    const struct wi_owner_view *caller,
    bool *ret_fence);

/* Judged before. WEIR_ECONFLICT: the term moved since. */
WEIR_MUST_CHECK enum weir_error wi_leader_apply_take(
    struct wi_leader *leader, const struct wi_leader_take *take);

WEIR_MUST_CHECK enum weir_error wi_leader_apply_release(
    struct wi_leader *leader, const char *owner, uint64_t term);

/* What a join finds. */
struct wi_application_facts {
    bool exists;
    bool has_live_worker;
    bool has_leases;
};

/* Settle on an application: `agreed` is the row (if it exists) and becomes what holds from now on.
 */
WEIR_MUST_CHECK enum weir_error wi_application_join(
    struct wi_application *agreed,
    const struct wi_application *wish,
    const struct wi_application_facts *facts,
    bool *ret_changed);

/* Whether it reads several streams: what it remembers names none of them then, so that their list
 * may change, and its lease keys have their streams in them. */
bool wi_application_reads_several(const struct wi_application *application);

WEIR_MUST_CHECK enum weir_error wi_application_check(const struct wi_application *application);

/* A row got this epoch; ownership changed. */
void wi_table_note_epoch(struct wi_table_counters *counters, uint64_t epoch);
/* A row with this epoch was deleted. */
void wi_table_note_removal(struct wi_table_counters *counters, uint64_t epoch);
/* All rows were deleted, readable or not. */
void wi_table_note_reset(struct wi_table_counters *counters);

#endif
