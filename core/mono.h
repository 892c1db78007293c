/* Arithmetic of monotonic instants. Nothing overflows: results stay within [0, WI_MONO_NEVER]. */
#ifndef WI_CORE_MONO_H
#define WI_CORE_MONO_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>

#define WI_NS_PER_MS INT64_C(1000000)

/* The end of time: a deadline that does not come. */
#define WI_MONO_NEVER ((struct weir_mono){INT64_MAX})

/* Whether a is strictly before b. */
static inline bool
wi_mono_before(struct weir_mono a, struct weir_mono b)
{
    return a.ns < b.ns;
}

static inline bool
wi_mono_is_never(struct weir_mono instant)
{
    return instant.ns == INT64_MAX;
}

static inline struct weir_mono
wi_mono_earlier(struct weir_mono a, struct weir_mono b)
{
    return wi_mono_before(b, a) ? b : a;
}

/* `ms` later; earlier if negative. NEVER stays NEVER. */
static inline struct weir_mono
wi_mono_add_ms(struct weir_mono instant, int64_t ms)
{
    int64_t from = instant.ns < 0 ? 0 : instant.ns;
    if (wi_mono_is_never(instant)) {
        return instant;
    }
    if (ms > (INT64_MAX - from) / WI_NS_PER_MS) {
        return WI_MONO_NEVER;
    }
    if (ms < -(from / WI_NS_PER_MS)) {
        return (struct weir_mono){0};
    }
    return (struct weir_mono){from + ms * WI_NS_PER_MS};
}

/* Whole milliseconds from `from` to `to`, rounded down; 0 if `to` is not later. */
static inline int64_t
wi_mono_elapsed_ms(struct weir_mono from, struct weir_mono to)
{
    uint64_t elapsed_ns = (uint64_t)to.ns - (uint64_t)from.ns;
    return wi_mono_before(from, to) ? (int64_t)(elapsed_ns / (uint64_t)WI_NS_PER_MS) : 0;
}

/* Milliseconds to wait until `deadline`, rounded up so that nobody wakes too early; 0 if it has
 * come, INT64_MAX for NEVER. */
static inline int64_t
wi_mono_until_ms(struct weir_mono now, struct weir_mono deadline)
{
    uint64_t left_ns = (uint64_t)deadline.ns - (uint64_t)now.ns;
    if (wi_mono_is_never(deadline)) {
        return INT64_MAX;
    }
    if (!wi_mono_before(now, deadline)) {
        return 0;
    }
    return (int64_t)((left_ns - 1) / (uint64_t)WI_NS_PER_MS) + 1;
}

#endif
