#include "aws/credentials.h"

#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_settings.h"
#include "aws/http.h"
#include "core/detail.h"
#include "core/memory.h"
#include "core/str.h"

struct wi_aws_credential_chain {
    const struct weir_env *env;
};

enum weir_error
wi_aws_credentials_open(
    const struct weir_env *env,
    struct wi_http *http,
    const struct wi_aws_credential_options *options,
    struct wi_aws_credential_chain **ret,
    struct weir_detail *detail)
{
    struct wi_aws_credential_chain *chain = wi_alloc(env, sizeof *chain);

    (void)http;
    (void)options;
    if (chain == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "no memory for credentials");
    }
    chain->env = env;
    *ret = chain;
    return WEIR_OK;
}

void
wi_aws_credentials_close(struct wi_aws_credential_chain *chain)
{
    if (chain != NULL) {
        wi_free(chain->env, chain);
    }
}

enum weir_error
wi_aws_credentials_get(
    struct wi_aws_credential_chain *chain,
    struct wi_aws_credentials *ret,
    struct weir_detail *detail)
{
    const char *key_id = wi_aws_variable("AWS_ACCESS_KEY_ID");
    const char *secret = wi_aws_variable("AWS_SECRET_ACCESS_KEY");

    (void)chain;
    if (key_id == NULL || secret == NULL ||
        !wi_str_copy(ret->key_id, sizeof ret->key_id, wi_str(key_id)) ||
        !wi_str_copy(ret->secret, sizeof ret->secret, wi_str(secret)) ||
        !wi_str_copy(ret->token, sizeof ret->token, wi_str(wi_aws_variable("AWS_SESSION_TOKEN")))) {
        return wi_detail(detail, WEIR_EACCESS, "no credentials: set AWS_ACCESS_KEY_ID and others");
    }
    ret->expires_ms = INT64_MAX;
    return WEIR_OK;
}

void
wi_aws_credentials_refused(struct wi_aws_credential_chain *chain, const char *key_id)
{
    (void)chain;
    (void)key_id;
}
