/* Built without hiredis: lines that need Redis say so. */
#include <stdbool.h>
#include <stdint.h>

#include "bench/harness.h"
#include "bench/redis_peer.h"
#include "bench/roles.h"
#include "bench/shared.h"

const char *
redis_missing(void)
{
    return REDIS_BUILD;
}

bool
redis_start(struct bench *bench, char directory[BENCH_PATH_SIZE])
{
    directory[0] = '\0';
    return bench_fail(bench, REDIS_BUILD);
}

void
redis_stop(struct bench *bench)
{
    (void)bench;
}

bool
redis_fill(struct bench *bench, const char *directory, uint64_t records, uint32_t bytes)
{
    (void)directory;
    (void)records;
    (void)bytes;
    return bench_fail(bench, REDIS_BUILD);
}

bool
redis_group(struct bench *bench, const char *directory)
{
    (void)directory;
    return bench_fail(bench, REDIS_BUILD);
}

bool
redis_cpu_ns(struct bench *bench, const char *directory, int64_t *ret)
{
    (void)directory;
    *ret = 0;
    return bench_fail(bench, REDIS_BUILD);
}

bool
redis_trickle(struct bench *bench, const char *directory, uint64_t count)
{
    (void)directory;
    (void)count;
    return bench_fail(bench, REDIS_BUILD);
}

bool
role_redis_consume(const struct role *role)
{
    (void)role;
    return false;
}

bool
role_redis_read(const struct role *role)
{
    (void)role;
    return false;
}
