#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/mono.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "worker/processor_pool.h"

#define MS          1000000
#define RUNNABLES   20U
#define ROUNDS      300U
#define THREADS_MAX 5U

struct bench;

/* A runnable whose runs are scripted. */
struct actor {
    struct wi_runnable runnable;
    struct bench *bench;
    enum wi_run_result answer;
    struct weir_mono wake_at;
    bool holds; /* a run does not end before the bench lets it */
    unsigned runs;
    unsigned inside; /* threads in run() now */
    unsigned order;  /* number of its last run among all */
};

struct bench {
    struct test_env env;
    struct wi_processor_pool *pool;
    pthread_mutex_t lock; /* guards what follows, and the actors */
    pthread_cond_t changed;
    bool may_go;
    unsigned runs;
    unsigned inside;
    unsigned notified;
    bool overlapped; /* two threads were in one runnable */
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

static enum wi_run_result
run(struct wi_runnable *runnable, struct weir_batch *batch, struct weir_mono *ret_wake_at)
{
    struct actor *actor = (struct actor *)runnable;
    struct bench *bench = actor->bench;
    enum wi_run_result answer;

    assert_non_null(batch);
    pthread_mutex_lock(&bench->lock);
    actor->runs++;
    actor->order = ++bench->runs;
    actor->inside++;
    bench->inside++;
    bench->overlapped = bench->overlapped || actor->inside > 1;
    pthread_cond_broadcast(&bench->changed);
    while (actor->holds && !bench->may_go) {
        pthread_cond_wait(&bench->changed, &bench->lock);
    }
    answer = actor->answer;
    *ret_wake_at = actor->wake_at;
    pthread_mutex_unlock(&bench->lock);
    sched_yield(); /* a second thread that comes in finds the lock free */
    pthread_mutex_lock(&bench->lock);
    actor->inside--;
    bench->inside--;
    pthread_mutex_unlock(&bench->lock);
    return answer;
}

static void
open_pool(struct bench *bench, size_t threads_max)
{
    const struct wi_processor_pool_settings settings = {
        .threads_max = threads_max, .run = run, .notify = notify, .context = bench};

    assert_int_equal(wi_processor_pool_new(&bench->env.env, &settings, &bench->pool), WEIR_OK);
}

static int
setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);

    test_env_init(&bench->env);
    pthread_mutex_init(&bench->lock, NULL);
    pthread_cond_init(&bench->changed, NULL);
    *state = bench;
    return 0;
}

static int
teardown(void **state)
{
    struct bench *bench = *state;

    wi_processor_pool_free(bench->pool);
    test_env_assert_no_leak(&bench->env);
    free(bench);
    return 0;
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
wait_for(struct bench *bench, const unsigned *number, unsigned at_least)
{
    pthread_mutex_lock(&bench->lock);
    while (*number < at_least) {
        pthread_cond_wait(&bench->changed, &bench->lock);
    }
    pthread_mutex_unlock(&bench->lock);
}

static unsigned
read_number(struct bench *bench, const unsigned *number)
{
    unsigned value;

    pthread_mutex_lock(&bench->lock);
    value = *number;
    pthread_mutex_unlock(&bench->lock);
    return value;
}

static void
answer_from_now_on(struct actor *actor, enum wi_run_result answer)
{
    pthread_mutex_lock(&actor->bench->lock);
    actor->answer = answer;
    pthread_mutex_unlock(&actor->bench->lock);
}

static void
add(struct bench *bench, struct actor *actor, enum wi_run_result answer)
{
    actor->bench = bench;
    actor->answer = answer;
    actor->wake_at = actor->wake_at.ns == 0 ? WI_MONO_NEVER : actor->wake_at;
    assert_int_equal(wi_processor_pool_add(bench->pool, &actor->runnable), WEIR_OK);
}

/* The loop's part, as the time goes by. */
static struct weir_mono
tick_after_ms(struct bench *bench, int64_t ms)
{
    test_env_advance_ms(&bench->env, ms);
    return wi_processor_pool_tick(
        bench->pool, bench->env.env.clock.mono(bench->env.env.clock.context));
}

static void
end(struct bench *bench, struct actor *actor)
{
    answer_from_now_on(actor, WI_RUN_FINISH);
    while (!wi_processor_pool_is_done(bench->pool, &actor->runnable)) {
        wi_processor_pool_ready(bench->pool, &actor->runnable);
    }
    wi_processor_pool_remove(bench->pool, &actor->runnable);
}

/* --- one thread for one runnable --- */

struct pusher {
    pthread_t thread;
    struct bench *bench;
    struct actor *actors;
};

static bool
every_second(struct wi_runnable *runnable, void *context)
{
    unsigned *calls = context;

    (void)runnable;
    return ++*calls % 2 == 0;
}

static void *
push_main(void *argument)
{
    struct pusher *pusher = argument;
    unsigned calls = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        wi_processor_pool_ready(pusher->bench->pool, &pusher->actors[i % RUNNABLES].runnable);
        if (i % 16 == 0) {
            wi_processor_pool_each(pusher->bench->pool, every_second, &calls);
        }
    }
    return NULL;
}

static void
never_runs_one_runnable_on_two_threads(void **state)
{
    struct bench *bench = *state;
    struct actor actors[RUNNABLES] = {{.runs = 0}};
    struct pusher pushers[3];

    open_pool(bench, THREADS_MAX);
    for (size_t i = 0; i < RUNNABLES; i++) {
        add(bench, &actors[i], WI_RUN_PARK);
    }
    for (size_t i = 0; i < 3; i++) {
        pushers[i] = (struct pusher){.bench = bench, .actors = actors};
        assert_int_equal(pthread_create(&pushers[i].thread, NULL, push_main, &pushers[i]), 0);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        (void)tick_after_ms(bench, 1);
    }
    for (size_t i = 0; i < 3; i++) {
        pthread_join(pushers[i].thread, NULL);
    }
    for (size_t i = 0; i < RUNNABLES; i++) {
        wait_for(bench, &actors[i].runs, 1);
        wi_processor_pool_ready(bench->pool, &actors[i].runnable);
        wait_for(bench, &actors[i].runs, 2);
        end(bench, &actors[i]);
    }
    assert_false(bench->overlapped);
}

static void
runs_again_what_was_made_ready_while_it_ran(void **state)
{
    struct bench *bench = *state;
    struct actor actor = {.holds = true};

    open_pool(bench, 1);
    add(bench, &actor, WI_RUN_PARK);
    wait_for(bench, &actor.runs, 1);
    wi_processor_pool_ready(bench->pool, &actor.runnable);
    wi_processor_pool_ready(bench->pool, &actor.runnable);
    let_go(bench);
    wait_for(bench, &actor.runs, 2);
    end(bench, &actor);
    assert_true(actor.runs >= 3);
}

/* --- the queue --- */

/* One thread: the first yields for ever, the second gets its turn; then both take turns. */
static void
puts_what_yields_at_the_end_of_the_queue(void **state)
{
    struct bench *bench = *state;
    struct actor blocker = {.holds = true};
    struct actor first = {.runs = 0};
    struct actor second = {.runs = 0};

    open_pool(bench, 1);
    add(bench, &blocker, WI_RUN_PARK);
    wait_for(bench, &blocker.runs, 1);
    add(bench, &first, WI_RUN_YIELD);
    add(bench, &second, WI_RUN_PARK);
    assert_true(wi_processor_pool_is_crowded(bench->pool));
    let_go(bench);
    wait_for(bench, &first.runs, 2);
    assert_int_equal(read_number(bench, &second.order), 3);
    end(bench, &blocker);
    end(bench, &first);
    end(bench, &second);
    assert_false(wi_processor_pool_is_crowded(bench->pool));
}

/* --- threads --- */

/* DESIGN G7: hung processors cost their own threads, up to the bound. */
static void
grows_while_all_threads_are_busy_and_stops_at_the_bound(void **state)
{
    struct bench *bench = *state;
    struct actor actors[THREADS_MAX + 3] = {{.runs = 0}};

    open_pool(bench, THREADS_MAX);
    for (size_t i = 0; i < THREADS_MAX + 3; i++) {
        actors[i].holds = true;
        add(bench, &actors[i], WI_RUN_PARK);
    }
    for (unsigned inside = 2; inside < THREADS_MAX; inside++) {
        wait_for(bench, &bench->inside, inside);
        (void)tick_after_ms(bench, 100);
    }
    wait_for(bench, &bench->inside, THREADS_MAX);
    assert_true(tick_after_ms(bench, 100).ns == WI_MONO_NEVER.ns);
    assert_int_equal(read_number(bench, &bench->inside), THREADS_MAX);
    let_go(bench);
    wait_for(bench, &bench->runs, THREADS_MAX + 3);
    for (size_t i = 0; i < THREADS_MAX + 3; i++) {
        end(bench, &actors[i]);
    }
}

/* Work that has hardly waited starts no thread: the tick says when to look again. */
static void
asks_for_a_tick_before_it_grows(void **state)
{
    struct bench *bench = *state;
    struct actor actors[3] = {{.holds = true}, {.holds = true}, {.holds = true}};
    struct weir_mono again;

    open_pool(bench, 3);
    for (size_t i = 0; i < 3; i++) {
        add(bench, &actors[i], WI_RUN_PARK);
    }
    wait_for(bench, &bench->inside, 2);
    again = tick_after_ms(bench, 1);
    assert_int_equal(again.ns - bench->env.mono.ns, 4 * MS);
    assert_int_equal(read_number(bench, &bench->inside), 2);
    (void)tick_after_ms(bench, 4);
    wait_for(bench, &bench->inside, 3);
    let_go(bench);
    for (size_t i = 0; i < 3; i++) {
        end(bench, &actors[i]);
    }
}

static bool
count_parked(struct wi_runnable *runnable, void *context)
{
    size_t *count = context;

    *count += runnable->state == WI_RUN_PARKED;
    return false;
}

static bool
every_one(struct wi_runnable *runnable, void *context)
{
    (void)runnable;
    (void)context;
    return true;
}

/* All of it comes while the threads still count as idle, and is more than they can take. */
static void
asks_for_a_tick_when_work_is_left_that_was_offered_to_idle_threads(void **state)
{
    struct bench *bench = *state;
    struct actor actors[3] = {{.runs = 0}};
    size_t parked = 0;
    unsigned notified;

    open_pool(bench, 3);
    for (size_t i = 0; i < 3; i++) {
        add(bench, &actors[i], WI_RUN_PARK);
    }
    while (parked < 3) {
        parked = 0;
        wi_processor_pool_each(bench->pool, count_parked, &parked);
    }
    pthread_mutex_lock(&bench->lock);
    notified = bench->notified;
    for (size_t i = 0; i < 3; i++) {
        actors[i].holds = true;
    }
    pthread_mutex_unlock(&bench->lock);
    wi_processor_pool_each(bench->pool, every_one, NULL);
    wait_for(bench, &bench->inside, 2);
    wait_for(bench, &bench->notified, notified + 1);
    (void)tick_after_ms(bench, 5);
    wait_for(bench, &bench->inside, 3);
    let_go(bench);
    for (size_t i = 0; i < 3; i++) {
        end(bench, &actors[i]);
    }
}

/* --- timers --- */

static void
runs_what_is_parked_when_its_time_has_come(void **state)
{
    struct bench *bench = *state;
    struct actor early = {.runs = 0};
    struct actor late = {.runs = 0};
    unsigned notified;

    open_pool(bench, 2);
    early.wake_at = wi_mono_add_ms(bench->env.mono, 10);
    late.wake_at = wi_mono_add_ms(bench->env.mono, 20);
    add(bench, &late, WI_RUN_PARK);
    wait_for(bench, &bench->notified, 1);
    notified = read_number(bench, &bench->notified);
    add(bench, &early, WI_RUN_PARK);
    wait_for(bench, &bench->notified, notified + 1);
    assert_int_equal(tick_after_ms(bench, 9).ns, early.wake_at.ns);
    assert_int_equal(read_number(bench, &bench->runs), 2);
    pthread_mutex_lock(&bench->lock);
    early.wake_at = WI_MONO_NEVER;
    pthread_mutex_unlock(&bench->lock);
    assert_int_equal(tick_after_ms(bench, 1).ns, late.wake_at.ns);
    wait_for(bench, &early.runs, 2);
    assert_int_equal(read_number(bench, &late.runs), 1);
    (void)tick_after_ms(bench, 10);
    wait_for(bench, &late.runs, 2);
    end(bench, &early);
    end(bench, &late);
}

/* --- the end --- */

static void
tells_the_loop_of_what_is_done_and_never_runs_it_again(void **state)
{
    struct bench *bench = *state;
    struct actor actor = {.runs = 0};

    open_pool(bench, 2);
    add(bench, &actor, WI_RUN_FINISH);
    wait_for(bench, &bench->notified, 1);
    while (!wi_processor_pool_is_done(bench->pool, &actor.runnable)) {
        (void)tick_after_ms(bench, 0);
    }
    wi_processor_pool_ready(bench->pool, &actor.runnable);
    wi_processor_pool_remove(bench->pool, &actor.runnable);
    (void)tick_after_ms(bench, 1000);
    assert_int_equal(read_number(bench, &actor.runs), 1);
}

static void *
let_go_main(void *argument)
{
    let_go(argument);
    return NULL;
}

static void
frees_the_pool_while_a_callback_runs(void **state)
{
    struct bench *bench = *state;
    struct actor running = {.holds = true};
    struct actor waiting = {.holds = true};
    pthread_t thread;

    open_pool(bench, 1);
    add(bench, &running, WI_RUN_PARK);
    wait_for(bench, &running.runs, 1);
    add(bench, &waiting, WI_RUN_PARK);
    assert_int_equal(pthread_create(&thread, NULL, let_go_main, bench), 0);
    wi_processor_pool_free(bench->pool);
    bench->pool = NULL;
    pthread_join(thread, NULL);
    assert_int_equal(running.inside, 0);
    assert_int_equal(running.runs, 1);
}

static void
frees_a_pool_that_idles_or_never_ran(void **state)
{
    struct bench *bench = *state;
    struct actor actor = {.runs = 0};

    open_pool(bench, 2);
    wi_processor_pool_free(bench->pool);
    open_pool(bench, 2);
    add(bench, &actor, WI_RUN_PARK);
    wait_for(bench, &actor.runs, 1);
    wi_processor_pool_free(bench->pool);
    bench->pool = NULL;
    wi_processor_pool_free(NULL);
}

/* Pool, list of runnables and batch of the thread: without one of them nothing hangs or is lost. */
static void
survives_every_allocation_failure(void **state)
{
    struct bench *bench = *state;
    const struct wi_processor_pool_settings settings = {
        .threads_max = 1, .run = run, .notify = notify, .context = bench};
    enum weir_error error = WEIR_ENOMEM;

    for (size_t n = 1; error != WEIR_OK; n++) {
        struct actor actor = {.bench = bench, .wake_at = WI_MONO_NEVER};

        test_env_init(&bench->env);
        bench->env.fail_at = n;
        error = wi_processor_pool_new(&bench->env.env, &settings, &bench->pool);
        if (error == WEIR_OK) {
            error = wi_processor_pool_add(bench->pool, &actor.runnable);
        }
        while (error == WEIR_OK && read_number(bench, &actor.runs) == 0) {
            (void)tick_after_ms(bench, 10);
        }
        wi_processor_pool_free(error == WEIR_ENOMEM && n == 1 ? NULL : bench->pool);
        bench->pool = NULL;
        test_env_assert_no_leak(&bench->env);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(never_runs_one_runnable_on_two_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(
            runs_again_what_was_made_ready_while_it_ran, setup, teardown),
        cmocka_unit_test_setup_teardown(puts_what_yields_at_the_end_of_the_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(
            grows_while_all_threads_are_busy_and_stops_at_the_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(asks_for_a_tick_before_it_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(
            asks_for_a_tick_when_work_is_left_that_was_offered_to_idle_threads, setup, teardown),
        cmocka_unit_test_setup_teardown(
            runs_what_is_parked_when_its_time_has_come, setup, teardown),
        cmocka_unit_test_setup_teardown(
            tells_the_loop_of_what_is_done_and_never_runs_it_again, setup, teardown),
        cmocka_unit_test_setup_teardown(frees_the_pool_while_a_callback_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(frees_a_pool_that_idles_or_never_ran, setup, teardown),
        cmocka_unit_test_setup_teardown(survives_every_allocation_failure, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
