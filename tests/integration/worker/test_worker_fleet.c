/* What workers of one application agree on, and random hand-overs among them. */
#include <stdio.h>
#include <string.h>

#include "tests/integration/worker/crew.h"
#include "tests/support/weir_test.h"

#define RECORDS UINT64_C(10)
#define MOVES   40U

/* --- one lease duration for all --- */

static int64_t
agreed_duration_ms(struct crew *crew)
{
    struct weir_app_description description = {.leader = ""};
    int64_t duration_ms;

    assert_int_equal(
        weir_app_describe(&crew->env, crew->dir.path, "crew", &description, NULL), WEIR_OK);
    duration_ms = description.lease_duration_ms;
    weir_app_description_free(&crew->env, &description);
    return duration_ms;
}

static bool
some_leases_have_passed(struct crew *crew, void *context)
{
    const int64_t *since_ns = context;

    (void)crew;
    return crew_now_ns() - *since_ns > INT64_C(1500) * 1000000;
}

static void
expect_no_lease_lost(struct crew *crew)
{
    int64_t since_ns = crew_now_ns();

    crew_wait(crew, some_leases_have_passed, &since_ns);
    assert_int_equal(crew_count(crew, CREW_LEASE_LOST, CREW_ANY, CREW_ANY), 0);
    assert_int_equal(crew_count(crew, CREW_INITIALIZE, CREW_ANY, CREW_ANY), 6);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    crew_check_protocol(crew, true);
}

static void
adopts_the_lease_duration_of_the_fleet(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    options.lease_duration_ms = 3000;
    crew_start(crew, 0, &options);
    crew_wait_balanced(crew, 1);
    crew_wait_count(crew, CREW_INITIALIZE, 0, CREW_ANY, 4);
    options.worker_id = "w1";
    options.lease_duration_ms = 400;
    crew_start(crew, 1, &options);
    crew_wait_balanced(crew, 2);
    crew_wait_count(crew, CREW_INITIALIZE, 1, CREW_ANY, 2);
    assert_int_equal(agreed_duration_ms(crew), 3000);
    expect_no_lease_lost(crew);
}

/* The second is made while nobody runs, so its wish counts; the first must hear of it before it
 * leads, or it takes the slow heartbeat of the second for silence. */
static void
adopts_a_lease_duration_that_was_agreed_after_it_was_made(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct weir_worker *workers[2] = {NULL, NULL};

    options.lease_duration_ms = 400;
    crew_make(crew, 0, &crew->env, &options, &workers[0]);
    options.worker_id = "w1";
    options.lease_duration_ms = 3000;
    crew_make(crew, 1, &crew->env, &options, &workers[1]);
    crew_run(crew, 0, workers[0]);
    crew_wait_balanced(crew, 1);
    crew_wait_count(crew, CREW_INITIALIZE, 0, CREW_ANY, 4);
    crew_run(crew, 1, workers[1]);
    crew_wait_balanced(crew, 2);
    crew_wait_count(crew, CREW_INITIALIZE, 1, CREW_ANY, 2);
    assert_int_equal(agreed_duration_ms(crew), 3000);
    expect_no_lease_lost(crew);
}

static void
refuses_an_application_that_reads_another_stream(void **state)
{
    struct crew *crew = *state;
    struct weir_stream_create_options create = WEIR_STREAM_CREATE_OPTIONS_INIT;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct crew_journal journal = {.worker = 0};
    struct weir_processor processor = crew_processor(&journal);
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {{0}};

    crew_start(crew, 0, &options);
    crew_wait_balanced(crew, 1);
    assert_int_equal(
        weir_stream_create(&crew->env, crew->dir.path, "other", &create, NULL), WEIR_OK);
    options.stream = "other";
    assert_int_equal(
        weir_worker_new(&crew->env, &options, &processor, &worker, &detail), WEIR_ECONFLICT);
    assert_non_null(strstr(detail.text, "another stream"));
    options.stream = "missing";
    assert_int_equal(
        weir_worker_new(&crew->env, &options, &processor, &worker, &detail), WEIR_ENOTFOUND);
    options.stream = "s";
    options.lease_duration_ms = 1;
    assert_int_equal(
        weir_worker_new(&crew->env, &options, &processor, &worker, &detail), WEIR_EINVAL);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
}

/* --- bounds --- */

static bool
three_are_unowned(struct crew *crew, void *context)
{
    size_t unowned = 0;

    (void)context;
    for (uint32_t i = 0; i < 4; i++) {
        unowned += crew_shard(crew, i).state == WEIR_SHARD_UNASSIGNED ? 1 : 0;
    }
    return unowned == 3;
}

static void
takes_no_more_leases_than_it_may(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");

    options.leases_max = 1;
    crew_start(crew, 0, &options);
    crew_wait_count(crew, CREW_INITIALIZE, 0, CREW_ANY, 1);
    crew_wait(crew, three_are_unowned, NULL);
    options.worker_id = "w1";
    options.leases_max = 0;
    crew_start(crew, 1, &options);
    crew_wait_count(crew, CREW_INITIALIZE, 1, CREW_ANY, 3);
    assert_int_equal(crew_stop(crew, 0), WEIR_OK);
    assert_int_equal(crew_stop(crew, 1), WEIR_OK);
    crew_check_protocol(crew, true);
}

/* --- random lives --- */

struct dice {
    uint64_t state;
};

static uint64_t
roll(struct dice *dice, uint64_t sides)
{
    dice->state = dice->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (dice->state >> 33) % sides;
}

static void
move_at_random(struct crew *crew, struct dice *dice)
{
    char shard_id[WEIR_NAME_SIZE];
    char worker_id[8];
    struct weir_str shard = {shard_id, 20};
    enum weir_error error;

    (void)snprintf(shard_id, sizeof shard_id, "shardId-%012u", (unsigned)roll(dice, 4));
    (void)snprintf(worker_id, sizeof worker_id, "w%u", (unsigned)roll(dice, 3));
    error = weir_app_move(&crew->env, crew->dir.path, "crew", shard, worker_id, NULL);

    /* A worker that has just left, or a shard that nobody has, is refused. */
    assert_true(
        error == WEIR_OK || error == WEIR_ESTATE || error == WEIR_ENOTFOUND ||
        error == WEIR_ECONFLICT);
}

static void
restart_at_random(struct crew *crew, struct dice *dice, struct weir_worker_options *options)
{
    uint32_t i = (uint32_t)roll(dice, 3);
    char worker_id[8];

    (void)snprintf(worker_id, sizeof worker_id, "w%u", i);
    options->worker_id = worker_id;
    if (crew->workers[i].is_running) {
        assert_int_equal(crew_stop(crew, i), WEIR_OK);
    } else {
        crew_start(crew, i, options);
    }
}

/* I13 and G5: whatever moves and leaves in order, the callbacks come in order and every record
 * comes once. */
static void
keeps_the_callback_protocol_over_random_handovers(void **state)
{
    struct crew *crew = *state;
    struct weir_worker_options options = crew_options(crew, "w0");
    struct dice dice = {.state = 42};
    uint64_t put = 0;

    for (unsigned i = 0; i < MOVES; i++) {
        crew_put(crew, CREW_SHARD(roll(&dice, 4), 4), put, RECORDS);
        put += RECORDS;
        if (roll(&dice, 3) == 0) {
            restart_at_random(crew, &dice, &options);
        } else {
            move_at_random(crew, &dice);
        }
    }
    options.worker_id = "w5";
    crew_start(crew, 5, &options);
    crew_wait_processed(crew, 0, put);
    for (uint32_t i = 0; i < CREW_WORKERS; i++) {
        if (crew->workers[i].is_running) {
            assert_int_equal(crew_stop(crew, i), WEIR_OK);
        }
    }
    for (uint64_t value = 0; value < put; value++) {
        assert_int_equal(crew_deliveries(crew, value), 1);
    }
    assert_int_equal(crew_count(crew, CREW_LEASE_LOST, CREW_ANY, CREW_ANY), 0);
    crew_check_protocol(crew, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            adopts_the_lease_duration_of_the_fleet, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            adopts_a_lease_duration_that_was_agreed_after_it_was_made, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            refuses_an_application_that_reads_another_stream, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            takes_no_more_leases_than_it_may, crew_setup_4, crew_teardown),
        cmocka_unit_test_setup_teardown(
            keeps_the_callback_protocol_over_random_handovers, crew_setup_4, crew_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
