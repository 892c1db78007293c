/* A stream as a model: shards, puts, splits, merges, retention, and reads that may fail. */
#ifndef WI_SIM_SIM_STREAM_H
#define WI_SIM_SIM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "sim/sim_world.h"

#define WI_SIM_SHARDS_MAX 64

struct wi_sim_record {
    uint64_t sequence;
    uint32_t key;
    int64_t arrival_ns;
    int64_t arrival_ms; /* wall time; never goes back */
    uint64_t number;    /* among all puts, from 1 */
    bool delivered;     /* for the ledger of users' processors: to somebody */
    bool done;          /* reported as processed by somebody */
};

struct wi_sim_shard {
    struct weir_shard shard;
    uint32_t parents[2]; /* numbers from 1; 0: none */
    uint32_t children[2];
    struct wi_sim_record *records;
    size_t count;
    size_t capacity;
    size_t trimmed;           /* records that retention has taken */
    uint64_t trimmed_through; /* number of the newest of them */
    uint64_t corrupt;         /* this record cannot be read; 0: none */
    int64_t closed_ns;
    bool removed; /* out of retention as a whole */
};

struct wi_sim_stream {
    struct wi_sim_shard *shards; /* [number - 1] */
    uint32_t count;
    uint64_t next_sequence;
    int64_t changed_ns; /* last split or merge */
    int64_t last_arrival_ms;
    uint64_t puts;
};

/* What a get() answers; records lie in the shard at [first, first + count). */
struct wi_sim_get {
    enum weir_error error;
    size_t first;
    uint32_t count;
    struct weir_position next;
    bool at_shard_end;
};

void wi_sim_stream_init(struct wi_sim *sim);
void wi_sim_stream_free(struct wi_sim *sim);

/* 1, 2, ... of a shard id or lease key; 0 if it is none. */
uint32_t wi_sim_shard_number(const char *shard_id);
struct wi_sim_shard *wi_sim_shard(struct wi_sim *sim, uint32_t number);

/* One acknowledged record with a random key. */
void wi_sim_stream_put(struct wi_sim *sim);

/* Reshard at random; nothing happens if no shard can be. */
void wi_sim_stream_split(struct wi_sim *sim, uint64_t random);
void wi_sim_stream_merge(struct wi_sim *sim, uint64_t random);
/* Retention takes about the older half of a shard; closed shards that are empty then go. */
void wi_sim_stream_trim(struct wi_sim *sim, uint64_t random);

/* What stream/stream_lmdb answers. */
struct wi_sim_get wi_sim_stream_get(
    struct wi_sim *sim, uint32_t number, const struct weir_position *from, uint32_t records_max);

/* Copies of the shards that a list shows, oldest first; `before_ns`: as of that time. */
size_t wi_sim_stream_list(struct wi_sim *sim, int64_t before_ns, struct weir_shard *ret_shards);

#endif
