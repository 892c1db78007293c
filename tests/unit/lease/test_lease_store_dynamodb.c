/* What the DynamoDB backend asks for, with canned answers. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_dynamodb.h"
#include "lease/lease_table.h"
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

/* --- from three tables into one ------------------------------------------------------------- */

/* Three tables, of which Java KCL says what `migration` says. */
static const char *migration;

static const char *
answer_in_three_tables(struct dynamodb_scene *scene, const struct dynamodb_asked *asked)
{
    static char text[DYNAMODB_TEXT_SIZE];

    (void)scene;
    if (strcmp(asked->operation, "DescribeTable") == 0) {
        return "{\"Table\":{\"TableStatus\":\"ACTIVE\",\"KeySchema\":[{\"AttributeName\":\"key\","
               "\"KeyType\":\"HASH\"}]}}";
    }
    if (strcmp(asked->operation, "Scan") == 0) {
        return "{\"Items\":[]}";
    }
    if (strcmp(asked->operation, "GetItem") == 0) {
        (void)snprintf(
            text,
            sizeof text,
            "{\"Item\":{\"cv\":{\"S\":\"CLIENT_VERSION_3X\"},"
            "\"tm\":{\"S\":\"TABLE_MIGRATION_STATUS_%s\"}}}",
            migration);
        return text;
    }
    return "{}";
}

static struct dynamodb_scene *
given_three_tables(const char *status)
{
    struct dynamodb_scene *scene = dynamodb_scene_new(answer_in_three_tables);
    const struct wi_worker worker = {.owner = "weir-1", .protocol_version = 1};

    migration = status;
    atomic_store(&scene->store.is_single, false);
    assert_int_equal(wi_dynamodb_put_worker(&scene->store, &worker), WEIR_OK);
    return scene;
}

static enum weir_error
list(struct dynamodb_scene *scene)
{
    struct wi_lease_table table;
    enum weir_error error = wi_dynamodb_list(&scene->store, &table);

    if (error == WEIR_OK) {
        wi_lease_table_free(scene->store.env, &table);
    }
    return error;
}

static enum weir_error
renew_nothing(struct dynamodb_scene *scene)
{
    struct wi_renew_answer answer;
    enum weir_error result = WEIR_OK;

    return wi_dynamodb_renew(&scene->store, "weir-1", NULL, 0, &result, &answer);
}

/* A fleet of which all say so is moved by Java's leader, also under a worker that keeps to three.
 */
static void
in_three_tables_a_worker_does_not_say_that_it_knows_one(void **state)
{
    struct dynamodb_scene *scene = given_three_tables("INIT");

    (void)state;
    assert_int_equal(list(scene), WEIR_OK);
    assert_int_equal(renew_nothing(scene), WEIR_OK);
    assert_int_equal(dynamodb_scene_count(scene, "UpdateItem", "t-WorkerMetricStats"), 2);
    assert_int_equal(dynamodb_scene_count(scene, "UpdateItem", "sup="), 0);
    assert_int_equal(dynamodb_scene_count(scene, "UpdateItem", "slu="), 0);
    dynamodb_scene_free(scene);
}

static void
a_worker_gives_up_while_tables_are_moved_and_joins_the_new_layout(void **state)
{
    const struct wi_worker worker = {.owner = "weir-1", .protocol_version = 1};
    struct dynamodb_scene *scene = given_three_tables("DEPLOYED");
    struct wi_leader leader;

    (void)state;
    assert_int_equal(list(scene), WEIR_OK);
    migration = "PENDING";
    test_env_advance_ms(&scene->test, 61000);
    assert_int_equal(wi_dynamodb_get_leader(&scene->store, &leader), WEIR_EUNSUPPORTED);
    assert_int_equal(list(scene), WEIR_EUNSUPPORTED);
    assert_non_null(strstr(scene->test.last_log, "from three DynamoDB tables into one"));
    assert_int_equal(renew_nothing(scene), WEIR_ESESSIONLOST);
    assert_int_equal(wi_dynamodb_put_worker(&scene->store, &worker), WEIR_EUNSUPPORTED);

    migration = "COMPLETE";
    assert_int_equal(wi_dynamodb_put_worker(&scene->store, &worker), WEIR_OK);
    assert_int_equal(dynamodb_scene_count(scene, "UpdateItem", "sup="), 1);
    assert_int_equal(list(scene), WEIR_OK);
    assert_int_equal(renew_nothing(scene), WEIR_OK);
    dynamodb_scene_free(scene);
}

/* --- renewals ------------------------------------------------------------------------------- */

#define WISHED_ROW                                                                                 \
    "{" DYNAMODB_ROW ",\"leaseOwner\":{\"S\":\"weir-2\"},\"checkpointOwner\":{\"S\":\"weir-1\"},"  \
    "\"weirEpoch\":{\"N\":\"3\"},\"weirOwner\":{\"S\":\"weir-1\"},\"weirCounter\":{\"N\":\"7\"}}"

/* A wish for every lease but d. The row of c is not sent along, e has none any more. */
static const char *
answer_with_wishes(struct dynamodb_scene *scene, const struct dynamodb_asked *asked)
{
    const bool is_gone = strstr(asked->body, "shard-e") != NULL;
    const bool is_plain = strstr(asked->body, "weirHandoffReason") != NULL;

    (void)scene;
    if (strcmp(asked->operation, "GetItem") == 0) {
        return is_gone ? "{}" : "{\"Item\":" WISHED_ROW "}";
    }
    if (!is_plain || strstr(asked->body, "shard-d") != NULL) {
        return "{}";
    }
    if (is_gone || strstr(asked->body, "shard-c") != NULL) {
        return "{\"__type\":\"ConditionalCheckFailedException\"}";
    }
    return "{\"__type\":\"ConditionalCheckFailedException\",\"Item\":" WISHED_ROW "}";
}

/* One after the other, wishes for a thousand leases took longer than the session's deadline: the
 * worker lost every lease. */
static void
leases_with_wishes_are_renewed_side_by_side(void **state)
{
    static const struct wi_held_lease held[] = {
        {.lease_key = "shard-a", .epoch = 3},
        {.lease_key = "shard-b", .epoch = 3},
        {.lease_key = "shard-c", .epoch = 3},
        {.lease_key = "shard-d", .epoch = 3},
        {.lease_key = "shard-e", .epoch = 3}};
    struct dynamodb_scene *scene = dynamodb_scene_new(answer_with_wishes);
    const uint32_t version = scene->store.version;
    struct wi_renew_answer answer;
    enum weir_error results[5];

    (void)state;
    memcpy(scene->store.owner, "weir-1", sizeof "weir-1");
    scene->store.reported = scene->test.mono;
    assert_int_equal(
        wi_dynamodb_renew(&scene->store, "weir-1", held, 5, results, &answer), WEIR_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(results[i], WEIR_OK);
    }
    assert_int_equal(results[4], WEIR_ELEASELOST);
    assert_int_equal(scene->asked_count, 5 + 2 + 3);
    assert_int_equal(scene->batches, 3);
    assert_true(scene->version_at_batch[2] > version); /* the processors hear of it at once */
    dynamodb_scene_free(scene);
}

/* --- changes of a held lease ---------------------------------------------------------------- */

#define HELD_ROW                                                                                   \
    "{" DYNAMODB_ROW ",\"leaseOwner\":{\"S\":\"weir-1\"},"                                         \
    "\"weirEpoch\":{\"N\":\"3\"},\"weirOwner\":{\"S\":\"weir-1\"},\"weirCounter\":{\"N\":\"7\"}}"

/* Between the first look and the first write the leader wishes for a hand-off to weir-2. */
static const char *
answer_with_a_sudden_wish(struct dynamodb_scene *scene, const struct dynamodb_asked *asked)
{
    static const char absent[] = "attribute_not_exists(checkpointOwner)";
    const size_t writes = dynamodb_scene_count(scene, "UpdateItem", "");
    const char *second = NULL;

    if (strcmp(asked->operation, "GetItem") == 0) {
        return writes == 0 ? "{\"Item\":" HELD_ROW "}" : "{\"Item\":" WISHED_ROW "}";
    }
    /* Once in HELD, where it is one way of two; the second one is a condition of its own. */
    second = strstr(asked->body, absent);
    second = second == NULL ? NULL : strstr(second + 1, absent);
    return second != NULL ? "{\"__type\":\"ConditionalCheckFailedException\",\"Item\":" WISHED_ROW
                            "}"
                          : "{}";
}

/* Else the receiver would wait for a lease that nobody knows to be wished for any more. */
static void
a_wish_between_look_and_write_is_not_written_over(void **state)
{
    struct wi_checkpoint_update item = {.lease_key = "shard-a", .owner = "weir-1", .epoch = 3};
    struct dynamodb_scene *scene = dynamodb_scene_new(answer_with_a_sudden_wish);

    (void)state;
    assert_int_equal(
        weir_position_parse(wi_str("AFTER_SEQUENCE_NUMBER:200"), &item.position), WEIR_OK);
    assert_int_equal(
        wi_dynamodb_prepare(&scene->store, &item, (struct weir_bytes){NULL, 0}), WEIR_OK);
    assert_int_equal(dynamodb_scene_count(scene, "UpdateItem", ""), 2);
    assert_int_equal(dynamodb_scene_count(scene, "UpdateItem", "weir-2"), 1);
    assert_int_equal(
        dynamodb_scene_count(scene, "UpdateItem", "attribute_not_exists(weirHandoffReason)"), 1);
    dynamodb_scene_free(scene);
}

/* --- hand-offs that 2.x's rules interrupt --------------------------------------------------- */

/* Java KCL 3.x was to hand a over to weir-1, and b to java-2, which knows 2.x only. */
static const char *
answer_with_interrupted_handoffs(struct dynamodb_scene *scene, const struct dynamodb_asked *asked)
{
    static char text[DYNAMODB_TEXT_SIZE];

    (void)scene;
    assert_string_equal(asked->operation, "Scan");
    (void)snprintf(
        text,
        sizeof text,
        "{\"Items\":[%s,{" DYNAMODB_ROW ",\"leaseOwner\":{\"S\":\"weir-1\"},"
        "\"checkpointOwner\":{\"S\":\"java-1\"}},"
        "{\"leaseKey\":{\"S\":\"shard-b\"},\"leaseCounter\":{\"N\":\"7\"},"
        "\"checkpoint\":{\"S\":\"100\"},\"checkpointSubSequenceNumber\":{\"N\":\"3\"},"
        "\"leaseOwner\":{\"S\":\"java-2\"},\"checkpointOwner\":{\"S\":\"java-1\"}}]}",
        state_row("CLIENT_VERSION_2X"));
    return text;
}

/* Shown as its own it was claimed in vain for ever, because a claim wants no checkpointOwner; and
 * nobody takes what is its own. */
static void
a_handoff_that_2x_interrupts_is_still_the_old_owners(void **state)
{
    struct dynamodb_scene *scene = dynamodb_scene_new(answer_with_interrupted_handoffs);
    struct wi_lease_table table;

    (void)state;
    scene->store.mode = WI_DYNAMODB_MODE_2X;
    scene->store.layout_looked = scene->test.mono;
    memcpy(scene->store.owner, "weir-1", sizeof "weir-1");
    assert_int_equal(wi_dynamodb_list(&scene->store, &table), WEIR_OK);
    assert_int_equal(table.lease_count, 2);
    assert_string_equal(table.leases[0].owner, "java-1");
    assert_int_equal(table.leases[0].handoff.reason, WI_HANDOFF_NONE);
    assert_string_equal(table.leases[1].owner, "java-2");
    wi_lease_table_free(scene->store.env, &table);
    dynamodb_scene_free(scene);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_between_its_reports_keeps_the_agreed_lease_duration),
        cmocka_unit_test(a_live_fleet_with_a_long_lease_duration_is_not_reset),
        cmocka_unit_test(under_2x_leases_keep_the_agreed_lease_duration),
        cmocka_unit_test(in_three_tables_a_worker_does_not_say_that_it_knows_one),
        cmocka_unit_test(a_worker_gives_up_while_tables_are_moved_and_joins_the_new_layout),
        cmocka_unit_test(leases_with_wishes_are_renewed_side_by_side),
        cmocka_unit_test(a_wish_between_look_and_write_is_not_written_over),
        cmocka_unit_test(a_handoff_that_2x_interrupts_is_still_the_old_owners),
    };

    return cmocka_run_group_tests(tests, dynamodb_scene_setup, NULL);
}
