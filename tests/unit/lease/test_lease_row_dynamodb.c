/* Rows of a DynamoDB table: what Java KCL wrote, what weir writes, what nobody should write. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_item.h"
#include "core/position.h"
#include "core/str.h"
#include "lease/lease_position_dynamodb.h"
#include "lease/lease_row_dynamodb.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"
#include "tests/unit/lease/dynamodb_row_fixture.h"

#define LINE_MAX_BYTES 4096
#define GOLDEN_SIZE    512

static const struct weir_position horizon = {.type = WEIR_TRIM_HORIZON};

/* --- rows of Java KCL ----------------------------------------------------------------------- */

struct tally {
    unsigned leases;
    unsigned workers;
    unsigned leaders;
    unsigned states;
};

/* In companion tables the name of the table says what a row is. */
static void
read_golden(const char *table, const cJSON *item, struct tally *tally)
{
    struct wi_dynamodb_lease lease;
    struct wi_dynamodb_worker worker;
    struct wi_dynamodb_leader leader;
    struct wi_dynamodb_state state;
    const char *key = wi_dynamodb_text(item, "key");
    enum wi_dynamodb_row_kind kind = wi_dynamodb_row_kind(item);

    if (strcmp(table, "-WorkerMetricStats") == 0 || kind == WI_DYNAMODB_ROW_WORKER) {
        const char *name = *table == '\0' ? "leaseKey" : "wid";
        assert_int_equal(wi_dynamodb_worker_read(item, name, &worker), WEIR_OK);
        assert_false(worker.is_ours);
        assert_true(worker.updated_s > 0);
        tally->workers++;
    } else if (kind == WI_DYNAMODB_ROW_LEADER || (key != NULL && strcmp(key, "Leader") == 0)) {
        wi_dynamodb_leader_read(item, &leader);
        assert_true(leader.duration_ms == 120000);
        assert_string_not_equal(leader.owner, "");
        assert_int_equal(leader.term, 0);
        tally->leaders++;
    } else if (kind == WI_DYNAMODB_ROW_STATE || key != NULL) {
        wi_dynamodb_state_read(item, &state);
        assert_int_equal(state.mode, WI_DYNAMODB_MODE_3X);
        assert_false(state.has_application);
        tally->states++;
    } else {
        assert_int_equal(wi_dynamodb_lease_read(item, &horizon, &lease), WEIR_OK);
        assert_false(lease.is_ours);
        assert_int_equal(lease.lease.epoch, 1);
        assert_int_equal(lease.has_stream, wi_dynamodb_has(item, "streamName"));
        tally->leases++;
    }
}

static struct tally
read_golden_file(const char *name)
{
    char path[GOLDEN_SIZE];
    char line[LINE_MAX_BYTES];
    struct tally tally = {0};
    FILE *file = NULL;

    (void)snprintf(
        path, sizeof path, "%s/tests/golden/kcl-rows/%s", getenv("WEIR_SOURCE_DIR"), name);
    file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        cJSON *row = cJSON_Parse(line);
        assert_non_null(row);
        read_golden(
            cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "table")),
            cJSON_GetObjectItemCaseSensitive(row, "item"),
            &tally);
        cJSON_Delete(row);
    }
    (void)fclose(file);
    return tally;
}

static void
reads_every_row_of_java_kcl(void **state)
{
    static const struct {
        const char *name;
        struct tally tally;
    } files[] = {
        {"kcl-3.5.1-one-table.jsonl", {4, 1, 1, 1}},
        {"kcl-3.5.1-after-split.jsonl", {4, 1, 1, 1}},
        {"kcl-3.5.1-after-merge.jsonl", {5, 1, 1, 1}},
        {"kcl-3.5.1-after-sigterm.jsonl", {6, 3, 1, 1}},
        {"kcl-3.4.2-three-tables.jsonl", {4, 1, 1, 1}},
        {"kcl-3.5.1-two-streams.jsonl", {6, 1, 1, 1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct tally tally = read_golden_file(files[i].name);
        print_message("%s\n", files[i].name);
        assert_memory_equal(&tally, &files[i].tally, sizeof tally);
    }
    (void)read_golden_file("kcl-2.7.2.jsonl");
    (void)read_golden_file("kcl-3.1.3-after-split.jsonl");
}

/* --- a lease row as text -------------------------------------------------------------------- */

static void
shows_javas_hand_off_as_a_wish_to_the_old_owner(void **state)
{
    struct wi_dynamodb_lease row = dynamodb_row_given(
        "{" DYNAMODB_ROW ",\"leaseOwner\":{\"S\":\"w2\"},\"checkpointOwner\":{\"S\":\"w1\"}}");

    (void)state;
    assert_string_equal(row.lease.owner, "w1");
    assert_int_equal(row.lease.handoff.reason, WI_HANDOFF_BALANCE);
    assert_string_equal(row.lease.handoff.to, "w2");
    assert_true(row.lease.handoff.timeout_ms == WI_DYNAMODB_HANDOFF_TIMEOUT_MS);
    assert_int_equal(row.lease.checkpoint.type, WEIR_AFTER_SEQUENCE_NUMBER);
    assert_int_equal(row.lease.checkpoint.sequence_number.word[3], 100);
    assert_int_equal(row.lease.checkpoint.sub_sequence_number, 3);
}

/* Java raises leaseCounter alone: from then on weir's attributes are of the past. */
static void
takes_a_change_by_java_for_a_new_epoch(void **state)
{
    struct wi_dynamodb_lease ours = dynamodb_row_given(
        "{" DYNAMODB_ROW ",\"leaseOwner\":{\"S\":\"w1\"},\"weirOwner\":{\"S\":\"w1\"},"
        "\"weirEpoch\":{\"N\":\"4\"},\"weirCounter\":{\"N\":\"7\"},\"weirRevoked\":{\"N\":\"4\"}}");
    struct wi_dynamodb_lease counted = dynamodb_row_given(
        "{" DYNAMODB_ROW ",\"leaseOwner\":{\"S\":\"w1\"},\"weirOwner\":{\"S\":\"w1\"},"
        "\"weirEpoch\":{\"N\":\"4\"},\"weirCounter\":{\"N\":\"6\"},\"weirRevoked\":{\"N\":\"4\"}}");
    struct wi_dynamodb_lease moved = dynamodb_row_given(
        "{" DYNAMODB_ROW ",\"leaseOwner\":{\"S\":\"w2\"},\"weirOwner\":{\"S\":\"w1\"},"
        "\"weirEpoch\":{\"N\":\"4\"},\"weirCounter\":{\"N\":\"7\"}}");

    (void)state;
    assert_true(ours.is_ours);
    assert_int_equal(ours.lease.epoch, 4);
    assert_true(ours.lease.revoked);
    assert_false(counted.is_ours);
    assert_int_equal(counted.lease.epoch, 5);
    assert_false(counted.lease.revoked);
    assert_false(moved.is_ours);
    assert_int_equal(moved.lease.epoch, 5);
}

/* Whoever read the checkpoint as another one would lose or repeat records. */
static void
refuses_rows_that_cannot_be_worked_with(void **state)
{
    static const char *const rows[] = {
        "{}",
        "{\"leaseKey\":{\"S\":\"a\"}}",
        "{\"leaseKey\":{\"N\":\"7\"},\"leaseCounter\":{\"N\":\"7\"},\"checkpoint\":{\"S\":\"1\"}}",
        "{\"leaseKey\":{\"S\":\"a\"},\"leaseCounter\":{\"N\":\"-1\"},\"checkpoint\":{\"S\":\"1\"}}",
        "{\"leaseKey\":{\"S\":\"a\"},\"leaseCounter\":{\"N\":\"1e3\"},\"checkpoint\":{\"S\":\"1\"}"
        "}",
        "{\"leaseKey\":{\"S\":\"a\"},\"leaseCounter\":{\"N\":\"18446744073709551615\"},"
        "\"checkpoint\":{\"S\":\"1\"}}",
        "{\"leaseKey\":{\"S\":\"a\"},\"leaseCounter\":{\"N\":\"1\"},\"checkpoint\":{\"S\":\"\"}}",
        "{\"leaseKey\":{\"S\":\"a\"},\"leaseCounter\":{\"N\":\"1\"},\"checkpoint\":{\"S\":\"END\"}"
        "}",
        "{\"leaseKey\":{\"S\":\"a\"},\"leaseCounter\":{\"N\":\"1\"},"
        "\"checkpoint\":{\"S\":\"AT_TIMESTAMP\"}}",
        "{" DYNAMODB_ROW ",\"leaseOwner\":{\"N\":\"1\"}}",
        "{" DYNAMODB_ROW ",\"weirEpoch\":{\"N\":\"0\"}}",
        "{" DYNAMODB_ROW ",\"weirEpoch\":{\"S\":\"1\"}}",
        "{" DYNAMODB_ROW ",\"startingHashKey\":{\"S\":\"0\"}}",
        "{" DYNAMODB_ROW ",\"startingHashKey\":{\"S\":\"9\"},\"endingHashKey\":{\"S\":\"1\"}}",
        "{" DYNAMODB_ROW ",\"parentShardId\":{\"SS\":[\"a\",\"b\",\"c\"]}}",
        "{" DYNAMODB_ROW ",\"parentShardId\":{\"SS\":[7]}}",
        "{" DYNAMODB_ROW ",\"pendingCheckpoint\":{\"S\":\"x\"}}",
        "{" DYNAMODB_ROW
        ",\"pendingCheckpoint\":{\"S\":\"200\"},\"pendingCheckpointState\":{\"B\":\"?\"}}",
    };
    struct wi_dynamodb_lease row;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i]);
        assert_int_equal(dynamodb_row_read(rows[i], &row), WEIR_ECORRUPT);
    }
}

/* Java writes the bytes as a number when it creates a row: then there are none. */
static void
reads_what_java_does_wrong(void **state)
{
    struct wi_dynamodb_lease row =
        dynamodb_row_given("{" DYNAMODB_ROW ",\"pendingCheckpoint\":{\"S\":\"200\"},"
                           "\"pendingCheckpointState\":{\"N\":\"0\"}}");

    (void)state;
    assert_true(row.lease.has_pending);
    assert_int_equal(row.state_length, 0);
    row = dynamodb_row_given("{" DYNAMODB_ROW ",\"pendingCheckpoint\":{\"S\":\"99\"}}");
    assert_false(row.lease.has_pending); /* left behind by a checkpoint that went past it */
}

static void
leaves_rows_of_other_kinds_alone(void **state)
{
    static const struct {
        const char *row;
        enum wi_dynamodb_row_kind kind;
    } rows[] = {
        {"{" DYNAMODB_ROW "}", WI_DYNAMODB_ROW_LEASE},
        {"{\"entityType\":{\"S\":\"LEASE\"}}", WI_DYNAMODB_ROW_LEASE},
        {"{\"entityType\":{\"S\":\"STREAM\"}}", WI_DYNAMODB_ROW_OTHER},
        {"{\"entityType\":{\"S\":\"something new\"}}", WI_DYNAMODB_ROW_OTHER},
        {"{\"entityType\":{\"N\":\"1\"}}", WI_DYNAMODB_ROW_OTHER},
        {"{\"entityType\":\"LEASE\"}", WI_DYNAMODB_ROW_OTHER},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cJSON *item = cJSON_Parse(rows[i].row);
        assert_int_equal(wi_dynamodb_row_kind(item), rows[i].kind);
        cJSON_Delete(item);
    }
}

/* --- positions ------------------------------------------------------------------------------ */

static struct weir_position
number(enum weir_position_type type, uint64_t sequence_number, uint64_t sub)
{
    return (struct weir_position){
        .type = type, .sequence_number = {{0, 0, 0, sequence_number}}, .sub_sequence_number = sub};
}

/* A Java worker that goes on from there must not skip a record. */
static void
tells_java_the_same_place_or_an_earlier_one(void **state)
{
    struct weir_position position = number(WEIR_AFTER_SEQUENCE_NUMBER, 9, 4);
    struct wi_java_position java = wi_java_position_of(&position);

    (void)state;
    assert_string_equal(java.checkpoint, "9");
    assert_true(java.sub_sequence_number == 4);
    position = number(WEIR_AT_SEQUENCE_NUMBER, 9, 4);
    java = wi_java_position_of(&position);
    assert_true(java.sub_sequence_number == 3);
    position = number(WEIR_AT_SEQUENCE_NUMBER, 9, 0);
    java = wi_java_position_of(&position);
    assert_string_equal(java.checkpoint, "8");
    assert_true(java.sub_sequence_number == INT64_MAX);
    position = number(WEIR_AT_SEQUENCE_NUMBER, 0, 0);
    java = wi_java_position_of(&position);
    assert_string_equal(java.checkpoint, "TRIM_HORIZON");
    position = number(WEIR_AFTER_SEQUENCE_NUMBER, 9, UINT64_MAX);
    java = wi_java_position_of(&position);
    assert_true(java.sub_sequence_number == INT64_MAX);
    position.type = WEIR_SHARD_END;
    java = wi_java_position_of(&position);
    assert_string_equal(java.checkpoint, "SHARD_END");
}

/* The condition of a checkpoint compares texts: their order has to be that of the positions. */
static void
orders_texts_as_positions(void **state)
{
    struct weir_position positions[] = {
        {.type = WEIR_TRIM_HORIZON},
        {.type = WEIR_AT_TIMESTAMP, .timestamp_ms = -5},
        {.type = WEIR_AT_TIMESTAMP, .timestamp_ms = 5},
        {.type = WEIR_LATEST},
        number(WEIR_AT_SEQUENCE_NUMBER, 9, 0),
        number(WEIR_AFTER_SEQUENCE_NUMBER, 9, 0),
        number(WEIR_AT_SEQUENCE_NUMBER, 9, 1),
        number(WEIR_AFTER_SEQUENCE_NUMBER, 9, UINT64_MAX),
        number(WEIR_AFTER_SEQUENCE_NUMBER, 10, 0),
        {.type = WEIR_AFTER_SEQUENCE_NUMBER,
         .sequence_number = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}}},
        {.type = WEIR_SHARD_END},
    };

    (void)state;
    for (size_t i = 1; i < sizeof positions / sizeof *positions; i++) {
        char before[WI_POSITION_ORDER_SIZE];
        char after[WI_POSITION_ORDER_SIZE];
        wi_position_order(&positions[i - 1], before);
        wi_position_order(&positions[i], after);
        assert_int_equal(wi_checkpoint_compare(&positions[i - 1], &positions[i]), -1);
        assert_true(strcmp(before, after) < 0);
    }
}

/* --- what weir writes ----------------------------------------------------------------------- */

static void
reads_back_what_it_creates(void **state)
{
    struct wi_lease lease = {
        .lease_key = "shard-a",
        .shard_id = "shard-a",
        .parent_shard_ids = {"shard-0", "shard-1"},
        .range = {{0, 5}, {7, 9}},
        .epoch = 6,
        .checkpoint = {.type = WEIR_AT_TIMESTAMP, .timestamp_ms = 1234567},
        .replay_exact = true};
    struct wi_dynamodb_lease row;
    char text[DYNAMODB_ROW_SIZE];

    (void)state;
    row = dynamodb_row_created(&lease, text);
    assert_true(row.is_ours);
    assert_int_equal(row.lease.epoch, 6);
    assert_true(row.lease.replay_exact);
    assert_string_equal(row.lease.parent_shard_ids[1], "shard-1");
    assert_int_equal(row.lease.range.end.high, 7);
    assert_int_equal(row.lease.checkpoint.type, WEIR_AT_TIMESTAMP);
    assert_true(row.lease.checkpoint.timestamp_ms == 1234567);
}

/* Java's condition, and weir's: neither a foreign write nor a wish is passed over. */
static void
renews_on_condition_that_nobody_else_has_written(void **state)
{
    struct wi_dynamodb_write write;
    struct test_env test;

    (void)state;
    test_env_init(&test);
    wi_dynamodb_write_init(&write, &test.env, false);
    wi_dynamodb_lease_renewal(&write, "w1", &(struct wi_held_lease){.epoch = 3}, false);
    assert_string_equal(
        wi_buffer_text(&write.set), "leaseCounter=leaseCounter+:v0,weirCounter=weirCounter+:v1");
    assert_non_null(strstr(
        wi_buffer_text(&write.condition),
        "weirCounter = leaseCounter AND (checkpointOwner = :v2 OR "
        "(attribute_not_exists(checkpointOwner) AND leaseOwner = :v2))"));
    assert_non_null(
        strstr(wi_buffer_text(&write.condition), "(attribute_not_exists(checkpointOwner))"));
    assert_non_null(
        strstr(wi_buffer_text(&write.condition), "(attribute_not_exists(weirRevoked))"));
    wi_dynamodb_write_free(&write);
    test_env_assert_no_leak(&test);
}

/* As Java writes it: KB of 1024 bytes, six decimals. */
static void
a_renewal_says_how_busy_the_lease_is(void **state)
{
    struct wi_held_lease held = {.epoch = 3, .has_throughput = true, .bytes_per_second = 2561};
    struct wi_dynamodb_write write;
    struct test_env test;

    (void)state;
    test_env_init(&test);
    wi_dynamodb_write_init(&write, &test.env, false);
    wi_dynamodb_lease_renewal(&write, "w1", &held, false);
    assert_non_null(strstr(wi_buffer_text(&write.set), ",throughputKBps=:v2"));
    assert_non_null(strstr(wi_buffer_text(&write.values), "\":v2\":{\"N\":\"2.500976\"}"));
    wi_dynamodb_write_free(&write);
    test_env_assert_no_leak(&test);
}

static void
reports_lost_memory_once_at_the_end(void **state)
{
    struct wi_lease lease = {.lease_key = "a", .shard_id = "a", .epoch = 1};
    struct test_env test;

    (void)state;
    for (size_t n = 1;; n++) {
        struct wi_dynamodb_write write;
        enum weir_error error = WEIR_OK;

        test_env_init(&test);
        test.fail_at = n;
        wi_dynamodb_write_init(&write, &test.env, true);
        wi_dynamodb_lease_create(&write, &lease);
        wi_dynamodb_require_absent(&write, "leaseKey");
        error = wi_dynamodb_write_error(&write);
        wi_dynamodb_write_free(&write);
        test_env_assert_no_leak(&test);
        if (!test_env_has_failed(&test)) {
            assert_int_equal(error, WEIR_OK);
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
    }
}

/* Which rules are in force, by the row Migration3.0; one that is not known is left to those of 2.x,
 * under which nobody counts on a leader. */
static void
tells_the_rules_by_the_client_version(void **state)
{
    static const struct {
        const char *version;
        enum wi_dynamodb_mode mode;
    } rows[] = {
        {"CLIENT_VERSION_INIT", WI_DYNAMODB_MODE_2X},
        {"CLIENT_VERSION_2X", WI_DYNAMODB_MODE_2X},
        {"CLIENT_VERSION_UPGRADE_FROM_2X", WI_DYNAMODB_MODE_UPGRADE},
        {"CLIENT_VERSION_3X_WITH_ROLLBACK", WI_DYNAMODB_MODE_3X},
        {"CLIENT_VERSION_3X", WI_DYNAMODB_MODE_3X},
        {"CLIENT_VERSION_4X", WI_DYNAMODB_MODE_2X},
        {"", WI_DYNAMODB_MODE_2X},
    };
    struct wi_dynamodb_state found;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[128];
        cJSON *item = NULL;

        (void)snprintf(text, sizeof text, "{\"cv\":{\"S\":\"%s\"}}", rows[i].version);
        item = cJSON_Parse(text);
        wi_dynamodb_state_read(item, &found);
        cJSON_Delete(item);
        assert_int_equal(found.mode, rows[i].mode);
    }
    wi_dynamodb_state_read(NULL, &found);
    assert_int_equal(found.mode, WI_DYNAMODB_MODE_NONE);
}

/* Ages in milliseconds are computed with it. */
static void
a_time_that_no_clock_shows_is_none(void **state)
{
    static const struct {
        const char *text;
        int64_t updated_s;
    } rows[] = {
        {"{\"leaseKey\":{\"S\":\"w\"},\"lut\":{\"N\":\"9223372036854775807\"}}", 0},
        {"{\"leaseKey\":{\"S\":\"w\"},\"lut\":{\"N\":\"-9223372036854775808\"}}", 0},
        {"{\"leaseKey\":{\"S\":\"w\"},\"lut\":{\"N\":\"253402300800\"}}", 0},
        {"{\"leaseKey\":{\"S\":\"w\"},\"lut\":{\"N\":\"-1\"}}", 0},
        {"{\"leaseKey\":{\"S\":\"w\"}}", 0},
        {"{\"leaseKey\":{\"S\":\"w\"},\"lut\":{\"N\":\"253402300799\"}}", 253402300799},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cJSON *item = cJSON_Parse(rows[i].text);
        struct wi_dynamodb_worker worker;

        assert_int_equal(wi_dynamodb_worker_read(item, "leaseKey", &worker), WEIR_OK);
        assert_int_equal(worker.updated_s, rows[i].updated_s);
        cJSON_Delete(item);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_rules_by_the_client_version),
        cmocka_unit_test(reads_every_row_of_java_kcl),
        cmocka_unit_test(shows_javas_hand_off_as_a_wish_to_the_old_owner),
        cmocka_unit_test(takes_a_change_by_java_for_a_new_epoch),
        cmocka_unit_test(refuses_rows_that_cannot_be_worked_with),
        cmocka_unit_test(reads_what_java_does_wrong),
        cmocka_unit_test(leaves_rows_of_other_kinds_alone),
        cmocka_unit_test(tells_java_the_same_place_or_an_earlier_one),
        cmocka_unit_test(orders_texts_as_positions),
        cmocka_unit_test(reads_back_what_it_creates),
        cmocka_unit_test(renews_on_condition_that_nobody_else_has_written),
        cmocka_unit_test(a_renewal_says_how_busy_the_lease_is),
        cmocka_unit_test(reports_lost_memory_once_at_the_end),
        cmocka_unit_test(a_time_that_no_clock_shows_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
