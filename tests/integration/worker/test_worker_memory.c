/* Allocations that fail, in weir_worker_new() and at any time of a running worker. */
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/integration/worker/crew.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define RECORDS UINT64_C(20)
#define ROUNDS  UINT64_C(8)

/* Memory that is counted, and fails now and then from a seed; the rest of the world is real. */
struct scarce {
    struct weir_env env;
    atomic_size_t live;
    atomic_uint_least64_t random;
    atomic_uint one_in; /* 0: never fails */
    atomic_size_t failed;
};

static uint64_t
next_random(struct scarce *scarce)
{
    uint64_t x = atomic_fetch_add(&scarce->random, UINT64_C(0x9e3779b97f4a7c15));

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void *
resize_scarce(void *context, void *memory, size_t size)
{
    struct scarce *scarce = context;
    unsigned one_in = atomic_load(&scarce->one_in);
    void *ret;

    if (size == 0) {
        atomic_fetch_sub(&scarce->live, memory != NULL ? 1 : 0);
        free(memory);
        return NULL;
    }
    if (one_in > 0 && next_random(scarce) % one_in == 0) {
        atomic_fetch_add(&scarce->failed, 1);
        return NULL;
    }
    ret = realloc(memory, size);
    atomic_fetch_add(&scarce->live, memory == NULL && ret != NULL ? 1 : 0);
    return ret;
}

static void
scarce_init(struct scarce *scarce, const struct crew *crew, uint64_t seed)
{
    scarce->env = crew->env;
    scarce->env.allocator.context = scarce;
    scarce->env.allocator.resize = resize_scarce;
    atomic_store(&scarce->live, 0);
    atomic_store(&scarce->random, seed);
    atomic_store(&scarce->one_in, 0);
    atomic_store(&scarce->failed, 0);
}

static void
new_survives_every_allocation_failure(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct crew_journal journal = {.worker = 0};
    struct weir_processor processor = crew_processor(&journal);
    struct weir_worker *worker = NULL;
    struct test_env test;
    enum weir_error error;

    for (size_t n = 1;; n++) {
        struct weir_detail detail = {{0}};

        test_env_init(&test);
        test.fail_at = n;
        error = weir_worker_new(&test.env, &options, &processor, &worker, &detail);
        if (!test_env_has_failed(&test)) {
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
        assert_null(worker);
        assert_int_not_equal(detail.text[0], '\0');
        test_env_assert_no_leak(&test);
    }
    assert_int_equal(error, WEIR_OK);
    weir_worker_free(worker);
    test_env_assert_no_leak(&test);
}

static bool
enough_has_failed(struct crew *crew, void *context)
{
    struct scarce *scarce = context;

    return atomic_load(&scarce->failed) >= 2 || atomic_load(&crew->workers[0].has_ended);
}

/* One worker with scarce memory, one without: the first may not be able to start, and whatever it
 * does, nothing is lost and nothing leaks. */
static void
live_with_scarce_memory(struct crew *crew, uint64_t round, struct scarce *scarce)
{
    struct weir_worker_options options = crew_options(crew, "w0");
    struct weir_worker *worker = NULL;
    enum weir_error error;

    options.lease_duration_ms = 1000;
    options.drain_timeout_ms = 600000; /* what hangs, hangs for good */
    scarce_init(scarce, crew, round);
    crew_make(crew, 0, &scarce->env, &options, &worker);
    atomic_store(&scarce->one_in, round % 2 == 0 ? 10 : 4);
    crew_run(crew, 0, worker);
    for (uint64_t i = 0; i < 4; i++) {
        crew_put(crew, CREW_SHARD(i, 4), (4 * round + i) * RECORDS, RECORDS);
    }
    crew_wait(crew, enough_has_failed, scarce);
    if (round % 3 == 0) {
        atomic_store(&scarce->one_in, 0);
    } else if (round % 3 == 1) {
        weir_worker_stop(worker);
    } else {
        weir_worker_abort(worker);
    }
    crew_wait_processed(crew, 4 * round * RECORDS, 4 * RECORDS);
    error = crew_stop(crew, 0);
    assert_true(error == WEIR_OK || error == WEIR_ENOMEM || error == WEIR_ECANCELED);
    assert_int_equal(atomic_load(&scarce->live), 0);
}

static void
run_survives_allocation_failures_at_random(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w1");

    options.lease_duration_ms = 1000;
    crew_start(crew, 1, &options);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct scarce scarce;

        live_with_scarce_memory(crew, round, &scarce);
    }
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    crew_check_protocol(crew, false);
}

/* Alone: what it could not start for lack of memory it starts later. */
static void
starts_everything_once_there_is_memory(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct weir_worker *worker = NULL;
        struct scarce scarce;
        enum weir_error error;

        scarce_init(&scarce, crew, 1000 + round);
        crew_make(crew, 0, &scarce.env, &options, &worker);
        atomic_store(&scarce.one_in, 8);
        crew_run(crew, 0, worker);
        crew_wait(crew, enough_has_failed, &scarce);
        atomic_store(&scarce.one_in, 0);
        for (uint64_t i = 0; i < 4; i++) {
            crew_put(crew, CREW_SHARD(i, 4), (4 * round + i) * RECORDS, RECORDS);
        }
        if (!atomic_load(&crew->workers[0].has_ended)) {
            crew_wait_processed(crew, 0, 4 * (round + 1) * RECORDS);
        }
        error = crew_stop(crew, 0);
        assert_true(error == WEIR_OK || error == WEIR_ENOMEM);
        assert_int_equal(atomic_load(&scarce.live), 0);
    }
    crew_start(crew, 1, &options);
    crew_wait_processed(crew, 0, 4 * ROUNDS * RECORDS);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    crew_check_protocol(crew, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            new_survives_every_allocation_failure, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            run_survives_allocation_failures_at_random, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            starts_everything_once_there_is_memory, crew_setup_4, crew_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
