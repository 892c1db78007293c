/*
 * How many bytes a second a lease's records come to, smoothed. Pure, embedded by value; one thread.
 * Java KCL's leader balances by it (`throughputKBps` of the lease row).
 */
#ifndef WI_WORKER_THROUGHPUT_H
#define WI_WORKER_THROUGHPUT_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>

/* Shortest time that a sample covers: renewals may follow each other closely. */
#define WI_THROUGHPUT_SAMPLE_MS 1000

struct wi_throughput {
    bool has_begun;
    bool is_known; /* bytes_per_second stands for something */
    uint64_t bytes_per_second;
    uint64_t total_bytes; /* at the begin of the present sample */
    struct weir_mono since;
};

/* Note how many bytes were processed under the lease until now; zeroed before the first call. Each
 * sample counts as much as all before it together: an exponential moving average, alpha 0.5. */
void wi_throughput_note(
    struct wi_throughput *throughput, uint64_t total_bytes, struct weir_mono now);

#endif
