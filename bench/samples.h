/** Measured values and their order. */
#ifndef WI_BENCH_SAMPLES_H
#define WI_BENCH_SAMPLES_H

#include <stddef.h>

/** Most values; further ones are left out. */
#define SAMPLES_MAX 8192

struct samples {
    double value[SAMPLES_MAX];
    size_t count;
};

/** Add a value. */
void samples_add(struct samples *samples, double value);

/** The value below which `share` of them lie (0.5: median); 0 without values. Sorts them. */
double samples_quantile(struct samples *samples, double share);

#endif
