/*
 * A client of one AWS service that speaks AWS JSON: signs, sends, tells errors apart, repeats. The
 * files kinesis_api and dynamodb_api build requests and read answers with it.
 *
 * Thread-safe; blocks. One call takes at most its time limit, attempts and back-off included.
 */
#ifndef WI_AWS_AWS_CLIENT_H
#define WI_AWS_AWS_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/credentials.h"
#include "aws/http.h"
#include "core/str.h"

#define WI_AWS_REGION_SIZE   64
#define WI_AWS_ENDPOINT_SIZE 512
#define WI_AWS_TARGET_MAX    128
#define WI_AWS_ERROR_SIZE    128

/* Defaults of the AWS SDKs, but for the time limits: a lease waits behind each request. */
#define WI_AWS_CONNECT_TIMEOUT_MS 2000
#define WI_AWS_ATTEMPT_TIMEOUT_MS 5000
#define WI_AWS_ATTEMPTS_MAX       3

struct wi_aws_options {
    const char *service;       /* for signing and endpoint rules: "kinesis", "dynamodb" */
    const char *target_prefix; /* of X-Amz-Target: "Kinesis_20131202", "DynamoDB_20120810" */
    const char *content_type;  /* "application/x-amz-json-1.1" */
    const char *region;        /* NULL: environment, shared config, IMDS, as the SDKs look */
    const char *endpoint; /* NULL: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, config, rule */
    const char *profile;  /* NULL: AWS_PROFILE, else "default" */
    int64_t connect_timeout_ms; /* 0: default */
    int64_t attempt_timeout_ms; /* 0: default */
    uint32_t attempts_max;      /* 0: default */
};

/* What an error of the service means to the caller, beside its name. */
enum wi_aws_class {
    WI_AWS_OK = 0,
    WI_AWS_CONDITION, /* ConditionalCheckFailedException */
    WI_AWS_THROTTLED, /* ProvisionedThroughputExceeded, Throttling, LimitExceeded of a rate */
    WI_AWS_NOT_FOUND, /* ResourceNotFoundException */
    WI_AWS_IN_USE,    /* ResourceInUseException */
    WI_AWS_EXPIRED,   /* ExpiredIteratorException, ExpiredNextTokenException */
    WI_AWS_DENIED,    /* signature, token, rights: the detail says which and what to do */
    WI_AWS_INVALID,   /* Validation, InvalidArgument, Serialization */
    WI_AWS_SERVER,    /* 5xx */
    WI_AWS_NO_ANSWER, /* not sent, or outcome unknown: see `outcome_unknown` */
    WI_AWS_OTHER
};

/* An answer that is taken as it comes, over HTTP/2: not kept, and not asked for again. */
struct wi_aws_streaming {
    wi_http_body_fn take;
    void *context;
    int64_t quiet_timeout_ms;    /* of silence */
    const atomic_bool *canceled; /* NULL: nobody cancels */
};

/* One operation and what became of it. Zero it with wi_aws_call_init(). */
struct wi_aws_call {
    const char *operation;    /* "PutRecords" */
    struct weir_bytes body;   /* JSON, unless content_type says otherwise */
    const char *content_type; /* NULL: the client's */
    bool repeatable;          /* an attempt whose outcome is unknown may be made again */
    bool bulk;                /* megabytes of answer are expected */
    const struct wi_aws_streaming *streaming; /* NULL: the answer is collected */
    int64_t attempt_timeout_ms;               /* 0: the client's */
    uint32_t attempts_max;                    /* 0: the client's */

    enum weir_error error; /* OK, or the code of `class`; WEIR_ETIMEOUT: outcome unknown */
    enum wi_aws_class class;
    bool outcome_unknown; /* of any attempt: the service may have carried it out */
    uint32_t attempts;
    int status;
    char type[WI_AWS_ERROR_SIZE]; /* name of the error without its namespace */
    struct wi_buffer answer;      /* the body; of an error too */
    struct weir_detail detail;
};

struct wi_aws_client;

/* Reads region, endpoint and credentials' sources; sends nothing to the service. The client does
 * not own `http`. WEIR_EINVAL with a detail that says what is missing. */
WEIR_MUST_CHECK enum weir_error wi_aws_client_open(
    const struct weir_env *env,
    struct wi_http *http,
    const struct wi_aws_options *options,
    struct wi_aws_client **ret,
    struct weir_detail *detail);
void wi_aws_client_close(struct wi_aws_client *client);

void wi_aws_call_init(struct wi_aws_call *call, const struct weir_env *env);
void wi_aws_call_free(struct wi_aws_call *call);

/* Perform one, or several side by side. Returns when all have ended; each has its own outcome. */
void wi_aws_perform(struct wi_aws_client *client, struct wi_aws_call *call);
void wi_aws_perform_all(
    struct wi_aws_client *client, struct wi_aws_call *const *calls, size_t count);

const char *wi_aws_region(const struct wi_aws_client *client);
const char *wi_aws_endpoint(const struct wi_aws_client *client);

/* Headers of a signed POST to the endpoint: Host, Content-Type, X-Amz-Target, X-Amz-Date,
 * X-Amz-Security-Token if there is one, Authorization. */
#define WI_AWS_HEADERS_MAX 6U

struct wi_aws_signed {
    struct wi_http_header headers[WI_AWS_HEADERS_MAX];
    size_t count;
};

/* Sign a request that the caller sends itself (SubscribeToShard). The headers point into the
 * arena, which is emptied first, and into the client. */
WEIR_MUST_CHECK enum weir_error wi_aws_sign(
    struct wi_aws_client *client,
    const char *operation,
    struct weir_bytes body,
    struct wi_buffer *arena,
    struct wi_aws_signed *ret,
    struct weir_detail *detail);

#endif
