/*
 * The world of a simulation: virtual time, the queue of what is to happen, randomness from one
 * seed, counted memory. One thread; the same seed gives the same run on every machine.
 */
#ifndef WI_SIM_SIM_WORLD_H
#define WI_SIM_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/pcg.h"

#define WI_SIM_NS_PER_US INT64_C(1000)
#define WI_SIM_NS_PER_MS INT64_C(1000000)
/* An event of nobody's process: it happens whoever lives. */
#define WI_SIM_NOBODY UINT32_MAX
/* No run lasts longer than this in virtual time. */
#define WI_SIM_END_NS (INT64_C(7200000) * WI_SIM_NS_PER_MS)

struct wi_sim;

/* One generator for each concern, so that a change in one does not reshuffle the others. */
enum wi_sim_random {
    WI_SIM_RANDOM_CONFIG,
    WI_SIM_RANDOM_FAULTS,
    WI_SIM_RANDOM_STORE,
    WI_SIM_RANDOM_STREAM,
    WI_SIM_RANDOM_WORKLOAD,
    WI_SIM_RANDOM_PROCESSOR,
    WI_SIM_RANDOM_NODES,
    WI_SIM_RANDOM_SINK,
    WI_SIM_RANDOMS
};

/* What is to happen. `node` and `life` name the process it happens in: it is dropped if that
 * process is over by then, and waits while it is stopped. */
struct wi_sim_event {
    int64_t time_ns;
    uint64_t number; /* order among equal times */
    void (*run)(struct wi_sim *sim, const struct wi_sim_event *event);
    void (*drop)(struct wi_sim *sim, const struct wi_sim_event *event); /* may be NULL */
    void *object;
    uint64_t argument;
    uint32_t node;
    uint32_t life;
};

/* A binary heap. */
struct wi_sim_queue {
    struct wi_sim_event *events;
    size_t count;
    size_t capacity;
    uint64_t numbers; /* given so far */
};

struct wi_sim_world {
    struct weir_env env;
    size_t live_blocks; /* allocated and not freed */
    int64_t now_ns;     /* true time since the start */
    int64_t wall_jump_ms;
    struct wi_sim_queue queue;
    struct wi_pcg random[WI_SIM_RANDOMS];
    struct wi_pcg identities; /* behind env.rng */
    uint64_t steps;           /* events that happened */
};

/* `world` must not move from now on: its env points to it. */
void wi_sim_world_init(struct wi_sim_world *world, const struct weir_env *base, uint64_t seed);
void wi_sim_world_free(struct wi_sim_world *world);

/* Memory cannot run out in a simulation: the allocator of the base environment ends the process. */
void *wi_sim_alloc(struct wi_sim_world *world, size_t count, size_t size);

/* What wall clocks said at a true time, if they have not jumped since. */
int64_t wi_sim_wall_ms(const struct wi_sim_world *world, int64_t true_ns);

/* Uniform in [0, bound); bound >= 1. */
uint64_t wi_sim_below(struct wi_sim_world *world, enum wi_sim_random stream, uint64_t bound);
/* Uniform in [low, high]. */
int64_t wi_sim_between(
    struct wi_sim_world *world, enum wi_sim_random stream, int64_t low, int64_t high);
/* Log-uniform in [low, high], low >= 1: as often in [1, 10] as in [10, 100]. */
int64_t wi_sim_log_between(
    struct wi_sim_world *world, enum wi_sim_random stream, int64_t low, int64_t high);
/* True so many times in a million. Always draws. */
bool wi_sim_chance(struct wi_sim_world *world, enum wi_sim_random stream, uint32_t per_million);

/* Let it happen at event->time_ns, or now if that is past. The number is given here. */
void wi_sim_post(struct wi_sim_world *world, struct wi_sim_event event);

/* Take the next event and set the time; false if there is none. */
bool wi_sim_next(struct wi_sim_world *world, struct wi_sim_event *ret);

#endif
