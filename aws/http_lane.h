/* One transfer of libcurl: an exchange on its way. Used by http_curl.c alone; not thread-safe. */
#ifndef WI_AWS_HTTP_LANE_H
#define WI_AWS_HTTP_LANE_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/curl_library.h"
#include "aws/http.h"

/* The handle is kept for the next exchange: it remembers the TLS sessions. */
struct wi_http_lane {
    const struct weir_env *env;
    const struct wi_curl *curl;
    CURL *easy; /* NULL until the lane is used */
    struct wi_http_exchange *exchange;
    struct curl_slist *headers;
    size_t body_sent;        /* bytes that libcurl has taken */
    enum weir_error refused; /* why a callback ended the transfer; WEIR_OK: none did */
    struct weir_mono heard;  /* when something came, or the start */
    bool head_ended;         /* the blank line after the last head has come */
    char words[CURL_ERROR_SIZE];
};

/* Get a transfer ready. WEIR_ENOMEM; WEIR_EINVAL for an URL or a header that cannot be sent. */
WEIR_MUST_CHECK enum weir_error wi_http_lane_start(
    struct wi_http_lane *lane, struct wi_http_exchange *exchange, const char *ca_file);

/* Write what became of it to the exchange; the lane is free again. */
void wi_http_lane_finish(struct wi_http_lane *lane, CURLcode code);

/* End it from outside, WEIR_ECANCELED or WEIR_ETIMEOUT. */
void wi_http_lane_abandon(struct wi_http_lane *lane, enum weir_error error, const char *why);

/* Milliseconds until the silence has lasted too long; INT64_MAX: no limit. */
int64_t wi_http_lane_quiet_left_ms(const struct wi_http_lane *lane, struct weir_mono now);

void wi_http_lane_free(struct wi_http_lane *lane);

#endif
