/*
 * HTTP requests: one vtable, libcurl behind it (aws/http_curl.c), canned answers in unit tests.
 * Blocking: a call returns when every exchange of it has ended, by an answer, by a failure, or by
 * its time limit. Thread-safe; calls of several threads run beside each other, and connections are
 * kept alive between calls.
 */
#ifndef WI_AWS_HTTP_H
#define WI_AWS_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"

/* Most exchanges of one perform() that are under way at once; the others wait their turn. */
#define WI_HTTP_PARALLEL_MAX 64U
/* Most bytes of an answer's body; more ends the exchange with WEIR_ELIMIT. GetRecords gives 10 MiB
 * of data, which base64 and JSON make a third larger. */
#define WI_HTTP_BODY_MAX ((size_t)32 << 20)

struct wi_http_header {
    const char *name;
    const char *value;
};

/* Called with each piece of a body as it comes; false ends the exchange with WEIR_ECANCELED. While
 * it blocks nothing more is received: that is how a reader slows a server down. */
typedef bool (*wi_http_body_fn)(void *context, struct weir_bytes piece);

struct wi_http_request {
    const char *method; /* "POST", "GET", "PUT" */
    const char *url;
    const struct wi_http_header *headers;
    size_t header_count;
    struct weir_bytes body;
    int64_t connect_timeout_ms;  /* > 0 */
    int64_t timeout_ms;          /* > 0: of the whole exchange, connecting included */
    int64_t quiet_timeout_ms;    /* > 0: of silence, before and in the answer; 0: none */
    bool bulk;                   /* megabytes are expected: a large receive buffer */
    bool http2;                  /* ask for HTTP/2 (enhanced fan-out), which needs TLS, by a
                                  * connection of its own */
    const atomic_bool *canceled; /* true ends the exchange with WEIR_ECANCELED, at the latest after
                                  * the next poke(); NULL: nobody does */
    wi_http_body_fn stream;      /* gets the body of a 2xx answer; NULL: it is collected */
    void *stream_context;
};

/* Why an exchange has no answer, as far as it matters to the caller. */
enum wi_http_failure {
    WI_HTTP_ANSWERED = 0, /* there is a status */
    WI_HTTP_NOT_SENT,     /* not resolved, not connected, TLS refused: the request had no effect */
    WI_HTTP_OUTCOME_UNKNOWN /* sent, wholly or in part, and no whole answer: timeout, reset */
};

/* One request and what became of it. The caller zeroes it, fills `request`, sets up `body`, and
 * frees `body`. */
struct wi_http_exchange {
    struct wi_http_request request;
    enum weir_error error; /* OK if answered, whatever the status; else ETIMEOUT, EIO, EACCESS
                            * (TLS), ECANCELED, ELIMIT, ENOMEM */
    enum wi_http_failure failure;
    int status;
    struct wi_buffer body;
    char request_id[64];       /* x-amzn-requestid, or "" */
    char error_type[128];      /* x-amzn-errortype, or "" */
    int64_t date_ms;           /* the server's Date header, for clock skew; 0 if there is none */
    int64_t retry_after_ms;    /* Retry-After, or -1 */
    struct weir_detail detail; /* one sentence, if error is set */
};

struct wi_http_ops {
    void (*close)(void *http);
    /* Perform all of them side by side. Sets error, failure and the answer of each. */
    void (*perform)(void *http, struct wi_http_exchange *const *exchanges, size_t count);
    /* End the calls of other threads with WEIR_ECANCELED, now and from now on. */
    void (*interrupt)(void *http);
    /* Have the calls of all threads look at their `canceled`. NULL, in tests: nobody cancels. */
    void (*poke)(void *http);
    /* Wait before the next attempt; interrupt() ends it. NULL, in tests: nobody waits. */
    void (*pause)(void *http, int64_t ms);
};

struct wi_http {
    const struct wi_http_ops *ops;
    void *http;
    const struct weir_env *env;
};

struct wi_http_curl_options {
    const char *ca_file; /* NULL: AWS_CA_BUNDLE, else the system's */
};

/* Loads libcurl. WEIR_EPLATFORM: the system has none; WEIR_ENOMEM. */
WEIR_MUST_CHECK enum weir_error wi_http_open_curl(
    const struct weir_env *env,
    const struct wi_http_curl_options *options,
    struct wi_http **ret,
    struct weir_detail *detail);
void wi_http_close(struct wi_http *http);

#endif
