#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "worker/io_pool.h"

#define JOBS 200U

/* A job that waits until the test lets it go. */
struct step_job {
    struct wi_job job;
    struct bench *bench;
    bool waits;
    unsigned runs;
    unsigned collected;
};

struct bench {
    struct test_env env;
    struct wi_io_pool *pool;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    unsigned started;
    unsigned notified;
    bool may_go;
};

static void
notify(void *context)
{
    struct bench *bench = context;

    pthread_mutex_lock(&bench->lock);
    bench->notified++;
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->lock);
}

static void
run(struct wi_job *job)
{
    struct step_job *step = (struct step_job *)job;
    struct bench *bench = step->bench;

    pthread_mutex_lock(&bench->lock);
    step->runs++;
    bench->started++;
    pthread_cond_broadcast(&bench->changed);
    while (step->waits && !bench->may_go) {
        pthread_cond_wait(&bench->changed, &bench->lock);
    }
    pthread_mutex_unlock(&bench->lock);
}

static void
done(struct wi_job *job)
{
    ((struct step_job *)job)->collected++;
}

static int
setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    test_env_init(&bench->env);
    pthread_mutex_init(&bench->lock, NULL);
    pthread_cond_init(&bench->changed, NULL);
    assert_int_equal(wi_io_pool_new(&bench->env.env, notify, bench, &bench->pool), WEIR_OK);
    *state = bench;
    return 0;
}

static int
teardown(void **state)
{
    struct bench *bench = *state;

    wi_io_pool_free(bench->pool);
    test_env_assert_no_leak(&bench->env);
    free(bench);
    return 0;
}

static void
wait_for(struct bench *bench, const unsigned *number, unsigned at_least)
{
    pthread_mutex_lock(&bench->lock);
    while (*number < at_least) {
        pthread_cond_wait(&bench->changed, &bench->lock);
    }
    pthread_mutex_unlock(&bench->lock);
}

static void
let_go(struct bench *bench)
{
    pthread_mutex_lock(&bench->lock);
    bench->may_go = true;
    pthread_cond_broadcast(&bench->changed);
    pthread_mutex_unlock(&bench->lock);
}

static void
submit(struct bench *bench, struct step_job *step, enum wi_io_lane lane)
{
    step->bench = bench;
    step->job.run = run;
    step->job.done = done;
    wi_io_pool_submit(bench->pool, lane, &step->job);
}

/* Every normal thread is stuck and more work waits: a renewal runs all the same. */
static void
runs_an_urgent_job_while_every_normal_thread_is_stuck(void **state)
{
    struct bench *bench = *state;
    struct step_job normal[WI_IO_NORMAL_THREADS + 2] = {{.runs = 0}};
    struct step_job urgent = {.runs = 0};

    for (size_t i = 0; i < WI_IO_NORMAL_THREADS + 2; i++) {
        normal[i].waits = true;
        submit(bench, &normal[i], WI_IO_NORMAL);
    }
    wait_for(bench, &bench->started, WI_IO_NORMAL_THREADS);
    submit(bench, &urgent, WI_IO_URGENT);
    wait_for(bench, &bench->notified, 1);
    wi_io_pool_collect(bench->pool);
    assert_int_equal(urgent.collected, 1);
    assert_false(urgent.job.busy);
    assert_int_equal(bench->started, WI_IO_NORMAL_THREADS + 1);
    assert_true(normal[0].job.busy);
    let_go(bench);
    wait_for(bench, &bench->notified, WI_IO_NORMAL_THREADS + 3);
    wi_io_pool_collect(bench->pool);
}

static void
collects_every_job_once(void **state)
{
    struct bench *bench = *state;
    struct step_job *jobs = calloc(JOBS, sizeof *jobs);

    for (unsigned round = 1; round <= 3; round++) {
        for (size_t i = 0; i < JOBS; i++) {
            submit(bench, &jobs[i], i % 5 == 0 ? WI_IO_URGENT : WI_IO_NORMAL);
            if (i % 7 == 0) {
                wi_io_pool_collect(bench->pool);
            }
        }
        wait_for(bench, &bench->notified, round * JOBS);
        wi_io_pool_collect(bench->pool);
        wi_io_pool_collect(bench->pool);
        for (size_t i = 0; i < JOBS; i++) {
            assert_int_equal(jobs[i].runs, round);
            assert_int_equal(jobs[i].collected, round);
            assert_false(jobs[i].job.busy);
        }
    }
    free(jobs);
}

struct releaser {
    pthread_t thread;
    struct bench *bench;
};

/* Opens the gate when the pool is being freed or about to be: both orders must end. */
static void *
release_main(void *argument)
{
    struct releaser *releaser = argument;

    let_go(releaser->bench);
    return NULL;
}

static void
frees_the_pool_with_jobs_that_wait_and_run(void **state)
{
    struct bench *bench = *state;
    struct step_job jobs[WI_IO_NORMAL_THREADS + 4] = {{.runs = 0}};
    struct releaser releaser = {.bench = bench};
    unsigned runs = 0;

    for (size_t i = 0; i < WI_IO_NORMAL_THREADS + 4; i++) {
        jobs[i].waits = true;
        submit(bench, &jobs[i], WI_IO_NORMAL);
    }
    wait_for(bench, &bench->started, WI_IO_NORMAL_THREADS);
    assert_int_equal(pthread_create(&releaser.thread, NULL, release_main, &releaser), 0);
    wi_io_pool_free(bench->pool);
    bench->pool = NULL;
    pthread_join(releaser.thread, NULL);
    for (size_t i = 0; i < WI_IO_NORMAL_THREADS + 4; i++) {
        runs += jobs[i].runs;
        assert_int_equal(jobs[i].collected, 0);
    }
    assert_in_range(runs, WI_IO_NORMAL_THREADS, WI_IO_NORMAL_THREADS + 4);
}

static void
frees_nothing_for_null(void **state)
{
    (void)state;
    wi_io_pool_free(NULL);
}

static void
new_survives_every_allocation_failure(void **state)
{
    struct test_env env;
    struct wi_io_pool *pool = NULL;
    enum weir_error error = WEIR_OK;

    (void)state;
    for (size_t n = 1;; n++) {
        test_env_init(&env);
        env.fail_at = n;
        error = wi_io_pool_new(&env.env, notify, NULL, &pool);
        if (!test_env_has_failed(&env)) {
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
        test_env_assert_no_leak(&env);
    }
    assert_int_equal(error, WEIR_OK);
    wi_io_pool_free(pool);
    test_env_assert_no_leak(&env);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            runs_an_urgent_job_while_every_normal_thread_is_stuck, setup, teardown),
        cmocka_unit_test_setup_teardown(collects_every_job_once, setup, teardown),
        cmocka_unit_test_setup_teardown(
            frees_the_pool_with_jobs_that_wait_and_run, setup, teardown),
        cmocka_unit_test(frees_nothing_for_null),
        cmocka_unit_test(new_survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
