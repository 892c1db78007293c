#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/version.h>

#include "core/clock_system.h"
#include "core/log.h"
#include "core/rng_system.h"
#include "core/timestamp.h"

/* A line of the log and what stands before it. */
#define LINE_SIZE (WI_LOG_SIZE + 128)

static void *
heap_resize(void *context, void *memory, size_t size)
{
    (void)context;
    if (size == 0) {
        free(memory);
        return NULL;
    }
    return realloc(memory, size);
}

static const char *
level_name(enum weir_log_level level)
{
    switch (level) {
    case WEIR_LOG_ERROR:
        return "error";
    case WEIR_LOG_WARN:
        return "warn";
    case WEIR_LOG_INFO:
        return "info";
    case WEIR_LOG_DEBUG:
        return "debug";
    }
    return "?";
}

/* "2024-02-29T11:00:00.500Z warn worker 4711 shard shardId-000000000000 is blocked" */
static void
stderr_log(void *context, enum weir_log_level level, const char *component, const char *message)
{
    char time[WI_TIMESTAMP_SIZE];
    char line[LINE_SIZE];
    (void)context;
    (void)wi_timestamp_format(wi_clock_system_wall(NULL).ms, time);
    (void)snprintf(
        line,
        sizeof line,
        "%s %s %s %ld %s",
        time,
        level_name(level),
        component,
        (long)getpid(),
        message);
    size_t length = strlen(line);
    line[length] = '\n'; /* instead of the final zero */
    /* One write, so that lines of several processes and threads do not mix. When stderr is gone
     * there is nobody left to tell. */
    ssize_t written = write(STDERR_FILENO, line, length + 1);
    (void)written;
}

const struct weir_env *
weir_env_default(void)
{
    static const struct weir_env env = {
        .allocator = {NULL, heap_resize},
        .clock = {NULL, wi_clock_system_mono, wi_clock_system_wall},
        .rng = {NULL, wi_rng_system_next},
        .logger = {NULL, WEIR_LOG_WARN, stderr_log},
    };
    return &env;
}

const char *
weir_version(void)
{
    return WEIR_VERSION;
}
