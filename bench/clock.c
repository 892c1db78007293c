#include "bench/clock.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

static int64_t
read_clock(clockid_t clock)
{
    struct timespec time = {0, 0};

    if (clock_gettime(clock, &time) != 0) {
        return 0;
    }
    return (int64_t)time.tv_sec * BENCH_S + (int64_t)time.tv_nsec;
}

int64_t
bench_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t
bench_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t
bench_cpu_of_ns(int pid)
{
    clockid_t clock;

    return clock_getcpuclockid(pid, &clock) == 0 ? read_clock(clock) : 0;
}

void
bench_sleep_ns(int64_t ns)
{
    const struct timespec time = {(time_t)(ns / BENCH_S), (long)(ns % BENCH_S)};

    if (ns > 0) {
        (void)nanosleep(&time, NULL);
    }
}
