/** Time of a bench: nanoseconds. */
#ifndef WI_BENCH_CLOCK_H
#define WI_BENCH_CLOCK_H

#include <stdint.h>

#define BENCH_MS 1000000LL
#define BENCH_S  1000000000LL

/** CLOCK_MONOTONIC: the same for all processes. */
int64_t bench_now_ns(void);

/** CPU time of this process. */
int64_t bench_cpu_ns(void);

/** CPU time of another process; 0 if there is none. */
int64_t bench_cpu_of_ns(int pid);

/** Sleep; a signal ends it early. */
void bench_sleep_ns(int64_t ns);

#endif
