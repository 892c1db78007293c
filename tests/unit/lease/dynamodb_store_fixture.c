#include "tests/unit/lease/dynamodb_store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/dynamodb_api.h"
#include "aws/http.h"
#include "core/memory.h"
#include "core/str.h"
#include "lease/lease_names_dynamodb.h"
#include "lease/lease_store_dynamodb.h"
#include "lease/lease_watch_dynamodb.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define D_MS         INT64_C(10000)
#define STATUS_OK    200
#define STATUS_WRONG 400

static const char *
operation_of(const struct wi_http_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcmp(request->headers[i].name, "X-Amz-Target") == 0) {
            const char *dot = strchr(request->headers[i].value, '.');

            assert_non_null(dot);
            return dot + 1;
        }
    }
    fail_msg("a request without an operation");
    return "";
}

static void
answer_one(struct dynamodb_scene *scene, struct wi_http_exchange *exchange)
{
    static const char wrong[] = "{\"__type\"";
    struct dynamodb_asked *asked = &scene->asked[scene->asked_count];
    const struct wi_http_request *request = &exchange->request;
    const char *text = NULL;

    assert_true(scene->asked_count < DYNAMODB_ASKED_MAX);
    scene->asked_count++;
    asked->batch = scene->batches;
    assert_true(
        wi_str_copy(asked->operation, sizeof asked->operation, wi_str(operation_of(request))));
    assert_true(wi_str_copy(
        asked->body,
        sizeof asked->body,
        (struct weir_str){request->body.data, request->body.length}));
    text = scene->answer(scene, asked);
    wi_buffer_reset(&exchange->body);
    wi_buffer_append_z(&exchange->body, text);
    exchange->failure = WI_HTTP_ANSWERED;
    exchange->error = WEIR_OK;
    exchange->status = strncmp(text, wrong, sizeof wrong - 1) == 0 ? STATUS_WRONG : STATUS_OK;
    exchange->retry_after_ms = -1;
}

static void
answer_all(void *context, struct wi_http_exchange *const *exchanges, size_t count)
{
    struct dynamodb_scene *scene = context;

    assert_true(scene->batches < DYNAMODB_ASKED_MAX);
    scene->version_at_batch[scene->batches] = scene->store.version;
    for (size_t i = 0; i < count; i++) {
        answer_one(scene, exchanges[i]);
    }
    scene->batches++;
}

static void
close_nothing(void *http)
{
    (void)http;
}

static const struct wi_http_ops canned_ops = {.close = close_nothing, .perform = answer_all};

int
dynamodb_scene_setup(void **state)
{
    (void)state;
    /* NOLINTBEGIN(concurrency-mt-unsafe): one thread */
    (void)setenv("HOME", "nowhere", 1);
    (void)setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
    (void)setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    /* NOLINTEND(concurrency-mt-unsafe) */
    return 0;
}

struct dynamodb_scene *
dynamodb_scene_new(dynamodb_answer_fn answer)
{
    static const struct wi_aws_options options = {
        .service = "dynamodb",
        .target_prefix = "DynamoDB_20120810",
        .content_type = "application/x-amz-json-1.0",
        .region = "eu-west-1",
        .endpoint = "http://nowhere",
    };
    struct dynamodb_scene *scene = calloc(1, sizeof *scene);
    struct wi_dynamodb_store *store = NULL;

    assert_non_null(scene);
    store = &scene->store;
    test_env_init(&scene->test);
    scene->answer = answer;
    scene->http = (struct wi_http){&canned_ops, scene, &scene->test.env};
    store->env = &scene->test.env;
    store->http = &scene->http;
    store->base = (struct wi_lease_store){.store = store, .env = store->env};
    store->watch.env = store->env;
    store->segments = 1;
    store->has_rights = true;
    store->leases = (struct wi_dynamodb_table){"t", LEASE_KEY};
    store->own_states = (struct wi_dynamodb_table){"t-CoordinatorState", "key"};
    store->own_workers = (struct wi_dynamodb_table){"t-WorkerMetricStats", "wid"};
    atomic_store(&store->is_single, true);
    store->mode = WI_DYNAMODB_MODE_3X;
    store->application.lease_duration_ms = D_MS;
    assert_int_equal(pthread_mutex_init(&store->mutex, NULL), 0);
    assert_int_equal(pthread_cond_init(&store->changed, NULL), 0);
    assert_int_equal(
        wi_aws_client_open(store->env, &scene->http, &options, &store->client, NULL), WEIR_OK);
    store->dynamodb = (struct wi_dynamodb){.env = store->env, .client = store->client};
    return scene;
}

void
dynamodb_scene_free(struct dynamodb_scene *scene)
{
    struct wi_dynamodb_store *store = &scene->store;

    wi_aws_client_close(store->client);
    (void)pthread_cond_destroy(&store->changed);
    (void)pthread_mutex_destroy(&store->mutex);
    wi_dynamodb_watch_free(&store->watch);
    wi_free(store->env, store->known);
    test_env_assert_no_leak(&scene->test);
    free(scene);
}

size_t
dynamodb_scene_count(const struct dynamodb_scene *scene, const char *operation, const char *text)
{
    size_t count = 0;

    for (size_t i = 0; i < scene->asked_count; i++) {
        const struct dynamodb_asked *asked = &scene->asked[i];

        count += strcmp(asked->operation, operation) == 0 && strstr(asked->body, text) != NULL;
    }
    return count;
}
