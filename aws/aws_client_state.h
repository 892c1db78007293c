/* What a client of AWS consists of; shared by the files aws_client, aws_sign and aws_perform. */
#ifndef WI_AWS_AWS_CLIENT_STATE_H
#define WI_AWS_AWS_CLIENT_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/aws_retry.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/sigv4.h"
#include "core/log_limit.h"
#include "core/str.h"

#define WI_AWS_SERVICE_SIZE 64

struct wi_aws_client {
    const struct weir_env *env;
    struct wi_http *http;
    struct wi_aws_credential_chain *chain;
    char service[WI_AWS_SERVICE_SIZE];
    char target_prefix[WI_AWS_SERVICE_SIZE];
    char content_type[WI_AWS_SERVICE_SIZE];
    char region[WI_AWS_REGION_SIZE];
    char endpoint[WI_AWS_ENDPOINT_SIZE];
    char host[WI_AWS_ENDPOINT_SIZE]; /* the header */
    struct weir_str path;            /* in `endpoint` */
    int64_t connect_timeout_ms;
    int64_t attempt_timeout_ms;
    uint32_t attempts_max;
    _Atomic int64_t skew_ms; /* the service's clock less ours */
    pthread_mutex_t mutex;
    struct wi_sigv4_key key;     /* guarded by mutex */
    struct wi_aws_budget budget; /* guarded by mutex */
    struct wi_log_limit complaints;
};

/* What is signed and sent. */
struct wi_aws_message {
    const char *operation;
    const char *content_type; /* NULL: the client's */
    struct weir_bytes body;
};

/* wi_aws_sign() with credentials at hand. The content type must stay as long as the headers. */
WEIR_MUST_CHECK enum weir_error wi_aws_sign_with(
    struct wi_aws_client *client,
    const struct wi_aws_credentials *credentials,
    const struct wi_aws_message *message,
    struct wi_buffer *arena,
    struct wi_aws_signed *ret);

#endif
