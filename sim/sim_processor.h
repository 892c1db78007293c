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
};

/* From now on nothing is wrong with any record, and nothing hangs. */
void wi_sim_processors_heal(struct wi_sim *sim);

#endif
