#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "aws/aws_settings.h"
#include "aws/credential_answer.h"
#include "aws/credential_source.h"
#include "aws/credentials.h"
#include "core/detail.h"
#include "core/str.h"

enum weir_error
wi_aws_from_environment(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    const char *key_id = wi_aws_variable("AWS_ACCESS_KEY_ID");
    const char *secret = wi_aws_variable("AWS_SECRET_ACCESS_KEY");
    const char *token = wi_aws_variable("AWS_SESSION_TOKEN");

    (void)source;
    if (key_id == NULL && secret == NULL) {
        return wi_detail(detail, WEIR_ENOTFOUND, "AWS_ACCESS_KEY_ID is not set");
    }
    if (key_id == NULL || secret == NULL) {
        return wi_detail(
            detail,
            WEIR_EACCESS,
            "%s is set, but %s is not",
            key_id == NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID",
            key_id == NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
    }
    ret->expires_ms = INT64_MAX;
    if (!wi_str_copy(ret->key_id, sizeof ret->key_id, wi_str(key_id)) ||
        !wi_str_copy(ret->secret, sizeof ret->secret, wi_str(secret)) ||
        !wi_str_copy(ret->token, sizeof ret->token, wi_str(token)) ||
        wi_aws_credentials_check(ret) != WEIR_OK) {
        return wi_detail(
            detail,
            WEIR_EACCESS,
            "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or AWS_SESSION_TOKEN is too long or has a "
            "character that no key has");
    }
    return WEIR_OK;
}
