/*
 * The coordinator's place where workers of Java KCL 2.x take leases from each other and nobody
 * leads: it takes leases for this worker alone, and creates and deletes leases while the shuffle
 * names it (docs/state-machines.md T1 to T14). Pure; it speaks the coordinator's events and
 * actions, so one runtime drives either.
 */
#ifndef WI_COORDINATOR_LEASE_TAKER_H
#define WI_COORDINATOR_LEASE_TAKER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "coordinator/coordinator_step.h"

/* T9: Java KCL's epsilon, which its takers add to the lease duration. */
#define WI_TAKER_EPSILON_MS 25
/* T9: a pass in so many of these spans. */
#define WI_TAKER_SPANS 2
/* T13: look this often at what rules are in force, as Java KCL's ClientVersionChangeMonitor. */
#define WI_TAKER_LOOK_MS 60000

struct wi_taker_settings {
    const char *owner;              /* identity of this worker; borrowed */
    int64_t lease_duration_ms;      /* D */
    int64_t handoff_timeout_ms;     /* of wishes that a leader has left behind */
    int64_t shard_sync_interval_ms; /* LIST_SHARDS at least this often while the shuffle's leader */
    uint32_t leases_max;            /* 0: no bound */
    uint64_t seed;                  /* of what is drawn */
};

struct wi_taker;

enum weir_error wi_taker_new(
    const struct weir_env *env, const struct wi_taker_settings *settings, struct wi_taker **ret);
void wi_taker_free(struct wi_taker *taker);

/* Note the event, then decide the next action: WAIT, READ_TABLE, ASSIGN (to this worker, under term
 * 0), LIST_SHARDS, CREATE_LEASES or REMOVE_LEASE. */
struct wi_coordinator_action wi_taker_step(
    struct wi_taker *taker, const struct wi_coordinator_event *event);

/* T12: it was told to leave. */
bool wi_taker_has_left(const struct wi_taker *taker);

/* T11: by the last table it syncs shards. */
bool wi_taker_leads(const struct wi_taker *taker);

/* When the last pass ended without a failure; .ns = 0: never. */
struct weir_mono wi_taker_last_pass(const struct wi_taker *taker);

#endif
