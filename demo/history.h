/**
 * What has happened, put together from what the producer was acknowledged and what the workers'
 * journals say: who had which shard when, and what became of each record. Pure: no I/O, no clock.
 */
#ifndef WI_DEMO_HISTORY_H
#define WI_DEMO_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/stream.h>
#include <weir/types.h>

#include "demo/journal.h"

/** Most shards and spans of one run; a run has about a tenth of them. */
#define DEMO_SHARDS_MAX 64
#define DEMO_SPANS_MAX  1024
/** Most records of one run. */
#define DEMO_PUTS_MAX 20000000

/** No shard, no span. */
#define DEMO_NONE UINT32_MAX

/** How the time of an owner has ended. */
enum demo_span_end {
    DEMO_SPAN_OPEN = 0,       /**< it has not, or its process was killed */
    DEMO_SPAN_LOST = 1,       /**< lease_lost */
    DEMO_SPAN_FINISHED = 2,   /**< shard_ended */
    DEMO_SPAN_HANDED_OVER = 3 /**< shutdown_requested: in order */
};

/** One shard in the hands of one owner: a lease epoch. */
struct demo_span {
    uint32_t shard;  /**< number in struct demo_history */
    uint32_t worker; /**< number of the process */
    uint64_t lease_epoch;
    int64_t initialize_ns;  /**< initialize was called */
    int64_t initialized_ns; /**< and returned */
    int64_t first_begin_ns; /**< the first process_records was called; 0: none was */
    uint64_t first_put;     /**< number of its first record */
    int64_t last_end_ns;    /**< the last process_records returned; 0: none did */
    enum demo_span_end end;
    int64_t end_ns; /**< the call that `end` is about began */
};

/** A shard. */
struct demo_lane {
    char id[DEMO_SHARD_ID_SIZE];
    uint32_t parents[WEIR_PARENTS_MAX]; /**< numbers, or DEMO_NONE */
    uint64_t put;                       /**< records that the stream has accepted */
    uint64_t delivered;                 /**< of them, those that some worker was handed */
    uint32_t last_span;                 /**< of the highest epoch, or DEMO_NONE */
};

/** A record. */
struct demo_put {
    struct weir_sequence_number sequence_number;
    int64_t acked_ns; /**< the put returned */
    uint32_t shard;
    uint32_t package; /**< number in the index */
    uint32_t deliveries;
};

/** Everything. Start with all members zero. */
struct demo_history {
    struct demo_put *puts;
    size_t put_count;
    size_t put_capacity;
    struct demo_lane shards[DEMO_SHARDS_MAX];
    uint32_t shard_count;
    struct demo_span spans[DEMO_SPANS_MAX];
    uint32_t span_count;
    uint64_t delivered;   /**< records that were handed to a worker at least once */
    uint64_t redelivered; /**< deliveries beyond the first ones */
    uint64_t fenced;      /**< batches that the sink has refused */
    uint64_t refused;     /**< checkpoints that weir has refused */
    uint64_t strangers;   /**< entries about records that nobody has put, and above the bounds */
    uint64_t by_worker[DEMO_WORKERS_MAX];         /**< deliveries */
    uint64_t refused_by_worker[DEMO_WORKERS_MAX]; /**< of `refused` */
};

/** A record was accepted. False: memory ran out, or a bound was reached. */
bool demo_history_put(
    struct demo_history *history,
    const struct weir_put_result *result,
    uint32_t package,
    int64_t acked_ns);

/** A journal has a new entry. Entries of one journal come in order, journals in any. */
void demo_history_entry(struct demo_history *history, const struct demo_entry *entry);

/** Note the parents of a shard, once the stream says so. */
void demo_history_shard(struct demo_history *history, const struct weir_shard *shard);

/** The number of a shard, a new one if need be; DEMO_NONE above the bound. */
uint32_t demo_history_find(struct demo_history *history, const char *shard_id);

/** The span of a shard in an epoch, or NULL. */
struct demo_span *demo_history_span(
    struct demo_history *history, uint32_t shard, uint64_t lease_epoch);

/** The span of the lowest epoch above that of `span`, or NULL. */
const struct demo_span *demo_history_next(
    const struct demo_history *history, const struct demo_span *span);

/** The owner that a shard has now by the journals: an open span, or NULL. */
const struct demo_span *demo_history_owner(const struct demo_history *history, uint32_t shard);

/** Free everything. */
void demo_history_free(struct demo_history *history);

#endif
