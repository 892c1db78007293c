#include "worker/throughput.h"

#include <stdint.h>

#include <weir/env.h>

#include "core/mono.h"

#define MS_PER_S 1000U

void
wi_throughput_note(struct wi_throughput *throughput, uint64_t total_bytes, struct weir_mono now)
{
    int64_t elapsed_ms = wi_mono_elapsed_ms(throughput->since, now);
    uint64_t sample = 0;

    if (!throughput->has_begun) {
        *throughput =
            (struct wi_throughput){.has_begun = true, .total_bytes = total_bytes, .since = now};
        return;
    }
    if (elapsed_ms < WI_THROUGHPUT_SAMPLE_MS) {
        return;
    }
    sample = (total_bytes - throughput->total_bytes) * MS_PER_S / (uint64_t)elapsed_ms;
    throughput->bytes_per_second =
        throughput->is_known ? (throughput->bytes_per_second + sample) / 2 : sample;
    throughput->is_known = true;
    throughput->total_bytes = total_bytes;
    throughput->since = now;
}
