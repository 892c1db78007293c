/*
 * What a leader has to write about one picture of the table: who gets which lease, which hand-offs
 * to ask for, which leases to revoke, which workers to forget (docs/state-machines.md C11 to C27).
 * Pure.
 */
#ifndef WI_COORDINATOR_COORDINATOR_PLAN_H
#define WI_COORDINATOR_COORDINATOR_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "coordinator/coordinator_facts.h"
#include "lease/lease_store.h"

/* Bounds of one write; what is left over comes in the next pass. */
#define WI_ASSIGNMENTS_MAX 10000U
#define WI_HANDOFFS_MAX    10000U
/* Rows that one pass revokes or removes one by one. */
#define WI_SINGLES_MAX 256U
/* Moves of one pass that only even out load. */
#define WI_LOAD_MOVES_MAX 64U

struct wi_plan_input {
    const struct wi_lease_table *table;
    const struct wi_coordinator_facts *facts; /* that noted this table */
    const char *owner;                        /* the leader */
    bool leaving;                             /* it is to leave: treated as draining */
    bool by_load;
    int64_t handoff_timeout_ms;
};

/* A row that is written by itself. */
struct wi_plan_single {
    char key[WEIR_LEASE_KEY_SIZE]; /* of a lease, or the owner of a worker */
    uint64_t epoch;                /* of the lease */
    uint64_t counter;              /* of the worker */
};

struct wi_plan_singles {
    struct wi_plan_single *items;
    size_t count;
};

struct wi_coordinator_plan {
    struct wi_assignment *assignments;
    size_t assignment_count;
    struct wi_handoff_request *handoffs;
    size_t handoff_count;
    struct wi_plan_singles revocations;
    struct wi_plan_singles dead_workers;
    size_t own_leases; /* unfinished ones of the leader */
    char (*keys)[WEIR_LEASE_KEY_SIZE];
    char (*receivers)[WEIR_OWNER_SIZE];
};

/* WEIR_ENOMEM: nothing is held. Strings are copies: the table may go. */
enum weir_error wi_coordinator_plan_make(
    const struct weir_env *env, const struct wi_plan_input *input, struct wi_coordinator_plan *ret);
void wi_coordinator_plan_free(const struct weir_env *env, struct wi_coordinator_plan *plan);

/* C10: a worker that others can leave their leases to: live and not draining. */
bool wi_plan_is_usable(const struct wi_plan_input *input, const struct wi_worker *worker);

#endif
