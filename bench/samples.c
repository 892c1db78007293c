#include "bench/samples.h"

#include <stddef.h>
#include <stdlib.h>

void
samples_add(struct samples *samples, double value)
{
    if (samples->count < SAMPLES_MAX) {
        samples->value[samples->count++] = value;
    }
}

static int
compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

double
samples_quantile(struct samples *samples, double share)
{
    size_t index;

    if (samples->count == 0) {
        return 0;
    }
    qsort(samples->value, samples->count, sizeof *samples->value, compare);
    index = (size_t)(share * (double)samples->count);
    return samples->value[index < samples->count ? index : samples->count - 1];
}
