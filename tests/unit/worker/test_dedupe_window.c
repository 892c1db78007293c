/* docs/dedupe.md 2. */
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <weir/dedupe.h>

#include "tests/support/test_dir.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

struct fixture {
    struct test_dir dir;
    struct test_env test;
    struct weir_window *window;
};

static void
given_window(struct fixture *fixture, uint64_t ids_max, int64_t age_max_ms)
{
    struct weir_window_options options = WEIR_WINDOW_OPTIONS_INIT;
    options.ids_max = ids_max;
    options.age_max_ms = age_max_ms;
    weir_window_close(fixture->window);
    fixture->window = NULL;
    assert_int_equal(
        weir_window_open(&fixture->test.env, fixture->dir.path, &options, &fixture->window, NULL),
        WEIR_OK);
}

static int
setup(void **state)
{
    struct fixture *fixture = test_calloc(1, sizeof *fixture);
    test_dir_make(&fixture->dir);
    test_env_init(&fixture->test);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;
    weir_window_close(fixture->window);
    test_env_assert_no_leak(&fixture->test);
    test_dir_remove(&fixture->dir);
    test_free(fixture);
    return 0;
}

static bool
was_seen(struct fixture *fixture, const char *id)
{
    struct weir_bytes bytes = {id, strlen(id)};
    bool seen = false;
    assert_int_equal(weir_window_add(fixture->window, &bytes, 1, &seen), WEIR_OK);
    return seen;
}

static bool
was_seen_number(struct fixture *fixture, unsigned number)
{
    char id[16];
    (void)snprintf(id, sizeof id, "id%u", number);
    return was_seen(fixture, id);
}

static struct weir_window_metrics
metrics_of(struct fixture *fixture)
{
    struct weir_window_metrics metrics;
    weir_window_metrics_get(fixture->window, &metrics);
    return metrics;
}

static void
remembers_ids_also_after_a_restart(void **state)
{
    struct fixture *fixture = *state;
    given_window(fixture, 100, 1000);
    assert_false(was_seen(fixture, "a"));
    assert_true(was_seen(fixture, "a"));

    given_window(fixture, 100, 1000);

    assert_true(was_seen(fixture, "a"));
    assert_false(was_seen(fixture, "b"));
}

static void
sees_a_duplicate_within_one_call(void **state)
{
    struct fixture *fixture = *state;
    struct weir_bytes ids[] = {{"a", 1}, {"b", 1}, {"a", 1}};
    bool seen[3];
    given_window(fixture, 100, 1000);

    assert_int_equal(weir_window_add(fixture->window, ids, 3, seen), WEIR_OK);

    assert_false(seen[0]);
    assert_false(seen[1]);
    assert_true(seen[2]);
    assert_true(metrics_of(fixture).seen == 3);
    assert_true(metrics_of(fixture).dropped == 1);
    assert_true(metrics_of(fixture).size == 2);
}

static void
forgets_the_oldest_beyond_ids_max_and_counts_it(void **state)
{
    struct fixture *fixture = *state;
    given_window(fixture, 10, 1000);
    for (unsigned i = 0; i < 15; i++) {
        assert_false(was_seen_number(fixture, i));
    }

    assert_true(metrics_of(fixture).size == 10);
    assert_true(metrics_of(fixture).overflow == 5);
    assert_true(was_seen_number(fixture, 5));
    assert_false(was_seen_number(fixture, 4));
}

static void
forgets_by_age(void **state)
{
    struct fixture *fixture = *state;
    given_window(fixture, 100, 1000);
    assert_false(was_seen(fixture, "a"));
    test_env_advance_ms(&fixture->test, 1000);
    assert_true(was_seen(fixture, "a"));
    test_env_advance_ms(&fixture->test, 1);

    assert_false(was_seen(fixture, "a"));
    assert_true(was_seen(fixture, "a"));
    assert_true(metrics_of(fixture).size == 1);
    assert_true(metrics_of(fixture).overflow == 0);
}

static void
keeps_ids_of_the_future_after_the_clock_was_set_back(void **state)
{
    struct fixture *fixture = *state;
    given_window(fixture, 100, 1000);
    assert_false(was_seen(fixture, "a"));

    fixture->test.wall.ms -= 1000000;

    assert_true(was_seen(fixture, "a"));
}

/* What one call forgets is bounded, so a window that was made smaller shrinks over several calls.
 */
static void
shrinks_step_by_step_when_opened_smaller(void **state)
{
    struct fixture *fixture = *state;
    given_window(fixture, 200, 1000);
    for (unsigned i = 0; i < 200; i++) {
        assert_false(was_seen_number(fixture, i));
    }
    given_window(fixture, 20, 1000);

    assert_false(was_seen(fixture, "x"));
    assert_true(metrics_of(fixture).size == 201 - 18);
    for (unsigned i = 0; i < 12; i++) {
        (void)was_seen(fixture, "x");
    }
    assert_true(metrics_of(fixture).size == 20);
}

static void
refuses_ids_and_options_out_of_range(void **state)
{
    struct fixture *fixture = *state;
    struct weir_window_options options = WEIR_WINDOW_OPTIONS_INIT;
    struct weir_window *window = NULL;
    char long_id[257] = {0};
    struct weir_bytes id = {long_id, 256};
    bool seen = false;
    given_window(fixture, 100, 1000);

    assert_int_equal(weir_window_add(fixture->window, &id, 1, &seen), WEIR_OK);
    id.length = 257;
    assert_int_equal(weir_window_add(fixture->window, &id, 1, &seen), WEIR_EINVAL);
    id.length = 0;
    assert_int_equal(weir_window_add(fixture->window, &id, 1, &seen), WEIR_EINVAL);
    assert_int_equal(weir_window_add(fixture->window, &id, 0, &seen), WEIR_EINVAL);
    options.ids_max = 0;
    assert_int_equal(
        weir_window_open(&fixture->test.env, fixture->dir.path, &options, &window, NULL),
        WEIR_EINVAL);
    options = (struct weir_window_options)WEIR_WINDOW_OPTIONS_INIT;
    options.age_max_ms = 0;
    assert_int_equal(
        weir_window_open(&fixture->test.env, fixture->dir.path, &options, &window, NULL),
        WEIR_EINVAL);
    assert_int_equal(weir_window_open(&fixture->test.env, "", NULL, &window, NULL), WEIR_EINVAL);
}

#define RACERS   8
#define RACE_IDS 50

struct race {
    struct weir_window *window;
    unsigned news[RACE_IDS]; /* of this racer */
    enum weir_error error;
};

static void *
add_all(void *context)
{
    struct race *race = context;
    for (unsigned i = 0; i < RACE_IDS && race->error == WEIR_OK; i++) {
        struct weir_bytes id = {&i, sizeof i};
        bool seen = true;
        race->error = weir_window_add(race->window, &id, 1, &seen);
        race->news[i] = seen ? 0 : 1;
    }
    return NULL;
}

static void
tells_exactly_one_of_many_threads_that_an_id_is_new(void **state)
{
    struct fixture *fixture = *state;
    struct race races[RACERS] = {{.window = NULL}};
    pthread_t threads[RACERS];
    given_window(fixture, 1000, 1000);

    for (size_t i = 0; i < RACERS; i++) {
        races[i].window = fixture->window;
        assert_int_equal(pthread_create(&threads[i], NULL, add_all, &races[i]), 0);
    }
    for (size_t i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(races[i].error, WEIR_OK);
    }
    for (size_t id = 0; id < RACE_IDS; id++) {
        unsigned news = 0;
        for (size_t i = 0; i < RACERS; i++) {
            news += races[i].news[id];
        }
        assert_int_equal(news, 1);
    }
}

/* Replace every row of a database by `length` bytes of nonsense, keys kept. */
static void
damage_database(const char *directory, const char *name, size_t length)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_dbi database = 0;
    MDB_val key;
    MDB_val value;
    unsigned char bytes[32] = {1, 2, 3};
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 32), 0);
    assert_int_equal(mdb_env_open(env, directory, MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, name, 0, &database), 0);
    assert_int_equal(mdb_cursor_open(txn, database, &cursor), 0);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
        value = (MDB_val){length, bytes};
        assert_int_equal(mdb_cursor_put(cursor, &key, &value, MDB_CURRENT), 0);
    }
    mdb_cursor_close(cursor);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void
returns_damaged_rows_as_errors(void **state)
{
    static const struct {
        const char *database;
        size_t length;
    } damages[] = {{"ids", 24}, {"ids", 3}, {"order", 32}, {"order", 1}};
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        struct fixture fixture = {.window = NULL};
        struct weir_bytes id = {"a", 1};
        bool seen = false;
        test_dir_make(&fixture.dir);
        test_env_init(&fixture.test);
        given_window(&fixture, 100, 1000);
        assert_false(was_seen(&fixture, "a"));
        weir_window_close(fixture.window);
        fixture.window = NULL;
        damage_database(fixture.dir.path, damages[i].database, damages[i].length);
        given_window(&fixture, 100, 1000);

        assert_int_equal(weir_window_add(fixture.window, &id, 1, &seen), WEIR_ECORRUPT);
        weir_window_close(fixture.window);
        test_dir_remove(&fixture.dir);
    }
}

static void
survives_every_allocation_failure(void **state)
{
    struct fixture *fixture = *state;
    enum weir_error error = WEIR_EINTERNAL;
    given_window(fixture, 100, 1000);
    weir_window_close(fixture->window);
    fixture->window = NULL;

    for (size_t n = 1; n < 1000; n++) {
        struct weir_bytes id = {&n, sizeof n};
        struct weir_window *window = NULL;
        bool seen = false;
        test_env_init(&fixture->test);
        fixture->test.fail_at = n;
        error = weir_window_open(&fixture->test.env, fixture->dir.path, NULL, &window, NULL);
        if (error == WEIR_OK) {
            error = weir_window_add(window, &id, 1, &seen);
        }
        weir_window_close(window);
        assert_int_equal(fixture->test.live, 0);
        if (!test_env_has_failed(&fixture->test)) {
            break;
        }
        assert_true(error == WEIR_ENOMEM || error == WEIR_OK);
    }
    assert_int_equal(error, WEIR_OK);
}

#define WINDOW_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WINDOW_TEST(remembers_ids_also_after_a_restart),
        WINDOW_TEST(sees_a_duplicate_within_one_call),
        WINDOW_TEST(forgets_the_oldest_beyond_ids_max_and_counts_it),
        WINDOW_TEST(forgets_by_age),
        WINDOW_TEST(keeps_ids_of_the_future_after_the_clock_was_set_back),
        WINDOW_TEST(shrinks_step_by_step_when_opened_smaller),
        WINDOW_TEST(refuses_ids_and_options_out_of_range),
        WINDOW_TEST(tells_exactly_one_of_many_threads_that_an_id_is_new),
        cmocka_unit_test(returns_damaged_rows_as_errors),
        WINDOW_TEST(survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
