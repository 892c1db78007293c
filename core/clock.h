/* Short forms for the clocks and the randomness of an environment. Not for engines: they are told
 * the time. */
#ifndef WI_CORE_CLOCK_H
#define WI_CORE_CLOCK_H

#include <stdint.h>

#include <weir/env.h>

static inline struct weir_mono
wi_mono_now(const struct weir_env *env)
{
    return env->clock.mono(env->clock.context);
}

static inline struct weir_wall
wi_wall_now(const struct weir_env *env)
{
    return env->clock.wall(env->clock.context);
}

/* 64 uniform bits. */
static inline uint64_t
wi_random(const struct weir_env *env)
{
    return env->rng.next(env->rng.context);
}

#endif
