/* One simulation: a seed's fleet, table, stream and faults, and who watches them. */
#ifndef WI_SIM_SIM_H
#define WI_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/sim.h>
#include <weir/types.h>

#include "sim/checker.h"
#include "sim/history.h"
#include "sim/sim_fault.h"
#include "sim/sim_node.h"
#include "sim/sim_processor.h"
#include "sim/sim_row.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_transition.h"
#include "sim/sim_user.h"
#include "sim/sim_world.h"

/* What a run may be or come to beside its faults; for the statistics. */
enum wi_sim_scenario {
    WI_SIM_STARTED_AT_HORIZON,
    WI_SIM_STARTED_AT_LATEST,
    WI_SIM_STARTED_AT_TIMESTAMP,
    WI_SIM_STARTED_AT_TIME_TO_COME,
    WI_SIM_RESOLVED, /* a row got a number in the place of LATEST or AT_TIMESTAMP */
    WI_SIM_PREPARED,
    WI_SIM_COMMITTED,      /* a checkpoint has reached what was prepared */
    WI_SIM_FOUND_PREPARED, /* a new owner found what was not committed */
    WI_SIM_FEWER_THREADS,  /* a worker had more shards than threads */
    WI_SIM_WAITED_FOR_THREAD,
    WI_SIM_YIELDED,             /* a consumer gave its thread to another one */
    WI_SIM_STARTED_NEWER,       /* a worker of the newer version */
    WI_SIM_LEADS_OLDER,         /* a worker of one version leads one of the other */
    WI_SIM_WRITTEN_BY_NEWER,    /* a row, with a field that older ones do not know */
    WI_SIM_NEWER_KEPT_BY_OLDER, /* an older one wrote such a row */
    WI_SIM_SCENARIOS
};

enum wi_sim_stage {
    WI_SIM_CHAOS,
    WI_SIM_HEALED,  /* no faults any more */
    WI_SIM_LEAVING, /* everybody drains */
    WI_SIM_QUIET
};

struct wi_sim {
    struct wi_sim_world world;
    struct wi_sim_plan plan;
    struct wi_sim_store store;
    struct wi_sim_stream stream;
    struct wi_sim_processors processors;
    struct wi_sim_users users;
    struct wi_sim_node nodes[WI_SIM_SLOTS_MAX];
    uint32_t sessions; /* identities given so far */
    enum wi_sim_stage stage;
    bool is_anchored[WI_SIM_SHARDS_MAX]; /* LATEST means a number by now */
    uint64_t anchor[WI_SIM_SHARDS_MAX];  /* that number */
    struct wi_sim_pending pending[WI_SIM_SHARDS_MAX];
    unsigned row_states[WI_SIM_SHARDS_MAX];    /* enum wi_sim_row_state */
    uint64_t row_epochs[WI_SIM_SHARDS_MAX];    /* of the rows, as told last */
    struct wi_sim_row rows[WI_SIM_SHARDS_MAX]; /* while there are workers of two versions */
    uint64_t covered[WI_SIM_SHARDS_MAX];       /* processed through, at some time, by somebody */

    struct wi_checker *checker;
    struct wi_violation violation;
    bool is_violated;
    uint64_t events; /* of the history */
    uint64_t hash;   /* of the trace */
    const struct weir_sim_options *options;
    struct weir_sim_statistics *statistics; /* never NULL */
};

/* --- sim_trace.c --- */

/* Something for the history: the time is filled in; hash, trace, statistics and checker get it. */
void wi_sim_tell(struct wi_sim *sim, const struct wi_history_event *event);

/* A line of the trace beside the history. */
void wi_sim_note(struct wi_sim *sim, const char *format, ...) WEIR_PRINTF(2, 3);

/* Mix into the hash of the trace. */
void wi_sim_mix(struct wi_sim *sim, uint64_t value);

/* A checkpoint as the history has it: processed through this number; 0: none yet. */
uint64_t wi_sim_position(struct wi_sim *sim, uint32_t shard, const struct weir_position *position);
/* The number of the session behind an owner; 0: none. */
uint32_t wi_sim_owner_number(const char *owner);

/* The run fails for a reason that the checker does not know. */
void wi_sim_fail(struct wi_sim *sim, const char *property, const char *name, const char *text);

/* --- sim_stats.c --- */

void wi_sim_count_fault(struct wi_sim *sim, enum wi_sim_fault fault);
void wi_sim_count_scenario(struct wi_sim *sim, enum wi_sim_scenario scenario);
void wi_sim_count_operation(
    struct wi_sim *sim, enum wi_sim_operation operation, enum weir_error error);
void wi_sim_count_history(struct wi_sim *sim, enum wi_history_kind kind);
void wi_sim_count_transition(struct wi_sim *sim, size_t place);
size_t wi_sim_transition_counter(size_t place);
void wi_sim_count_action(struct wi_sim *sim, enum wi_consumer_action_type action);
void wi_sim_count_coordinator_action(struct wi_sim *sim, enum wi_coordinator_action_type action);

/* --- sim_run.c --- */

/* Incidents happen and end. sim_incident.c */
void wi_sim_incidents_post(struct wi_sim *sim);
void wi_sim_incidents_heal(struct wi_sim *sim);

/* The last thing that goes wrong in a calm run begins. sim_calm.c */
void wi_sim_calm_begin(struct wi_sim *sim);
/* Whether this call of process_records is the one that does not return, and if so for how long. */
bool wi_sim_calm_sticks(struct wi_sim *sim, const struct wi_sim_node *node, int64_t *ret_ns);

#endif
