/* Signature Version 4 against the values that AWS publishes (tests/golden/sigv4). */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/http.h"
#include "aws/sigv4.h"
#include "core/str.h"
#include "tests/support/weir_test.h"

#define LINE_MAX_BYTES 2048
#define LINES_MAX      64
#define FILES_MIN      20

/* One file of tests/golden/sigv4. */
struct golden {
    char lines[LINES_MAX][LINE_MAX_BYTES];
    size_t count;
    struct wi_http_header headers[WI_SIGV4_HEADERS_MAX];
    struct wi_sigv4_request request;
    struct wi_buffer canonical;
    const char *to_sign;
    const char *signature;
};

static const struct wi_sigv4_scope scope = {
    .key_id = "AKIDEXAMPLE",
    .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    .region = "us-east-1",
    .service = "service",
    .time = "20150830T123600Z",
};

static void
take_line(struct golden *golden, char *line)
{
    char *value = strchr(line, ' ');

    assert_non_null(value);
    *value++ = '\0';
    if (strcmp(line, "method") == 0) {
        golden->request.method = value;
    } else if (strcmp(line, "path") == 0) {
        golden->request.path = wi_str(value);
    } else if (strcmp(line, "query") == 0) {
        golden->request.query = wi_str(value);
    } else if (strcmp(line, "body") == 0) {
        golden->request.payload = (struct weir_bytes){value, strlen(value)};
    } else if (strcmp(line, "to_sign") == 0) {
        golden->to_sign = value;
    } else if (strcmp(line, "signature") == 0) {
        golden->signature = value;
    } else if (strcmp(line, "canonical") == 0) {
        wi_buffer_append_z(&golden->canonical, golden->canonical.length == 0 ? "" : "\n");
        wi_buffer_append_z(&golden->canonical, value);
    } else {
        char *content = strchr(value, ':');
        assert_non_null(content);
        *content++ = '\0';
        golden->headers[golden->request.header_count++] = (struct wi_http_header){value, content};
    }
}

static void
load(struct golden *golden, const char *folder, const char *name)
{
    char path[LINE_MAX_BYTES];
    FILE *file;

    memset(golden, 0, sizeof *golden);
    wi_buffer_init(&golden->canonical, weir_env_default());
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "r");
    assert_non_null(file);
    while (golden->count < LINES_MAX &&
           fgets(golden->lines[golden->count], LINE_MAX_BYTES, file) != NULL) {
        char *line = golden->lines[golden->count++];
        line[strcspn(line, "\n")] = '\0';
        take_line(golden, line);
    }
    (void)fclose(file);
    golden->request.headers = golden->headers;
}

static void
check(struct golden *golden, struct wi_sigv4_key *key)
{
    struct wi_buffer text;
    char ending[128];

    wi_buffer_init(&text, weir_env_default());
    assert_int_equal(wi_sigv4_canonical_request(&golden->request, &text), WEIR_OK);
    assert_string_equal(wi_buffer_text(&text), wi_buffer_text(&golden->canonical));

    wi_buffer_reset(&text);
    assert_int_equal(
        wi_sigv4_string_to_sign(&scope, wi_buffer_str(&golden->canonical), &text), WEIR_OK);
    assert_non_null(strstr(wi_buffer_text(&text), golden->to_sign));

    wi_buffer_reset(&text);
    assert_int_equal(wi_sigv4_authorization(&golden->request, &scope, key, &text), WEIR_OK);
    (void)snprintf(ending, sizeof ending, ", Signature=%s", golden->signature);
    assert_non_null(strstr(wi_buffer_text(&text), ending));
    wi_buffer_free(&text);
    wi_buffer_free(&golden->canonical);
}

static void
gives_the_published_values(void **state)
{
    const char *source = getenv("WEIR_SOURCE_DIR"); /* NOLINT(concurrency-mt-unsafe) */
    static struct golden golden;
    struct wi_sigv4_key key = {.date = ""};
    char folder[LINE_MAX_BYTES / 2];
    const struct dirent *entry;
    size_t files = 0;
    DIR *listing;

    (void)state;
    assert_non_null(source);
    (void)snprintf(folder, sizeof folder, "%s/tests/golden/sigv4", source);
    listing = opendir(folder);
    assert_non_null(listing);
    while ((entry = readdir(listing)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        if (strstr(entry->d_name, ".txt") != NULL) {
            load(&golden, folder, entry->d_name);
            check(&golden, &key);
            files++;
        }
    }
    (void)closedir(listing);
    assert_true(files >= FILES_MIN);
}

/* The derived key of AWS's documentation ("Deriving the signing key"). */
static void
derives_the_documented_key(void **state)
{
    static const unsigned char right[] = {0xc4, 0xaf, 0xb1, 0xcc, 0x57, 0x71, 0xd8, 0x71,
                                          0x76, 0x3a, 0x39, 0x3e, 0x44, 0xb7, 0x03, 0x57,
                                          0x1b, 0x55, 0xcc, 0x28, 0x42, 0x4d, 0x1a, 0x5e,
                                          0x86, 0xda, 0x6e, 0xd3, 0xc1, 0x54, 0xa4, 0xb9};
    struct wi_sigv4_scope iam = scope;
    struct wi_sigv4_key key = {.date = ""};

    (void)state;
    iam.service = "iam";
    assert_int_equal(wi_sigv4_key_for(&iam, &key), WEIR_OK);
    assert_memory_equal(key.bytes, right, sizeof right);
}

/* A kept key must not sign for another day, secret, region or service. */
static void
derives_anew_when_anything_changes(void **state)
{
    struct wi_sigv4_scope others[4] = {scope, scope, scope, scope};
    struct wi_sigv4_key first = {.date = ""};

    (void)state;
    others[0].secret = "another";
    others[1].region = "eu-west-1";
    others[2].service = "kinesis";
    memcpy(others[3].time, "20150831T000000Z", sizeof others[3].time);
    assert_int_equal(wi_sigv4_key_for(&scope, &first), WEIR_OK);
    for (size_t i = 0; i < 4; i++) {
        struct wi_sigv4_key kept = first;
        struct wi_sigv4_key fresh = {.date = ""};

        assert_int_equal(wi_sigv4_key_for(&others[i], &kept), WEIR_OK);
        assert_int_equal(wi_sigv4_key_for(&others[i], &fresh), WEIR_OK);
        assert_memory_equal(kept.bytes, fresh.bytes, sizeof fresh.bytes);
        assert_memory_not_equal(kept.bytes, first.bytes, sizeof first.bytes);
    }
}

static void
writes_times_of_every_year(void **state)
{
    char text[WI_SIGV4_TIME_SIZE];

    (void)state;
    wi_sigv4_time(INT64_C(1440938160999), text);
    assert_string_equal(text, "20150830T123600Z");
    wi_sigv4_time(-1, text);
    assert_string_equal(text, "19700101T000000Z");
    wi_sigv4_time(INT64_MAX, text);
    assert_string_equal(text, "99991231T235959Z");
}

static void
refuses_more_headers_and_parameters_than_it_sorts(void **state)
{
    struct wi_http_header headers[WI_SIGV4_HEADERS_MAX + 1];
    struct wi_sigv4_request request = {.method = "GET", .headers = headers};
    char query[2 * (WI_SIGV4_PARAMETERS_MAX + 1)];
    struct wi_buffer text;

    (void)state;
    wi_buffer_init(&text, weir_env_default());
    for (size_t i = 0; i <= WI_SIGV4_HEADERS_MAX; i++) {
        headers[i] = (struct wi_http_header){"x", "y"};
    }
    request.header_count = WI_SIGV4_HEADERS_MAX + 1;
    assert_int_equal(wi_sigv4_canonical_request(&request, &text), WEIR_ELIMIT);
    request.header_count = WI_SIGV4_HEADERS_MAX;
    assert_int_equal(wi_sigv4_canonical_request(&request, &text), WEIR_OK);
    for (size_t i = 0; i < sizeof query; i++) {
        query[i] = i % 2 == 0 ? 'a' : '&';
    }
    request.query = (struct weir_str){query, sizeof query};
    assert_int_equal(wi_sigv4_canonical_request(&request, &text), WEIR_ELIMIT);
    request.query.length -= 2;
    assert_int_equal(wi_sigv4_canonical_request(&request, &text), WEIR_OK);
    wi_buffer_free(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_values),
        cmocka_unit_test(derives_the_documented_key),
        cmocka_unit_test(derives_anew_when_anything_changes),
        cmocka_unit_test(writes_times_of_every_year),
        cmocka_unit_test(refuses_more_headers_and_parameters_than_it_sorts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
