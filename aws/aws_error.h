/* Errors of AWS services: their names, their words, what they mean. Pure, but for cJSON's memory.
 */
#ifndef WI_AWS_AWS_ERROR_H
#define WI_AWS_AWS_ERROR_H

#include <stdbool.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"

#define WI_AWS_MESSAGE_SIZE 320

struct wi_aws_error {
    char type[WI_AWS_ERROR_SIZE]; /* "ResourceNotFoundException"; "" if the answer names none */
    char message[WI_AWS_MESSAGE_SIZE]; /* printable; cut if need be */
};

/* Longest body of an error in CBOR that is looked at. */
#define WI_AWS_ERROR_CBOR_MAX 4096U

/* Read an error of AWS JSON 1.0 and 1.1, or of CBOR 1.1. `header`, x-amzn-errortype, goes before
 * the body; a body that is neither gives an empty message. */
void wi_aws_error_parse(const char *header, struct weir_str body, struct wi_aws_error *ret);

/* The class by name, else by HTTP status. Not for 2xx. */
enum wi_aws_class wi_aws_error_class(const char *type, int status);

/* The code of a class. CREATE operations: what exists already is no lock that goes away. */
enum weir_error wi_aws_class_error(enum wi_aws_class class, const char *operation);

/* The temporary credentials are out of date: fresh ones may help. */
bool wi_aws_error_is_expired_token(const char *type);

/* The service could not read the request, or does not know such requests. */
bool wi_aws_error_is_unreadable(const char *type);

/* The signature's time may be wrong: the clocks are to be compared. */
bool wi_aws_error_is_skew(const char *type, const char *message);

/* What the operator can do about it; "" if there is nothing to say. Static. */
const char *wi_aws_error_advice(enum wi_aws_class class, const struct wi_aws_error *error);

#endif
