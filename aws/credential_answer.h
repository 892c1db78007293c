/* Credentials as the services of AWS hand them out: JSON of IMDS and containers, XML of STS. The
 * answers may come from anybody who answers at that address. */
#ifndef WI_AWS_CREDENTIAL_ANSWER_H
#define WI_AWS_CREDENTIAL_ANSWER_H

#include <weir/error.h>
#include <weir/types.h>

#include "aws/credentials.h"

/* Longest answer that is read. */
#define WI_AWS_ANSWER_MAX 65536U
/* Room for what a service says of its refusal. */
#define WI_AWS_REFUSAL_SIZE 256

/* {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}; Expiration may be missing.
 * WEIR_EACCESS if the answer is a refusal ({"Code", "Message"}), WEIR_ECORRUPT for anything else.
 */
WEIR_MUST_CHECK enum weir_error wi_aws_answer_json(
    struct weir_str text, struct wi_aws_credentials *ret, struct weir_detail *detail);

/* The element Credentials of AssumeRole and its kin. Errors as above; the element Error is a
 * refusal. Documents with a DTD are refused. */
WEIR_MUST_CHECK enum weir_error wi_aws_answer_xml(
    struct weir_str text, struct wi_aws_credentials *ret, struct weir_detail *detail);

/* Every byte overwritten. */
void wi_aws_credentials_wipe(struct wi_aws_credentials *credentials);

/* Whether the members can be sent: a key and a secret, printable ASCII without blanks. */
WEIR_MUST_CHECK enum weir_error wi_aws_credentials_check(
    const struct wi_aws_credentials *credentials);

#endif
