#include "aws/http_failure.h"

#include <curl/curl.h>
#include <stdbool.h>

#include <weir/error.h>

#include "aws/http.h"
#include "core/detail.h"

static bool
is_tls(CURLcode code)
{
    switch ((int)code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_ENGINE_INITFAILED:
        return true;
    default:
        return false;
    }
}

/* The same codes say of an answer that it is no HTTP. */
static bool
is_no_url(CURLcode code)
{
    return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL;
}

/* If the handshake itself failed, what answers speaks no TLS, or none that both know; else it is
 * the certificate. */
static enum weir_error
describe_tls(struct wi_http_exchange *exchange, CURLcode code, const char *words)
{
    const char *advice = code == CURLE_SSL_CONNECT_ERROR
                             ? "does an https service run on that port, or is it one for http?"
                             : "if its certificate is not from a public authority, name the "
                               "authority's file in AWS_CA_BUNDLE";

    return wi_detail(
        &exchange->detail,
        WEIR_EACCESS,
        "TLS with %s failed (%s): %s",
        exchange->request.url,
        words,
        advice);
}

enum weir_error
wi_http_describe_unsent(struct wi_http_exchange *exchange, CURLcode code, const char *words)
{
    const char *url = exchange->request.url;

    if (is_no_url(code)) {
        return wi_detail(
            &exchange->detail,
            WEIR_EINVAL,
            "\"%s\" is no http or https URL (%s): correct the endpoint",
            url,
            words);
    }
    if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY) {
        return wi_detail(
            &exchange->detail,
            WEIR_EIO,
            "no address for the host of %s: check the region, the endpoint and name resolution "
            "(%s)",
            url,
            words);
    }
    if (is_tls(code)) {
        return describe_tls(exchange, code, words);
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return wi_detail(
            &exchange->detail,
            WEIR_ETIMEOUT,
            "no connection to %s within %lld ms: check the endpoint, routes, firewalls and proxies",
            url,
            (long long)exchange->request.connect_timeout_ms);
    }
    return wi_detail(
        &exchange->detail,
        WEIR_EIO,
        "no connection to %s (%s): check that the service runs there",
        url,
        words);
}

enum weir_error
wi_http_describe_unanswered(struct wi_http_exchange *exchange, CURLcode code, const char *words)
{
    const char *url = exchange->request.url;

    if (code == CURLE_OPERATION_TIMEDOUT) {
        return wi_detail(
            &exchange->detail,
            WEIR_ETIMEOUT,
            "no whole answer from %s within %lld ms: the service is slow, or the network loses "
            "packets",
            url,
            (long long)exchange->request.timeout_ms);
    }
    return wi_detail(
        &exchange->detail,
        WEIR_EIO,
        "%s ended the connection before its answer was whole (%s)",
        url,
        words);
}

enum weir_error
wi_http_describe_refused(struct wi_http_exchange *exchange, enum weir_error error)
{
    const char *url = exchange->request.url;

    if (error == WEIR_ELIMIT) {
        return wi_detail(
            &exchange->detail,
            error,
            "the answer of %s is longer than %zu bytes",
            url,
            WI_HTTP_BODY_MAX);
    }
    if (error == WEIR_ENOMEM) {
        return wi_detail(&exchange->detail, error, "no memory for the answer of %s", url);
    }
    return wi_detail(&exchange->detail, error, "the answer of %s was not wanted any more", url);
}
