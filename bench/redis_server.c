/* The server of the peer: started, filled, ended. */
#include <hiredis/hiredis.h>
#include <hiredis/read.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/harness.h"
#include "bench/records.h"
#include "bench/redis_client.h"
#include "bench/redis_peer.h"
#include "bench/shared.h"

#define START_LIMIT_MS 5000
#define START_LOOK_NS  (5 * BENCH_MS)
#define PATH_SIZE      4096
/* A record each 1 to 3 ms. */
#define TRICKLE_NS (BENCH_MS)
#define TRICKLE_US 2000

const char *
redis_missing(void)
{
    const char *path = getenv("PATH"); /* NOLINT(concurrency-mt-unsafe): one thread */
    char program[PATH_SIZE];

    while (path != NULL && *path != '\0') {
        const size_t length = strcspn(path, ":");
        (void)snprintf(program, sizeof program, "%.*s/redis-server", (int)length, path);
        if (access(program, X_OK) == 0) {
            return NULL;
        }
        path += length + (path[length] == ':' ? 1 : 0);
    }
    return REDIS_INSTALL;
}

/* In the child. */
static void
become_server(const char *directory, int parent)
{
    char *argv[] = {
        (char[]){"redis-server"},
        (char[]){"--port"},
        (char[]){"0"},
        (char[]){"--unixsocket"},
        (char[]){REDIS_SOCKET},
        (char[]){"--save"},
        (char[]){""},
        (char[]){"--appendonly"},
        (char[]){"no"},
        (char[]){"--logfile"},
        (char[]){"log"},
        NULL};

    (void)setpgid(0, 0);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && chdir(directory) == 0) {
        (void)execvp(argv[0], argv);
    }
    _exit(1);
}

static bool
answers(struct bench *bench, void *context)
{
    redisContext *redis = redis_client_connect(context);
    const bool ok = redis != NULL;

    (void)bench;
    if (ok) {
        redisFree(redis);
    }
    return ok;
}

bool
redis_start(struct bench *bench, char directory[BENCH_PATH_SIZE])
{
    const int parent = (int)getpid();

    if (!bench_folder(bench, "redis", directory)) {
        return false;
    }
    bench->server_pid = (int)fork();
    if (bench->server_pid == 0) {
        become_server(directory, parent);
    }
    if (bench->server_pid < 0) {
        bench->server_pid = 0;
        return bench_fail(bench, "cannot start redis-server");
    }
    return bench_until(bench, answers, directory, START_LOOK_NS, START_LIMIT_MS) ||
           bench_fail(bench, "redis-server does not answer");
}

void
redis_stop(struct bench *bench)
{
    if (bench->server_pid > 0) {
        (void)kill(bench->server_pid, SIGKILL);
        (void)waitpid(bench->server_pid, NULL, 0);
        bench->server_pid = 0;
    }
}

/* Send a batch that is in hiredis' buffer, read all its answers. */
static bool
read_replies(redisContext *redis, size_t count)
{
    bool ok = true;

    for (size_t i = 0; ok && i < count; i++) {
        void *reply = NULL;
        ok = redisGetReply(redis, &reply) == REDIS_OK && reply != NULL &&
             ((redisReply *)reply)->type != REDIS_REPLY_ERROR;
        if (reply != NULL) {
            freeReplyObject(reply);
        }
    }
    return ok;
}

bool
redis_fill(struct bench *bench, const char *directory, uint64_t records, uint32_t bytes)
{
    static unsigned char data[RECORDS_BYTES_MAX];
    redisContext *redis = redis_client_connect(directory);
    bool ok = redis != NULL;

    records_data(data);
    for (uint64_t done = 0; ok && done < records; done += RECORDS_BATCH) {
        for (size_t i = 0; ok && i < RECORDS_BATCH; i++) {
            ok = redisAppendCommand(redis, "XADD s * d %b", data, (size_t)bytes) == REDIS_OK;
        }
        ok = ok && read_replies(redis, RECORDS_BATCH);
    }
    if (redis != NULL) {
        redisFree(redis);
    }
    return ok || bench_fail(bench, "redis-server: XADD failed");
}

bool
redis_group(struct bench *bench, const char *directory)
{
    redisContext *redis = redis_client_connect(directory);
    const bool ok = redis != NULL && redis_client_do(redis, "XGROUP DESTROY s g", NULL, 0) &&
                    redis_client_do(redis, "XGROUP CREATE s g 0", NULL, 0);

    if (redis != NULL) {
        redisFree(redis);
    }
    return ok || bench_fail(bench, "redis-server: XGROUP failed");
}

/* "name:SECONDS.FRACTION" of INFO. */
static double
seconds_of(const char *info, const char *name)
{
    const char *found = strstr(info, name);

    return found == NULL ? 0 : strtod(found + strlen(name), NULL);
}

bool
redis_cpu_ns(struct bench *bench, const char *directory, int64_t *ret)
{
    redisContext *redis = redis_client_connect(directory);
    redisReply *reply = redis == NULL ? NULL : redisCommand(redis, "INFO cpu");
    const bool ok = reply != NULL && reply->type == REDIS_REPLY_STRING;

    if (ok) {
        const double seconds =
            seconds_of(reply->str, "used_cpu_sys:") + seconds_of(reply->str, "used_cpu_user:");
        *ret = (int64_t)(seconds * (double)BENCH_S);
    }
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    if (redis != NULL) {
        redisFree(redis);
    }
    return ok || bench_fail(bench, "redis-server: INFO failed");
}

bool
redis_trickle(struct bench *bench, const char *directory, uint64_t count)
{
    redisContext *redis = redis_client_connect(directory);
    bool ok = redis != NULL;

    for (uint64_t i = 0; ok && i < count && !bench_interrupted(); i++) {
        const struct bench_payload payload = {i, bench_now_ns()};
        ok = redis_client_do(redis, "XADD t * d %b", &payload, sizeof payload);
        bench_sleep_ns(TRICKLE_NS + (int64_t)(i * 7919 % TRICKLE_US) * (BENCH_MS / 1000));
    }
    if (redis != NULL) {
        redisFree(redis);
    }
    return ok || bench_fail(bench, "redis-server: XADD failed");
}
