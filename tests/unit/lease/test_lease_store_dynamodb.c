/* What the DynamoDB backend asks for, with canned answers. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "lease/lease_rules.h"
#include "lease/lease_store_dynamodb.h"
#include "lease/session_rules.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/lease/dynamodb_row_fixture.h"
#include "tests/unit/lease/dynamodb_store_fixture.h"

#define WALL_S    (TEST_ENV_START_WALL_MS / 1000)
#define LONG_D_MS INT64_C(300000)
#define ROW_SIZE  1024U

/* --- the agreed lease duration -------------------------------------------------------------- */

static const char *
state_row(const char *version)
{
    static char row[ROW_SIZE];

    (void)snprintf(
        row,
        sizeof row,
        "{\"leaseKey\":{\"S\":\"Migration3.0\"},\"entityType\":{\"S\":\"CLIENT_VERSION_MIGRATION\"}"
        ",\"cv\":{\"S\":\"%s\"},\"weirStream\":{\"S\":\"weir:orders\"},"
        "\"weirLeaseDurationMs\":{\"N\":\"300000\"},"
        "\"weirInitialPosition\":{\"S\":\"TRIM_HORIZON\"}}",
        version);
    return row;
}

static const char *
worker_row(int64_t age_s)
{
    static char row[ROW_SIZE];

    (void)snprintf(
        row,
        sizeof row,
        "{\"leaseKey\":{\"S\":\"weir-1\"},\"entityType\":{\"S\":\"WORKER_METRIC_STATS\"},"
        "\"weirHeartbeat\":{\"N\":\"5\"},\"lut\":{\"N\":\"%lld\"}}",
        (long long)(WALL_S - age_s));
    return row;
}

/* A fleet of 3.x with one worker of weir, whose row is 74 s old. */
static const char *
answer_with_a_worker(struct dynamodb_scene *scene, const struct dynamodb_asked *asked)
{
    static char text[DYNAMODB_TEXT_SIZE];

    (void)scene;
    if (strcmp(asked->operation, "Scan") == 0) {
        (void)snprintf(
            text,
            sizeof text,
            "{\"Items\":[%s,%s]}",
            state_row("CLIENT_VERSION_3X"),
            worker_row(74));
    } else if (strcmp(asked->operation, "GetItem") == 0) {
        bool is_state = strstr(asked->body, "Migration3.0") != NULL;

        (void)snprintf(
            text,
            sizeof text,
            "{\"Item\":%s}",
            is_state ? state_row("CLIENT_VERSION_3X") : worker_row(74));
    } else {
        (void)snprintf(text, sizeof text, "{}");
    }
    return text;
}

/* A fleet of 2.x with a lease: its workers have no rows. */
static const char *
answer_with_a_lease_of_2x(struct dynamodb_scene *scene, const struct dynamodb_asked *asked)
{
    static char text[DYNAMODB_TEXT_SIZE];

    (void)scene;
    if (strcmp(asked->operation, "Scan") == 0) {
        (void)snprintf(
            text,
            sizeof text,
            "{\"Items\":[%s,{" DYNAMODB_ROW "}]}",
            state_row("CLIENT_VERSION_2X"));
    } else if (strcmp(asked->operation, "GetItem") == 0) {
        (void)snprintf(text, sizeof text, "{\"Item\":%s}", state_row("CLIENT_VERSION_2X"));
    } else {
        (void)snprintf(text, sizeof text, "{}");
    }
    return text;
}

/* What a worker that wants 10 s joins. */
static int64_t
joined_duration_ms(struct dynamodb_scene *scene)
{
    const struct wi_application wish = {.stream_url = "weir:orders", .lease_duration_ms = 10000};
    struct wi_application agreed;

    assert_int_equal(wi_dynamodb_open_application(&scene->store, &wish, &agreed), WEIR_OK);
    return agreed.lease_duration_ms;
}

/* Renewals, and so reports, come every D / 4 = 75 s. With another duration than the rest of its
 * fleet the newcomer would take leases that their owners still believe in. */
static void
a_worker_between_its_reports_keeps_the_agreed_lease_duration(void **state)
{
    struct dynamodb_scene *scene = dynamodb_scene_new(answer_with_a_worker);

    (void)state;
    assert_int_equal(joined_duration_ms(scene), LONG_D_MS);
    assert_int_equal(dynamodb_scene_count(scene, "UpdateItem", "weirLeaseDurationMs"), 0);
    dynamodb_scene_free(scene);
}

static void
a_live_fleet_with_a_long_lease_duration_is_not_reset(void **state)
{
    const struct weir_position horizon = {.type = WEIR_TRIM_HORIZON};
    struct dynamodb_scene *scene = dynamodb_scene_new(answer_with_a_worker);

    (void)state;
    assert_int_equal(wi_dynamodb_reset(&scene->store, &horizon), WEIR_ESTATE);
    assert_int_equal(dynamodb_scene_count(scene, "DeleteItem", ""), 0);
    dynamodb_scene_free(scene);
}

static void
under_2x_leases_keep_the_agreed_lease_duration(void **state)
{
    struct dynamodb_scene *scene = dynamodb_scene_new(answer_with_a_lease_of_2x);

    (void)state;
    scene->store.mode = WI_DYNAMODB_MODE_2X;
    scene->store.layout_looked = scene->test.mono;
    assert_int_equal(joined_duration_ms(scene), LONG_D_MS);
    assert_int_equal(dynamodb_scene_count(scene, "UpdateItem", "weirLeaseDurationMs"), 0);
    dynamodb_scene_free(scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_between_its_reports_keeps_the_agreed_lease_duration),
        cmocka_unit_test(a_live_fleet_with_a_long_lease_duration_is_not_reset),
        cmocka_unit_test(under_2x_leases_keep_the_agreed_lease_duration),
    };

    return cmocka_run_group_tests(tests, dynamodb_scene_setup, NULL);
}
