/* One table gives parsing, defaults, checks, help and documentation. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/config.h"
#include "core/str.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

struct options {
    const char *application;
    const char *worker_id;
    int64_t lease_duration_ms;
    int64_t batch_bytes_max;
    int64_t checkpoint_records;
    struct weir_position initial_position;
    bool strict;
};

static const struct wi_config_property properties[] = {
    {"application",
     WI_CONFIG_STRING,
     offsetof(struct options, application),
     1,
     8,
     NULL,
     NULL,
     "Names the lease table."},
    {"worker_id",
     WI_CONFIG_STRING,
     offsetof(struct options, worker_id),
     0,
     128,
     NULL,
     NULL,
     "A label."},
    {"lease_duration_ms",
     WI_CONFIG_DURATION,
     offsetof(struct options, lease_duration_ms),
     200,
     3600000,
     "10s",
     NULL,
     "Silence after which a hung worker loses its leases."},
    {"batch_bytes_max",
     WI_CONFIG_SIZE,
     offsetof(struct options, batch_bytes_max),
     1024,
     67108864,
     "1MiB",
     NULL,
     "Most bytes of a batch."},
    {"checkpoint_records",
     WI_CONFIG_I64,
     offsetof(struct options, checkpoint_records),
     -1,
     10000,
     "0",
     "records",
     "Checkpoint after this many records."},
    {"initial_position",
     WI_CONFIG_POSITION,
     offsetof(struct options, initial_position),
     0,
     0,
     "TRIM_HORIZON",
     NULL,
     "Where a shard without checkpoint begins."},
    {"strict",
     WI_CONFIG_BOOL,
     offsetof(struct options, strict),
     0,
     0,
     "false",
     NULL,
     "Abort when a batch outlives its lease."},
};

static const struct wi_config_table table = {properties, WI_ARRAY_LENGTH(properties)};

static struct options
given_defaults(void)
{
    struct options options = {.strict = true};
    wi_config_defaults(&table, &options);
    return options;
}

static void
writes_every_default(void **state)
{
    struct options options = given_defaults();
    (void)state;
    assert_null(options.application);
    assert_null(options.worker_id);
    assert_int_equal(options.lease_duration_ms, 10000);
    assert_int_equal(options.batch_bytes_max, 1048576);
    assert_int_equal(options.checkpoint_records, 0);
    assert_int_equal(options.initial_position.type, WEIR_TRIM_HORIZON);
    assert_false(options.strict);
}

static void
sets_a_property_of_every_type(void **state)
{
    static const char *const assignments[] = {
        "application=orders",
        "worker_id=",
        "lease_duration_ms=2500ms",
        "batch_bytes_max=64MiB",
        "checkpoint_records=-1",
        "initial_position=AT_TIMESTAMP:1.5",
        "strict=yes"};
    struct options options = given_defaults();
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(assignments); i++) {
        assert_int_equal(wi_config_parse(&table, &options, assignments[i], NULL), WEIR_OK);
    }
    assert_string_equal(options.application, "orders");
    assert_string_equal(options.worker_id, "");
    assert_int_equal(options.lease_duration_ms, 2500);
    assert_int_equal(options.batch_bytes_max, 67108864);
    assert_int_equal(options.checkpoint_records, -1);
    assert_int_equal(options.initial_position.timestamp_ms, 1500);
    assert_true(options.strict);
}

static void
borrows_strings_from_the_caller(void **state)
{
    static const char assignment[] = "application=a=b";
    struct options options = given_defaults();
    (void)state;
    assert_int_equal(wi_config_parse(&table, &options, assignment, NULL), WEIR_OK);
    assert_ptr_equal(options.application, strstr(assignment, "a=b"));
}

static void
finds_names_as_people_write_them(void **state)
{
    static const char *const names[] = {
        "lease_duration_ms", "lease-duration-ms", "lease_duration", "lease-duration"};
    static const char *const unknown[] = {
        "",
        "lease",
        "lease_duration_",
        "lease_duration_msx",
        "LEASE_DURATION",
        "strict_ms",
        "checkpoint",
        "batch-max"};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(names); i++) {
        assert_ptr_equal(wi_config_find(&table, wi_str(names[i])), &properties[2]);
    }
    for (size_t i = 0; i < WI_ARRAY_LENGTH(unknown); i++) {
        assert_null(wi_config_find(&table, wi_str(unknown[i])));
    }
    assert_null(wi_config_find(&table, (struct weir_str){NULL, 0}));
}

static void
reads_the_usual_words_for_true_and_false(void **state)
{
    static const char *const words[] = {"true", "yes", "on", "1", "false", "no", "off", "0"};
    struct options options = given_defaults();
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(words); i++) {
        assert_int_equal(
            wi_config_set(&table, &options, WI_STR("strict"), words[i], NULL), WEIR_OK);
        assert_int_equal(options.strict, i < 4);
    }
}

static void
refuses_bad_values_and_changes_nothing(void **state)
{
    static const char *const assignments[] = {
        "application=",
        "application=ninechars",
        "lease_duration_ms=",
        "lease_duration_ms=199ms",
        "lease_duration_ms=61m",
        "lease_duration_ms=-10s",
        "lease_duration_ms=10 s",
        "batch_bytes_max=1023",
        "batch_bytes_max=65MiB",
        "batch_bytes_max=10s",
        "checkpoint_records=-2",
        "checkpoint_records=10001",
        "checkpoint_records=99999999999999999999",
        "checkpoint_records=1k",
        "initial_position=BEGINNING",
        "strict=maybe",
        "strict=TRUE"};
    struct options options = given_defaults();
    struct options before = options;
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(assignments); i++) {
        struct weir_detail detail = {""};
        assert_int_equal(wi_config_parse(&table, &options, assignments[i], &detail), WEIR_EINVAL);
        size_t name_length = strcspn(assignments[i], "=");
        assert_int_equal(strncmp(detail.text, assignments[i], name_length), 0);
        assert_memory_equal(&options, &before, sizeof options);
    }
}

static void
tells_property_value_and_what_is_allowed(void **state)
{
    struct options options = given_defaults();
    struct weir_detail detail;
    (void)state;
    assert_int_equal(
        wi_config_set(&table, &options, WI_STR("lease-duration"), "2h", &detail), WEIR_EINVAL);
    assert_string_equal(
        detail.text, "lease_duration_ms: \"2h\" is not allowed; give a duration: 200ms to 1h");
    assert_int_equal(
        wi_config_set(&table, &options, WI_STR("batch_bytes_max"), "x", &detail), WEIR_EINVAL);
    assert_string_equal(
        detail.text, "batch_bytes_max: \"x\" is not allowed; give a size: 1KiB to 64MiB");
    assert_int_equal(wi_config_set(&table, &options, WI_STR("strict"), "x", &detail), WEIR_EINVAL);
    assert_string_equal(detail.text, "strict: \"x\" is not allowed; give a boolean: true or false");
}

static void
refuses_what_is_no_assignment_or_no_property(void **state)
{
    struct options options = given_defaults();
    struct weir_detail detail;
    char long_name[3000];
    (void)state;
    memset(long_name, 'x', sizeof long_name);
    assert_int_equal(wi_config_parse(&table, &options, "strict", &detail), WEIR_EINVAL);
    assert_string_equal(detail.text, "\"strict\" is not NAME=VALUE");
    assert_int_equal(wi_config_parse(&table, &options, "colour=red", &detail), WEIR_ENOTFOUND);
    assert_string_equal(detail.text, "there is no property \"colour\"");
    assert_int_equal(wi_config_parse(&table, &options, "=", &detail), WEIR_ENOTFOUND);
    assert_int_equal(
        wi_config_set(
            &table, &options, (struct weir_str){long_name, sizeof long_name}, "1", &detail),
        WEIR_ENOTFOUND);
    assert_true(strlen(detail.text) < 200);
    assert_int_equal(wi_config_set(&table, &options, WI_STR("strict"), NULL, &detail), WEIR_EINVAL);
}

static void
checks_a_struct_that_was_filled_by_hand(void **state)
{
    struct options options = given_defaults();
    struct weir_detail detail;
    (void)state;
    assert_int_equal(wi_config_check(&table, &options, &detail), WEIR_EINVAL);
    assert_string_equal(detail.text, "application is required");
    options.application = "orders";
    assert_int_equal(wi_config_check(&table, &options, &detail), WEIR_OK);
    options.lease_duration_ms = -5;
    assert_int_equal(wi_config_check(&table, &options, &detail), WEIR_EINVAL);
    assert_string_equal(
        detail.text, "lease_duration_ms: \"-5\" is not allowed; give a duration: 200ms to 1h");
    options.lease_duration_ms = 3600001;
    assert_int_equal(wi_config_check(&table, &options, NULL), WEIR_EINVAL);
    options.lease_duration_ms = 3600000;
    options.application = "ninechars";
    assert_int_equal(wi_config_check(&table, &options, NULL), WEIR_EINVAL);
}

static void
renders_markdown_and_help_from_the_same_table(void **state)
{
    struct test_env test;
    struct wi_buffer out;
    (void)state;
    test_env_init(&test);
    wi_buffer_init(&out, &test.env);
    wi_config_markdown(&table, &out);
    assert_non_null(strstr(
        wi_buffer_text(&out),
        "| `lease_duration_ms` | duration | 10s | 200ms to 1h | Silence after which a hung worker "
        "loses its leases. |\n"));
    assert_non_null(strstr(wi_buffer_text(&out), "| `application` | text | required |"));
    assert_non_null(strstr(wi_buffer_text(&out), "| `worker_id` | text | none |"));

    wi_buffer_reset(&out);
    wi_config_help(&table, &out);
    assert_non_null(strstr(
        wi_buffer_text(&out),
        "  checkpoint_records\n      Checkpoint after this many records.\n      records: -1 to "
        "10000; default: 0\n"));
    assert_int_equal(wi_buffer_error(&out), WEIR_OK);
    wi_buffer_free(&out);
    test_env_assert_no_leak(&test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_every_default),
        cmocka_unit_test(sets_a_property_of_every_type),
        cmocka_unit_test(borrows_strings_from_the_caller),
        cmocka_unit_test(finds_names_as_people_write_them),
        cmocka_unit_test(reads_the_usual_words_for_true_and_false),
        cmocka_unit_test(refuses_bad_values_and_changes_nothing),
        cmocka_unit_test(tells_property_value_and_what_is_allowed),
        cmocka_unit_test(refuses_what_is_no_assignment_or_no_property),
        cmocka_unit_test(checks_a_struct_that_was_filled_by_hand),
        cmocka_unit_test(renders_markdown_and_help_from_the_same_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
