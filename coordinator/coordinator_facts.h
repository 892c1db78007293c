/*
 * What a coordinator has seen, and since when (docs/state-machines.md C9, C10). Pure. Each read of
 * the table is noted whole; afterwards the facts can be asked about rows of that table.
 */
#ifndef WI_COORDINATOR_COORDINATOR_FACTS_H
#define WI_COORDINATOR_COORDINATOR_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "lease/lease.h"
#include "lease/lease_expiry.h"

struct wi_coordinator_facts {
    int64_t lease_duration_ms;
    int64_t handoff_timeout_ms;      /* for wishes that state none */
    struct wi_lease_expiry *leases;  /* owned, unfinished: epoch and counter */
    struct wi_lease_expiry *workers; /* heartbeats */
    struct wi_lease_expiry *wishes;  /* hand-offs that are wished for */
    struct wi_lease_expiry *revocations;
    struct wi_lease_expiry *finished; /* leases at SHARD_END */
    struct weir_mono now;             /* end of the read noted last */
    int64_t shortest_timeout_ms;      /* of the wishes noted last */
    bool has_leader;                  /* a leader row was seen */
    struct wi_leader leader;          /* as seen last */
    struct weir_mono leader_since;    /* end of the first read that showed it so */
    struct weir_mono leader_grew;     /* when it was last seen to change; 0: never */
};

/* On failure nothing is held. */
enum weir_error wi_coordinator_facts_init(
    struct wi_coordinator_facts *facts,
    const struct weir_env *env,
    int64_t lease_duration_ms,
    int64_t handoff_timeout_ms);
void wi_coordinator_facts_free(struct wi_coordinator_facts *facts);

/* Note a read that ended at `now`. WEIR_ENOMEM: what was not noted counts as just seen (safe). */
enum weir_error wi_coordinator_facts_note(
    struct wi_coordinator_facts *facts, const struct wi_lease_table *table, struct weir_mono now);

/* C1, C2: nobody leads: no owner, a dead one, or one that has been silent for the lease duration.
 */
bool wi_coordinator_facts_nobody_leads(
    const struct wi_coordinator_facts *facts, struct weir_mono now);

/* C10: alive as far as the table and its heartbeat tell. */
bool wi_coordinator_facts_is_live(
    const struct wi_coordinator_facts *facts, const struct wi_worker *worker);

/* R3, R5: silent for the lease duration, or revoked for as long. */
bool wi_coordinator_facts_is_expired(
    const struct wi_coordinator_facts *facts, const struct wi_lease *lease);
bool wi_coordinator_facts_is_revoked_long_enough(
    const struct wi_coordinator_facts *facts, const struct wi_lease *lease);

/* C24: the wish has stood unchanged for its timeout. */
bool wi_coordinator_facts_is_overdue(
    const struct wi_coordinator_facts *facts, const struct wi_lease *lease);

/* True if a read that ended at `at` or before showed the lease finished. */
bool wi_coordinator_facts_was_finished(
    const struct wi_coordinator_facts *facts, const struct wi_lease *lease, struct weir_mono at);

/* The next instant after `now` at which one of the answers may change by itself. */
struct weir_mono wi_coordinator_facts_next(
    const struct wi_coordinator_facts *facts, struct weir_mono now);

#endif
