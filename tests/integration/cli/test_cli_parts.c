/* The parts of the program that are easier to try alone: values, suggestions, JSON, lines. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <weir/types.h>

#include "cli/cli.h"
#include "cli/json_line.h"
#include "cli/line_reader.h"
#include "tests/support/weir_test.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void
reads_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {
        {"0", 0}, {"1ms", 1}, {"10s", 10000}, {"5m", 300000}, {"24h", 86400000}, {"7d", 604800000}};
    static const char *const bad[] = {
        "", "1", "s", "-1s", "1.5s", "1w", "1 s", "9223372036854775807s", "99999999999999999999ms"};
    int64_t ms = -1;
    (void)state;

    for (size_t i = 0; i < LENGTH(good); i++) {
        assert_true(cli_parse_duration(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < LENGTH(bad); i++) {
        assert_false(cli_parse_duration(bad[i], &ms));
    }
    assert_int_equal(ms, 604800000);
}

static void
reads_sizes_and_counts(void **state)
{
    uint64_t n = 0;
    (void)state;

    assert_true(cli_parse_size("64MiB", &n));
    assert_int_equal(n, 64 << 20);
    assert_true(cli_parse_size("4096", &n));
    assert_int_equal(n, 4096);
    assert_true(cli_parse_size("16777215TiB", &n));
    assert_false(cli_parse_size("16777216TiB", &n));
    assert_false(cli_parse_size("1kb", &n));
    assert_true(cli_parse_count("18446744073709551615", UINT64_MAX, &n));
    assert_false(cli_parse_count("18446744073709551616", UINT64_MAX, &n));
    assert_false(cli_parse_count("11", 10, &n));
    assert_false(cli_parse_count("0x1", UINT64_MAX, &n));
}

static void
writes_values_for_people(void **state)
{
    char text[CLI_VALUE_SIZE];
    (void)state;

    assert_string_equal(cli_format_duration(250, text), "250ms");
    assert_string_equal(cli_format_duration(0, text), "0ms");
    assert_string_equal(cli_format_duration(10000, text), "10s");
    assert_string_equal(cli_format_duration(1500, text), "1.5s");
    assert_string_equal(cli_format_duration(86400000, text), "24h");
    assert_string_equal(cli_format_duration(604800000, text), "168h");
    assert_string_equal(cli_format_count(0, text), "0");
    assert_string_equal(cli_format_count(999, text), "999");
    assert_string_equal(cli_format_count(5000, text), "5,000");
    assert_string_equal(cli_format_count(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

static void
writes_checkpoints_as_numbers(void **state)
{
    struct weir_position position = {
        .type = WEIR_AFTER_SEQUENCE_NUMBER, .sequence_number = {{0, 0, 0, 42}}};
    char text[WEIR_POSITION_SIZE];
    (void)state;

    assert_string_equal(cli_format_checkpoint(&position, text), "42");
    position.sub_sequence_number = 7;
    assert_string_equal(cli_format_checkpoint(&position, text), "42:7");
    position.type = WEIR_SHARD_END;
    assert_string_equal(cli_format_checkpoint(&position, text), "SHARD_END");
}

static void
suggests_only_what_is_near(void **state)
{
    static const char *const names[] = {"stream", "put", "get", "worker", "describe"};
    (void)state;

    assert_string_equal(cli_nearest("strxam", names, LENGTH(names)), "stream");
    assert_string_equal(cli_nearest("decsribe", names, LENGTH(names)), "describe");
    assert_string_equal(cli_nearest("putt", names, LENGTH(names)), "put");
    assert_null(cli_nearest("xyzzy", names, LENGTH(names)));
    assert_null(cli_nearest("", names, LENGTH(names)));
}

static struct weir_bytes
bytes(const char *text)
{
    return (struct weir_bytes){text, strlen(text)};
}

static void
knows_text_from_bytes(void **state)
{
    static const char *const text[] = {
        "",
        "plain",
        "tab\there",
        "two\r\nlines",
        "\xc2\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
        "\x7f"};
    static const char *const no_text[] = {
        "\x01",
        "\x1b[0m",
        "\x80",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xe0\x9f\xbf",
        "\xed\xa0\x80",
        "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xe2\x82",
        "\xe2\x82x",
        "\xff"};
    (void)state;

    for (size_t i = 0; i < LENGTH(text); i++) {
        assert_true(cli_json_is_text(bytes(text[i])));
    }
    for (size_t i = 0; i < LENGTH(no_text); i++) {
        assert_false(cli_json_is_text(bytes(no_text[i])));
    }
    assert_false(cli_json_is_text((struct weir_bytes){"a\0b", 3}));
}

static void
expect_data(const char *data, size_t length, const char *json)
{
    struct json_line line = {.data = NULL};
    const struct weir_record record = {
        .sequence_number = {{0, 0, 0, 1}}, .partition_key = {"k", 1}, .data = {data, length}};

    cli_json_line_record(&line, "s", "i", &record, NULL);
    assert_false(line.failed);
    cli_json_line_raw(&line, "", 1);
    assert_string_equal(strstr(line.data, ",\"data"), json);
    cli_json_line_free(&line);
}

static void
escapes_data_or_encodes_it(void **state)
{
    (void)state;
    expect_data("", 0, ",\"data\":\"\"}\n");
    expect_data("\"\\\t\r\n\x7f/", 7, ",\"data\":\"\\\"\\\\\\t\\r\\n\\u007f/\"}\n");
    expect_data("\0", 1, ",\"data_base64\":\"AA==\"}\n");
    expect_data("\xff\xfe", 2, ",\"data_base64\":\"//4=\"}\n");
    expect_data("\x01\x02\x03", 3, ",\"data_base64\":\"AQID\"}\n");
    expect_data("\x01\x02\x03\x04", 4, ",\"data_base64\":\"AQIDBA==\"}\n");
}

static void
writes_a_delivery_with_all_its_names(void **state)
{
    const struct weir_record record = {
        .sequence_number = {{0, 0, 0, 9}},
        .sub_sequence_number = UINT64_MAX,
        .partition_key = {"\xff", 1},
        .data = {"d", 1},
        .arrival_ms = -5,
        .replay_possible = true};
    const struct json_delivery delivery = {3, 2, "w"};
    struct json_line line = {.data = NULL};
    (void)state;

    cli_json_line_record(&line, "s", "i", &record, &delivery);
    cli_json_line_raw(&line, "", 1);
    assert_string_equal(
        line.data,
        "{\"stream\":\"s\",\"shard_id\":\"i\",\"sequence_number\":\"9\","
        "\"sub_sequence_number\":\"18446744073709551615\",\"partition_key_base64\":\"/w==\","
        "\"arrival_ms\":-5,\"data\":\"d\",\"lease_epoch\":3,\"attempt\":2,\"replay_possible\":true,"
        "\"worker_id\":\"w\"}\n");
    cli_json_line_free(&line);
}

/* A reader whose input is `text`, which fits into a pipe. */
static int
given_lines(struct line_reader *reader, const char *text, size_t line_max)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
    assert_int_equal(close(ends[1]), 0);
    assert_true(cli_lines_open(reader, ends[0], line_max));
    return ends[0];
}

/* The next line, reading as much as it takes. */
static enum line_found
next(struct line_reader *reader, struct weir_bytes *line)
{
    enum line_found found = cli_lines_next(reader, line);

    while (found == LINE_MORE) {
        assert_int_equal(cli_lines_fill(reader), 0);
        found = cli_lines_next(reader, line);
    }
    return found;
}

static void
cuts_lines_and_keeps_the_last_one(void **state)
{
    struct line_reader reader;
    struct weir_bytes line;
    const int fd = given_lines(&reader, "one\n\nthree", 100);
    (void)state;

    assert_int_equal(next(&reader, &line), LINE_WHOLE);
    assert_memory_equal(line.data, "one", line.length);
    assert_int_equal(next(&reader, &line), LINE_WHOLE);
    assert_int_equal(line.length, 0);
    assert_int_equal(next(&reader, &line), LINE_WHOLE);
    assert_int_equal(line.length, 5);
    assert_memory_equal(line.data, "three", 5);
    assert_int_equal(next(&reader, &line), LINE_END);
    assert_int_equal(next(&reader, &line), LINE_END);
    cli_lines_close(&reader);
    assert_int_equal(close(fd), 0);
}

static void
skips_lines_that_are_too_long(void **state)
{
    struct line_reader reader;
    struct weir_bytes line;
    const int fd = given_lines(&reader, "12345\n123456\n1\n1234567", 5);
    (void)state;

    assert_int_equal(next(&reader, &line), LINE_WHOLE);
    assert_int_equal(line.length, 5);
    assert_int_equal(next(&reader, &line), LINE_TOO_LONG);
    assert_int_equal(next(&reader, &line), LINE_WHOLE);
    assert_int_equal(line.length, 1);
    assert_int_equal(next(&reader, &line), LINE_TOO_LONG);
    assert_int_equal(next(&reader, &line), LINE_END);
    cli_lines_close(&reader);
    assert_int_equal(close(fd), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_durations),
        cmocka_unit_test(reads_sizes_and_counts),
        cmocka_unit_test(writes_values_for_people),
        cmocka_unit_test(writes_checkpoints_as_numbers),
        cmocka_unit_test(suggests_only_what_is_near),
        cmocka_unit_test(knows_text_from_bytes),
        cmocka_unit_test(escapes_data_or_encodes_it),
        cmocka_unit_test(writes_a_delivery_with_all_its_names),
        cmocka_unit_test(cuts_lines_and_keeps_the_last_one),
        cmocka_unit_test(skips_lines_that_are_too_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
