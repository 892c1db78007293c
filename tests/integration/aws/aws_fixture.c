#include "tests/integration/aws/aws_fixture.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/http.h"
#include "core/str.h"
#include "tests/support/test_dir.h"
#include "tests/support/weir_test.h"

extern char **environ;

#define EXIT_SKIPPED 77

static void
give_up(const char *why)
{
    (void)fprintf(stderr, "skipped: %s\n", why);
    exit(EXIT_SKIPPED); /* NOLINT(concurrency-mt-unsafe) */
}

static pid_t
spawn(const char *script, const char *folder, int input, int output)
{
    char python[] = "python3";
    char path[TEST_DIR_PATH_SIZE];
    char place[TEST_DIR_PATH_SIZE];
    char *words[] = {python, path, place, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child = -1;
    int refused;

    (void)snprintf(path, sizeof path, "%s", script);
    (void)snprintf(place, sizeof place, "%s", folder);
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO), 0);
    refused = posix_spawnp(&child, python, &actions, NULL, words, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    return refused == 0 ? child : -1;
}

int
start_server(void **state)
{
    static struct aws_fixture fixture;
    const char *source = getenv("WEIR_SOURCE_DIR"); /* NOLINT(concurrency-mt-unsafe) */
    char script[TEST_DIR_PATH_SIZE];
    int input[2];
    int output[2];
    int plain = 0;
    int secure = 0;
    FILE *answer;

    if (source == NULL) {
        give_up("WEIR_SOURCE_DIR is not set: run this with ctest");
    }
    (void)snprintf(script, sizeof script, "%s/tests/integration/aws/aws_server.py", source);
    test_dir_make(&fixture.dir);
    assert_int_equal(pipe(input), 0);
    assert_int_equal(pipe(output), 0);
    (void)fcntl(input[1], F_SETFD, FD_CLOEXEC);
    (void)fcntl(output[0], F_SETFD, FD_CLOEXEC);
    fixture.server = spawn(script, fixture.dir.path, input[0], output[1]);
    (void)close(input[0]);
    (void)close(output[1]);
    fixture.to_server = input[1];
    answer = fdopen(output[0], "r");
    if (fixture.server < 0 || answer == NULL || fscanf(answer, "%d %d", &plain, &secure) != 2) {
        give_up("aws_server.py did not start: it needs python3 and openssl");
    }
    (void)fclose(answer);
    (void)snprintf(fixture.plain, sizeof fixture.plain, "http://127.0.0.1:%d", plain);
    (void)snprintf(fixture.secure, sizeof fixture.secure, "https://127.0.0.1:%d", secure);
    test_dir_join(&fixture.dir, "cert.pem", fixture.certificate, sizeof fixture.certificate);
    clear_environment(&fixture);
    *state = &fixture;
    return 0;
}

int
stop_server(void **state)
{
    struct aws_fixture *fixture = *state;

    (void)close(fixture->to_server);
    (void)waitpid(fixture->server, NULL, 0);
    test_dir_remove(&fixture->dir);
    return 0;
}

void
set(const char *name, const char *value)
{
    if (value == NULL) {
        (void)unsetenv(name); /* NOLINT(concurrency-mt-unsafe) */
    } else {
        (void)setenv(name, value, 1); /* NOLINT(concurrency-mt-unsafe) */
    }
}

void
clear_environment(const struct aws_fixture *fixture)
{
    static const char *const names[] = {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ENDPOINT_URL_KINESIS",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_CA_BUNDLE"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        set(names[i], NULL);
    }
    set("AWS_EC2_METADATA_DISABLED", "true");
    set("HOME", fixture->dir.path);
}

void
write_file(const struct aws_fixture *fixture, const char *name, const char *text, char *ret)
{
    char path[TEST_DIR_PATH_SIZE];
    FILE *file;

    test_dir_join(&fixture->dir, name, path, sizeof path);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    if (ret != NULL) {
        memcpy(ret, path, sizeof path);
    }
}

struct wi_http *
open_http(const char *ca_file)
{
    const struct wi_http_curl_options options = {.ca_file = ca_file};
    struct wi_http *http = NULL;

    assert_int_equal(wi_http_open_curl(weir_env_default(), &options, &http, NULL), WEIR_OK);
    return http;
}

struct wi_aws_client *
open_client(struct wi_http *http, const char *endpoint, uint32_t attempts)
{
    const struct wi_aws_options options = {
        .service = "kinesis",
        .target_prefix = "Test",
        .content_type = "application/x-amz-json-1.1",
        .region = "eu-west-1",
        .endpoint = endpoint,
        .attempt_timeout_ms = 1000,
        .attempts_max = attempts,
    };
    struct wi_aws_client *client = NULL;
    struct weir_detail detail = {.text = ""};

    set("AWS_ACCESS_KEY_ID", KEY_ID);
    set("AWS_SECRET_ACCESS_KEY", SECRET);
    assert_int_equal(
        wi_aws_client_open(weir_env_default(), http, &options, &client, &detail), WEIR_OK);
    return client;
}

struct wi_aws_call
call_of(const char *operation, const char *body, bool repeatable)
{
    struct wi_aws_call call;

    wi_aws_call_init(&call, weir_env_default());
    call.operation = operation;
    call.body = (struct weir_bytes){body, strlen(body)};
    call.repeatable = repeatable;
    return call;
}

int64_t
count_of(struct wi_http *http, const struct aws_fixture *fixture, const char *name)
{
    struct wi_aws_client *client = open_client(http, fixture->plain, 1);
    struct wi_aws_call call = call_of("Counts", "{}", true);
    const cJSON *number;
    int64_t count;
    cJSON *root;

    wi_aws_perform(client, &call);
    assert_int_equal(call.error, WEIR_OK);
    root = cJSON_ParseWithLength(call.answer.data, call.answer.length);
    number = cJSON_GetObjectItemCaseSensitive(root, name);
    count = cJSON_IsNumber(number) ? (int64_t)number->valuedouble : 0;
    cJSON_Delete(root);
    wi_aws_call_free(&call);
    wi_aws_client_close(client);
    return count;
}
