#include "core/log_limit.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mono.h"

void
wi_log_limit_init(struct wi_log_limit *limit, const struct weir_env *env, const char *component)
{
    *limit = (struct wi_log_limit){.env = env, .component = component};
    (void)pthread_mutex_init(&limit->lock, NULL);
}

void
wi_log_limit_destroy(struct wi_log_limit *limit)
{
    (void)pthread_mutex_destroy(&limit->lock);
}

/* The kind's place; else one whose time is over; else the last one, which it shares. */
static struct wi_log_limit_place *
place_of(struct wi_log_limit *limit, const char *kind, struct weir_mono now)
{
    struct wi_log_limit_place *free_place = NULL;

    for (size_t i = 0; i < WI_LOG_LIMIT_KINDS_MAX; i++) {
        struct wi_log_limit_place *place = &limit->places[i];

        if (strcmp(place->kind, kind) == 0) {
            return place;
        }
        if (free_place == NULL && !wi_mono_before(now, place->not_before)) {
            free_place = place;
        }
    }
    if (free_place == NULL) {
        return &limit->places[WI_LOG_LIMIT_KINDS_MAX - 1];
    }
    *free_place = (struct wi_log_limit_place){.not_before = now};
    memcpy(free_place->kind, kind, WI_LOG_LIMIT_KIND_SIZE);
    return free_place;
}

/* Whether a line is to be told now; if so, how many were not. */
static bool
is_due(struct wi_log_limit *limit, const char *name, struct weir_mono now, uint64_t *ret_hidden)
{
    char kind[WI_LOG_LIMIT_KIND_SIZE] = "";
    struct wi_log_limit_place *place = NULL;
    bool due = false;

    (void)snprintf(kind, sizeof kind, "%s", name);
    (void)pthread_mutex_lock(&limit->lock);
    place = place_of(limit, kind, now);
    due = !wi_mono_before(now, place->not_before);
    *ret_hidden = place->hidden;
    place->hidden = due ? 0 : place->hidden + 1;
    if (due) {
        place->not_before = wi_mono_add_ms(now, WI_LOG_LIMIT_INTERVAL_MS);
    }
    (void)pthread_mutex_unlock(&limit->lock);
    return due;
}

void
wi_log_limited(
    struct wi_log_limit *limit,
    enum weir_log_level level,
    const char *kind,
    const char *format,
    ...)
{
    const struct weir_env *env = limit->env;
    char text[WI_LOG_SIZE];
    uint64_t hidden = 0;
    va_list arguments;

    if (level > env->logger.level || !is_due(limit, kind, wi_mono_now(env), &hidden)) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (hidden > 0) {
        wi_log(
            env,
            level,
            limit->component,
            "%s (and %llu times before)",
            text,
            (unsigned long long)hidden);
    } else {
        wi_log(env, level, limit->component, "%s", text);
    }
}
