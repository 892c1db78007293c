#include "worker/processor_pool.h"

#include <pthread.h>
#include <time.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/mono.h"

/* Started for the first work; more only when work has waited for GROWTH_DELAY_MS. */
#define THREADS_AT_ONCE 2U
/* Work that has waited this long for a thread starts another one. */
#define GROWTH_DELAY_MS 5
/* A thread without work for this long ends, as long as THREADS_AT_ONCE remain. */
#define IDLE_SECONDS 10

struct wi_processor_pool {
    const struct weir_env *env;
    struct wi_processor_pool_settings settings;
    pthread_mutex_t lock; /* guards everything below, and every struct wi_runnable */
    pthread_cond_t work;
    pthread_cond_t thread_ended;
    struct wi_runnable *first_ready;
    struct wi_runnable *last_ready;
    struct wi_runnable **runnables;
    size_t count;
    size_t capacity;
    size_t threads;
    size_t idle;
    size_t waiting;             /* threads that wait for a commit; they count among `threads` */
    struct weir_mono next_wake; /* the earliest wake_at of a parked runnable, or earlier */
    bool stopping;
};

static struct weir_mono
now_of(const struct wi_processor_pool *pool)
{
    return pool->env->clock.mono(pool->env->clock.context);
}

static void
push_ready(struct wi_processor_pool *pool, struct wi_runnable *runnable)
{
    runnable->state = WI_RUN_READY;
    runnable->again = false;
    runnable->ready_since = now_of(pool);
    runnable->next_ready = NULL;
    if (pool->last_ready == NULL) {
        pool->first_ready = runnable;
    } else {
        pool->last_ready->next_ready = runnable;
    }
    pool->last_ready = runnable;
}

static struct wi_runnable *
pop_ready(struct wi_processor_pool *pool)
{
    struct wi_runnable *runnable = pool->first_ready;

    if (runnable != NULL) {
        pool->first_ready = runnable->next_ready;
        if (pool->first_ready == NULL) {
            pool->last_ready = NULL;
        }
    }
    return runnable;
}

/* Put a runnable where its run says it belongs. */
static void
settle(
    struct wi_processor_pool *pool,
    struct wi_runnable *runnable,
    enum wi_run_result result,
    struct weir_mono wake_at)
{
    switch (result) {
    case WI_RUN_FINISH:
        runnable->state = WI_RUN_DONE;
        pool->settings.notify(pool->settings.context);
        return;
    case WI_RUN_YIELD:
        push_ready(pool, runnable);
        return;
    case WI_RUN_PARK:
        break;
    }
    if (runnable->again) {
        push_ready(pool, runnable);
        return;
    }
    runnable->state = WI_RUN_PARKED;
    runnable->wake_at = wake_at;
    if (wi_mono_before(wake_at, pool->next_wake)) {
        pool->next_wake = wake_at;
        pool->settings.notify(pool->settings.context);
    }
}

static void *thread_main(void *argument);

static void
start_thread(struct wi_processor_pool *pool)
{
    pthread_t thread;
    pthread_attr_t attributes;

    if (pthread_attr_init(&attributes) != 0) {
        return;
    }
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    if (pthread_create(&thread, &attributes, thread_main, pool) == 0) {
        pool->threads++;
    }
    pthread_attr_destroy(&attributes);
}

/* Somebody has to run what was just made ready. */
static void
offer_work(struct wi_processor_pool *pool)
{
    if (pool->idle > 0) {
        pthread_cond_signal(&pool->work);
        return;
    }
    if (pool->threads - pool->waiting < THREADS_AT_ONCE &&
        pool->threads < pool->settings.threads_max) {
        start_thread(pool);
        return;
    }
    pool->settings.notify(pool->settings.context); /* the loop ticks, and may start a thread */
}

/* Wait for work; false if this thread is to end. */
static bool
wait_for_work(struct wi_processor_pool *pool, bool is_new)
{
    const bool was_called = is_new || pool->first_ready == NULL;
    struct timespec until = {0};
    bool timed_out = false;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    pool->idle++;
    while (pool->first_ready == NULL && !pool->stopping && !timed_out) {
        timed_out = pthread_cond_timedwait(&pool->work, &pool->lock, &until) != 0;
    }
    pool->idle--;
    if (pool->first_ready != NULL) {
        /* More may have come while it was on its way, and have been left to it. */
        if (was_called && pool->first_ready->next_ready != NULL) {
            offer_work(pool);
        }
        return true;
    }
    return !pool->stopping && pool->threads <= THREADS_AT_ONCE;
}

static void
run_one(struct wi_processor_pool *pool, struct weir_batch *batch)
{
    struct wi_runnable *runnable = pop_ready(pool);
    struct weir_mono wake_at = WI_MONO_NEVER;
    enum wi_run_result result = WI_RUN_PARK;

    if (runnable == NULL) {
        return;
    }
    runnable->state = WI_RUN_RUNNING;
    runnable->again = false;
    pthread_mutex_unlock(&pool->lock);
    result = pool->settings.run(runnable, batch, &wake_at);
    pthread_mutex_lock(&pool->lock);
    settle(pool, runnable, result, wake_at);
}

static void *
thread_main(void *argument)
{
    struct wi_processor_pool *pool = argument;
    struct weir_batch *batch = NULL;
    bool usable = weir_batch_new(pool->env, &batch) == WEIR_OK;
    bool is_new = true;

    pthread_mutex_lock(&pool->lock);
    while (usable && !pool->stopping && wait_for_work(pool, is_new)) {
        is_new = false;
        run_one(pool, batch);
    }
    pthread_mutex_unlock(&pool->lock);
    weir_batch_free(batch);
    pthread_mutex_lock(&pool->lock);
    if (usable && pool->first_ready != NULL) {
        pool->settings.notify(pool->settings.context); /* came while this thread was leaving */
    }
    pool->threads--; /* from here on the pool may be freed as soon as the lock is free */
    pthread_cond_signal(&pool->thread_ended);
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum weir_error
wi_processor_pool_new(
    const struct weir_env *env,
    const struct wi_processor_pool_settings *settings,
    struct wi_processor_pool **ret)
{
    struct wi_processor_pool *pool = wi_alloc(env, sizeof *pool);
    pthread_condattr_t attributes;

    if (pool == NULL) {
        return WEIR_ENOMEM;
    }
    pool->env = env;
    pool->settings = *settings;
    pool->next_wake = WI_MONO_NEVER;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->work, &attributes);
    pthread_cond_init(&pool->thread_ended, &attributes);
    pthread_condattr_destroy(&attributes);
    *ret = pool;
    return WEIR_OK;
}

void
wi_processor_pool_free(struct wi_processor_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    while (pool->threads > 0) {
        pthread_cond_wait(&pool->thread_ended, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->thread_ended);
    pthread_mutex_destroy(&pool->lock);
    wi_free(pool->env, pool->runnables);
    wi_free(pool->env, pool);
}

enum weir_error
wi_processor_pool_add(struct wi_processor_pool *pool, struct wi_runnable *runnable)
{
    enum weir_error error = WEIR_OK;

    pthread_mutex_lock(&pool->lock);
    if (pool->count == pool->capacity) {
        size_t capacity = pool->capacity == 0 ? 16 : pool->capacity * 2;
        void *grown =
            wi_resize(pool->env, pool->runnables, capacity * sizeof(struct wi_runnable *));

        if (grown == NULL) {
            error = WEIR_ENOMEM;
            goto out;
        }
        pool->runnables = grown;
        pool->capacity = capacity;
    }
    pool->runnables[pool->count++] = runnable;
    push_ready(pool, runnable);
    offer_work(pool);
out:
    pthread_mutex_unlock(&pool->lock);
    return error;
}

void
wi_processor_pool_remove(struct wi_processor_pool *pool, struct wi_runnable *runnable)
{
    pthread_mutex_lock(&pool->lock);
    WEIR_ASSERT(runnable->state == WI_RUN_DONE);
    for (size_t i = 0; i < pool->count; i++) {
        if (pool->runnables[i] == runnable) {
            pool->runnables[i] = pool->runnables[--pool->count];
            break;
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

bool
wi_processor_pool_is_done(struct wi_processor_pool *pool, const struct wi_runnable *runnable)
{
    bool done = false;

    pthread_mutex_lock(&pool->lock);
    done = runnable->state == WI_RUN_DONE;
    pthread_mutex_unlock(&pool->lock);
    return done;
}

/* A parked one becomes ready; a running one runs once more; the others will run anyway. */
static void
make_ready(struct wi_processor_pool *pool, struct wi_runnable *runnable)
{
    if (runnable->state == WI_RUN_PARKED) {
        push_ready(pool, runnable);
        offer_work(pool);
    } else if (runnable->state == WI_RUN_RUNNING) {
        runnable->again = true;
    }
}

void
wi_processor_pool_ready(struct wi_processor_pool *pool, struct wi_runnable *runnable)
{
    pthread_mutex_lock(&pool->lock);
    make_ready(pool, runnable);
    pthread_mutex_unlock(&pool->lock);
}

void
wi_processor_pool_each(
    struct wi_processor_pool *pool,
    bool (*each)(struct wi_runnable *runnable, void *context),
    void *context)
{
    pthread_mutex_lock(&pool->lock);
    for (size_t i = 0; i < pool->count; i++) {
        if (each(pool->runnables[i], context)) {
            make_ready(pool, pool->runnables[i]);
        }
    }
    pthread_mutex_unlock(&pool->lock);
}

static void
ready_what_is_due(struct wi_processor_pool *pool, struct weir_mono now)
{
    pool->next_wake = WI_MONO_NEVER;
    for (size_t i = 0; i < pool->count; i++) {
        struct wi_runnable *runnable = pool->runnables[i];

        if (runnable->state != WI_RUN_PARKED) {
            continue;
        }
        if (!wi_mono_before(now, runnable->wake_at)) {
            push_ready(pool, runnable);
            offer_work(pool);
        } else if (wi_mono_before(runnable->wake_at, pool->next_wake)) {
            pool->next_wake = runnable->wake_at;
        }
    }
}

struct weir_mono
wi_processor_pool_tick(struct wi_processor_pool *pool, struct weir_mono now)
{
    struct weir_mono again = {0};

    pthread_mutex_lock(&pool->lock);
    if (!wi_mono_before(now, pool->next_wake)) {
        ready_what_is_due(pool, now);
    }
    again = pool->next_wake;
    if (pool->first_ready != NULL && pool->idle == 0 &&
        pool->threads < pool->settings.threads_max) {
        struct weir_mono grow_at = wi_mono_add_ms(pool->first_ready->ready_since, GROWTH_DELAY_MS);

        if (!wi_mono_before(now, grow_at)) {
            start_thread(pool);
            grow_at = wi_mono_add_ms(now, GROWTH_DELAY_MS);
        }
        again = wi_mono_before(grow_at, again) ? grow_at : again;
    }
    pthread_mutex_unlock(&pool->lock);
    return again;
}

bool
wi_processor_pool_is_crowded(struct wi_processor_pool *pool)
{
    bool crowded = false;

    pthread_mutex_lock(&pool->lock);
    crowded = pool->first_ready != NULL && pool->idle == 0;
    pthread_mutex_unlock(&pool->lock);
    return crowded;
}

bool
wi_processor_pool_is_stopping(struct wi_processor_pool *pool)
{
    bool is_stopping = false;

    pthread_mutex_lock(&pool->lock);
    is_stopping = pool->stopping;
    pthread_mutex_unlock(&pool->lock);
    return is_stopping;
}

void
wi_processor_pool_wait_begins(struct wi_processor_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->waiting++;
    WEIR_ASSERT(pool->waiting <= pool->threads);
    if (pool->first_ready != NULL) {
        offer_work(pool);
    }
    pthread_mutex_unlock(&pool->lock);
}

void
wi_processor_pool_wait_ends(struct wi_processor_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    WEIR_ASSERT(pool->waiting > 0);
    pool->waiting--;
    pthread_mutex_unlock(&pool->lock);
}
