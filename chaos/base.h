/** What all files here use: time, randomness from the seed, arrays that grow. */
#ifndef WI_CHAOS_BASE_H
#define WI_CHAOS_BASE_H

#include <stddef.h>
#include <stdint.h>

#define CHAOS_NS_PER_MS INT64_C(1000000)
#define CHAOS_NS_PER_S  INT64_C(1000000000)
#define CHAOS_PATH_SIZE 4096

/** CLOCK_BOOTTIME: one clock for all processes of the run. */
int64_t chaos_now_ns(void);

void chaos_sleep_ms(int64_t ms);

/** The next number of a sequence (SplitMix64). */
uint64_t chaos_random(uint64_t *state);

/** A number below `bound`, which is above 0. */
uint64_t chaos_random_below(uint64_t *state, uint64_t bound);

/**
 * Memory for one element more than `count`: doubled at powers of two. A run without memory ends at
 * once: a ledger with holes proves nothing. Its processes end with it.
 */
void *chaos_grown(void *array, size_t count, size_t size);

/** Zeroed memory; as above. */
void *chaos_zeroed(size_t count, size_t size);

/** 3 of "shardId-000000000003". */
uint32_t chaos_shard_number(const char *shard_id, size_t length);

#endif
