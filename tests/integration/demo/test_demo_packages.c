/* What of a package index is believed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/types.h>

#include "demo/packages.h"
#include "demo/payload.h"
#include "tests/support/weir_test.h"

/* Lines of a file, each ended by a newline. */
static void
read_text(struct demo_index *index, const char *text, size_t length)
{
    struct demo_stanza stanza = {.has_lines = false};
    const char *end = text + length;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline == NULL ? end : newline;
        const struct weir_bytes line = {text, (size_t)(line_end - text)};
        assert_true(demo_packages_line(index, &stanza, line));
        text = line_end + 1;
    }
    assert_true(demo_packages_end(index, &stanza));
    assert_true(demo_packages_seal(index));
}

static struct demo_index
given(const char *text)
{
    struct demo_index index = {.count = 0};

    read_text(&index, text, strlen(text));
    return index;
}

static void
reads_name_section_and_size(void **state)
{
    struct demo_index index = given("Package: 0ad\n"
                                    "Version: 1\n"
                                    "Installed-Size: 28591\n"
                                    "Description: a game\n"
                                    " Section: not a field, a further line\n"
                                    "Section: games\n"
                                    "\n"
                                    "Package: bash\n"
                                    "Section: shells\n"
                                    "Installed-Size: 7\n");
    (void)state;

    assert_int_equal(index.count, 2);
    assert_string_equal(demo_packages_name(&index, 0), "0ad");
    assert_string_equal(index.packages[0].section->name, "games");
    assert_int_equal(index.packages[0].installed_kib, 28591);
    assert_string_equal(index.packages[1].section->name, "shells");
    assert_int_equal(index.section_count, 2);
    demo_packages_free(&index);
}

static void
counts_what_is_missing_or_unusable_as_missing(void **state)
{
    struct demo_index index = given("Package: a\n\n"
                                    "Package: b\nSection: two words\nInstalled-Size: -3\n\n"
                                    "Package: c\nInstalled-Size: 99999999999999999999999\n\n"
                                    "Package: d\nInstalled-Size: 12kB\nSection:\n");
    (void)state;

    assert_int_equal(index.count, 4);
    for (size_t i = 0; i < index.count; i++) {
        assert_string_equal(index.packages[i].section->name, DEMO_NO_SECTION);
        assert_int_equal(index.packages[i].installed_kib, 0);
    }
    assert_int_equal(index.first_section->packages, 4);
    demo_packages_free(&index);
}

static void
skips_stanzas_without_a_usable_name(void **state)
{
    struct demo_index index = given("Section: x\n\nPackage:\n\nPackage: two words\n\n"
                                    "no colon\n\n: no name\n\n\n\n \n\t\n"
                                    "Package: good\n");
    (void)state;

    assert_int_equal(index.count, 1);
    assert_int_equal(index.skipped, 5);
    assert_string_equal(demo_packages_name(&index, 0), "good");
    demo_packages_free(&index);
}

static void
bounds_names(void **state)
{
    char text[DEMO_PACKAGE_NAME_MAX + 64];
    struct demo_index index;
    (void)state;

    for (int extra = 0; extra < 2; extra++) {
        (void)snprintf(text, sizeof text, "Package: %0*d\n", DEMO_PACKAGE_NAME_MAX + extra, 0);
        index = given(text);
        assert_int_equal(index.count, extra == 0 ? 1 : 0);
        demo_packages_free(&index);
        (void)snprintf(
            text, sizeof text, "Package: a\nSection: %0*d\n", DEMO_SECTION_NAME_MAX + extra, 0);
        index = given(text);
        assert_int_equal(strcmp(index.first_section->name, DEMO_NO_SECTION) == 0, extra);
        demo_packages_free(&index);
    }
}

static void
bounds_the_number_of_sections(void **state)
{
    struct demo_index index = {.count = 0};
    struct demo_stanza stanza = {.has_lines = false};
    uint64_t packages = 0;
    (void)state;

    for (int i = 0; i < DEMO_SECTIONS_MAX + 500; i++) {
        stanza.has_lines = true;
        (void)snprintf(stanza.name, sizeof stanza.name, "p%d", i);
        (void)snprintf(stanza.section, sizeof stanza.section, "s%d", i);
        assert_true(demo_packages_end(&index, &stanza));
    }
    assert_int_equal(index.section_count, DEMO_SECTIONS_MAX);
    assert_string_equal(index.last_section->name, DEMO_NO_SECTION);
    for (const struct demo_section *s = index.first_section; s != NULL; s = s->next) {
        packages += s->packages;
    }
    assert_int_equal(packages, DEMO_SECTIONS_MAX + 500);
    demo_packages_free(&index);
}

static void
takes_any_case_carriage_returns_and_the_first_of_equal_fields(void **state)
{
    struct demo_index index =
        given("PACKAGE: a\r\nsection:\tadmin \r\ninstalled-SIZE: 5\r\nPackage: b\r\n\r\n");
    (void)state;

    assert_int_equal(index.count, 1);
    assert_string_equal(demo_packages_name(&index, 0), "a");
    assert_string_equal(index.packages[0].section->name, "admin");
    assert_int_equal(index.packages[0].installed_kib, 5);
    demo_packages_free(&index);
}

static void
survives_zero_bytes(void **state)
{
    static const char text[] = "Package: a\0b\nSection: x\0y\n\nPackage: c\nSection: s\0\n";
    struct demo_index index = {.count = 0};
    (void)state;

    read_text(&index, text, sizeof text - 1);

    assert_int_equal(index.count, 1);
    assert_string_equal(demo_packages_name(&index, 0), "c");
    assert_string_equal(index.packages[0].section->name, DEMO_NO_SECTION);
    demo_packages_free(&index);
}

static void
gives_equal_names_one_key(void **state)
{
    struct demo_index index =
        given("Package: b\n\nPackage: a\n\nPackage: b\n\nPackage: c\n\nPackage: a\n");
    (void)state;

    assert_int_equal(index.key_count, 3);
    assert_int_equal(index.packages[0].key, index.packages[2].key);
    assert_int_equal(index.packages[1].key, index.packages[4].key);
    assert_int_not_equal(index.packages[0].key, index.packages[1].key);
    demo_packages_free(&index);
}

static void
reads_the_payload_that_it_writes(void **state)
{
    const struct demo_payload payload = {UINT64_MAX, 3, 28591, {"contrib/games", 13}};
    struct demo_payload read;
    char text[DEMO_PAYLOAD_SIZE];
    const size_t length = demo_payload_format(&payload, text);
    (void)state;

    assert_true(demo_payload_parse((struct weir_bytes){text, length}, &read));
    assert_true(read.put_index == UINT64_MAX);
    assert_int_equal(read.round, 3);
    assert_int_equal(read.installed_kib, 28591);
    assert_int_equal(read.section.length, 13);
    assert_memory_equal(read.section.data, "contrib/games", 13);
}

static void
refuses_other_payloads(void **state)
{
    static const char *const bad[] = {
        "", " ", "1", "1 2 3", "1 2 3 ", "x 2 3 s", "1  3 s", "99999999999999999999 0 0 s"};
    struct demo_payload payload;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(demo_payload_parse((struct weir_bytes){bad[i], strlen(bad[i])}, &payload));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_name_section_and_size),
        cmocka_unit_test(counts_what_is_missing_or_unusable_as_missing),
        cmocka_unit_test(skips_stanzas_without_a_usable_name),
        cmocka_unit_test(bounds_names),
        cmocka_unit_test(bounds_the_number_of_sections),
        cmocka_unit_test(takes_any_case_carriage_returns_and_the_first_of_equal_fields),
        cmocka_unit_test(survives_zero_bytes),
        cmocka_unit_test(gives_equal_names_one_key),
        cmocka_unit_test(reads_the_payload_that_it_writes),
        cmocka_unit_test(refuses_other_payloads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
