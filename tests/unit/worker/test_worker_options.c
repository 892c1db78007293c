#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/types.h>
#include <weir/worker.h>

#include "tests/support/weir_test.h"
#include "worker/worker_options.h"

static struct weir_worker_options
given_options(void)
{
    struct weir_worker_options options = WEIR_WORKER_OPTIONS_INIT;
    options.application = "orders";
    options.stream = "weir:events";
    return options;
}

static void
accepts_the_defaults_with_an_application_and_a_stream(void **state)
{
    struct weir_worker_options options = given_options();
    struct weir_detail detail;
    (void)state;

    assert_int_equal(wi_worker_options_check(&options, &detail), WEIR_OK);
}

/* The macro and the table must not drift apart. */
static void
has_the_same_defaults_as_the_initializer(void **state)
{
    struct weir_worker_options from_macro = WEIR_WORKER_OPTIONS_INIT;
    struct weir_worker_options from_table = WEIR_WORKER_OPTIONS_INIT;
    (void)state;
    memset(&from_table, 0, sizeof from_table);
    wi_config_defaults(wi_worker_options_table(), &from_table);
    assert_string_equal(from_table.data_directory, from_macro.data_directory);

    assert_int_equal(from_table.initial_position.type, WEIR_TRIM_HORIZON);
    assert_true(from_table.lease_duration_ms == from_macro.lease_duration_ms);
    assert_true(from_table.handoff_timeout_ms == from_macro.handoff_timeout_ms);
    assert_true(from_table.drain_timeout_ms == from_macro.drain_timeout_ms);
    assert_true(from_table.checkpoint_interval_ms == from_macro.checkpoint_interval_ms);
    assert_true(from_table.checkpoint_records == from_macro.checkpoint_records);
    assert_true(from_table.batch_records_max == from_macro.batch_records_max);
    assert_true(from_table.batch_bytes_max == from_macro.batch_bytes_max);
    assert_true(from_table.buffer_bytes_max == from_macro.buffer_bytes_max);
    assert_true(from_table.processor_threads_max == from_macro.processor_threads_max);
    assert_true(from_table.leases_max == from_macro.leases_max);
    assert_true(from_table.retry_base_ms == from_macro.retry_base_ms);
    assert_true(from_table.retry_cap_ms == from_macro.retry_cap_ms);
    assert_true(from_table.shard_sync_interval_ms == from_macro.shard_sync_interval_ms);
    assert_int_equal(from_table.strict, from_macro.strict);
    assert_int_equal(from_table.evict_stopped_writers, from_macro.evict_stopped_writers);
    assert_int_equal(from_table.handle_signals, from_macro.handle_signals);
    assert_ptr_equal(from_table.table, from_macro.table);
}

static enum weir_error
process_nothing(
    void *context,
    void *state,
    const struct weir_process_input *input,
    struct weir_checkpointer *checkpointer,
    size_t *ret_processed) /* NOLINT(readability-non-const-parameter): the slot's type */
{
    (void)context, (void)state, (void)input, (void)checkpointer, (void)ret_processed;
    return WEIR_OK;
}

/* Nothing of it would be copied, and the first batch would call NULL. */
static void
refuses_a_processor_without_its_size(void **state)
{
    const struct weir_worker_options options = given_options();
    struct weir_processor processor = {.process_records = process_nothing};
    struct weir_worker *worker = NULL;
    struct weir_detail detail = {.text = ""};
    (void)state;

    assert_int_equal(
        weir_worker_new(weir_env_default(), &options, &processor, &worker, &detail), WEIR_EINVAL);
    assert_non_null(strstr(detail.text, "WEIR_PROCESSOR_INIT"));
    processor.struct_size = offsetof(struct weir_processor, destroy);
    assert_int_equal(
        weir_worker_new(weir_env_default(), &options, &processor, &worker, NULL), WEIR_EINVAL);
    processor = (struct weir_processor)WEIR_PROCESSOR_INIT;
    assert_int_equal(
        weir_worker_new(weir_env_default(), &options, &processor, &worker, &detail), WEIR_EINVAL);
    assert_non_null(strstr(detail.text, "process_records"));
    assert_null(worker);
}

static void
sets_options_by_name_with_hyphens_and_units(void **state)
{
    struct weir_worker_options options = given_options();
    (void)state;

    assert_int_equal(weir_worker_option_set(&options, "lease-duration", "20s", NULL), WEIR_OK);
    assert_int_equal(weir_worker_option_set(&options, "batch_bytes_max", "2MiB", NULL), WEIR_OK);
    assert_int_equal(weir_worker_option_set(&options, "strict", "true", NULL), WEIR_OK);
    assert_int_equal(weir_worker_option_set(&options, "initial_position", "LATEST", NULL), WEIR_OK);

    assert_true(options.lease_duration_ms == 20000);
    assert_true(options.batch_bytes_max == 2097152);
    assert_true(options.strict);
    assert_int_equal(options.initial_position.type, WEIR_LATEST);
}

static void
names_the_option_that_is_wrong(void **state)
{
    struct weir_worker_options options = given_options();
    struct weir_detail detail = {.text = ""};
    (void)state;

    assert_int_equal(
        weir_worker_option_set(&options, "lease_duration_ms", "199ms", &detail), WEIR_EINVAL);
    assert_non_null(strstr(detail.text, "lease_duration_ms"));
    assert_true(options.lease_duration_ms == 10000);
    assert_int_equal(
        weir_worker_option_set(&options, "lease_length", "1s", &detail), WEIR_ENOTFOUND);
    assert_int_equal(weir_worker_option_set(NULL, "strict", "true", &detail), WEIR_EINVAL);
    assert_int_equal(weir_worker_option_set(&options, NULL, "true", &detail), WEIR_EINVAL);
    assert_int_equal(weir_worker_option_set(&options, "strict", NULL, &detail), WEIR_EINVAL);
}

/* Each breach spoils a good set of options; the detail names the option. */
struct breach {
    const char *name;
    void (*spoil)(struct weir_worker_options *options);
};

static void
no_application(struct weir_worker_options *options)
{
    options->application = NULL;
}

static void
no_stream(struct weir_worker_options *options)
{
    options->stream = NULL;
}

static void
slash_in_application(struct weir_worker_options *options)
{
    options->application = "../x";
}

static void
slash_in_worker_id(struct weir_worker_options *options)
{
    options->worker_id = "a/b";
}

static void
number_as_initial_position(struct weir_worker_options *options)
{
    options->initial_position.type = WEIR_AFTER_SEQUENCE_NUMBER;
}

static void
cap_below_base(struct weir_worker_options *options)
{
    options->retry_base_ms = 500;
    options->retry_cap_ms = 499;
}

static void
buffer_below_batch(struct weir_worker_options *options)
{
    options->buffer_bytes_max = 1048576;
    options->batch_bytes_max = 1048577;
}

static void
no_threads(struct weir_worker_options *options)
{
    options->processor_threads_max = 0;
}

static void
foreign_size(struct weir_worker_options *options)
{
    options->struct_size = 1;
}

static const struct breach breaches[] = {
    {"application", no_application},
    {"stream", no_stream},
    {"application", slash_in_application},
    {"worker_id", slash_in_worker_id},
    {"initial_position", number_as_initial_position},
    {"retry_cap_ms", cap_below_base},
    {"buffer_bytes_max", buffer_below_batch},
    {"processor_threads_max", no_threads},
    {"WEIR_WORKER_OPTIONS_INIT", foreign_size},
};

static void
refuses_options_that_do_not_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof breaches / sizeof breaches[0]; i++) {
        struct weir_worker_options options = given_options();
        struct weir_detail detail = {.text = ""};
        breaches[i].spoil(&options);

        assert_int_equal(wi_worker_options_check(&options, &detail), WEIR_EINVAL);
        assert_non_null(strstr(detail.text, breaches[i].name));
    }
    assert_int_equal(wi_worker_options_check(NULL, NULL), WEIR_EINVAL);
}

static void
print_literal(const char *name, const char *text)
{
    (void)printf("static const char %s[] =", name);
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        (void)printf("\n    \"%.*s\\n\"", (int)strcspn(line, "\n"), line);
    }
    (void)printf(";\n\n");
}

/* The static texts are a copy: WEIR_UPDATE=1 prints a new one for worker_options_text.c. */
static void
shows_the_table_in_help_and_markdown(void **state)
{
    struct wi_buffer help;
    struct wi_buffer markdown;
    (void)state;
    wi_buffer_init(&help, weir_env_default());
    wi_buffer_init(&markdown, weir_env_default());
    wi_config_help(wi_worker_options_table(), &help);
    wi_config_markdown(wi_worker_options_table(), &markdown);
    if (getenv("WEIR_UPDATE") != NULL) {
        print_literal("help", wi_buffer_text(&help));
        print_literal("markdown", wi_buffer_text(&markdown));
    }

    assert_string_equal(weir_worker_options_help(), wi_buffer_text(&help));
    assert_string_equal(weir_worker_options_markdown(), wi_buffer_text(&markdown));
    wi_buffer_free(&help);
    wi_buffer_free(&markdown);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_defaults_with_an_application_and_a_stream),
        cmocka_unit_test(has_the_same_defaults_as_the_initializer),
        cmocka_unit_test(refuses_a_processor_without_its_size),
        cmocka_unit_test(sets_options_by_name_with_hyphens_and_units),
        cmocka_unit_test(names_the_option_that_is_wrong),
        cmocka_unit_test(refuses_options_that_do_not_fit),
        cmocka_unit_test(shows_the_table_in_help_and_markdown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
