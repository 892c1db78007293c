#include "aws/aws_settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/aws_endpoint.h"
#include "core/detail.h"
#include "core/memory.h"
#include "core/str.h"

struct wi_aws_settings {
    const struct weir_env *env;
};

const char *
wi_aws_variable(const char *name)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    return value == NULL || *value == '\0' ? NULL : value;
}

enum weir_error
wi_aws_settings_open(
    const struct weir_env *env,
    const char *profile,
    struct wi_aws_settings **ret,
    struct weir_detail *detail)
{
    struct wi_aws_settings *settings = wi_alloc(env, sizeof *settings);

    (void)profile;
    if (settings == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "no memory for the settings of AWS");
    }
    settings->env = env;
    *ret = settings;
    return WEIR_OK;
}

void
wi_aws_settings_close(struct wi_aws_settings *settings)
{
    if (settings != NULL) {
        wi_free(settings->env, settings);
    }
}

enum weir_error
wi_aws_settings_region(
    const struct wi_aws_settings *settings,
    const char *option,
    char ret[WI_AWS_REGION_SIZE],
    struct weir_detail *detail)
{
    const char *region = option;

    (void)settings;
    region = region != NULL ? region : wi_aws_variable("AWS_REGION");
    region = region != NULL ? region : wi_aws_variable("AWS_DEFAULT_REGION");
    if (region == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "no region of AWS: set AWS_REGION");
    }
    if (!wi_aws_region_is_valid(region)) {
        return wi_detail(detail, WEIR_EINVAL, "\"%s\" is no region of AWS", region);
    }
    (void)wi_str_copy(ret, WI_AWS_REGION_SIZE, wi_str(region));
    return WEIR_OK;
}

enum weir_error
wi_aws_settings_endpoint(
    const struct wi_aws_settings *settings,
    const char *service,
    const char *region,
    const char *option,
    char ret[WI_AWS_ENDPOINT_SIZE],
    struct weir_detail *detail)
{
    const struct wi_aws_endpoint_rule rule = {.service = service, .region = region};
    char name[64] = "AWS_ENDPOINT_URL_";
    size_t length = strlen(name);
    const char *endpoint = option;

    (void)settings;
    for (size_t i = 0; service[i] != '\0' && length + 1 < sizeof name; i++) {
        name[length++] = (char)toupper((unsigned char)service[i]);
        name[length] = '\0';
    }
    endpoint = endpoint != NULL ? endpoint : wi_aws_variable(name);
    endpoint = endpoint != NULL ? endpoint : wi_aws_variable("AWS_ENDPOINT_URL");
    if (endpoint == NULL) {
        return wi_aws_endpoint_by_rule(&rule, ret);
    }
    if (!wi_str_copy(ret, WI_AWS_ENDPOINT_SIZE, wi_str(endpoint))) {
        return wi_detail(detail, WEIR_EINVAL, "the endpoint is too long");
    }
    return WEIR_OK;
}
