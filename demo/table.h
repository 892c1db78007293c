/**
 * Samples of the lease table, one every few milliseconds: what the live display shows, and a check
 * that epochs and checkpoints never go down.
 */
#ifndef WI_DEMO_TABLE_H
#define WI_DEMO_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/app.h>
#include <weir/env.h>
#include <weir/types.h>

#include "demo/history.h"

/** The highest values that a sample has shown of one shard. */
struct demo_high {
    char shard_id[DEMO_SHARD_ID_SIZE];
    uint64_t lease_epoch;
    struct weir_position checkpoint;
    uint64_t moves; /**< samples in which the checkpoint was higher than before */
};

/** The table. Start with all members zero. */
struct demo_table {
    struct weir_app_description now; /**< the last sample; no shards before the first one */
    struct demo_high highs[DEMO_SHARDS_MAX];
    size_t high_count;
    uint64_t samples;
    uint64_t went_down; /**< checkpoints and epochs that were lower than before */
    uint64_t damaged;   /**< rows that could not be read, in any sample */
};

/**
 * Take a sample. A table that is not there yet, or busy, is none: the last sample stays.
 * @return WEIR_OK, or what weir_app_describe() said
 */
enum weir_error demo_table_sample(
    struct demo_table *table, const struct weir_env *env, const char *data_directory);

/** Check one sample against those before it. Pure. */
void demo_table_check(struct demo_table *table, const struct weir_app_description *sample);

/** The row of a shard in the last sample, or NULL. */
const struct weir_app_shard *demo_table_shard(const struct demo_table *table, const char *shard_id);

/** The row of a worker in the last sample, or NULL. */
const struct weir_app_worker *demo_table_worker(
    const struct demo_table *table, const char *worker_id);

/** How often checkpoints of shards have moved that the worker does not own. */
uint64_t demo_table_moves_without(const struct demo_table *table, const char *worker_id);

/** Free what the last sample owns. */
void demo_table_free(struct demo_table *table, const struct weir_env *env);

#endif
