/* Log lines about something that lasts: each kind at once, then once in a while with a count, so
 * that the first words are there and nothing else drowns in the others. */
#ifndef WI_CORE_LOG_LIMIT_H
#define WI_CORE_LOG_LIMIT_H

#include <pthread.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/version.h>

/* A kind that lasts is told of this often. */
#define WI_LOG_LIMIT_INTERVAL_MS INT64_C(10000)
/* Kinds that are told apart at one time; those beyond share a place. */
#define WI_LOG_LIMIT_KINDS_MAX 16U
/* A longer name of a kind is cut. */
#define WI_LOG_LIMIT_KIND_SIZE 160U

struct wi_log_limit {
    const struct weir_env *env;
    const char *component;
    pthread_mutex_t lock; /* guards what follows */
    struct wi_log_limit_place {
        char kind[WI_LOG_LIMIT_KIND_SIZE];
        struct weir_mono not_before;
        uint64_t hidden; /* lines of it since one was told */
    } places[WI_LOG_LIMIT_KINDS_MAX];
};

/* `component`: the folder's name, see wi_log(); env and it must outlive the limit. */
void wi_log_limit_init(
    struct wi_log_limit *limit, const struct weir_env *env, const char *component);
void wi_log_limit_destroy(struct wi_log_limit *limit);

/* wi_log(), unless a line of this kind was told less than an interval ago. Thread-safe. */
void wi_log_limited(
    struct wi_log_limit *limit,
    enum weir_log_level level,
    const char *kind,
    const char *format,
    ...) WEIR_PRINTF(4, 5);

#endif
