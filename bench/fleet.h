/** Streams and fleets of workers for measurements. */
#ifndef WI_BENCH_FLEET_H
#define WI_BENCH_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/stream.h>
#include <weir/types.h>

#include "bench/harness.h"
#include "bench/shared.h"

#define FLEET_STREAM      "bench"
#define FLEET_APPLICATION "bench"

/** A data directory with one stream, and the fleet that reads it. */
struct fleet {
    char data[BENCH_PATH_SIZE];
    uint32_t shards;
    int64_t lease_duration_ms;
    enum bench_processor processor;
};

/** A new data directory `name` with a stream of fleet->shards shards. */
bool fleet_create(struct bench *bench, struct fleet *fleet, const char *name);

/** Start a worker in slot `index`. */
bool fleet_worker(struct bench *bench, const struct fleet *fleet, size_t index);

/** Number in a shard id: 7 of "shardId-000000000007". */
size_t fleet_shard_index(const char *shard_id);

/** Wait until `workers` of them hold all shards, equally, and no hand-off is under way. */
bool fleet_balanced(struct bench *bench, const struct fleet *fleet, size_t workers);

/** Sum of all lease epochs: it grows with every change of owner. */
bool fleet_epochs(struct bench *bench, const struct fleet *fleet, uint64_t *ret);

/** Records for all shards of a stream; for one thread. */
struct rounds {
    struct weir_stream *stream;
    struct weir_put_entry *entries;
    struct weir_put_result *results;
    struct bench_payload *payloads;
    size_t count;
    uint64_t index; /**< of the next round */
};

/** Open the stream, with durability none. Close it also after a failure. */
enum weir_error rounds_open(
    const struct weir_env *env, const char *data, struct rounds *ret, struct weir_detail *detail);
void rounds_close(struct rounds *rounds);

/** Put one record to each shard, all in one call. */
enum weir_error rounds_put(struct rounds *rounds, struct weir_detail *detail);

/** Wait until the processors have seen every round so far. */
bool fleet_seen(struct bench *bench, const struct fleet *fleet, uint64_t rounds);

/** Put `records` records of `record_bytes` into the stream, durability none. */
bool fleet_fill(
    struct bench *bench, const struct fleet *fleet, uint64_t records, uint32_t record_bytes);

#endif
