/* A histogram of fixed size with relative error below 1/32 (1/64 on average): 32 linear steps for
 * each power of two. About 4 KiB, no allocation. Not thread-safe. */
#ifndef WI_CORE_HISTOGRAM_H
#define WI_CORE_HISTOGRAM_H

#include <stdint.h>

/* Steps for each power of two; values below this are exact. */
#define WI_HISTOGRAM_STEPS 32
/* Values of 2^36 and more (19 hours in microseconds) share the last bucket; the maximum is exact.
 */
#define WI_HISTOGRAM_VALUE_BITS 36
#define WI_HISTOGRAM_BUCKETS    (WI_HISTOGRAM_STEPS * (WI_HISTOGRAM_VALUE_BITS - 4) + 1)

/* All zeros is an empty histogram. */
struct wi_histogram {
    uint64_t count;
    uint64_t sum; /* stays at UINT64_MAX once it would overflow */
    uint64_t minimum;
    uint64_t maximum;
    uint32_t bucket[WI_HISTOGRAM_BUCKETS]; /* all are halved when one is full: the shape stays */
};

/* Forget everything. */
void wi_histogram_reset(struct wi_histogram *histogram);

void wi_histogram_record(struct wi_histogram *histogram, uint64_t value);

/* Add everything of `from` to `into`. */
void wi_histogram_merge(struct wi_histogram *into, const struct wi_histogram *from);

/* The value that `percent` (in [0, 100]; others are clamped) of the values do not exceed, at most
 * one step too high, never above the maximum. 0 if the histogram is empty. */
uint64_t wi_histogram_percentile(const struct wi_histogram *histogram, double percent);

/* All 0 if the histogram is empty. */
uint64_t wi_histogram_count(const struct wi_histogram *histogram);
uint64_t wi_histogram_min(const struct wi_histogram *histogram);
uint64_t wi_histogram_max(const struct wi_histogram *histogram);
double wi_histogram_mean(const struct wi_histogram *histogram);

#endif
