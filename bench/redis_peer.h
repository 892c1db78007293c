/** A peer in the same run: Redis Streams by Debian's redis-server and hiredis. */
#ifndef WI_BENCH_REDIS_PEER_H
#define WI_BENCH_REDIS_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/harness.h"
#include "bench/shared.h"

/** What the line says when there is no server to measure. */
#define REDIS_INSTALL "redis-server is missing: `apt-get install redis-server`"
#define REDIS_BUILD   "built without hiredis: `apt-get install libhiredis-dev`, build again"

/** Why there is no Redis to measure; NULL: there is one. */
const char *redis_missing(void);

/** Start a server without persistence in a new folder, whose name goes to `directory`. */
bool redis_start(struct bench *bench, char directory[BENCH_PATH_SIZE]);

/** End the server. */
void redis_stop(struct bench *bench);

/** Put records into the stream; a fresh group of consumers that begins at the first one. */
bool redis_fill(struct bench *bench, const char *directory, uint64_t records, uint32_t bytes);
bool redis_group(struct bench *bench, const char *directory);

/** CPU time of the server so far. */
bool redis_cpu_ns(struct bench *bench, const char *directory, int64_t *ret);

/** Add `count` records, one each few milliseconds, for a blocked reader. */
bool redis_trickle(struct bench *bench, const char *directory, uint64_t count);

#endif
