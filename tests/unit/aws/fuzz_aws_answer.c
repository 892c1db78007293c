/* Bytes of anybody as an answer of a service, of a metadata service, of STS, and as a URL. */
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/aws_endpoint.h"
#include "aws/aws_error.h"
#include "aws/credential_answer.h"
#include "aws/credentials.h"
#include "core/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct weir_str text = {(const char *)data, size};
    struct wi_aws_credentials credentials;
    struct wi_aws_error error;
    struct wi_aws_url url;

    if (wi_aws_answer_json(text, &credentials, NULL) == WEIR_OK ||
        wi_aws_answer_xml(text, &credentials, NULL) == WEIR_OK) {
        WEIR_ASSERT(wi_aws_credentials_check(&credentials) == WEIR_OK);
    }
    wi_aws_error_parse("", text, &error);
    (void)wi_aws_error_advice(wi_aws_error_class(error.type, 400), &error);
    if (wi_aws_url_parse(text, &url) == WEIR_OK) {
        WEIR_ASSERT(url.authority.length > 0 && url.host.length > 0);
    }
    return 0;
}
