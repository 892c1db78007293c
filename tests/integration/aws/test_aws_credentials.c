/* Where credentials, region and endpoint come from, against local metadata and token services. */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "tests/integration/aws/aws_fixture.h"
#include "tests/support/weir_test.h"

/* Ask a new chain. */
static enum weir_error
find(const char *profile, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    const struct wi_aws_credential_options options = {.profile = profile, .region = "eu-west-1"};
    struct wi_aws_credential_chain *chain = NULL;
    struct wi_http *http = open_http(NULL);
    enum weir_error error;

    detail->text[0] = '\0';
    assert_int_equal(
        wi_aws_credentials_open(weir_env_default(), http, &options, &chain, detail), WEIR_OK);
    error = wi_aws_credentials_get(chain, ret, detail);
    wi_aws_credentials_close(chain);
    wi_http_close(http);
    return error;
}

static void
assert_found(const char *profile, const char *key_id)
{
    static struct wi_aws_credentials found;
    struct weir_detail detail;

    assert_int_equal(find(profile, &found, &detail), WEIR_OK);
    assert_string_equal(found.key_id, key_id);
    assert_string_equal(found.secret, SECRET);
}

static void
assert_refused(const char *profile, const char *words)
{
    static struct wi_aws_credentials found;
    struct weir_detail detail;

    assert_int_equal(find(profile, &found, &detail), WEIR_EACCESS);
    assert_non_null(strstr(detail.text, words));
    assert_null(strstr(detail.text, SECRET));
}

static void
lists_every_source_when_there_are_none(void **state)
{
    static const char *const names[] = {
        "environment", "web identity", "shared files", "container", "instance metadata"};

    clear_environment(*state);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_refused(NULL, names[i]);
    }
}

static void
takes_the_environments_first_unless_a_profile_is_named(void **state)
{
    const struct aws_fixture *fixture = *state;
    char path[TEST_DIR_PATH_SIZE];

    clear_environment(fixture);
    write_file(
        fixture,
        "keys",
        "[named]\naws_access_key_id = AKIANAMED\naws_secret_access_key = " SECRET "\n",
        path);
    set("AWS_SHARED_CREDENTIALS_FILE", path);
    set("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT");
    assert_refused(NULL, "AWS_SECRET_ACCESS_KEY is not");
    set("AWS_SECRET_ACCESS_KEY", SECRET);
    assert_found(NULL, "AKIAENVIRONMENT");
    assert_found("named", "AKIANAMED");
    set("AWS_PROFILE", "named");
    assert_found(NULL, "AKIAENVIRONMENT");
}

static void
asks_the_token_service_with_a_web_identity(void **state)
{
    const struct aws_fixture *fixture = *state;
    char path[TEST_DIR_PATH_SIZE];

    clear_environment(fixture);
    write_file(fixture, "token", "web-token\n", path);
    set("AWS_WEB_IDENTITY_TOKEN_FILE", path);
    assert_refused(NULL, "AWS_ROLE_ARN is not");
    set("AWS_ROLE_ARN", "arn:aws:iam::1:role/web");
    set("AWS_ENDPOINT_URL_STS", fixture->plain);
    assert_found(NULL, "ASIAWEB");
    write_file(fixture, "token", "another", NULL);
    assert_refused(NULL, "AccessDenied: not you");
    set("AWS_WEB_IDENTITY_TOKEN_FILE", "nowhere/at/all");
    assert_refused(NULL, "nowhere/at/all");
}

static const char roles[] = "[default]\n"
                            "region = eu-central-1\n"
                            "[profile base]\n"
                            "aws_access_key_id = AKIABASE\n"
                            "aws_secret_access_key = " SECRET "\n"
                            "[profile one]\n"
                            "role_arn = arn:aws:iam::1:role/one\n"
                            "source_profile = base\n"
                            "external_id = x y\n"
                            "[profile two]\n"
                            "role_arn = arn:aws:iam::1:role/two\n"
                            "source_profile = one\n"
                            "[profile self]\n"
                            "role_arn = arn:aws:iam::1:role/self\n"
                            "source_profile = self\n"
                            "aws_access_key_id = AKIASELF\n"
                            "aws_secret_access_key = " SECRET "\n"
                            "[profile circle]\n"
                            "role_arn = arn:aws:iam::1:role/c\n"
                            "source_profile = circle2\n"
                            "[profile circle2]\n"
                            "role_arn = arn:aws:iam::1:role/c2\n"
                            "source_profile = circle\n"
                            "[profile instance]\n"
                            "role_arn = arn:aws:iam::1:role/frominstance\n"
                            "credential_source = Ec2InstanceMetadata\n"
                            "[profile orphan]\n"
                            "role_arn = arn:aws:iam::1:role/o\n"
                            "source_profile = nobody\n"
                            "[profile process]\n"
                            "credential_process = /bin/false\n"
                            "[profile mfa]\n"
                            "role_arn = arn:aws:iam::1:role/m\n"
                            "mfa_serial = 1\n"
                            "source_profile = base\n"
                            "[profile wrong]\n"
                            "role_arn = arn:aws:iam::1:role/w\n"
                            "external_id = wrong\n"
                            "source_profile = base\n";

static void
assumes_roles_through_profiles(void **state)
{
    const struct aws_fixture *fixture = *state;
    char path[TEST_DIR_PATH_SIZE];

    clear_environment(fixture);
    write_file(fixture, "roles", roles, path);
    set("AWS_CONFIG_FILE", path);
    set("AWS_ENDPOINT_URL_STS", fixture->plain);
    assert_found("base", "AKIABASE");
    assert_found("one", "ASIAONE");
    assert_found("two", "ASIATWO");
    assert_found("self", "ASIASELF");
    set("AWS_EC2_METADATA_DISABLED", NULL);
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", fixture->plain);
    assert_found("instance", "ASIAFROMINSTANCE");
    assert_refused("circle", "circle");
    assert_refused("orphan", "nobody");
    assert_refused("process", "export-credentials");
    assert_refused("mfa", "one-time password");
    assert_refused("wrong", "AccessDenied");
}

static void
asks_a_container_at_allowed_hosts_only(void **state)
{
    const struct aws_fixture *fixture = *state;
    char path[TEST_DIR_PATH_SIZE];
    char url[128];

    clear_environment(fixture);
    (void)snprintf(url, sizeof url, "%s/container", fixture->plain);
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    assert_refused(NULL, "not the right token");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "container-secret");
    assert_found(NULL, "ASIACONTAINER");
    write_file(fixture, "container-token", "container-secret\n", path);
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "wrong");
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path);
    assert_found(NULL, "ASIACONTAINER");
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example.com/x");
    assert_refused(NULL, "neither https nor on this host");
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/x");
    assert_refused(NULL, "neither https nor on this host");
    set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@example.com/x");
    assert_refused(NULL, "no URL");
}

static void
asks_the_instance_by_version_2(void **state)
{
    const struct aws_fixture *fixture = *state;

    clear_environment(fixture);
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", fixture->plain);
    assert_refused(NULL, "AWS_EC2_METADATA_DISABLED is true");
    set("AWS_EC2_METADATA_DISABLED", NULL);
    assert_found(NULL, "ASIAINSTANCE");
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1");
    assert_refused(NULL, "instance metadata: no connection");
}

struct asker {
    struct wi_aws_credential_chain *chain;
    pthread_t thread;
};

static void *
ask(void *context)
{
    struct asker *asker = context;
    struct wi_aws_credentials found;

    assert_int_equal(wi_aws_credentials_get(asker->chain, &found, NULL), WEIR_OK);
    return NULL;
}

static void
many_callers_make_one_refresh(void **state)
{
    enum {
        THREADS = 16
    };
    const struct aws_fixture *fixture = *state;
    const struct wi_aws_credential_options options = {.region = "eu-west-1"};
    const char *path = "/latest/meta-data/iam/security-credentials/the-role";
    struct wi_http *http = open_http(NULL);
    struct wi_http *other = open_http(NULL);
    struct asker askers[THREADS];
    struct wi_aws_credential_chain *chain = NULL;
    int64_t before;

    clear_environment(fixture);
    before = count_of(other, fixture, path);
    clear_environment(fixture);
    set("AWS_EC2_METADATA_DISABLED", NULL);
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", fixture->plain);
    assert_int_equal(
        wi_aws_credentials_open(weir_env_default(), http, &options, &chain, NULL), WEIR_OK);
    for (size_t i = 0; i < THREADS; i++) {
        askers[i].chain = chain;
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
    }
    assert_int_equal(count_of(other, fixture, path), before + 1);
    wi_aws_credentials_close(chain);
    wi_http_close(http);
    wi_http_close(other);
}

static void
assert_places(const char *option_region, const char *region, const char *endpoint)
{
    const struct wi_aws_options options = {
        .service = "kinesis", .target_prefix = "T", .content_type = "c", .region = option_region};
    struct wi_http *http = open_http(NULL);
    struct wi_aws_client *client = NULL;
    struct weir_detail detail = {.text = ""};

    assert_int_equal(
        wi_aws_client_open(weir_env_default(), http, &options, &client, &detail), WEIR_OK);
    assert_string_equal(wi_aws_region(client), region);
    assert_string_equal(wi_aws_endpoint(client), endpoint);
    wi_aws_client_close(client);
    wi_http_close(http);
}

static void
assert_no_client(const char *words)
{
    const struct wi_aws_options options = {
        .service = "kinesis", .target_prefix = "T", .content_type = "c"};
    struct wi_http *http = open_http(NULL);
    struct wi_aws_client *client = NULL;
    struct weir_detail detail = {.text = ""};

    assert_int_equal(
        wi_aws_client_open(weir_env_default(), http, &options, &client, &detail), WEIR_EINVAL);
    assert_non_null(strstr(detail.text, words));
    wi_http_close(http);
}

static void
finds_region_and_endpoint_in_the_order_of_the_sdks(void **state)
{
    const struct aws_fixture *fixture = *state;
    char path[TEST_DIR_PATH_SIZE];

    clear_environment(fixture);
    assert_no_client("set AWS_REGION");
    set("AWS_EC2_METADATA_DISABLED", NULL);
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", fixture->plain);
    assert_places(NULL, "ap-south-1", "https://kinesis.ap-south-1.amazonaws.com");
    write_file(
        fixture,
        "places",
        "[default]\nregion = eu-central-1\nuse_fips_endpoint = true\n"
        "[profile local]\nregion=cn-north-1\nendpoint_url = http://all/\nservices = s\n"
        "[services s]\nkinesis =\n  endpoint_url = http://kinesis:1/\n",
        path);
    set("AWS_CONFIG_FILE", path);
    assert_places(NULL, "eu-central-1", "https://kinesis-fips.eu-central-1.amazonaws.com");
    set("AWS_PROFILE", "local");
    assert_places(NULL, "cn-north-1", "http://kinesis:1");
    set("AWS_ENDPOINT_URL", "http://environment");
    assert_places(NULL, "cn-north-1", "http://environment");
    set("AWS_ENDPOINT_URL_KINESIS", "http://environment:2");
    set("AWS_DEFAULT_REGION", "us-east-1");
    assert_places(NULL, "us-east-1", "http://environment:2");
    set("AWS_REGION", "us-east-2");
    set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    assert_places(NULL, "us-east-2", "https://kinesis.us-east-2.amazonaws.com");
    assert_places("us-west-2", "us-west-2", "https://kinesis.us-west-2.amazonaws.com");
    set("AWS_REGION", "EU_WEST");
    assert_no_client("\"EU_WEST\" is no AWS region");
    set("AWS_PROFILE", "nobody");
    assert_no_client("no profile \"nobody\"");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_every_source_when_there_are_none),
        cmocka_unit_test(takes_the_environments_first_unless_a_profile_is_named),
        cmocka_unit_test(asks_the_token_service_with_a_web_identity),
        cmocka_unit_test(assumes_roles_through_profiles),
        cmocka_unit_test(asks_a_container_at_allowed_hosts_only),
        cmocka_unit_test(asks_the_instance_by_version_2),
        cmocka_unit_test(many_callers_make_one_refresh),
        cmocka_unit_test(finds_region_and_endpoint_in_the_order_of_the_sdks),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
