#include "chaos/base.h"

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

int64_t
chaos_now_ns(void)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * CHAOS_NS_PER_S + now.tv_nsec;
}

void
chaos_sleep_ms(int64_t ms)
{
    const struct timespec pause = {ms / 1000, (long)(ms % 1000 * CHAOS_NS_PER_MS)};

    (void)nanosleep(&pause, NULL);
}

uint64_t
chaos_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t
chaos_random_below(uint64_t *state, uint64_t bound)
{
    return chaos_random(state) % bound;
}

void *
chaos_grown(void *array, size_t count, size_t size)
{
    void *memory;

    if (count != 0 && (count & (count - 1)) != 0) {
        return array; /* there is room up to the next power of two */
    }
    memory = realloc(array, (count == 0 ? 1 : count * 2) * size);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

void *
chaos_zeroed(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size);

    if (memory == NULL) {
        abort();
    }
    return memory;
}

uint32_t
chaos_shard_number(const char *shard_id, size_t length)
{
    uint32_t number = 0;

    for (size_t i = 0; i < length; i++) {
        if (shard_id[i] >= '0' && shard_id[i] <= '9') {
            number = number * 10 + (uint32_t)(shard_id[i] - '0');
        }
    }
    return number;
}
