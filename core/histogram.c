#include "core/histogram.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/check.h"

_Static_assert(sizeof(struct wi_histogram) <= 4096 + 64, "about 4 KiB");

/* Bits of a step: 32 steps. */
#define STEP_BITS 5
_Static_assert(1 << STEP_BITS == WI_HISTOGRAM_STEPS, "steps are a power of two");

/* Position of the highest bit of a value above 0. */
static unsigned
highest_bit(uint64_t value)
{
    unsigned bit = 0;
    for (unsigned step = 32; step > 0; step /= 2) {
        if (value >> step != 0) {
            value >>= step;
            bit += step;
        }
    }
    return bit;
}

/* Values below 32 have a bucket each. Above, the five bits after the highest one choose the step
 * within a power of two. */
static size_t
bucket_of(uint64_t value)
{
    if (value >> WI_HISTOGRAM_VALUE_BITS != 0) {
        return WI_HISTOGRAM_BUCKETS - 1;
    }
    if (value < WI_HISTOGRAM_STEPS) {
        return (size_t)value;
    }
    unsigned shift = highest_bit(value) - STEP_BITS;
    size_t bucket = (size_t)shift * WI_HISTOGRAM_STEPS + (size_t)(value >> shift);
    WEIR_ASSERT(bucket < WI_HISTOGRAM_BUCKETS - 1);
    return bucket;
}

/* The largest value of a bucket. */
static uint64_t
bucket_end(size_t bucket)
{
    if (bucket < WI_HISTOGRAM_STEPS) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket / WI_HISTOGRAM_STEPS) - 1;
    uint64_t step = bucket % WI_HISTOGRAM_STEPS + WI_HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

/* Halve all buckets; what had an entry keeps one. */
static void
halve(struct wi_histogram *histogram)
{
    for (size_t i = 0; i < WI_HISTOGRAM_BUCKETS; i++) {
        histogram->bucket[i] = histogram->bucket[i] / 2 + histogram->bucket[i] % 2;
    }
}

static void
add_to_bucket(struct wi_histogram *histogram, size_t bucket, uint32_t count)
{
    /* Twice is enough: the first halving leaves at most half of a bucket. */
    while (histogram->bucket[bucket] > UINT32_MAX - count) {
        halve(histogram);
        count = count / 2 + count % 2;
    }
    histogram->bucket[bucket] += count;
}

/* a + b, or UINT64_MAX. */
static uint64_t
add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void
wi_histogram_reset(struct wi_histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void
wi_histogram_record(struct wi_histogram *histogram, uint64_t value)
{
    if (histogram->count == 0 || value < histogram->minimum) {
        histogram->minimum = value;
    }
    if (value > histogram->maximum) {
        histogram->maximum = value;
    }
    histogram->count = add_saturating(histogram->count, 1);
    histogram->sum = add_saturating(histogram->sum, value);
    add_to_bucket(histogram, bucket_of(value), 1);
}

void
wi_histogram_merge(struct wi_histogram *into, const struct wi_histogram *from)
{
    if (from->count == 0) {
        return;
    }
    if (into->count == 0 || from->minimum < into->minimum) {
        into->minimum = from->minimum;
    }
    if (from->maximum > into->maximum) {
        into->maximum = from->maximum;
    }
    into->count = add_saturating(into->count, from->count);
    into->sum = add_saturating(into->sum, from->sum);
    for (size_t i = 0; i < WI_HISTOGRAM_BUCKETS; i++) {
        add_to_bucket(into, i, from->bucket[i]);
    }
}

uint64_t
wi_histogram_percentile(const struct wi_histogram *histogram, double percent)
{
    uint64_t total = 0;
    if (histogram->count == 0) {
        return 0;
    }
    for (size_t i = 0; i < WI_HISTOGRAM_BUCKETS; i++) {
        total += histogram->bucket[i];
    }
    /* Not a number counts as 0. */
    double share = percent > 0 ? (percent < 100 ? percent / 100 : 1) : 0;
    double wanted = share * (double)total;
    uint64_t seen = 0;
    for (size_t i = 0; i < WI_HISTOGRAM_BUCKETS - 1; i++) {
        seen += histogram->bucket[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t end = bucket_end(i);
            return end < histogram->maximum ? end : histogram->maximum;
        }
    }
    return histogram->maximum;
}

uint64_t
wi_histogram_count(const struct wi_histogram *histogram)
{
    return histogram->count;
}

uint64_t
wi_histogram_min(const struct wi_histogram *histogram)
{
    return histogram->minimum;
}

uint64_t
wi_histogram_max(const struct wi_histogram *histogram)
{
    return histogram->maximum;
}

double
wi_histogram_mean(const struct wi_histogram *histogram)
{
    return histogram->count == 0 ? 0 : (double)histogram->sum / (double)histogram->count;
}
