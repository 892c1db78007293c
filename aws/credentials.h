/*
 * Credentials as the AWS SDKs find them, in this order: environment; web identity; shared config
 * and credentials files with profiles (assume-role through source_profile or credential_source);
 * container endpoint of ECS and EKS; instance metadata (IMDSv2).
 *
 * Thread-safe. Refreshed before they expire, by one caller, while others go on with what there is.
 * Secrets are never logged and never part of a detail.
 */
#ifndef WI_AWS_CREDENTIALS_H
#define WI_AWS_CREDENTIALS_H

#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/http.h"

#define WI_AWS_KEY_ID_SIZE 160
#define WI_AWS_SECRET_SIZE 160
#define WI_AWS_TOKEN_SIZE  8192

struct wi_aws_credentials {
    char key_id[WI_AWS_KEY_ID_SIZE];
    char secret[WI_AWS_SECRET_SIZE];
    char token[WI_AWS_TOKEN_SIZE]; /* "" if they are not temporary */
    int64_t expires_ms;            /* wall clock; INT64_MAX: they do not */
};

struct wi_aws_credential_chain;

struct wi_aws_credential_options {
    const char *profile; /* NULL: AWS_PROFILE, else "default" */
    const char *region;  /* of the token service; may be NULL */
};

WEIR_MUST_CHECK enum weir_error wi_aws_credentials_open(
    const struct weir_env *env,
    struct wi_http *http,
    const struct wi_aws_credential_options *options,
    struct wi_aws_credential_chain **ret,
    struct weir_detail *detail);
void wi_aws_credentials_close(struct wi_aws_credential_chain *chain);

/* The present credentials; blocks for a refresh if there are none that are still valid.
 * WEIR_EACCESS with a detail that lists what was looked at. */
WEIR_MUST_CHECK enum weir_error wi_aws_credentials_get(
    struct wi_aws_credential_chain *chain,
    struct wi_aws_credentials *ret,
    struct weir_detail *detail);

/* The service refused them as expired: the next get() refreshes. */
void wi_aws_credentials_refused(struct wi_aws_credential_chain *chain, const char *key_id);

#endif
