/* Bytes of anybody as a shared file of AWS. */
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wi_aws_profiles profiles;
    const struct weir_str text = {(const char *)data, size};

    wi_aws_profiles_init(&profiles, weir_env_default());
    if (wi_aws_profiles_parse(&profiles, WI_AWS_CONFIG_FILE, text) == WEIR_OK &&
        wi_aws_profiles_parse(&profiles, WI_AWS_CREDENTIALS_FILE, text) == WEIR_OK) {
        (void)wi_aws_profiles_get(&profiles, "default", "region");
    }
    wi_aws_profiles_free(&profiles);
    return 0;
}
