#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/aws_endpoint.h"
#include "aws/aws_settings.h"
#include "aws/credential_answer.h"
#include "aws/credential_source.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/secret.h"
#include "core/detail.h"
#include "core/str.h"

#define ADDRESS_IPV4 "http://169.254.169.254"
#define ADDRESS_IPV6 "http://[fd00:ec2::254]"
#define ROLES_PATH   "/latest/meta-data/iam/security-credentials/"
#define REGION_PATH  "/latest/meta-data/placement/region"
/* The session with the metadata service lasts as long as one search. */
#define SESSION_SECONDS "300"
/* Longest name of a role: IAM allows 64. */
#define ROLE_SIZE 129

/* One session with the metadata service. */
struct session {
    const struct wi_aws_source *source;
    char endpoint[WI_AWS_ENDPOINT_SIZE];
    struct wi_buffer token;
};

static enum weir_error
find_endpoint(char ret[WI_AWS_ENDPOINT_SIZE], struct weir_detail *detail)
{
    const char *disabled = wi_aws_variable("AWS_EC2_METADATA_DISABLED");
    const char *given = wi_aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = wi_aws_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    struct weir_str endpoint = wi_str(given);
    struct wi_aws_url url = {.tls = false};

    if (disabled != NULL && (strcmp(disabled, "true") == 0 || strcmp(disabled, "TRUE") == 0)) {
        return wi_detail(detail, WEIR_ENOTFOUND, "AWS_EC2_METADATA_DISABLED is true");
    }
    if (given == NULL) {
        bool ipv6 = mode != NULL && (strcmp(mode, "IPv6") == 0 || strcmp(mode, "ipv6") == 0);
        endpoint = ipv6 ? WI_STR(ADDRESS_IPV6) : WI_STR(ADDRESS_IPV4);
    }
    while (endpoint.length > 0 && endpoint.data[endpoint.length - 1] == '/') {
        endpoint.length--;
    }
    if (wi_aws_url_parse(endpoint, &url) != WEIR_OK ||
        !wi_str_copy(ret, WI_AWS_ENDPOINT_SIZE, endpoint)) {
        return wi_detail(
            detail, WEIR_EACCESS, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL: %.100s", given);
    }
    return WEIR_OK;
}

static enum weir_error
ask(struct session *session,
    const char *method,
    const char *path,
    struct wi_http_exchange *exchange)
{
    const bool is_first = session->token.length == 0;
    char url[WI_AWS_ENDPOINT_SIZE + ROLE_SIZE + 64];
    const struct wi_http_header header = {
        is_first ? "X-aws-ec2-metadata-token-ttl-seconds" : "X-aws-ec2-metadata-token",
        is_first ? SESSION_SECONDS : wi_buffer_text(&session->token)};
    enum weir_error error;

    (void)snprintf(url, sizeof url, "%s%s", session->endpoint, path);
    exchange->request = (struct wi_http_request){
        .method = method,
        .url = url,
        .headers = &header,
        .header_count = 1,
        .connect_timeout_ms = WI_AWS_IMDS_TIMEOUT_MS,
        .timeout_ms = WI_AWS_IMDS_TIMEOUT_MS,
    };
    error = wi_aws_source_fetch(session->source, exchange, WI_AWS_SOURCE_ATTEMPTS);
    exchange->request = (struct wi_http_request){.method = ""};
    return error;
}

/* Only version 2 is spoken: version 1 answers whoever can make this host send a GET. */
static enum weir_error
begin(struct session *session, struct weir_detail *detail)
{
    struct wi_http_exchange exchange = {.error = WEIR_OK};
    enum weir_error error = find_endpoint(session->endpoint, detail);

    if (error != WEIR_OK) {
        return error;
    }
    wi_buffer_init(&exchange.body, session->source->env);
    error = ask(session, "PUT", "/latest/api/token", &exchange);
    if (exchange.failure == WI_HTTP_NOT_SENT && error != WEIR_ENOMEM && error != WEIR_ECANCELED) {
        error = wi_detail(detail, WEIR_ENOTFOUND, "%s", exchange.detail.text);
    } else if (error == WEIR_ETIMEOUT) {
        error = wi_detail(
            detail,
            WEIR_ENOTFOUND,
            "%s gave no token within %d ms: in a container the instance's hop limit must be 2",
            session->endpoint,
            WI_AWS_IMDS_TIMEOUT_MS);
    } else if (error != WEIR_OK) {
        error = wi_detail(detail, error, "%s", exchange.detail.text);
    } else if (exchange.status != 200 || exchange.body.length == 0) {
        error = wi_detail(
            detail,
            WEIR_ENOTFOUND,
            "%s gave no token (HTTP %d)",
            session->endpoint,
            exchange.status);
    } else {
        session->token = exchange.body;
        return WEIR_OK;
    }
    wi_buffer_free(&exchange.body);
    return error;
}

static enum weir_error
get(struct session *session, const char *path, struct wi_buffer *ret, struct weir_detail *detail)
{
    struct wi_http_exchange exchange = {.error = WEIR_OK};
    enum weir_error error;

    wi_buffer_init(&exchange.body, session->source->env);
    error = ask(session, "GET", path, &exchange);
    if (error != WEIR_OK) {
        error = wi_detail(detail, error, "%s", exchange.detail.text);
    } else if (exchange.status == 404) {
        error = wi_detail(detail, WEIR_ENOTFOUND, "%s%s: there is none", session->endpoint, path);
    } else if (exchange.status != 200 || exchange.body.length > WI_AWS_ANSWER_MAX) {
        error = wi_detail(
            detail, WEIR_EACCESS, "%s%s: HTTP %d", session->endpoint, path, exchange.status);
    } else {
        *ret = exchange.body;
        return WEIR_OK;
    }
    wi_secret_free(&exchange.body);
    return error;
}

static enum weir_error
find_role(struct session *session, char ret[ROLE_SIZE], struct weir_detail *detail)
{
    struct wi_buffer body;
    struct weir_str role;
    enum weir_error error;

    wi_buffer_init(&body, session->source->env);
    error = get(session, ROLES_PATH, &body, detail);
    if (error == WEIR_ENOTFOUND) {
        return wi_detail(detail, error, "this instance has no role: attach an instance profile");
    }
    if (error != WEIR_OK) {
        return error;
    }
    role = (struct weir_str){wi_buffer_text(&body), strcspn(wi_buffer_text(&body), "\r\n")};
    if (role.length == 0 || !wi_str_copy(ret, ROLE_SIZE, role) ||
        strspn(ret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@_-") !=
            role.length) {
        error = wi_detail(detail, WEIR_EACCESS, "the instance's metadata name no proper role");
    }
    wi_buffer_free(&body);
    return error;
}

static enum weir_error
get_credentials(struct session *session, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    char role[ROLE_SIZE];
    char path[sizeof ROLES_PATH + ROLE_SIZE];
    struct wi_buffer body;
    enum weir_error error = find_role(session, role, detail);

    if (error != WEIR_OK) {
        return error;
    }
    wi_buffer_init(&body, session->source->env);
    (void)snprintf(path, sizeof path, ROLES_PATH "%s", role);
    error = get(session, path, &body, detail);
    if (error == WEIR_OK) {
        error = wi_aws_answer_json(wi_buffer_str(&body), ret, detail);
    }
    wi_secret_free(&body);
    return error;
}

enum weir_error
wi_aws_from_instance(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    struct session session = {.source = source};
    enum weir_error error;

    wi_buffer_init(&session.token, source->env);
    error = begin(&session, detail);
    if (error == WEIR_OK) {
        error = get_credentials(&session, ret, detail);
    }
    wi_secret_free(&session.token);
    return error;
}

enum weir_error
wi_aws_region_from_instance(
    const struct wi_aws_source *source, char ret[WI_AWS_REGION_SIZE], struct weir_detail *detail)
{
    struct session session = {.source = source};
    struct wi_buffer body;
    enum weir_error error;

    wi_buffer_init(&session.token, source->env);
    wi_buffer_init(&body, source->env);
    error = begin(&session, detail);
    if (error == WEIR_OK) {
        error = get(&session, REGION_PATH, &body, detail);
    }
    if (error == WEIR_OK && (!wi_str_copy(ret, WI_AWS_REGION_SIZE, wi_buffer_str(&body)) ||
                             !wi_aws_region_is_valid(ret))) {
        error = wi_detail(detail, WEIR_ENOTFOUND, "the instance's metadata name no proper region");
    }
    wi_buffer_free(&body);
    wi_secret_free(&session.token);
    return error;
}
