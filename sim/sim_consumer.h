/* One shard at one process: the consumer engine, and what carries out its actions. */
#ifndef WI_SIM_SIM_CONSUMER_H
#define WI_SIM_SIM_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease.h"
#include "sim/sim_world.h"
#include "worker/shard_consumer.h"

struct wi_sim_node;
struct wi_sim_request;
struct wi_sim_user_call;

/* Bits of wi_sim_consumer.facts, as in worker/shard_runner.h: in order of rank. */
enum wi_sim_fact {
    WI_SIM_FACT_LEASE_LOST = 1,
    WI_SIM_FACT_STOP = 2,
    WI_SIM_FACT_PARENTS_FINISHED = 4,
    WI_SIM_FACT_WAKE = 8
};

struct wi_sim_consumer {
    uint64_t id; /* never used again in its process */
    uint32_t shard;
    struct wi_lease lease; /* the row when it was taken */
    struct wi_consumer engine;
    enum wi_consumer_state was; /* for the statistics */
    unsigned facts;
    bool in_flight; /* an action is under way */
    bool has_thread;
    bool is_queued;                 /* waits for a thread */
    bool has_held;                  /* gave up its thread with `held` chosen and not begun */
    struct wi_consumer_action held; /* a fetch */
    uint32_t batches;               /* since it got its thread */
    bool is_done;
    struct weir_mono wake_at;
    struct weir_mono verified;
    char release_to[WEIR_OWNER_SIZE];
    bool told_parents_finished;
    bool told_to_stop;
    unsigned holds; /* jobs that still look at it */
    bool releasing;
    struct weir_position replay_through;
    bool replay_known;
    bool believes; /* as the history was told */
    int64_t believes_until_ns;

    /* The batch at hand: records [first, first + count) of the shard. */
    size_t first;
    uint32_t count;
    uint32_t applied; /* of them by the sink, in this call */
    uint32_t attempt;
    uint64_t budget_held;
    bool in_call;
    struct wi_consumer_event result; /* of the call under way */

    /* The user's own processor; sim_user.c. */
    struct wi_sim_user_call *call; /* under way; NULL: none is */
    void *user_state;
    bool has_user_state;
};

struct wi_sim_consumer *wi_sim_consumer_new(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    const struct wi_lease *lease,
    struct weir_mono verified);
void wi_sim_consumer_free(struct wi_sim *sim, struct wi_sim_consumer *consumer);

/* Its place in the node, or NULL if it is gone. */
struct wi_sim_consumer *wi_sim_consumer_find(const struct wi_sim_node *node, uint64_t id);

struct weir_mono wi_sim_consumer_deadline(
    const struct wi_sim_node *node, const struct wi_sim_consumer *consumer);

/* Post a fact; it is acted on in the next turn, or when the action under way has ended. */
void wi_sim_consumer_tell(struct wi_sim_consumer *consumer, enum wi_sim_fact fact);
void wi_sim_consumer_stop(struct wi_sim_consumer *consumer, const char *to);

/* Step until an action is under way or there is nothing to do. */
void wi_sim_consumer_run(
    struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer);

/* The one that has waited longest for a thread, if there is one for it; it is to run now. */
struct wi_sim_consumer *wi_sim_consumer_next_waiting(
    const struct wi_sim *sim, struct wi_sim_node *node);

/* The action under way ended like this. */
void wi_sim_consumer_ended(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    struct wi_consumer_event event);

/* Tell the history until when it may believe, or that it does not any more. */
void wi_sim_consumer_note_belief(
    struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer);
void wi_sim_consumer_drop_belief(
    struct wi_sim *sim, const struct wi_sim_node *node, struct wi_sim_consumer *consumer);

/* An event of the history about it. */
struct wi_history_event wi_sim_consumer_event(
    const struct wi_sim_node *node, const struct wi_sim_consumer *consumer);

/* --- sim_consumer_actions.c: begin an action; wi_sim_consumer_ended() follows, maybe at once ---
 */

void wi_sim_consumer_perform(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    const struct wi_consumer_action *action);
void wi_sim_consumer_finish(
    struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_consumer *consumer);
void wi_sim_consumer_give_back(struct wi_sim_node *node, struct wi_sim_consumer *consumer);

/* --- sim_processor.c --- */

void wi_sim_processor_call(
    struct wi_sim *sim,
    struct wi_sim_node *node,
    struct wi_sim_consumer *consumer,
    enum wi_consumer_action_type call);

#endif
