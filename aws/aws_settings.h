/*
 * What the environment and the shared files of AWS say: profile, region, endpoint, switches. Read
 * once, at the opening of a client; not changed afterwards.
 */
#ifndef WI_AWS_AWS_SETTINGS_H
#define WI_AWS_AWS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/aws_profile.h"
#include "core/str.h"

/* How a name that is not a constant is spoken of: files, profiles. */
#define WI_AWS_PATH_SIZE 1024

struct wi_aws_settings {
    const struct weir_env *env;
    struct wi_aws_profiles profiles;
    char profile[WI_AWS_NAME_SIZE_MAX];
    char config_file[WI_AWS_PATH_SIZE]; /* "" if there is no home directory */
    char credentials_file[WI_AWS_PATH_SIZE];
};

/* `profile` NULL: AWS_PROFILE, else "default". A file that is missing counts as empty; one that
 * cannot be read, and a profile that was asked for and is not there, are WEIR_EINVAL. */
WEIR_MUST_CHECK enum weir_error wi_aws_settings_open(
    const struct weir_env *env,
    const char *profile,
    struct wi_aws_settings **ret,
    struct weir_detail *detail);
void wi_aws_settings_close(struct wi_aws_settings *settings);

/* An environment variable; NULL if it is not set or empty. */
const char *wi_aws_variable(const char *name);

/* A value of the profile; NULL if it has none. */
const char *wi_aws_settings_value(const struct wi_aws_settings *settings, const char *name);

/* Read a small file, at most `size_max` bytes, into an empty buffer. WEIR_ENOTFOUND, WEIR_EACCESS,
 * WEIR_ELIMIT, WEIR_EIO. */
WEIR_MUST_CHECK enum weir_error wi_aws_read_file(
    const char *path, size_t size_max, struct wi_buffer *ret);

/* The region: `option`, AWS_REGION, AWS_DEFAULT_REGION, the profile's; "" if none of them
 * says. */
WEIR_MUST_CHECK enum weir_error wi_aws_settings_region(
    const struct wi_aws_settings *settings,
    const char *option,
    char ret[WI_AWS_REGION_SIZE],
    struct weir_detail *detail);

/* The endpoint of a service: `option`, AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, the profile's
 * services section, its endpoint_url, the regular one of the region. No slash at the end. */
WEIR_MUST_CHECK enum weir_error wi_aws_settings_endpoint(
    const struct wi_aws_settings *settings,
    const char *service,
    const char *region,
    const char *option,
    char ret[WI_AWS_ENDPOINT_SIZE],
    struct weir_detail *detail);

#endif
