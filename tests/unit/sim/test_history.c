/* The text form of histories: docs/history.md. */
#include <stdio.h>
#include <string.h>

#include <weir/error.h>

#include "core/pcg.h"
#include "sim/checker.h"
#include "sim/history.h"
#include "sim/history_text.h"
#include "tests/support/weir_test.h"

static enum weir_error
parse(const char *text, struct wi_history_line *ret, struct weir_detail *detail)
{
    return wi_history_parse(text, strlen(text), 7, ret, detail);
}

/* Any event: each member 0, small or as large as it gets. */
static struct wi_history_event
any_event(struct wi_pcg *pcg)
{
    static const uint64_t values[] = {0, 0, 1, 12, UINT32_MAX};
    uint64_t v[16];

    for (size_t i = 0; i < 16; i++) {
        v[i] = values[wi_pcg_below(pcg, sizeof values / sizeof values[0])];
    }
    return (struct wi_history_event){
        .kind = (enum wi_history_kind)wi_pcg_below(pcg, WI_HISTORY_KINDS),
        .time_ns = v[0] == 12 ? INT64_MAX : (int64_t)v[0],
        .worker = (uint32_t)v[1],
        .shard = (uint32_t)v[2],
        .parents = {(uint32_t)v[3], (uint32_t)v[4]},
        .key = (uint32_t)v[5],
        .epoch = v[6] == 12 ? UINT64_MAX : v[6],
        .first = v[7] == 12 ? UINT64_MAX : v[7],
        .last = v[8],
        .count = (uint32_t)v[9],
        .attempt = (uint32_t)v[10],
        .until_ns = (int64_t)v[11],
        .operation = (enum wi_history_operation)wi_pcg_below(pcg, WI_OPERATION_RESET + 1),
        .error = v[12] == 1 ? WEIR_ESESSIONLOST : WEIR_OK,
        .fault = (uint32_t)v[12],
        .writer = (uint32_t)v[13],
        .under = v[14],
        .term = v[15],
        .unresolved = v[0] == 1,
        .shard_end = v[1] == 1,
        .fenced = v[2] == 1,
        .on = v[3] == 1,
    };
}

static void
every_event_survives_writing_and_reading(void **state)
{
    struct wi_pcg pcg;
    (void)state;
    wi_pcg_seed(&pcg, 1, 1);

    for (size_t i = 0; i < 20000; i++) {
        struct wi_history_event event = any_event(&pcg);
        struct wi_history_line line;
        char first[WI_HISTORY_LINE_SIZE];
        char second[WI_HISTORY_LINE_SIZE];
        size_t length = wi_history_format(&event, first);

        assert_int_equal(length, strlen(first));
        if (parse(first, &line, NULL) != WEIR_OK) {
            fail_msg("refused: %s", first);
        }
        assert_int_equal(line.type, WI_HISTORY_LINE_EVENT);
        (void)wi_history_format(&line.event, second);
        assert_string_equal(first, second);
        assert_int_equal(line.event.kind, event.kind);
        assert_true(line.event.epoch == event.epoch && line.event.error == event.error);
    }
}

/* A code that is new in error.h must be known to the reader. */
static void
every_error_code_can_be_read(void **state)
{
    unsigned known = 0;
    (void)state;

    for (unsigned code = 1; code < 1000; code++) {
        struct wi_history_event event = {.kind = WI_HISTORY_END};
        struct wi_history_line line;
        char text[WI_HISTORY_LINE_SIZE];

        memcpy(&event.error, &code, sizeof event.error);
        (void)wi_history_format(&event, text);
        if (strstr(text, "WEIR_E?") == NULL) {
            assert_int_equal(parse(text, &line, NULL), WEIR_OK);
            assert_int_equal(line.event.error, code);
            known++;
        }
    }
    assert_true(known >= 25);
}

static void
writes_members_in_order_and_leaves_out_zeros(void **state)
{
    const struct wi_history_event event = {
        .kind = WI_HISTORY_ROW,
        .time_ns = 4000000000,
        .worker = 1,
        .shard = 2,
        .epoch = 3,
        .operation = WI_OPERATION_CHECKPOINT,
        .last = 9,
        .writer = 1,
        .under = 3,
    };
    char line[WI_HISTORY_LINE_SIZE];
    (void)state;

    (void)wi_history_format(&event, line);
    assert_string_equal(
        line,
        "{\"kind\":\"row\",\"t\":4000000000,\"worker\":1,\"shard\":2,\"epoch\":3,\"last\":9,"
        "\"operation\":\"checkpoint\",\"writer\":1,\"under\":3}");
}

static void
the_longest_line_fits(void **state)
{
    const struct wi_history_event event = {
        .kind = WI_HISTORY_ROW_DELETED,
        .time_ns = INT64_MAX,
        .worker = UINT32_MAX,
        .shard = UINT32_MAX,
        .parents = {UINT32_MAX, UINT32_MAX},
        .key = UINT32_MAX,
        .epoch = UINT64_MAX,
        .first = UINT64_MAX,
        .last = UINT64_MAX,
        .count = UINT32_MAX,
        .attempt = UINT32_MAX,
        .until_ns = INT64_MAX,
        .operation = WI_OPERATION_CHECKPOINT,
        .error = WEIR_EUNSUPPORTED,
        .fault = UINT32_MAX,
        .writer = UINT32_MAX,
        .under = UINT64_MAX,
        .term = UINT64_MAX,
        .unresolved = true,
        .shard_end = true,
        .fenced = true,
        .on = true,
    };
    char text[WI_HISTORY_LINE_SIZE];
    struct wi_history_line line;
    (void)state;

    assert_true(wi_history_format(&event, text) < WI_HISTORY_LINE_SIZE);
    assert_int_equal(parse(text, &line, NULL), WEIR_OK);
    assert_true(line.event.term == UINT64_MAX && line.event.on);
}

static void
settings_survive_writing_and_reading(void **state)
{
    const struct wi_checker_settings settings = {
        .lease_duration_ms = 10000,
        .stop_ms = 7,
        .redelivered_max = 3,
        .exactly_once_sink = true,
    };
    char text[WI_HISTORY_LINE_SIZE];
    struct wi_history_line line;
    (void)state;

    (void)wi_history_format_settings(&settings, text);
    assert_string_equal(
        text,
        "{\"kind\":\"settings\",\"lease_duration_ms\":10000,\"stop_ms\":7,"
        "\"redelivered_max\":3,\"exactly_once_sink\":true}");
    assert_int_equal(parse(text, &line, NULL), WEIR_OK);
    assert_int_equal(line.type, WI_HISTORY_LINE_SETTINGS);
    assert_memory_equal(&line.settings, &settings, sizeof settings);
}

static void
remarks_and_empty_lines_mean_nothing(void **state)
{
    struct wi_history_line line;
    (void)state;

    assert_int_equal(parse("# anything {", &line, NULL), WEIR_OK);
    assert_int_equal(line.type, WI_HISTORY_LINE_REMARK);
    assert_int_equal(wi_history_parse(NULL, 0, 1, &line, NULL), WEIR_OK);
    assert_int_equal(line.type, WI_HISTORY_LINE_REMARK);
}

/* Each differs in one thing from a line that is right. */
static const char *const wrong[] = {
    " {\"kind\":\"quiet\"}",
    "{\"kind\":\"quiet\"} ",
    "{\"kind\":\"quiet\"",
    "{\"kind\":\"quiet}",
    "{\"kind\": \"quiet\"}",
    "{\"kind\":\"\"}",
    "{\"kind\":\"silence\"}",
    "{\"t\":1,\"kind\":\"quiet\"}",
    "{\"kind\":\"quiet\",\"t\":0}",
    "{\"kind\":\"quiet\",\"t\":01}",
    "{\"kind\":\"quiet\",\"t\":-1}",
    "{\"kind\":\"quiet\",\"t\":+1}",
    "{\"kind\":\"quiet\",\"t\":1.0}",
    "{\"kind\":\"quiet\",\"t\":1e3}",
    "{\"kind\":\"quiet\",\"t\":}",
    "{\"kind\":\"quiet\",\"t\":9223372036854775808}",
    "{\"kind\":\"quiet\",\"worker\":4294967296}",
    "{\"kind\":\"quiet\",\"epoch\":18446744073709551616}",
    "{\"kind\":\"quiet\",\"worker\":1,\"t\":1}",
    "{\"kind\":\"quiet\",\"t\":1,\"t\":1}",
    "{\"kind\":\"quiet\",\"colour\":1}",
    "{\"kind\":\"hang\",\"on\":false}",
    "{\"kind\":\"row\",\"operation\":\"none\"}",
    "{\"kind\":\"row\",\"operation\":\"jump\"}",
    "{\"kind\":\"row\",\"operation\":3}",
    "{\"kind\":\"end\",\"error\":\"WEIR_OK\"}",
    "{\"kind\":\"end\",\"error\":\"WEIR_E?\"}",
    "{\"kind\":\"end\",\"error\":\"WEIR_E",
    "{\"kind\":\"settings\",\"t\":1}",
    "[]",
    "quiet",
};

static void
takes_nothing_but_what_the_writer_writes(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct wi_history_line line = {.type = WI_HISTORY_LINE_SETTINGS};
        struct weir_detail detail = {""};

        if (parse(wrong[i], &line, &detail) != WEIR_ECORRUPT) {
            fail_msg("taken: %s", wrong[i]);
        }
        assert_int_equal(line.type, WI_HISTORY_LINE_SETTINGS);
        assert_non_null(strstr(detail.text, "line 7"));
    }
}

static void
says_which_line_and_member_are_wrong(void **state)
{
    struct wi_history_line line;
    struct weir_detail detail;
    (void)state;

    assert_int_equal(parse("{\"kind\":\"put\",\"shard\":x}", &line, &detail), WEIR_ECORRUPT);
    assert_string_equal(detail.text, "line 7: \"shard\" has a value that it cannot have");
    assert_int_equal(
        parse("{\"kind\":\"put\",\"shard\":1,\"shard\":2}", &line, &detail), WEIR_ECORRUPT);
    assert_non_null(strstr(detail.text, "line 7, column 24"));
}

static void
refuses_a_line_that_is_too_long(void **state)
{
    char text[WI_HISTORY_LINE_SIZE + 1];
    struct wi_history_line line;
    (void)state;

    memset(text, '#', sizeof text);
    assert_int_equal(wi_history_parse(text, WI_HISTORY_LINE_SIZE, 1, &line, NULL), WEIR_ECORRUPT);
    assert_int_equal(wi_history_parse(text, WI_HISTORY_LINE_SIZE - 1, 1, &line, NULL), WEIR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_survives_writing_and_reading),
        cmocka_unit_test(every_error_code_can_be_read),
        cmocka_unit_test(writes_members_in_order_and_leaves_out_zeros),
        cmocka_unit_test(the_longest_line_fits),
        cmocka_unit_test(settings_survive_writing_and_reading),
        cmocka_unit_test(remarks_and_empty_lines_mean_nothing),
        cmocka_unit_test(takes_nothing_but_what_the_writer_writes),
        cmocka_unit_test(says_which_line_and_member_are_wrong),
        cmocka_unit_test(refuses_a_line_that_is_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
