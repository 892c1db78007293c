/* What the parts of the model share: its state, its leases. Private to history_model*.c. */
#ifndef WI_TESTS_UNIT_SIM_HISTORY_MODEL_STATE_H
#define WI_TESTS_UNIT_SIM_HISTORY_MODEL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/pcg.h"
#include "sim/history.h"
#include "tests/unit/sim/history_model.h"

#define SHARDS      48U /* numbers from 1 to SHARDS - 1 */
#define RECORDS     2048U
#define WORKERS     4U
#define KEYS        16U
#define BATCH       10U
#define NS_PER_MS   1000000
#define HOLD_MS     8000
#define RENEWAL_MS  1500
#define TAKEOVER_MS 11000

struct shard {
    uint64_t sequences[RECORDS];
    bool dead[RECORDS];
    uint32_t count;
    uint32_t next;   /* the first record that its owner has not processed */
    uint32_t failed; /* attempts of that record so far */
    uint32_t batch;  /* records of the batch that is under way; 0: none */
    uint32_t parents[2];
    uint32_t key_first;
    uint32_t key_end;
    uint32_t owner; /* 0: none */
    uint64_t epoch;
    uint64_t checkpoint;
    uint64_t position; /* its owner has processed through */
    uint64_t applied;  /* by the sink */
    bool exists;
    bool closed;
    bool has_row;
    bool finished;
};

/* A processor of a worker that stood still, and does not know yet that it has lost its lease. */
struct zombie {
    uint32_t shard;
    uint32_t batch;
    uint64_t epoch;
    uint64_t last;
};

struct model {
    struct history_model_result *result;
    size_t capacity;
    struct wi_pcg pcg;
    int64_t now_ns;
    int64_t renewed_ns;
    uint64_t sequence;
    uint64_t term;
    uint32_t leader;
    uint32_t workers[WORKERS]; /* their numbers */
    uint32_t newest;
    uint32_t shard_count;
    uint32_t standing_still; /* a worker; 0: none */
    struct shard *shards;    /* by number */
    struct zombie zombies[SHARDS];
    size_t zombie_count;
};

/* Uniform in [0, bound). */
uint32_t model_below(struct model *model, uint32_t bound);

/* Write an event, now or a little later. */
void model_emit(struct model *model, struct wi_history_event event);

/* A call of the shard's owner. */
struct wi_history_event model_call(
    const struct model *model, enum wi_history_kind kind, uint32_t number);

void model_emit_call(struct model *model, enum wi_history_kind kind, uint32_t number);

/* The row as it is now. */
struct wi_history_event model_row(
    const struct model *model, uint32_t number, enum wi_history_operation operation);

/* A write of the owner's, under the epoch before it. */
void model_emit_owners(
    struct model *model,
    uint32_t number,
    enum wi_history_operation operation,
    uint32_t writer,
    uint64_t under);

/* A write of the leader's. */
void model_emit_leaders(struct model *model, uint32_t number, enum wi_history_operation operation);

/* Time passes; renewals go on. */
void model_wait_ms(struct model *model, int64_t ms);

/* The owner's life with the shard begins. */
void model_start(struct model *model, uint32_t number);

/* One that does not stand still. */
uint32_t model_some_worker(struct model *model);

/* The leader gives it to somebody. */
void model_assign(struct model *model, uint32_t number);

/* Rows for what has none, owners for what has none. */
void model_place_all(struct model *model);

/* Somebody leads under a new term. */
void model_elect(struct model *model);

/* A new process at that place. */
void model_join(struct model *model, size_t place);

void model_emit_worker(struct model *model, enum wi_history_kind kind, uint32_t worker, bool on);

#endif
