/* The clients of the peer, each in a process of its own. */
#include "bench/redis_client.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/roles.h"
#include "bench/shared.h"

#define PATH_SIZE 64
#define ID_SIZE   64

redisContext *
redis_client_connect(const char *directory)
{
    char path[PATH_SIZE];
    redisContext *redis;
    const int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return NULL;
    }
    /* The name of a socket may have 107 bytes; that of the folder may have more. */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", fd, REDIS_SOCKET);
    redis = redisConnectUnix(path);
    (void)close(fd);
    if (redis != NULL && redis->err != 0) {
        redisFree(redis);
        return NULL;
    }
    return redis;
}

bool
redis_client_do(redisContext *redis, const char *command, const void *data, size_t length)
{
    redisReply *reply =
        data == NULL ? redisCommand(redis, command) : redisCommand(redis, command, data, length);
    const bool ok = reply != NULL && reply->type != REDIS_REPLY_ERROR;

    if (reply != NULL) {
        freeReplyObject(reply);
    }
    return ok;
}

/* The entries of the one stream that XREAD or XREADGROUP answered for; NULL: none. */
static const redisReply *
entries_of(const redisReply *reply)
{
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 ||
        reply->element[0]->elements != 2) {
        return NULL;
    }
    return reply->element[0]->element[1];
}

/* XACK for all entries of a batch. */
static bool
acknowledge(redisContext *redis, const redisReply *entries)
{
    const char *argv[3 + BENCH_SAMPLES_MAX] = {"XACK", "s", "g"};
    size_t lengths[3 + BENCH_SAMPLES_MAX] = {4, 1, 1};
    redisReply *reply;
    bool ok;

    for (size_t i = 0; i < entries->elements && i < BENCH_SAMPLES_MAX; i++) {
        const redisReply *id = entries->element[i]->element[0];
        argv[3 + i] = id->str;
        lengths[3 + i] = (size_t)id->len;
    }
    reply = redisCommandArgv(redis, (int)(3 + entries->elements), argv, lengths);
    ok = reply != NULL && reply->type == REDIS_REPLY_INTEGER;
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    return ok;
}

static bool
fail(const struct role *role)
{
    (void)snprintf(
        role->slot->failure, sizeof role->slot->failure, "redis-server: the client failed");
    return false;
}

bool
role_redis_consume(const struct role *role)
{
    redisContext *redis = redis_client_connect(role->slot->directory);
    bool more = redis != NULL;

    if (redis == NULL) {
        return fail(role);
    }
    role_begin(role);
    while (more) {
        redisReply *reply = redisCommand(redis, "XREADGROUP GROUP g c COUNT 500 STREAMS s >");
        const redisReply *entries = entries_of(reply);
        more = entries != NULL && entries->elements > 0 && acknowledge(redis, entries);
        if (more) {
            role->slot->done += entries->elements;
        }
        if (reply != NULL) {
            freeReplyObject(reply);
        }
    }
    role_end(role);
    redisFree(redis);
    return role->slot->done == role->slot->records || fail(role);
}

/* Ages of the records of one answer; `id` becomes that of the last one. */
static void
note_ages(const struct role *role, const redisReply *entries, char id[ID_SIZE])
{
    const int64_t now_ns = bench_now_ns();

    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *fields = entries->element[i]->element[1];
        struct bench_payload payload;
        (void)snprintf(id, ID_SIZE, "%s", entries->element[i]->element[0]->str);
        if (fields->elements == 2 && fields->element[1]->len == (int)sizeof payload) {
            const uint_fast32_t at = atomic_fetch_add(&role->shared->sample_count, 1);
            memcpy(&payload, fields->element[1]->str, sizeof payload);
            role->shared->sample_ns[at % BENCH_SAMPLES_MAX] = now_ns - payload.sent_ns;
        }
    }
}

bool
role_redis_read(const struct role *role)
{
    redisContext *redis = redis_client_connect(role->slot->directory);
    char id[ID_SIZE] = "$"; /* only what is still to come */
    bool ok = redis != NULL;

    role_begin(role);
    while (ok && !role->slot->stop) {
        redisReply *reply = redisCommand(redis, "XREAD BLOCK 200 COUNT 100 STREAMS t %s", id);
        const redisReply *entries = entries_of(reply);
        ok = reply != NULL && reply->type != REDIS_REPLY_ERROR;
        if (entries != NULL) {
            note_ages(role, entries, id);
        }
        if (reply != NULL) {
            freeReplyObject(reply);
        }
    }
    if (redis != NULL) {
        redisFree(redis);
    }
    return ok || fail(role);
}
