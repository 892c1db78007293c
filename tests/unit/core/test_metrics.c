/* Counters that several threads add to. */
#include <pthread.h>
#include <stdint.h>

#include "core/metrics.h"
#include "tests/support/weir_test.h"

#define THREADS 4
#define ROUNDS  10000

static void *
add_many(void *counter)
{
    for (int i = 0; i < ROUNDS; i++) {
        wi_counter_add(counter, 3);
    }
    return NULL;
}

static void
loses_no_addition_of_any_thread(void **state)
{
    struct wi_counter counter = {0};
    pthread_t threads[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &counter), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(wi_counter_read(&counter) == UINT64_C(3) * ROUNDS * THREADS);
}

static void
can_be_set_like_a_gauge(void **state)
{
    struct wi_counter counter = {0};
    (void)state;
    assert_true(wi_counter_read(&counter) == 0);
    wi_counter_set(&counter, UINT64_MAX);
    assert_true(wi_counter_read(&counter) == UINT64_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loses_no_addition_of_any_thread),
        cmocka_unit_test(can_be_set_like_a_gauge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
