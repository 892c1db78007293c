/* Log lines: levels, length, and nothing in them that a terminal or a parser obeys. */
#include <string.h>

#include <weir/env.h>

#include "core/log.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

/* Keeps a whole line, where test_env keeps the beginning. */
struct kept_line {
    char text[2 * WI_LOG_SIZE];
    int lines;
};

static void
keep_line(void *context, enum weir_log_level level, const char *component, const char *message)
{
    struct kept_line *kept = context;
    (void)level;
    (void)component;
    assert_true(strlen(message) < WI_LOG_SIZE);
    memcpy(kept->text, message, strlen(message) + 1);
    kept->lines++;
}

static void
formats_only_lines_up_to_the_level(void **state)
{
    struct test_env test;
    (void)state;
    test_env_init(&test);
    test.env.logger.level = WEIR_LOG_WARN;
    wi_log(&test.env, WEIR_LOG_INFO, "lease", "%s", "quiet");
    assert_int_equal(test.log_lines, 0);
    wi_log(&test.env, WEIR_LOG_WARN, "lease", "took %d leases", 3);
    assert_int_equal(test.log_lines, 1);
    assert_int_equal(test.last_log_level, WEIR_LOG_WARN);
    assert_string_equal(test.last_log, "lease: took 3 leases");
    test.env.logger.log = NULL;
    wi_log(&test.env, WEIR_LOG_ERROR, "lease", "%s", "to nobody");
}

/* A partition key with a line break could forge a line of the log. */
static void
replaces_control_characters(void **state)
{
    struct test_env test;
    (void)state;
    test_env_init(&test);
    wi_log(
        &test.env,
        WEIR_LOG_ERROR,
        "worker",
        "%s",
        "a\nb\rc\td\x1b[2Je\x7f"
        "f");
    assert_string_equal(test.last_log, "worker: a?b?c?d?[2Je?f");
    wi_log(
        &test.env,
        WEIR_LOG_ERROR,
        "worker",
        "%s",
        "a\xc2\x9b"
        "b\xc2\x80"
        "c\xc2\x9f");
    assert_string_equal(test.last_log, "worker: a??b??c??");
    wi_log(&test.env, WEIR_LOG_ERROR, "worker", "%s", "\xc3\xa4\xc2\xa0\xe2\x82\xac\xc2");
    assert_string_equal(test.last_log, "worker: \xc3\xa4\xc2\xa0\xe2\x82\xac\xc2");
}

static void
cuts_long_lines_and_shows_that_it_did(void **state)
{
    struct kept_line kept = {"", 0};
    struct test_env test;
    char text[3 * WI_LOG_SIZE];
    (void)state;
    test_env_init(&test);
    test.env.logger.context = &kept;
    test.env.logger.log = keep_line;
    memset(text, 'x', sizeof text);
    text[WI_LOG_SIZE - 1] = '\0';
    wi_log(&test.env, WEIR_LOG_ERROR, "worker", "%s", text);
    assert_string_equal(kept.text, text);

    text[WI_LOG_SIZE - 1] = 'x';
    text[sizeof text - 1] = '\0';
    wi_log(&test.env, WEIR_LOG_ERROR, "worker", "%s", text);
    assert_int_equal(strlen(kept.text), WI_LOG_SIZE - 1);
    assert_string_equal(kept.text + WI_LOG_SIZE - 5, "x...");
    assert_int_equal(kept.lines, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_only_lines_up_to_the_level),
        cmocka_unit_test(replaces_control_characters),
        cmocka_unit_test(cuts_long_lines_and_shows_that_it_did),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
