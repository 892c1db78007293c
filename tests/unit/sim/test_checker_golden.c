/* The checker on histories from files: each bad one breaks the property that it names, with its
 * last event and not before; the good ones hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/checker.h"
#include "tests/support/weir_test.h"
#include "tests/unit/sim/history_fixture.h"

static struct history history;

static void
free_list(char **paths, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(paths[i]);
    }
    free(paths);
}

/* The first word of the remark. */
static void
expected_property(char ret[8])
{
    (void)snprintf(ret, 8, "%.*s", (int)strcspn(history.remark, " "), history.remark);
}

static void
every_bad_history_breaks_its_property_with_its_last_event(void **state)
{
    char **paths;
    size_t count = history_list("bad-", &paths);
    (void)state;

    assert_true(count >= 40);
    for (size_t i = 0; i < count; i++) {
        struct wi_violation violation = {.property = "none"};
        char expected[8];

        history_read(paths[i], &history);
        expected_property(expected);
        if (history_holds(&history.settings, history.events, history.count, &violation)) {
            fail_msg("%s: it holds", paths[i]);
        }
        if (strcmp(violation.property, expected) != 0 || violation.event != history.count - 1) {
            fail_msg(
                "%s: event %u breaks %s: %s",
                paths[i],
                (unsigned)violation.event,
                violation.property,
                violation.text);
        }
        assert_true(strlen(violation.name) > 0);
    }
    free_list(paths, count);
}

static void
every_bad_history_holds_until_its_last_event(void **state)
{
    char **paths;
    size_t count = history_list("bad-", &paths);
    (void)state;

    for (size_t i = 0; i < count; i++) {
        struct wi_violation violation;

        history_read(paths[i], &history);
        if (!history_holds(&history.settings, history.events, history.count - 1, &violation)) {
            fail_msg("%s: %s", paths[i], violation.text);
        }
    }
    free_list(paths, count);
}

static void
every_good_history_holds(void **state)
{
    char **paths;
    size_t count = history_list("good-", &paths);
    (void)state;

    assert_true(count >= 15);
    for (size_t i = 0; i < count; i++) {
        struct wi_violation violation;

        history_read(paths[i], &history);
        if (!history_holds(&history.settings, history.events, history.count, &violation)) {
            fail_msg(
                "%s: event %u breaks %s: %s",
                paths[i],
                (unsigned)violation.event,
                violation.property,
                violation.text);
        }
    }
    free_list(paths, count);
}

/* What a function of its own checks. The other properties are these under another name. */
static void
every_property_with_a_check_has_a_bad_history(void **state)
{
    static const char *const checked[] = {"G1",  "G4",  "G5",  "I1", "I2",  "I3",  "I4",  "I5",
                                          "I6",  "I7",  "I8",  "I9", "I10", "I11", "I12", "I13",
                                          "I14", "I15", "I16", "L1", "L2",  "L3",  "L4",  "L6",
                                          "P1",  "P3",  "P4",  "P5", "P6",  "P7",  "R12", "H1"};
    (void)state;

    for (size_t i = 0; i < sizeof checked / sizeof checked[0]; i++) {
        char prefix[16];
        char **paths;
        size_t count;

        (void)snprintf(prefix, sizeof prefix, "bad-%s-", checked[i]);
        count = history_list(prefix, &paths);
        if (count == 0) {
            fail_msg("nothing breaks %s", checked[i]);
        }
        free_list(paths, count);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bad_history_breaks_its_property_with_its_last_event),
        cmocka_unit_test(every_bad_history_holds_until_its_last_event),
        cmocka_unit_test(every_good_history_holds),
        cmocka_unit_test(every_property_with_a_check_has_a_bad_history),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
