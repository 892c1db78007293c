/* What is said of an exchange without an answer: what happened and what to do about it. */
#ifndef WI_AWS_HTTP_FAILURE_H
#define WI_AWS_HTTP_FAILURE_H

#include <curl/curl.h>

#include <weir/error.h>

#include "aws/http.h"

/* Each writes the exchange's detail and returns its error; `words` are libcurl's. */

/* Nothing was sent: no URL, no address, no connection, no TLS. */
enum weir_error wi_http_describe_unsent(
    struct wi_http_exchange *exchange, CURLcode code, const char *words);
/* It was sent, and no whole answer came. */
enum weir_error wi_http_describe_unanswered(
    struct wi_http_exchange *exchange, CURLcode code, const char *words);
/* This side ended it: WEIR_ELIMIT, WEIR_ENOMEM, WEIR_ECANCELED. */
enum weir_error wi_http_describe_refused(struct wi_http_exchange *exchange, enum weir_error error);

#endif
