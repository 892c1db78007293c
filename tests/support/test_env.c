#include "tests/support/test_env.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/weir_test.h"

static void *
resize_counted(void *context, void *memory, size_t size)
{
    struct test_env *test = context;
    void *ret = NULL;

    pthread_mutex_lock(&test->mutex);
    if (size == 0) {
        test->live -= memory != NULL ? 1 : 0;
        free(memory);
    } else if (++test->allocations != test->fail_at) {
        ret = realloc(memory, size);
        test->live += memory == NULL && ret != NULL ? 1 : 0;
    }
    pthread_mutex_unlock(&test->mutex);
    return ret;
}

static struct weir_mono
read_mono(void *context)
{
    struct test_env *test = context;
    struct weir_mono now;

    pthread_mutex_lock(&test->mutex);
    now = test->mono;
    pthread_mutex_unlock(&test->mutex);
    return now;
}

static struct weir_wall
read_wall(void *context)
{
    struct test_env *test = context;
    struct weir_wall now;

    pthread_mutex_lock(&test->mutex);
    now = test->wall;
    pthread_mutex_unlock(&test->mutex);
    return now;
}

/* splitmix64: every seed gives a full-period sequence, zero too. */
static uint64_t
next_random(void *context)
{
    struct test_env *test = context;
    uint64_t bits;

    pthread_mutex_lock(&test->mutex);
    test->rng_state += 0x9e3779b97f4a7c15U;
    bits = test->rng_state;
    pthread_mutex_unlock(&test->mutex);
    bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
    return bits ^ (bits >> 31U);
}

static void
keep_log(void *context, enum weir_log_level level, const char *component, const char *message)
{
    struct test_env *test = context;

    pthread_mutex_lock(&test->mutex);
    test->log_lines++;
    test->last_log_level = level;
    (void)snprintf(test->last_log, sizeof test->last_log, "%s: %s", component, message);
    pthread_mutex_unlock(&test->mutex);
}

void
test_env_init(struct test_env *test)
{
    *test = (struct test_env){
        .env =
            {
                .allocator = {.context = test, .resize = resize_counted},
                .clock = {.context = test, .mono = read_mono, .wall = read_wall},
                .rng = {.context = test, .next = next_random},
                .logger = {.context = test, .level = WEIR_LOG_DEBUG, .log = keep_log},
            },
        .mono = {TEST_ENV_START_MONO_NS},
        .wall = {TEST_ENV_START_WALL_MS},
        .rng_state = TEST_ENV_SEED,
        .mutex = PTHREAD_MUTEX_INITIALIZER,
    };
}

void
test_env_advance_ms(struct test_env *test, int64_t ms)
{
    pthread_mutex_lock(&test->mutex);
    test->mono.ns += ms * 1000000;
    test->wall.ms += ms;
    pthread_mutex_unlock(&test->mutex);
}

bool
test_env_has_failed(struct test_env *test)
{
    bool has_failed;

    pthread_mutex_lock(&test->mutex);
    has_failed = test->fail_at != 0 && test->allocations >= test->fail_at;
    pthread_mutex_unlock(&test->mutex);
    return has_failed;
}

void
test_env_assert_no_leak(struct test_env *test)
{
    size_t live;

    pthread_mutex_lock(&test->mutex);
    live = test->live;
    pthread_mutex_unlock(&test->mutex);
    assert_int_equal(live, 0);
}
