#include "worker/io_pool.h"

#include <pthread.h>
#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/check.h"
#include "core/memory.h"

#define THREADS (WI_IO_URGENT_THREADS + WI_IO_NORMAL_THREADS)

struct job_queue {
    struct wi_job *first;
    struct wi_job *last;
};

struct wi_io_pool {
    const struct weir_env *env;
    void (*notify)(void *context);
    void *context;
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t work[WI_IO_LANES];
    struct job_queue waiting[WI_IO_LANES];
    struct job_queue finished;
    bool stopping;
    pthread_t threads[THREADS];
    size_t thread_count;
};

static void
queue_push(struct job_queue *queue, struct wi_job *job)
{
    job->next = NULL;
    if (queue->last == NULL) {
        queue->first = job;
    } else {
        queue->last->next = job;
    }
    queue->last = job;
}

static struct wi_job *
queue_pop(struct job_queue *queue)
{
    struct wi_job *job = queue->first;

    if (job != NULL) {
        queue->first = job->next;
        if (queue->first == NULL) {
            queue->last = NULL;
        }
    }
    return job;
}

static void
serve(struct wi_io_pool *pool, enum wi_io_lane lane)
{
    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        struct wi_job *job = queue_pop(&pool->waiting[lane]);

        if (job == NULL) {
            pthread_cond_wait(&pool->work[lane], &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        job->run(job);
        pthread_mutex_lock(&pool->lock);
        queue_push(&pool->finished, job);
        pool->notify(pool->context);
    }
    pthread_mutex_unlock(&pool->lock);
}

static void *
urgent_main(void *argument)
{
    serve(argument, WI_IO_URGENT);
    return NULL;
}

static void *
normal_main(void *argument)
{
    serve(argument, WI_IO_NORMAL);
    return NULL;
}

static enum weir_error
start_threads(struct wi_io_pool *pool)
{
    while (pool->thread_count < THREADS) {
        void *(*start)(void *) =
            pool->thread_count < WI_IO_URGENT_THREADS ? urgent_main : normal_main;

        if (pthread_create(&pool->threads[pool->thread_count], NULL, start, pool) != 0) {
            return WEIR_ELIMIT;
        }
        pool->thread_count++;
    }
    return WEIR_OK;
}

enum weir_error
wi_io_pool_new(
    const struct weir_env *env,
    void (*notify)(void *context),
    void *context,
    struct wi_io_pool **ret)
{
    struct wi_io_pool *pool = wi_alloc(env, sizeof *pool);
    enum weir_error error = WEIR_OK;

    if (pool == NULL) {
        return WEIR_ENOMEM;
    }
    pool->env = env;
    pool->notify = notify;
    pool->context = context;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work[WI_IO_URGENT], NULL);
    pthread_cond_init(&pool->work[WI_IO_NORMAL], NULL);
    error = start_threads(pool);
    if (error != WEIR_OK) {
        wi_io_pool_free(pool);
        return error;
    }
    *ret = pool;
    return WEIR_OK;
}

void
wi_io_pool_free(struct wi_io_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work[WI_IO_URGENT]);
    pthread_cond_broadcast(&pool->work[WI_IO_NORMAL]);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->work[WI_IO_URGENT]);
    pthread_cond_destroy(&pool->work[WI_IO_NORMAL]);
    pthread_mutex_destroy(&pool->lock);
    wi_free(pool->env, pool);
}

void
wi_io_pool_submit(struct wi_io_pool *pool, enum wi_io_lane lane, struct wi_job *job)
{
    WEIR_ASSERT(!job->busy);
    job->busy = true;
    pthread_mutex_lock(&pool->lock);
    queue_push(&pool->waiting[lane], job);
    pthread_cond_signal(&pool->work[lane]);
    pthread_mutex_unlock(&pool->lock);
}

void
wi_io_pool_collect(struct wi_io_pool *pool)
{
    struct wi_job *job = NULL;

    pthread_mutex_lock(&pool->lock);
    job = pool->finished.first;
    pool->finished.first = NULL;
    pool->finished.last = NULL;
    pthread_mutex_unlock(&pool->lock);
    while (job != NULL) {
        struct wi_job *next = job->next;

        job->busy = false;
        job->done(job);
        job = next;
    }
}
