/*
 * Where credentials come from. Each source answers WEIR_OK; WEIR_ENOTFOUND if it is not set up
 * here, so that the next one is asked; any other error if it is and does not work: the search
 * ends. The detail always says why. Sources block, each for a bounded time, and are called by one
 * thread at a time.
 */
#ifndef WI_AWS_CREDENTIAL_SOURCE_H
#define WI_AWS_CREDENTIAL_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/aws_settings.h"
#include "aws/credentials.h"
#include "aws/http.h"
#include "core/str.h"

/* Time limits of one request. */
#define WI_AWS_IMDS_TIMEOUT_MS      1000
#define WI_AWS_CONTAINER_TIMEOUT_MS 2000
#define WI_AWS_STS_TIMEOUT_MS       5000
/* Attempts at a source that is there and does not answer as it should. */
#define WI_AWS_SOURCE_ATTEMPTS 3U
/* Longest token in a file. */
#define WI_AWS_TOKEN_FILE_MAX 65536U
/* Most roles that are assumed one through the other. */
#define WI_AWS_ROLE_CHAIN_MAX 5U

struct wi_aws_source {
    const struct weir_env *env;
    struct wi_http *http;
    const struct wi_aws_settings *settings;
    const char *region; /* of the token service; "" if there is none */
};

typedef enum weir_error (*wi_aws_source_fn)(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail);

WEIR_MUST_CHECK enum weir_error wi_aws_from_environment(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_error wi_aws_from_web_identity(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_error wi_aws_from_profile(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_error wi_aws_from_container(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_error wi_aws_from_instance(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail);

/* The region this instance runs in. */
WEIR_MUST_CHECK enum weir_error wi_aws_region_from_instance(
    const struct wi_aws_source *source, char ret[WI_AWS_REGION_SIZE], struct weir_detail *detail);

/* A role and how to get it. */
struct wi_aws_role {
    const char *arn;
    const char *session_name;     /* NULL: made up */
    const char *external_id;      /* NULL: none */
    const char *duration_seconds; /* NULL: the service's default, 1 h */
    const char *token_file;       /* of web identity; NULL: signed with credentials */
};

/* Ask the token service for a role: signed with `base`, or, if that is NULL, with the token in a
 * file. */
WEIR_MUST_CHECK enum weir_error wi_aws_assume_role(
    const struct wi_aws_source *source,
    const struct wi_aws_role *role,
    const struct wi_aws_credentials *base,
    struct wi_aws_credentials *ret,
    struct weir_detail *detail);

/* Perform, again after a failure that may pass. The exchange's body is set up and freed by the
 * caller. Error as in the exchange. */
WEIR_MUST_CHECK enum weir_error wi_aws_source_fetch(
    const struct wi_aws_source *source, struct wi_http_exchange *exchange, uint32_t attempts_max);

/* The first line of a file with a token. */
WEIR_MUST_CHECK enum weir_error wi_aws_read_token(
    const char *path, struct wi_buffer *ret, struct weir_detail *detail);

#endif
