/**
 * The environment: memory, clocks, randomness and logging that a weir object uses. Each constructor
 * borrows a `const struct weir_env *`, which must outlive the object. There are no globals: two
 * objects may use different environments, and a simulator hands in virtual time.
 */
#ifndef WEIR_ENV_H
#define WEIR_ENV_H

#include <stddef.h>
#include <stdint.h>

#include <weir/version.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * An instant of CLOCK_BOOTTIME in nanoseconds: goes on during suspend, never jumps, means nothing
 * on another host. Leases know only this clock. Never mix with struct weir_wall.
 */
struct weir_mono {
    int64_t ns; /**< nanoseconds since boot, >= 0 */
};

/** Wall-clock time in milliseconds since 1970-01-01 UTC: for people, retention and AT_TIMESTAMP. */
struct weir_wall {
    int64_t ms; /**< milliseconds since the epoch */
};

/** Memory. Slots are called from any thread and must be thread-safe. */
struct weir_allocator {
    void *context; /**< passed to the slot */
    /** realloc(3) semantics; size 0 frees and returns NULL; memory NULL allocates. */
    void *(*resize)(void *context, void *memory, size_t size);
};

/** Clocks. Called from any thread; never blocks. */
struct weir_clock {
    void *context;
    struct weir_mono (*mono)(void *context); /**< CLOCK_BOOTTIME or its model */
    struct weir_wall (*wall)(void *context); /**< CLOCK_REALTIME or its model */
};

/** Randomness for identities and jitter; not for secrets. Called from any thread. */
struct weir_rng {
    void *context;
    uint64_t (*next)(void *context); /**< 64 uniform bits */
};

/** How much a log line matters. */
enum weir_log_level {
    WEIR_LOG_ERROR = 0, /**< somebody has to act */
    WEIR_LOG_WARN = 1,  /**< weir goes on, with less than it should have */
    WEIR_LOG_INFO = 2,  /**< changes of ownership, membership, shards */
    WEIR_LOG_DEBUG = 3  /**< every step */
};

/** Logging. Called from any thread, never inside a transaction; must not call weir, and must not
 * block: the control loop of a worker logs too. */
struct weir_logger {
    void *context;
    enum weir_log_level level; /**< lines above this level are not formatted at all */
    /** One line without newline. `component` is a folder name such as "worker". */
    void (*log)(
        void *context, enum weir_log_level level, const char *component, const char *message);
};

/** Everything of the outside world that weir's own code may touch. Frozen layout. */
struct weir_env {
    struct weir_allocator allocator;
    struct weir_clock clock;
    struct weir_rng rng;
    struct weir_logger logger;
};

/**
 * The real environment: malloc, CLOCK_BOOTTIME and CLOCK_REALTIME, getrandom(2), lines on stderr at
 * level WARN. Static, thread-safe; copy it to change a member.
 */
WEIR_API const struct weir_env *weir_env_default(void);

#ifdef __cplusplus
}
#endif

#endif
