/* libcurl: in the process only when a client is opened, and words of advice where there is none. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/curl_library.h"
#include "aws/http.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define MAPS_LINE_SIZE 4352 /* a path and what stands before it */

static bool
is_mapped(const char *library)
{
    char line[MAPS_LINE_SIZE];
    FILE *maps = fopen("/proc/self/maps", "re");
    bool found = false;

    assert_non_null(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        found = found || strstr(line, library) != NULL;
    }
    (void)fclose(maps);
    return found;
}

/* Workers without a URL of AWS have 8 MiB resident by budget; libcurl would be more than 4. */
static void
is_loaded_when_the_first_client_is_opened(void **state)
{
    struct wi_http *http = NULL;

    (void)state;
    assert_true(is_mapped("libc.so"));
    assert_false(is_mapped("libcurl"));
    assert_int_equal(wi_http_open_curl(weir_env_default(), NULL, &http, NULL), WEIR_OK);
    assert_true(is_mapped("libcurl"));
    wi_http_close(http);
}

static void
finds_every_function(void **state)
{
    struct wi_curl curl = {.easy_cleanup = NULL};
    void *const none = NULL;

    (void)state;
    assert_int_equal(wi_curl_load(WI_CURL_LIBRARY, &curl, NULL), WEIR_OK);
    for (size_t i = 0; i < sizeof curl; i += sizeof none) {
        assert_memory_not_equal((const char *)&curl + i, &none, sizeof none);
    }
    assert_true(curl.getdate("Sat, 01 Jan 2000 00:00:00 GMT", NULL) == 946684800);
}

static void
says_what_to_install_if_it_is_not_there(void **state)
{
    struct wi_curl curl = {.easy_cleanup = NULL};
    struct weir_detail detail;

    (void)state;
    assert_int_equal(wi_curl_load("libcurl-none.so.4", &curl, &detail), WEIR_EPLATFORM);
    assert_non_null(strstr(detail.text, "libcurl-none.so.4"));
    assert_non_null(strstr(detail.text, "Debian: libcurl4"));
    assert_null(curl.easy_init);
}

static void
says_which_function_a_library_lacks(void **state)
{
    struct wi_curl curl = {.easy_cleanup = NULL};
    struct weir_detail detail;

    (void)state;
    assert_int_equal(wi_curl_load("libc.so.6", &curl, &detail), WEIR_EPLATFORM);
    assert_non_null(strstr(detail.text, "curl_easy_cleanup"));
    assert_null(curl.easy_init);
}

static void
opening_survives_every_allocation_failure(void **state)
{
    const struct wi_http_curl_options options = {.ca_file = "authorities.pem"};
    struct wi_http *http = NULL;
    struct test_env test;
    enum weir_error error;

    (void)state;
    for (size_t n = 1;; n++) {
        struct weir_detail detail = {{0}};

        test_env_init(&test);
        test.fail_at = n;
        error = wi_http_open_curl(&test.env, &options, &http, &detail);
        if (!test_env_has_failed(&test)) {
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
        assert_true(detail.text[0] != '\0');
        test_env_assert_no_leak(&test);
    }
    assert_int_equal(error, WEIR_OK);
    wi_http_close(http);
    test_env_assert_no_leak(&test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_loaded_when_the_first_client_is_opened),
        cmocka_unit_test(finds_every_function),
        cmocka_unit_test(says_what_to_install_if_it_is_not_there),
        cmocka_unit_test(says_which_function_a_library_lacks),
        cmocka_unit_test(opening_survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
