/* The DynamoDB backend: opening, closing, and its table of operations. */
#include "lease/lease_store_dynamodb.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/dynamodb_api.h"
#include "aws/http.h"
#include "core/detail.h"
#include "core/memory.h"
#include "core/metrics.h"
#include "core/str.h"
#include "lease/lease_store.h"
#include "lease/lease_url_dynamodb.h"
#include "lease/lease_watch_dynamodb.h"
#include "storage/process.h"

/* Until an application is opened. */
#define LEASE_DURATION_DEFAULT_MS 10000
/* A lease waits behind each request. */
#define ATTEMPT_TIMEOUT_MS 2500
#define PID_NAMESPACE      "/proc/self/ns/pid"

static void
store_close(void *context)
{
    struct wi_dynamodb_store *store = context;

    wi_aws_client_close(store->client);
    wi_http_close(store->http);
    (void)pthread_cond_destroy(&store->changed);
    (void)pthread_mutex_destroy(&store->mutex);
    wi_dynamodb_watch_free(&store->watch);
    wi_free(store->env, store->known);
    wi_free(store->env, store);
}

static const struct wi_lease_store_ops dynamodb_ops = {
    .close = store_close,
    .open_application = wi_dynamodb_open_application,
    .list = wi_dynamodb_list,
    .get = wi_dynamodb_get,
    .get_leader = wi_dynamodb_get_leader,
    .create = wi_dynamodb_create,
    .remove = wi_dynamodb_remove_lease,
    .assign = wi_dynamodb_assign,
    .request_handoff = wi_dynamodb_request_handoff,
    .revoke = wi_dynamodb_revoke,
    .renew = wi_dynamodb_renew,
    .checkpoint = wi_dynamodb_checkpoint,
    .prepare = wi_dynamodb_prepare,
    .get_pending = wi_dynamodb_get_pending,
    .release = wi_dynamodb_release,
    .finish_shard = wi_dynamodb_finish_shard,
    .put_worker = wi_dynamodb_put_worker,
    .remove_worker = wi_dynamodb_remove_worker,
    .remove_dead_worker = wi_dynamodb_remove_dead_worker,
    .request_drain = wi_dynamodb_request_drain,
    .take_leader = wi_dynamodb_take_leader,
    .release_leader = wi_dynamodb_release_leader,
    .reset = wi_dynamodb_reset,
    .version = wi_dynamodb_version,
    .wait = wi_dynamodb_wait,
    .interrupt = wi_dynamodb_interrupt,
    .claim = wi_dynamodb_claim,
    .stopped_writer = NULL,
};

static enum weir_error
init_waiting(struct wi_dynamodb_store *store)
{
    pthread_condattr_t attributes;

    if (pthread_mutex_init(&store->mutex, NULL) != 0) {
        return WEIR_ENOMEM;
    }
    if (pthread_condattr_init(&attributes) != 0) {
        (void)pthread_mutex_destroy(&store->mutex);
        return WEIR_ENOMEM;
    }
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&store->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return WEIR_OK;
}

/* Processes with the same text here can look at each other by pid. "" where that is not known. */
static void
name_host(struct wi_dynamodb_store *store)
{
    struct wi_process self;
    struct stat namespace;

    if (wi_process_self(&self) == WEIR_OK && stat(PID_NAMESPACE, &namespace) == 0) {
        (void)snprintf(
            store->host,
            sizeof store->host,
            "%s-%llu",
            self.boot_id,
            (unsigned long long)namespace.st_ino);
    }
}

static const char *
text_or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

static enum weir_error
connect_to(
    struct wi_dynamodb_store *store, const struct wi_dynamodb_url *url, struct weir_detail *detail)
{
    const struct wi_http_curl_options http_options = {.ca_file = NULL};
    const struct wi_aws_options options = {
        .service = "dynamodb",
        .target_prefix = "DynamoDB_20120810",
        .content_type = "application/x-amz-json-1.0",
        .region = text_or_null(url->region),
        .endpoint = text_or_null(url->endpoint),
        .profile = text_or_null(url->profile),
        .attempt_timeout_ms = ATTEMPT_TIMEOUT_MS,
    };
    enum weir_error error = wi_http_open_curl(store->env, &http_options, &store->http, detail);

    if (error != WEIR_OK) {
        return error;
    }
    error = wi_aws_client_open(store->env, store->http, &options, &store->client, detail);
    store->dynamodb = (struct wi_dynamodb){.env = store->env, .client = store->client};
    return error;
}

enum weir_error
wi_lease_store_open_dynamodb(
    const struct weir_env *env,
    const struct wi_lease_store_dynamodb_options *options,
    struct wi_lease_store **ret,
    struct weir_detail *detail)
{
    struct wi_dynamodb_store *store = NULL;
    struct wi_dynamodb_url url;
    enum weir_error error = wi_dynamodb_url_parse(wi_str(options->url), &url, detail);

    if (error != WEIR_OK) {
        return error;
    }
    store = wi_alloc(env, sizeof *store);
    error = store == NULL ? WEIR_ENOMEM : init_waiting(store);
    if (error != WEIR_OK) {
        wi_free(env, store);
        return wi_detail(detail, error, "no memory for a lease table");
    }
    store->env = env;
    store->base = (struct wi_lease_store){&dynamodb_ops, store, env};
    store->watch.env = env;
    store->segments = 1;
    store->poll_ms = url.poll_ms;
    store->application.lease_duration_ms = LEASE_DURATION_DEFAULT_MS;
    (void)wi_str_copy(store->lease_name, sizeof store->lease_name, wi_str(url.table));
    name_host(store);
    error = connect_to(store, &url, detail);
    if (error == WEIR_OK) {
        error = wi_dynamodb_open_tables(store, url.create, detail);
    }
    if (error == WEIR_OK) {
        *ret = &store->base;
        store = NULL;
    }
    if (store != NULL) {
        store_close(store);
    }
    return error;
}

bool
wi_lease_store_is_dynamodb(const char *text)
{
    return text != NULL && wi_dynamodb_url_matches(wi_str(text));
}

void
wi_lease_store_dynamodb_cost(const struct wi_lease_store *base, struct wi_lease_store_cost *ret)
{
    const struct wi_dynamodb_store *store = base->store;

    *ret = (struct wi_lease_store_cost){
        .requests = wi_counter_read(&store->dynamodb.requests),
        .read_milliunits = wi_counter_read(&store->dynamodb.read_milliunits),
        .write_milliunits = wi_counter_read(&store->dynamodb.write_milliunits),
        .throttled = wi_counter_read(&store->dynamodb.throttled)};
}
