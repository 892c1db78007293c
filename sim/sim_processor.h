/* The user's code as a model: how long calls take, how they end, and the sink of its effects. */
#ifndef WI_SIM_SIM_PROCESSOR_H
#define WI_SIM_SIM_PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/sim_stream.h"
#include "sim/sim_world.h"

#define WI_SIM_BAD_RECORDS_MAX 4

struct wi_sim_processors {
    uint64_t fence[WI_SIM_SHARDS_MAX];       /* highest epoch planted, by shard number - 1 */
    uint64_t position[WI_SIM_SHARDS_MAX];    /* last record applied by an exactly-once sink */
    uint64_t poison[WI_SIM_BAD_RECORDS_MAX]; /* records that cannot be processed for now */
    uint64_t killer[WI_SIM_BAD_RECORDS_MAX]; /* records that end the process */
    uint32_t poison_count;
    uint32_t killer_count;
    int64_t hang_until_ns; /* the next call lasts until then; 0: none */
    bool is_to_stick;      /* a call of process_records is still to be the one of sim_calm.c */
};

struct wi_sim_consumer;
struct wi_sim_node;

/* How long a call takes, with slow ones and one that hangs. */
int64_t wi_sim_processor_duration_ns(struct wi_sim *sim);

/* Index of the first of these records in the batch; its count if none is there. */
uint32_t wi_sim_processor_find_bad(
    struct wi_sim *sim,
    const struct wi_sim_consumer *consumer,
    const uint64_t *bad,
    uint32_t bad_count);

/* For the ledger of users' processors: what of the batch is at or below this is processed. */
void wi_sim_processor_note_done(
    struct wi_sim *sim, const struct wi_sim_consumer *consumer, uint64_t through);

/* The process of the event dies. */
void wi_sim_processor_die_of_record(struct wi_sim *sim, const struct wi_sim_event *at);

/* The call under way ends with consumer->result. */
void wi_sim_processor_end_after(
    struct wi_sim *sim,
    const struct wi_sim_node *node,
    const struct wi_sim_consumer *consumer,
    int64_t after_ns);

/* From now on nothing is wrong with any record, and nothing hangs. */
void wi_sim_processors_heal(struct wi_sim *sim);

#endif
