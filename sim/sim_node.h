/*
 * One worker process: clock, identity, and what the product's runtime does between the engines
 * (worker/worker_*.c, shard_runner.c, runner_actions.c), in virtual time. Blocking calls become
 * requests, results events; at most one job of a kind is in flight.
 *
 *   sim_node.c              clock, the turn of its loop, timers, draining
 *   sim_node_life.c         start, death, joining; what the history is told of it
 *   sim_node_table.c        reads of the table; consumers started and stopped by it; renewals
 *   sim_node_coordinator.c  drives the coordinator engine
 *   sim_consumer.c          one shard: facts, steps, what belief it has
 *   sim_consumer_actions.c  fetches, writes
 *   sim_processor.c         the user's code and its sink
 */
#ifndef WI_SIM_SIM_NODE_H
#define WI_SIM_SIM_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/types.h>

#include "coordinator/coordinator_step.h"
#include "sim/sim_consumer.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_world.h"
#include "worker/fetch_budget.h"
#include "worker/lease_renewer.h"
#include "worker/past_leases.h"
#include "worker/shard_consumer.h"

/* Bits of wi_sim_node.cuts. */
#define WI_SIM_CUT_TO_STORE   1U
#define WI_SIM_CUT_FROM_STORE 2U
#define WI_SIM_CUT_OFF_STREAM 4U

enum wi_sim_phase {
    WI_SIM_NODE_OVER, /* no process */
    WI_SIM_NODE_RUNNING,
    WI_SIM_NODE_DRAINING
};

/* The kinds of jobs of which at most one is in flight. */
enum wi_sim_job {
    WI_SIM_JOB_TABLE = 1,
    WI_SIM_JOB_COORDINATOR = 2,
    WI_SIM_JOB_RENEW = 4,
    WI_SIM_JOB_FLUSH = 8,
    WI_SIM_JOB_RELEASE = 16,
    WI_SIM_JOB_MEMBER = 32,
    WI_SIM_JOB_JOIN = 64
};

struct wi_sim_node {
    /* Outlives the process. */
    uint32_t slot;
    uint32_t life;     /* + 1 at each start and end */
    int64_t clock_ppm; /* rate of its clock, a million: true time */
    int64_t clock_offset_ns;
    unsigned cuts;
    int64_t stopped_until_ns; /* does nothing before; 0: runs */
    uint32_t version;         /* that it starts with next, or runs */
    bool returns;             /* comes back when it is over */
    bool is_upgraded;         /* its next start is of the newer version */
    bool is_member;           /* was started once and did not leave for good */

    /* Of this process. */
    enum wi_sim_phase phase;
    unsigned worker_state; /* enum wi_sim_worker_state, as counted */
    uint32_t number;       /* of the session, for the history */
    char owner[WEIR_OWNER_SIZE];
    bool joined;
    bool hang_told;
    bool is_session_over; /* the history was told so */
    unsigned jobs;        /* busy ones */
    int64_t timer_ns;     /* the next turn that was posted, true time */

    struct wi_consumer_settings settings;
    struct wi_sim_consumer **consumers; /* sorted by lease key */
    size_t consumer_count;
    size_t consumer_capacity;
    uint64_t consumers_made;
    uint32_t threads_busy;
    uint64_t waiting[WI_SIM_SHARDS_MAX]; /* consumers that wait for a thread, in order */
    size_t waiting_count;
    struct wi_past_leases past;
    struct wi_fetch_budget budget;

    struct wi_lease_renewer renewer;
    bool expiry_told;
    bool flush_hint;
    struct weir_mono next_flush;
    struct weir_mono drain_until;
    struct weir_mono drain_retry;
    bool drain_written;
    bool member_leaves;

    struct wi_lease_table table;
    bool has_table;
    bool table_wanted;
    bool full_table_wanted;
    bool table_hint;
    struct weir_mono table_started;
    struct weir_mono table_not_before;
    uint32_t version_seen; /* of the hint that arrived last, remote */

    struct wi_coordinator *coordinator;
    enum wi_coordinator_state coordinator_was;
    enum wi_coordinator_action_type coordinator_action;
    struct weir_mono coordinator_until;
    bool coordinator_wants_table;
    struct weir_mono coordinator_wants_since;
    bool leave_told;
    bool was_leader;
};

/* --- sim_node.c --- */

void wi_sim_nodes_init(struct wi_sim *sim);

void wi_sim_node_begin_drain(struct wi_sim *sim, struct wi_sim_node *node);

/* One turn of the loop; posts the next. */
void wi_sim_node_turn(struct wi_sim *sim, struct wi_sim_node *node);

/* Count where its life has led to. */
void wi_sim_node_note_state(struct wi_sim *sim, struct wi_sim_node *node);

bool wi_sim_node_is_alive(const struct wi_sim_node *node);
struct weir_mono wi_sim_node_now(const struct wi_sim *sim, const struct wi_sim_node *node);
/* The true time at which the node's clock shows `instant` or more. */
int64_t wi_sim_node_true_ns(const struct wi_sim_node *node, struct weir_mono instant);

/* Somebody put into the shard or closed it; ownership changed. To every process. */
void wi_sim_nodes_wake_shard(struct wi_sim *sim, uint32_t shard);
void wi_sim_nodes_hint(struct wi_sim *sim);

/* Run `run` in this process after so long. */
void wi_sim_node_post(
    struct wi_sim *sim,
    const struct wi_sim_node *node,
    int64_t after_ns,
    void (*run)(struct wi_sim *sim, const struct wi_sim_event *event),
    uint64_t argument);

/* --- sim_node_life.c --- */

/* A new process in this slot; it must be free. */
void wi_sim_node_start(struct wi_sim *sim, struct wi_sim_node *node);
/* kill -9. */
void wi_sim_node_crash(struct wi_sim *sim, struct wi_sim_node *node);
/* Nothing of it happens for so long; its clock goes on. */
void wi_sim_node_stop(struct wi_sim *sim, struct wi_sim_node *node, int64_t duration_ms);
void wi_sim_node_session_lost(struct wi_sim *sim, struct wi_sim_node *node);
/* Tell the history if nothing of an old session is left. */
void wi_sim_node_session_over(struct wi_sim *sim, struct wi_sim_node *node, uint32_t number);
void wi_sim_node_tell_leaving(struct wi_sim *sim, const struct wi_sim_node *node);
/* It has left in order. */
void wi_sim_node_leave(struct wi_sim *sim, struct wi_sim_node *node);
/* Join again under a new identity, if that is due. */
void wi_sim_node_rejoin(struct wi_sim *sim, struct wi_sim_node *node);
/* About its own row. */
struct wi_sim_request *wi_sim_node_member_request(
    struct wi_sim *sim, const struct wi_sim_node *node, bool draining);

/* --- sim_node_table.c --- */

void wi_sim_node_read_table(struct wi_sim *sim, struct wi_sim_node *node);
void wi_sim_node_renew(struct wi_sim *sim, struct wi_sim_node *node);
void wi_sim_node_flush(struct wi_sim *sim, struct wi_sim_node *node);
void wi_sim_node_reap(struct wi_sim *sim, struct wi_sim_node *node);
void wi_sim_node_stop_all(struct wi_sim *sim, struct wi_sim_node *node);
bool wi_sim_node_owns_nothing(const struct wi_sim_node *node);
void wi_sim_node_want_table(struct wi_sim_node *node);

/* --- sim_node_coordinator.c --- */

void wi_sim_coordinator_start(struct wi_sim *sim, struct wi_sim_node *node);
void wi_sim_coordinator_table(
    struct wi_sim *sim, struct wi_sim_node *node, struct weir_mono started);
void wi_sim_coordinator_table_failed(
    struct wi_sim *sim, struct wi_sim_node *node, enum weir_error error);
void wi_sim_coordinator_tick(struct wi_sim *sim, struct wi_sim_node *node);
bool wi_sim_coordinator_has_left(const struct wi_sim_node *node);

#endif
