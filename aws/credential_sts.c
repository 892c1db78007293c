#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/aws_endpoint.h"
#include "aws/aws_settings.h"
#include "aws/credential_answer.h"
#include "aws/credential_source.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/secret.h"
#include "aws/sigv4.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/str.h"

#define STS_VERSION  "2011-06-15"
#define CONTENT_TYPE "application/x-www-form-urlencoded; charset=utf-8"
/* Without a region: the service that knows all of the regular ones. */
#define GLOBAL_ENDPOINT "https://sts.amazonaws.com"
#define GLOBAL_REGION   "us-east-1"

static bool
is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* "&name=value" with the value encoded; nothing for NULL. */
static void
add_parameter(struct wi_buffer *body, const char *name, const char *value)
{
    if (value == NULL) {
        return;
    }
    wi_buffer_append_z(body, "&");
    wi_buffer_append_z(body, name);
    wi_buffer_append_z(body, "=");
    for (; *value != '\0'; value++) {
        if (is_unreserved(*value)) {
            wi_buffer_append(body, value, 1);
        } else {
            wi_buffer_printf(body, "%%%02X", (unsigned)(unsigned char)*value);
        }
    }
}

/* A request to the token service and what it points to. */
struct request {
    const struct wi_aws_source *source;
    char endpoint[WI_AWS_ENDPOINT_SIZE];
    char region[WI_AWS_REGION_SIZE];
    char host[WI_AWS_ENDPOINT_SIZE];
    char time[WI_SIGV4_TIME_SIZE];
    struct wi_buffer body;
    struct wi_buffer authorization;
    struct wi_http_header headers[WI_AWS_HEADERS_MAX];
    size_t header_count;
};

static void
add_header(struct request *request, const char *name, const char *value)
{
    request->headers[request->header_count++] = (struct wi_http_header){name, value};
}

static enum weir_error
find_endpoint(struct request *request, struct weir_detail *detail)
{
    const struct wi_aws_source *source = request->source;
    bool has_region = source->region[0] != '\0';
    struct wi_aws_url url = {.tls = false};
    enum weir_error error;

    (void)wi_str_copy(
        request->region,
        sizeof request->region,
        wi_str(has_region ? source->region : GLOBAL_REGION));
    error = wi_aws_settings_endpoint(
        source->settings, "sts", request->region, NULL, request->endpoint, detail);
    if (error != WEIR_OK) {
        return error;
    }
    if (!has_region && strcmp(request->endpoint, "https://sts.us-east-1.amazonaws.com") == 0) {
        (void)wi_str_copy(request->endpoint, sizeof request->endpoint, WI_STR(GLOBAL_ENDPOINT));
    }
    error = wi_aws_url_parse(wi_str(request->endpoint), &url);
    if (error == WEIR_OK) {
        (void)wi_str_copy(request->host, sizeof request->host, url.authority);
        add_header(request, "Host", request->host);
        add_header(request, "Content-Type", CONTENT_TYPE);
    }
    return error;
}

static enum weir_error
write_body(struct request *request, const struct wi_aws_role *role, struct weir_detail *detail)
{
    struct wi_buffer *body = &request->body;
    struct wi_buffer text;
    enum weir_error error = WEIR_OK;

    wi_buffer_init(&text, request->source->env);
    wi_buffer_append_z(
        body,
        role->token_file != NULL ? "Action=AssumeRoleWithWebIdentity&Version=" STS_VERSION
                                 : "Action=AssumeRole&Version=" STS_VERSION);
    add_parameter(body, "RoleArn", role->arn);
    wi_buffer_printf(&text, "weir-%lld", (long long)wi_wall_now(request->source->env).ms);
    add_parameter(
        body,
        "RoleSessionName",
        role->session_name != NULL ? role->session_name : wi_buffer_text(&text));
    add_parameter(body, "DurationSeconds", role->duration_seconds);
    add_parameter(body, "ExternalId", role->external_id);
    if (role->token_file != NULL) {
        wi_buffer_reset(&text);
        error = wi_aws_read_token(role->token_file, &text, detail);
        if (error == WEIR_OK) {
            add_parameter(body, "WebIdentityToken", wi_buffer_text(&text));
        }
    }
    wi_secret_free(&text);
    return error == WEIR_OK ? wi_buffer_error(body) : error;
}

static enum weir_error
sign(struct request *request, const struct wi_aws_credentials *base)
{
    struct wi_sigv4_scope scope = {
        .key_id = base->key_id,
        .secret = base->secret,
        .region = request->region,
        .service = "sts",
    };
    const struct wi_sigv4_request signed_request = {
        .method = "POST",
        .path = WI_STR("/"),
        .headers = request->headers,
        .header_count = request->header_count + (base->token[0] != '\0' ? 2 : 1),
        .payload = {request->body.data, request->body.length},
    };
    struct wi_sigv4_key key = {.date = ""};
    enum weir_error error;

    wi_sigv4_time(wi_wall_now(request->source->env).ms, scope.time);
    (void)wi_str_copy(request->time, sizeof request->time, wi_str(scope.time));
    add_header(request, "X-Amz-Date", request->time);
    if (base->token[0] != '\0') {
        add_header(request, "X-Amz-Security-Token", base->token);
    }
    error = wi_sigv4_authorization(&signed_request, &scope, &key, &request->authorization);
    wi_sigv4_key_wipe(&key);
    if (error == WEIR_OK) {
        add_header(request, "Authorization", wi_buffer_text(&request->authorization));
    }
    return error;
}

static enum weir_error
send_request(
    const struct request *request, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    struct wi_http_exchange exchange = {.error = WEIR_OK};
    enum weir_error error;

    wi_buffer_init(&exchange.body, request->source->env);
    exchange.request = (struct wi_http_request){
        .method = "POST",
        .url = request->endpoint,
        .headers = request->headers,
        .header_count = request->header_count,
        .body = {request->body.data, request->body.length},
        .connect_timeout_ms = WI_AWS_CONNECT_TIMEOUT_MS,
        .timeout_ms = WI_AWS_STS_TIMEOUT_MS,
    };
    error = wi_aws_source_fetch(request->source, &exchange, WI_AWS_SOURCE_ATTEMPTS);
    if (error != WEIR_OK) {
        error = wi_detail(detail, error, "%s", exchange.detail.text);
    } else {
        error = wi_aws_answer_xml(wi_buffer_str(&exchange.body), ret, detail);
        if (error != WEIR_OK) {
            wi_detail_prefix(detail, "%s answered HTTP %d", request->endpoint, exchange.status);
        }
    }
    wi_secret_free(&exchange.body);
    return error;
}

enum weir_error
wi_aws_assume_role(
    const struct wi_aws_source *source,
    const struct wi_aws_role *role,
    const struct wi_aws_credentials *base,
    struct wi_aws_credentials *ret,
    struct weir_detail *detail)
{
    struct request request = {.source = source};
    enum weir_error error;

    wi_buffer_init(&request.body, source->env);
    wi_buffer_init(&request.authorization, source->env);
    error = find_endpoint(&request, detail);
    if (error == WEIR_OK) {
        error = write_body(&request, role, detail);
    }
    if (error == WEIR_OK && base != NULL) {
        error = sign(&request, base);
    }
    if (error == WEIR_OK) {
        error = send_request(&request, ret, detail);
    }
    if (error != WEIR_OK) {
        wi_detail_prefix(detail, "role %.120s", role->arn);
    }
    wi_secret_free(&request.body);
    wi_secret_free(&request.authorization);
    return error;
}

enum weir_error
wi_aws_from_web_identity(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    const struct wi_aws_role role = {
        .arn = wi_aws_variable("AWS_ROLE_ARN"),
        .session_name = wi_aws_variable("AWS_ROLE_SESSION_NAME"),
        .token_file = wi_aws_variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
    };

    if (role.token_file == NULL) {
        return wi_detail(detail, WEIR_ENOTFOUND, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    }
    if (role.arn == NULL) {
        return wi_detail(
            detail, WEIR_EACCESS, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
    }
    return wi_aws_assume_role(source, &role, NULL, ret, detail);
}
