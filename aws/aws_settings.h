/*
 * What the environment and the shared files of AWS say: profile, region, endpoint, switches. Read
 * once, at the opening of a client; not changed afterwards.
 */
#ifndef WI_AWS_AWS_SETTINGS_H
#define WI_AWS_AWS_SETTINGS_H

#include <stdbool.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/http.h"

struct wi_aws_settings;

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

/* The region: `option`, AWS_REGION, AWS_DEFAULT_REGION, the profile's; "" if none says. */
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
