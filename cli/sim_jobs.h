/* Seeds on several processes at once: an assertion that fails ends a process, not the campaign. */
#ifndef WI_CLI_SIM_JOBS_H
#define WI_CLI_SIM_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/sim.h>

#define SIM_JOBS_MAX 256

struct sim_campaign {
    const struct weir_env *env;
    struct weir_sim_limits limits;
    uint64_t first_seed;
    uint64_t seeds;  /* 0: until the time is up */
    int64_t minutes; /* 0: until the seeds are through */
    uint32_t jobs;   /* [1, SIM_JOBS_MAX] */
    void (*failed)(void *context, uint64_t seed, const struct weir_sim_verdict *verdict);
    void *context;
};

/* Run them; false if no process can be started (errno). Failing seeds come as they are found. */
bool sim_campaign_run(
    const struct sim_campaign *campaign, struct weir_sim_statistics *ret_statistics);

/* One seed in a process of its own; a process that dies is a failed seed. False as above. */
bool sim_run_apart(
    const struct weir_env *env,
    uint64_t seed,
    const struct weir_sim_limits *limits,
    struct weir_sim_verdict *ret);

#endif
