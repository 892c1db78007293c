#include "aws/aws_client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client_state.h"
#include "aws/aws_endpoint.h"
#include "aws/aws_retry.h"
#include "aws/aws_settings.h"
#include "aws/credential_source.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/sigv4.h"
#include "core/detail.h"
#include "core/log_limit.h"
#include "core/memory.h"
#include "core/str.h"

static enum weir_error
copy_names(
    struct wi_aws_client *client, const struct wi_aws_options *options, struct weir_detail *detail)
{
    if (!wi_str_copy(client->service, WI_AWS_SERVICE_SIZE, wi_str(options->service)) ||
        !wi_str_copy(client->target_prefix, WI_AWS_SERVICE_SIZE, wi_str(options->target_prefix)) ||
        !wi_str_copy(client->content_type, WI_AWS_SERVICE_SIZE, wi_str(options->content_type))) {
        return wi_detail(detail, WEIR_EINVAL, "the name of an AWS service is too long");
    }
    client->connect_timeout_ms =
        options->connect_timeout_ms > 0 ? options->connect_timeout_ms : WI_AWS_CONNECT_TIMEOUT_MS;
    client->attempt_timeout_ms =
        options->attempt_timeout_ms > 0 ? options->attempt_timeout_ms : WI_AWS_ATTEMPT_TIMEOUT_MS;
    client->attempts_max = options->attempts_max > 0 ? options->attempts_max : WI_AWS_ATTEMPTS_MAX;
    client->budget.tokens = WI_AWS_BUDGET_MAX;
    return WEIR_OK;
}

static enum weir_error
ask_instance(
    struct wi_aws_client *client,
    const struct wi_aws_settings *settings,
    struct weir_detail *detail)
{
    const struct wi_aws_source source = {
        .env = client->env, .http = client->http, .settings = settings, .region = ""};
    struct weir_detail why = {.text = ""};
    enum weir_error error = wi_aws_region_from_instance(&source, client->region, &why);

    if (error == WEIR_OK || error == WEIR_ENOMEM || error == WEIR_ECANCELED) {
        return error;
    }
    return wi_detail(
        detail,
        WEIR_EINVAL,
        "no AWS region: set AWS_REGION (also not set: AWS_DEFAULT_REGION, region of profile "
        "\"%.64s\" in %.100s; instance metadata: %.160s)",
        settings->profile,
        settings->config_file,
        why.text);
}

static enum weir_error
find_endpoint(
    struct wi_aws_client *client,
    const struct wi_aws_options *options,
    const struct wi_aws_settings *settings,
    struct weir_detail *detail)
{
    struct wi_aws_url url = {.tls = false};
    enum weir_error error =
        wi_aws_settings_region(settings, options->region, client->region, detail);

    if (error == WEIR_OK && client->region[0] == '\0') {
        error = ask_instance(client, settings, detail);
    }
    if (error != WEIR_OK) {
        return error;
    }
    error = wi_aws_settings_endpoint(
        settings, client->service, client->region, options->endpoint, client->endpoint, detail);
    if (error != WEIR_OK) {
        return error;
    }
    error = wi_aws_url_parse(wi_str(client->endpoint), &url);
    if (error != WEIR_OK) {
        return wi_detail(detail, error, "\"%s\" is no http or https URL", client->endpoint);
    }
    (void)wi_str_copy(client->host, sizeof client->host, url.authority);
    client->path = url.path;
    return WEIR_OK;
}

static enum weir_error
open_parts(
    struct wi_aws_client *client, const struct wi_aws_options *options, struct weir_detail *detail)
{
    struct wi_aws_settings *settings = NULL;
    struct wi_aws_credential_options credential_options = {.profile = options->profile};
    enum weir_error error = copy_names(client, options, detail);

    if (error == WEIR_OK) {
        error = wi_aws_settings_open(client->env, options->profile, &settings, detail);
    }
    if (error == WEIR_OK) {
        error = find_endpoint(client, options, settings, detail);
    }
    wi_aws_settings_close(settings);
    if (error != WEIR_OK) {
        return error;
    }
    credential_options.region = client->region;
    return wi_aws_credentials_open(
        client->env, client->http, &credential_options, &client->chain, detail);
}

enum weir_error
wi_aws_client_open(
    const struct weir_env *env,
    struct wi_http *http,
    const struct wi_aws_options *options,
    struct wi_aws_client **ret,
    struct weir_detail *detail)
{
    struct wi_aws_client *client = wi_alloc(env, sizeof *client);
    enum weir_error error;

    if (client == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "no memory for a client of AWS");
    }
    client->env = env;
    client->http = http;
    error = open_parts(client, options, detail);
    if (error == WEIR_OK && pthread_mutex_init(&client->mutex, NULL) != 0) {
        wi_aws_credentials_close(client->chain);
        error = wi_detail(detail, WEIR_ENOMEM, "no memory for a client of AWS");
    }
    if (error != WEIR_OK) {
        wi_free(env, client);
        return error;
    }
    wi_log_limit_init(&client->complaints, env, "aws");
    *ret = client;
    return WEIR_OK;
}

void
wi_aws_client_close(struct wi_aws_client *client)
{
    if (client == NULL) {
        return;
    }
    wi_aws_credentials_close(client->chain);
    wi_sigv4_key_wipe(&client->key);
    wi_log_limit_destroy(&client->complaints);
    (void)pthread_mutex_destroy(&client->mutex);
    wi_free(client->env, client);
}

const char *
wi_aws_region(const struct wi_aws_client *client)
{
    return client->region;
}

const char *
wi_aws_endpoint(const struct wi_aws_client *client)
{
    return client->endpoint;
}
