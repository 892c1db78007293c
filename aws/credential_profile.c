#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>

#include "aws/aws_profile.h"
#include "aws/aws_settings.h"
#include "aws/credential_answer.h"
#include "aws/credential_source.h"
#include "aws/credentials.h"
#include "core/detail.h"
#include "core/str.h"

/* Profiles whose roles are assumed, the last one first, and the one that has credentials. */
struct path {
    const struct wi_aws_source *source;
    const char *roles[WI_AWS_ROLE_CHAIN_MAX];
    size_t role_count;
    const char *base;              /* profile with keys or with a token file; NULL: see below */
    const char *credential_source; /* "Environment", ... */
};

static const char *
value(const struct path *path, const char *profile, const char *name)
{
    return wi_aws_profiles_get(&path->source->settings->profiles, profile, name);
}

static enum weir_error
check_profile(const struct path *path, const char *profile, struct weir_detail *detail)
{
    const struct wi_aws_settings *settings = path->source->settings;

    if (!wi_aws_profiles_has(&settings->profiles, profile)) {
        return wi_detail(
            detail,
            path->role_count == 0 ? WEIR_ENOTFOUND : WEIR_EACCESS,
            "profile \"%.64s\" is neither in %.100s nor in %.100s",
            profile,
            settings->config_file,
            settings->credentials_file);
    }
    if (value(path, profile, "role_arn") != NULL && value(path, profile, "mfa_serial") != NULL) {
        return wi_detail(
            detail,
            WEIR_EACCESS,
            "profile \"%.64s\" asks for a one-time password, which a service has not",
            profile);
    }
    return WEIR_OK;
}

/* A profile without a role, or one whose role is got with a token: the end of the path. */
static enum weir_error
end_at(struct path *path, const char *profile, struct weir_detail *detail)
{
    path->base = profile;
    if (value(path, profile, "web_identity_token_file") != NULL ||
        value(path, profile, "aws_access_key_id") != NULL) {
        return WEIR_OK;
    }
    if (value(path, profile, "credential_process") != NULL ||
        value(path, profile, "sso_session") != NULL ||
        value(path, profile, "sso_start_url") != NULL) {
        return wi_detail(
            detail,
            WEIR_EACCESS,
            "profile \"%.64s\" has credential_process or sso, which weir does not run: put its "
            "keys into the environment (aws configure export-credentials)",
            profile);
    }
    return wi_detail(
        detail,
        path->role_count == 0 ? WEIR_ENOTFOUND : WEIR_EACCESS,
        "profile \"%.64s\" has no credentials",
        profile);
}

/* Follow source_profile to where credentials are. */
static enum weir_error
find_path(struct path *path, struct weir_detail *detail)
{
    const char *profile = path->source->settings->profile;

    for (;;) {
        enum weir_error error = check_profile(path, profile, detail);
        const char *next = value(path, profile, "source_profile");

        if (error != WEIR_OK) {
            return error;
        }
        if (value(path, profile, "role_arn") == NULL ||
            value(path, profile, "web_identity_token_file") != NULL) {
            return end_at(path, profile, detail);
        }
        if (path->role_count == WI_AWS_ROLE_CHAIN_MAX) {
            return wi_detail(
                detail,
                WEIR_EACCESS,
                "profile \"%.64s\" needs more than %u roles: source_profile goes in a circle?",
                path->source->settings->profile,
                WI_AWS_ROLE_CHAIN_MAX);
        }
        path->roles[path->role_count++] = profile;
        path->credential_source = value(path, profile, "credential_source");
        if (path->credential_source != NULL) {
            return WEIR_OK;
        }
        if (next == NULL) {
            return wi_detail(
                detail,
                WEIR_EACCESS,
                "profile \"%.64s\" has role_arn, but neither source_profile nor "
                "credential_source",
                profile);
        }
        if (strcmp(next, profile) == 0) {
            /* Its own keys get it its role. */
            return end_at(path, profile, detail);
        }
        profile = next;
    }
}

static enum weir_error
read_keys(const struct path *path, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    const char *secret = value(path, path->base, "aws_secret_access_key");

    if (secret == NULL) {
        return wi_detail(
            detail,
            WEIR_EACCESS,
            "profile \"%.64s\" has aws_access_key_id, but no aws_secret_access_key",
            path->base);
    }
    ret->expires_ms = INT64_MAX;
    if (!wi_str_copy(
            ret->key_id,
            sizeof ret->key_id,
            wi_str(value(path, path->base, "aws_access_key_id"))) ||
        !wi_str_copy(ret->secret, sizeof ret->secret, wi_str(secret)) ||
        !wi_str_copy(
            ret->token, sizeof ret->token, wi_str(value(path, path->base, "aws_session_token"))) ||
        wi_aws_credentials_check(ret) != WEIR_OK) {
        return wi_detail(
            detail,
            WEIR_EACCESS,
            "a key of profile \"%.64s\" is too long or has a character that no key has",
            path->base);
    }
    return WEIR_OK;
}

static struct wi_aws_role
role_of(const struct path *path, const char *profile)
{
    return (struct wi_aws_role){
        .arn = value(path, profile, "role_arn"),
        .session_name = value(path, profile, "role_session_name"),
        .external_id = value(path, profile, "external_id"),
        .duration_seconds = value(path, profile, "duration_seconds"),
    };
}

static enum weir_error
get_from_source(const struct path *path, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    if (strcmp(path->credential_source, "Environment") == 0) {
        return wi_aws_from_environment(path->source, ret, detail);
    }
    if (strcmp(path->credential_source, "EcsContainer") == 0) {
        return wi_aws_from_container(path->source, ret, detail);
    }
    if (strcmp(path->credential_source, "Ec2InstanceMetadata") == 0) {
        return wi_aws_from_instance(path->source, ret, detail);
    }
    return wi_detail(
        detail,
        WEIR_EACCESS,
        "credential_source is none of Environment, EcsContainer, Ec2InstanceMetadata");
}

static enum weir_error
get_base(const struct path *path, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    enum weir_error error;

    if (path->credential_source != NULL) {
        error = get_from_source(path, ret, detail);
        /* It was asked for by name: not to be there is a failure. */
        return error == WEIR_ENOTFOUND ? WEIR_EACCESS : error;
    }
    if (value(path, path->base, "web_identity_token_file") != NULL) {
        struct wi_aws_role role = role_of(path, path->base);

        role.token_file = value(path, path->base, "web_identity_token_file");
        if (role.arn == NULL) {
            return wi_detail(
                detail,
                WEIR_EACCESS,
                "profile \"%.64s\" has web_identity_token_file, but no role_arn",
                path->base);
        }
        return wi_aws_assume_role(path->source, &role, NULL, ret, detail);
    }
    return read_keys(path, ret, detail);
}

enum weir_error
wi_aws_from_profile(
    const struct wi_aws_source *source, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    struct path path = {.source = source};
    struct wi_aws_credentials base = {.expires_ms = 0};
    enum weir_error error = find_path(&path, detail);

    if (error != WEIR_OK) {
        return error;
    }
    error = get_base(&path, ret, detail);
    while (error == WEIR_OK && path.role_count > 0) {
        struct wi_aws_role role = role_of(&path, path.roles[--path.role_count]);

        base = *ret;
        error = wi_aws_assume_role(source, &role, &base, ret, detail);
    }
    wi_aws_credentials_wipe(&base);
    return error;
}
