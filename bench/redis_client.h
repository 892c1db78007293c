/** hiredis, as server and client of the peer use it. */
#ifndef WI_BENCH_REDIS_CLIENT_H
#define WI_BENCH_REDIS_CLIENT_H

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

/** Name of the socket in the server's folder. */
#define REDIS_SOCKET "socket"

/** Connect to the server of a folder; NULL if it does not answer. */
redisContext *redis_client_connect(const char *directory);

/** One command with at most one %b; false if it failed or was answered by an error. */
bool redis_client_do(redisContext *redis, const char *command, const void *data, size_t length);

#endif
