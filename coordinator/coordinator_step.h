/*
 * The coordinator inside every worker: follows, takes the lead when nobody has it, and as leader
 * runs passes: shard sync, recovery, draining, balance, revocation, clean-up (DESIGN 4.4 to 4.7).
 * Pure: a function of state and event to the one next action. At most one action is in flight.
 *
 * States and transitions: docs/state-machines.md, "Coordinator".
 */
#ifndef WI_COORDINATOR_COORDINATOR_STEP_H
#define WI_COORDINATOR_COORDINATOR_STEP_H

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease_store.h"

enum wi_coordinator_state {
    WI_COORDINATOR_FOLLOWING,
    WI_COORDINATOR_TAKING, /* take_leader is under way */
    WI_COORDINATOR_LEADING,
    WI_COORDINATOR_STOPPED /* left: takes part no more */
};

struct wi_coordinator_settings {
    const char *owner;              /* identity of this worker; borrowed */
    int64_t lease_duration_ms;      /* D */
    int64_t handoff_timeout_ms;     /* goes into each wish */
    int64_t shard_sync_interval_ms; /* LIST_SHARDS at least this often while leading */
    bool balance_by_load;
};

enum wi_coordinator_event_type {
    WI_COORDINATOR_TABLE,  /* a read of the table ended: `table` (borrowed for the call) */
    WI_COORDINATOR_SHARDS, /* LIST_SHARDS ended well: `shards` (borrowed for the call) */
    WI_COORDINATOR_RESULT, /* the action in flight ended: `error`, and `results` per item */
    WI_COORDINATOR_TICK,   /* time has passed */
    WI_COORDINATOR_LEAVE   /* this worker drains: lead until its leases are gone, then step down */
};

struct wi_coordinator_event {
    enum wi_coordinator_event_type type;
    struct weir_mono now; /* TABLE, SHARDS, RESULT: after the call returned */
    const struct wi_lease_table *table;
    const struct weir_shard *shards;
    size_t shard_count;
    enum weir_error error;
    const enum weir_error *results; /* ASSIGN, REQUEST_HANDOFF: one per item, if error is OK */
    uint64_t term;                  /* TAKE_LEADER: the term won */
};

enum wi_coordinator_action_type {
    WI_COORDINATOR_WAIT,        /* nothing until `until` or an event */
    WI_COORDINATOR_READ_TABLE,  /* answer with TABLE, or RESULT with an error */
    WI_COORDINATOR_LIST_SHARDS, /* answer with SHARDS, or RESULT with an error */
    WI_COORDINATOR_TAKE_LEADER, /* expected_term, expected_counter */
    WI_COORDINATOR_RELEASE_LEADER,
    WI_COORDINATOR_CREATE_LEASES,   /* leases */
    WI_COORDINATOR_ASSIGN,          /* assignments */
    WI_COORDINATOR_REQUEST_HANDOFF, /* handoffs */
    WI_COORDINATOR_REVOKE,          /* lease_key, expected_epoch */
    WI_COORDINATOR_REMOVE_LEASE,    /* lease_key, expected_epoch */
    WI_COORDINATOR_REMOVE_WORKER    /* owner: a dead one without leases; expected_counter */
};

/* What the runtime is to do. Arrays and strings belong to the engine until the next step. */
struct wi_coordinator_action {
    enum wi_coordinator_action_type type;
    struct weir_mono until;
    uint64_t term; /* of this leader: every write of the pass carries it (R12) */
    uint64_t expected_term;
    uint64_t expected_counter;
    uint64_t expected_epoch;
    const char *lease_key;
    const char *owner;
    const struct wi_lease *leases;
    const struct wi_assignment *assignments;
    const struct wi_handoff_request *handoffs;
    size_t count;
};

struct wi_coordinator;

enum weir_error wi_coordinator_new(
    const struct weir_env *env,
    const struct wi_coordinator_settings *settings,
    struct wi_coordinator **ret);
void wi_coordinator_free(struct wi_coordinator *coordinator);

/* Note the event, then decide the next action. */
struct wi_coordinator_action wi_coordinator_step(
    struct wi_coordinator *coordinator, const struct wi_coordinator_event *event);

enum wi_coordinator_state wi_coordinator_state(const struct wi_coordinator *coordinator);

/* When the last assignment pass succeeded, as leader; or, following, when the leader's counter was
 * last seen to grow. For the alarm of DESIGN 4.4. .ns = 0: never. */
struct weir_mono wi_coordinator_last_pass(const struct wi_coordinator *coordinator);

#endif
