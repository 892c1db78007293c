#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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
#include "core/check.h"
#include "core/detail.h"
#include "core/str.h"

#define CONTAINER_HOST "http://169.254.170.2"

/* Without TLS the token goes only to this host and to the addresses of ECS and EKS. */
static bool
may_be_asked(const struct wi_aws_url *url)
{
    static const char *const hosts[] = {
        "localhost", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"};

    if (url->tls) {
        return true;
    }
    for (size_t i = 0; i < WI_ARRAY_LENGTH(hosts); i++) {
        if (url->host.length == strlen(hosts[i]) &&
            strncasecmp(url->host.data, hosts[i], url->host.length) == 0) {
            return true;
        }
    }
    /* 127.x.y.z, and no name that begins like it. */
    return wi_str_starts_with(url->host, WI_STR("127.")) &&
           strspn(url->host.data, "0123456789.") >= url->host.length;
}

static enum weir_error
find_url(char ret[WI_AWS_ENDPOINT_SIZE], struct weir_detail *detail)
{
    const char *relative = wi_aws_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = wi_aws_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    struct wi_aws_url url = {.tls = false};
    int length;

    if (relative == NULL && full == NULL) {
        return wi_detail(
            detail,
            WEIR_ENOTFOUND,
            "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor .._FULL_URI is set");
    }
    length = relative != NULL ? snprintf(ret, WI_AWS_ENDPOINT_SIZE, CONTAINER_HOST "%s", relative)
                              : snprintf(ret, WI_AWS_ENDPOINT_SIZE, "%s", full);
    if (length >= WI_AWS_ENDPOINT_SIZE || (relative != NULL && relative[0] != '/') ||
        wi_aws_url_parse(wi_str(ret), &url) != WEIR_OK) {
        return wi_detail(detail, WEIR_EACCESS, "\"%.200s\" is no URL", ret);
    }
    if (!may_be_asked(&url)) {
        return wi_detail(
            detail,
            WEIR_EACCESS,
            "%.200s is neither https nor on this host nor an address of ECS or EKS",
            ret);
    }
    return WEIR_OK;
}

/* The file goes first: it is written anew when the token changes. */
static enum weir_error
find_token(struct wi_buffer *ret, struct weir_detail *detail)
{
    const char *path = wi_aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = wi_aws_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");

    if (path != NULL) {
        return wi_aws_read_token(path, ret, detail);
    }
    if (token != NULL) {
        wi_buffer_append_z(ret, token);
    }
    return wi_buffer_error(ret);
}

/* An answer without credentials; one that is no text of the agent's says by its status whether
 * asking again later may help. */
static enum weir_error
refused(int status, const char *url, enum weir_error error, struct weir_detail *detail)
{
    if (error != WEIR_ECORRUPT || status / 100 == 2) {
        wi_detail_prefix(detail, "%.200s answered HTTP %d", url, status);
        return error;
    }
    if (status >= 500 || status == 429) {
        return wi_detail(
            detail, WEIR_ETIMEOUT, "%.200s answered HTTP %d: look at that service", url, status);
    }
    return wi_detail(
        detail,
        WEIR_EACCESS,
        "%.200s answered HTTP %d: check the address and the authorization token",
        url,
        status);
}

enum weir_error
wi_aws_from_container(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    char url[WI_AWS_ENDPOINT_SIZE];
    struct wi_http_header header = {"Authorization", NULL};
    struct wi_http_exchange exchange = {.error = WEIR_OK};
    struct wi_buffer token;
    enum weir_error error = find_url(url, detail);

    if (error != WEIR_OK) {
        return error;
    }
    wi_buffer_init(&token, source->env);
    wi_buffer_init(&exchange.body, source->env);
    error = find_token(&token, detail);
    if (error != WEIR_OK) {
        goto out;
    }
    header.value = wi_buffer_text(&token);
    exchange.request = (struct wi_http_request){
        .method = "GET",
        .url = url,
        .headers = &header,
        .header_count = token.length > 0 ? 1 : 0,
        .connect_timeout_ms = WI_AWS_CONTAINER_TIMEOUT_MS,
        .timeout_ms = WI_AWS_CONTAINER_TIMEOUT_MS,
    };
    error = wi_aws_source_fetch(source, &exchange, WI_AWS_SOURCE_ATTEMPTS);
    if (error != WEIR_OK) {
        error = wi_detail(detail, error, "%s", exchange.detail.text);
        goto out;
    }
    error = wi_aws_answer_json(wi_buffer_str(&exchange.body), ret, detail);
    if (error != WEIR_OK) {
        error = refused(exchange.status, url, error, detail);
    }
out:
    wi_secret_free(&token);
    wi_secret_free(&exchange.body);
    return error;
}
