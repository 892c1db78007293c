/* An environment for tests: memory that is counted and can fail, time that is a number, seeded
 * randomness, and a log that is kept instead of printed. Hand `&test_env.env` to the code under
 * test. Copy a clock of weir_env_default() into `env.clock` where a test needs real time. */
#ifndef WI_TESTS_SUPPORT_TEST_ENV_H
#define WI_TESTS_SUPPORT_TEST_ENV_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>

#define TEST_ENV_START_MONO_NS 1000000000000 /* 1,000 s after boot */
#define TEST_ENV_START_WALL_MS 1700000000000 /* 2023-11-14T22:13:20Z */
#define TEST_ENV_SEED          0x77656972    /* what the rng starts from */

/* Set the members directly while no other thread uses the environment. */
struct test_env {
    struct weir_env env;

    size_t fail_at;     /* the allocation that fails, counted from 1; 0: none */
    size_t allocations; /* allocations asked for so far, growing included */
    size_t live;        /* blocks that were not freed yet */

    struct weir_mono mono; /* what the clocks say */
    struct weir_wall wall;
    uint64_t rng_state; /* set it to start another sequence */

    size_t log_lines;                   /* lines logged so far */
    enum weir_log_level last_log_level; /* of the last line */
    char last_log[512];                 /* the last line, "component: message" */

    pthread_mutex_t mutex; /* guards everything above except env while threads run */
};

/* Start anew: nothing fails, nothing is counted, time at its start. */
void test_env_init(struct test_env *test);

/* Let time pass on both clocks. */
void test_env_advance_ms(struct test_env *test, int64_t ms);

/* True once the allocation number `fail_at` was asked for, and refused. The usual loop:
 *
 *     for (size_t n = 1;; n++) {
 *         test_env_init(&test);
 *         test.fail_at = n;
 *         error = thing_new(&test.env, &thing);
 *         if (!test_env_has_failed(&test)) {
 *             break;
 *         }
 *         assert_int_equal(error, WEIR_ENOMEM);
 *         assert_int_equal(test.live, 0);
 *     }
 *     assert_int_equal(error, WEIR_OK);
 */
bool test_env_has_failed(struct test_env *test);

/* Fail the running test unless every block was freed. */
void test_env_assert_no_leak(struct test_env *test);

#endif
