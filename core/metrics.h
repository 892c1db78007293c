/* Counters that one thread writes and others read, or that several threads add to. */
#ifndef WI_CORE_METRICS_H
#define WI_CORE_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

/* All zeros is a counter at 0. Orders nothing else: a number for people, not a signal. */
struct wi_counter {
    _Atomic uint64_t value;
};

static inline void
wi_counter_add(struct wi_counter *counter, uint64_t value)
{
    atomic_fetch_add_explicit(&counter->value, value, memory_order_relaxed);
}

/* For gauges. */
static inline void
wi_counter_set(struct wi_counter *counter, uint64_t value)
{
    atomic_store_explicit(&counter->value, value, memory_order_relaxed);
}

static inline uint64_t
wi_counter_read(const struct wi_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

#endif
