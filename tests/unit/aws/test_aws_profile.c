/* The shared files of AWS, as people and tools write them. */
#include <stdbool.h>
#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_profile.h"
#include "core/str.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

static const char config[] = "\xef\xbb\xbf# comment\r\n"
                             "nobody = 1\n"
                             "[default]\n"
                             "region=eu-west-1\r\n"
                             "  [profile\tspaced name ]  ; x\n"
                             "[profile spaced name]\n"
                             "Role_ARN = arn:aws:iam::1:role/r # why\n"
                             "color = a#b;c\n"
                             "empty =\n"
                             "services = local\n"
                             "[services local]\n"
                             "kinesis =\n"
                             "  endpoint_url = http://localhost:4567\n"
                             "\tother=2\n"
                             "dynamodb =\n"
                             "  endpoint_url = http://localhost:8000\n"
                             "plain = 1\n"
                             "  lost = 2\n"
                             "[x]\n"
                             "key = y\n"
                             "[profile unfinished\n"
                             "gone = 1\n";

static const char credentials[] = "[default]\n"
                                  "aws_access_key_id = A\n"
                                  "region = us-east-1\n"
                                  "aws_secret_access_key = a=b/c+d==\n"
                                  "[profile odd]\n"
                                  "a = b\n"
                                  "[default]\n"
                                  "aws_access_key_id = B";

static const struct {
    const char *section;
    const char *name;
    const char *right;
} rows[] = {
    {"default", "region", "us-east-1"},
    {"default", "aws_access_key_id", "B"},
    {"default", "aws_secret_access_key", "a=b/c+d=="},
    {"spaced name", "role_arn", "arn:aws:iam::1:role/r"},
    {"spaced name", "color", "a#b;c"},
    {"spaced name", "empty", NULL},
    {"services local", "kinesis.endpoint_url", "http://localhost:4567"},
    {"services local", "kinesis.other", "2"},
    {"services local", "dynamodb.endpoint_url", "http://localhost:8000"},
    {"services local", "lost", NULL},
    {"services local", "plain.lost", NULL},
    {"services local", "gone", NULL},
    {"x", "gone", NULL},
    {"x", "key", "y"},
    {"profile odd", "a", "b"},
    {"", "nobody", NULL},
};

static void
reads_what_tools_write(void **state)
{
    struct wi_aws_profiles profiles;

    (void)state;
    wi_aws_profiles_init(&profiles, weir_env_default());
    assert_int_equal(
        wi_aws_profiles_parse(&profiles, WI_AWS_CREDENTIALS_FILE, wi_str(credentials)), WEIR_OK);
    assert_int_equal(wi_aws_profiles_parse(&profiles, WI_AWS_CONFIG_FILE, wi_str(config)), WEIR_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *found = wi_aws_profiles_get(&profiles, rows[i].section, rows[i].name);

        if (rows[i].right == NULL) {
            assert_null(found);
        } else {
            assert_non_null(found);
            assert_string_equal(found, rows[i].right);
        }
    }
    assert_true(wi_aws_profiles_has(&profiles, "spaced name"));
    assert_false(wi_aws_profiles_has(&profiles, "unfinished"));
    wi_aws_profiles_free(&profiles);
}

static void
has_bounds(void **state)
{
    struct wi_aws_profiles profiles;
    struct wi_buffer text;

    (void)state;
    wi_buffer_init(&text, weir_env_default());
    wi_aws_profiles_init(&profiles, weir_env_default());
    wi_buffer_append_z(&text, "[default]\n");
    for (size_t i = 0; i <= WI_AWS_ENTRIES_MAX; i++) {
        wi_buffer_append_z(&text, "a=1\n");
    }
    assert_int_equal(
        wi_aws_profiles_parse(&profiles, WI_AWS_CONFIG_FILE, wi_buffer_str(&text)), WEIR_ELIMIT);
    while (text.length <= WI_AWS_FILE_MAX) {
        wi_buffer_append_z(&text, "# comment\n");
    }
    assert_int_equal(
        wi_aws_profiles_parse(&profiles, WI_AWS_CONFIG_FILE, wi_buffer_str(&text)), WEIR_ELIMIT);
    wi_aws_profiles_free(&profiles);
    wi_buffer_free(&text);
}

static void
survives_every_allocation_failure(void **state)
{
    struct test_env test;
    enum weir_error error;

    (void)state;
    for (size_t n = 1;; n++) {
        struct wi_aws_profiles profiles;

        test_env_init(&test);
        test.fail_at = n;
        wi_aws_profiles_init(&profiles, &test.env);
        error = wi_aws_profiles_parse(&profiles, WI_AWS_CONFIG_FILE, wi_str(config));
        wi_aws_profiles_free(&profiles);
        assert_int_equal(test.live, 0);
        if (!test_env_has_failed(&test)) {
            break;
        }
        assert_int_equal(error, WEIR_ENOMEM);
    }
    assert_int_equal(error, WEIR_OK);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_tools_write),
        cmocka_unit_test(has_bounds),
        cmocka_unit_test(survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
