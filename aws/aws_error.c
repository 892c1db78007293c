#include "aws/aws_error.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/cbor_reader.h"
#include "core/check.h"
#include "core/str.h"

/* Longest body of an error that is looked at. */
#define ERROR_BODY_MAX 65536U

/* "com.amazonaws.dynamodb.v20120810#Name:http://internal/..." is Name. */
static struct weir_str
bare_name(struct weir_str text)
{
    struct weir_str head;
    struct weir_str tail;

    if (wi_str_cut(text, '#', &head, &tail)) {
        text = tail;
    }
    if (wi_str_cut(text, ':', &head, &tail)) {
        text = head;
    }
    return text;
}

/* Text of a stranger, fit for a log line. */
static void
copy_printable(char *to, size_t size, struct weir_str from)
{
    (void)wi_str_copy(to, size, from);
    for (; *to != '\0'; to++) {
        if ((unsigned char)*to < ' ' || (unsigned char)*to == 0x7f) {
            *to = '?';
        }
    }
}

static const char *
text_member(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));

    return text == NULL ? "" : text;
}

/* The first of two members that has a text. */
static struct weir_str
either_member(const cJSON *object, const char *name, const char *other)
{
    const char *text = text_member(object, name);

    return wi_str(*text != '\0' ? text : text_member(object, other));
}

/* Type and message, where the body has them. */
static void
parse_json(struct weir_str body, struct wi_aws_error *ret)
{
    cJSON *root = cJSON_ParseWithLength(body.data, body.length);

    if (ret->type[0] == '\0') {
        copy_printable(
            ret->type, sizeof ret->type, bare_name(either_member(root, "__type", "code")));
    }
    copy_printable(ret->message, sizeof ret->message, either_member(root, "message", "Message"));
    cJSON_Delete(root);
}

/* One pair of the map; what is not text is passed over. */
static bool
take_cbor_member(struct wi_cbor_reader *reader, struct wi_aws_error *ret)
{
    struct weir_str name = {NULL, 0};
    struct weir_str text = {NULL, 0};
    const bool has_name = wi_cbor_take_text(reader, &name);

    if (!has_name || !wi_cbor_next_is_text(reader)) {
        return has_name && wi_cbor_skip(reader);
    }
    if (!wi_cbor_take_text(reader, &text)) {
        return false;
    }
    if (ret->type[0] == '\0' && (wi_str_equal_z(name, "__type") || wi_str_equal_z(name, "code"))) {
        copy_printable(ret->type, sizeof ret->type, bare_name(text));
    } else if (
        ret->message[0] == '\0' &&
        (wi_str_equal_z(name, "message") || wi_str_equal_z(name, "Message"))) {
        copy_printable(ret->message, sizeof ret->message, text);
    }
    return true;
}

/* The same in CBOR. The reader moves strings in pieces together, so it gets a copy. What stands
 * before something broken counts: it is words for people and the name of a class. */
static void
parse_cbor(struct weir_str body, struct wi_aws_error *ret)
{
    char copy[WI_AWS_ERROR_CBOR_MAX];
    struct wi_cbor_reader reader;
    struct wi_cbor_items members = {0, false};

    if (body.length > sizeof copy) {
        return;
    }
    memcpy(copy, body.data, body.length);
    wi_cbor_init(&reader, copy, body.length);
    if (!wi_cbor_enter(&reader, WI_CBOR_MAP, &members)) {
        return;
    }
    while (wi_cbor_more(&reader, &members) && take_cbor_member(&reader, ret)) {
    }
}

void
wi_aws_error_parse(const char *header, struct weir_str body, struct wi_aws_error *ret)
{
    ret->message[0] = '\0';
    copy_printable(ret->type, sizeof ret->type, bare_name(wi_str(header)));
    if (wi_cbor_is_map(body)) {
        parse_cbor(body, ret);
    } else if (body.length > 0 && body.length <= ERROR_BODY_MAX) {
        parse_json(body, ret);
    }
}

/* Names without their final "Exception": services write them with and without. */
static const struct {
    const char *name;
    enum wi_aws_class class;
} classes[] = {
    {"ConditionalCheckFailed", WI_AWS_CONDITION},

    {"ProvisionedThroughputExceeded", WI_AWS_THROTTLED},
    {"Throttling", WI_AWS_THROTTLED},
    {"Throttled", WI_AWS_THROTTLED},
    {"LimitExceeded", WI_AWS_THROTTLED},
    {"RequestLimitExceeded", WI_AWS_THROTTLED},
    {"RequestThrottled", WI_AWS_THROTTLED},
    {"TooManyRequests", WI_AWS_THROTTLED},
    {"BandwidthLimitExceeded", WI_AWS_THROTTLED},
    {"PriorRequestNotComplete", WI_AWS_THROTTLED},
    {"TransactionInProgress", WI_AWS_THROTTLED},
    {"SlowDown", WI_AWS_THROTTLED},
    {"KMSThrottling", WI_AWS_THROTTLED},

    {"ResourceNotFound", WI_AWS_NOT_FOUND},
    {"ResourceInUse", WI_AWS_IN_USE},
    {"TableAlreadyExists", WI_AWS_IN_USE},
    {"ExpiredIterator", WI_AWS_EXPIRED},
    {"ExpiredNextToken", WI_AWS_EXPIRED},

    {"AccessDenied", WI_AWS_DENIED},
    {"AuthFailure", WI_AWS_DENIED},
    {"ExpiredToken", WI_AWS_DENIED},
    {"IncompleteSignature", WI_AWS_DENIED},
    {"InvalidAccessKeyId", WI_AWS_DENIED},
    {"InvalidClientTokenId", WI_AWS_DENIED},
    {"InvalidSignature", WI_AWS_DENIED},
    {"KMSAccessDenied", WI_AWS_DENIED},
    {"KMSDisabled", WI_AWS_DENIED},
    {"KMSInvalidState", WI_AWS_DENIED},
    {"KMSNotFound", WI_AWS_DENIED},
    {"KMSOptInRequired", WI_AWS_DENIED},
    {"MissingAuthenticationToken", WI_AWS_DENIED},
    {"NotAuthorized", WI_AWS_DENIED},
    {"OptInRequired", WI_AWS_DENIED},
    {"RequestExpired", WI_AWS_DENIED},
    {"RequestInTheFuture", WI_AWS_DENIED},
    {"RequestTimeTooSkewed", WI_AWS_DENIED},
    {"SignatureDoesNotMatch", WI_AWS_DENIED},
    {"UnrecognizedClient", WI_AWS_DENIED},

    {"Validation", WI_AWS_INVALID},
    {"ValidationError", WI_AWS_INVALID},
    {"InvalidArgument", WI_AWS_INVALID},
    {"InvalidParameterValue", WI_AWS_INVALID},
    {"InvalidParameterCombination", WI_AWS_INVALID},
    {"InvalidAction", WI_AWS_INVALID},
    {"MissingAction", WI_AWS_INVALID},
    {"MissingParameter", WI_AWS_INVALID},
    {"Serialization", WI_AWS_INVALID},
    {"UnknownOperation", WI_AWS_INVALID},
    {"ItemCollectionSizeLimitExceeded", WI_AWS_INVALID},

    {"InternalFailure", WI_AWS_SERVER},
    {"InternalServerError", WI_AWS_SERVER},
    {"InternalServer", WI_AWS_SERVER},
    {"InternalError", WI_AWS_SERVER},
    {"RequestTimeout", WI_AWS_SERVER},
    {"ServiceUnavailable", WI_AWS_SERVER},
};

static struct weir_str
without_exception(const char *type)
{
    static const struct weir_str ending = {"Exception", sizeof "Exception" - 1};
    struct weir_str text = wi_str(type);

    if (text.length > ending.length &&
        strcmp(text.data + text.length - ending.length, ending.data) == 0) {
        text.length -= ending.length;
    }
    return text;
}

static enum wi_aws_class
class_of_status(int status)
{
    if (status == 429) {
        return WI_AWS_THROTTLED;
    }
    if (status == 401 || status == 403) {
        return WI_AWS_DENIED;
    }
    if (status == 413) {
        return WI_AWS_INVALID;
    }
    return status >= 500 || status == 408 ? WI_AWS_SERVER : WI_AWS_OTHER;
}

enum wi_aws_class
wi_aws_error_class(const char *type, int status)
{
    struct weir_str name = without_exception(type);

    for (size_t i = 0; i < WI_ARRAY_LENGTH(classes); i++) {
        if (wi_str_equal_z(name, classes[i].name)) {
            return classes[i].class;
        }
    }
    return class_of_status(status);
}

enum weir_error
wi_aws_class_error(enum wi_aws_class class, const char *operation)
{
    switch (class) {
    case WI_AWS_OK:
        return WEIR_OK;
    case WI_AWS_CONDITION:
        return WEIR_ECONFLICT;
    case WI_AWS_THROTTLED:
        return WEIR_ETHROTTLED;
    case WI_AWS_NOT_FOUND:
        return WEIR_ENOTFOUND;
    case WI_AWS_IN_USE:
        return strncmp(operation, "Create", strlen("Create")) == 0 ? WEIR_EEXISTS : WEIR_EBUSY;
    case WI_AWS_EXPIRED:
        return WEIR_EEXPIRED;
    case WI_AWS_DENIED:
        return WEIR_EACCESS;
    case WI_AWS_INVALID:
        return WEIR_EINVAL;
    case WI_AWS_SERVER:
    case WI_AWS_NO_ANSWER:
        return WEIR_ETIMEOUT;
    case WI_AWS_OTHER:
        return WEIR_EIO;
    }
    WEIR_ASSERT(!"a class without a code");
    return WEIR_EINTERNAL;
}

bool
wi_aws_error_is_expired_token(const char *type)
{
    return wi_str_equal_z(without_exception(type), "ExpiredToken");
}

bool
wi_aws_error_is_unreadable(const char *type)
{
    struct weir_str name = without_exception(type);

    return wi_str_equal_z(name, "Serialization") || wi_str_equal_z(name, "UnknownOperation");
}

bool
wi_aws_error_is_skew(const char *type, const char *message)
{
    struct weir_str name = without_exception(type);

    if (wi_str_equal_z(name, "RequestTimeTooSkewed") || wi_str_equal_z(name, "RequestExpired") ||
        wi_str_equal_z(name, "RequestInTheFuture")) {
        return true;
    }
    return (wi_str_equal_z(name, "InvalidSignature") ||
            wi_str_equal_z(name, "SignatureDoesNotMatch") || wi_str_equal_z(name, "AuthFailure")) &&
           (strstr(message, "expired") != NULL || strstr(message, "not yet current") != NULL);
}

static const char *
advice_on_denial(const struct wi_aws_error *error)
{
    struct weir_str name = without_exception(error->type);

    if (wi_str_equal_z(name, "UnrecognizedClient") ||
        wi_str_equal_z(name, "InvalidClientTokenId") ||
        wi_str_equal_z(name, "InvalidAccessKeyId")) {
        return "the access key is not known here: check the credentials, the session token and "
               "the region's partition";
    }
    if (wi_aws_error_is_expired_token(error->type)) {
        return "get new temporary credentials";
    }
    if (wi_aws_error_is_skew(error->type, error->message)) {
        return "set the clock of this host";
    }
    if (strstr(error->message, "scoped to") != NULL) {
        return "the region does not fit the endpoint: set both";
    }
    if (wi_str_equal_z(name, "InvalidSignature") || wi_str_equal_z(name, "SignatureDoesNotMatch")) {
        return "the secret key does not fit the access key";
    }
    if (wi_str_equal_z(name, "MissingAuthenticationToken")) {
        return "check the endpoint";
    }
    return "give the identity the right to this operation";
}

const char *
wi_aws_error_advice(enum wi_aws_class class, const struct wi_aws_error *error)
{
    switch (class) {
    case WI_AWS_DENIED:
        return advice_on_denial(error);
    case WI_AWS_NOT_FOUND:
        return "check the name, the region and the account";
    case WI_AWS_THROTTLED:
        return "over a rate limit of the service: slow down or raise the limit";
    case WI_AWS_OTHER:
        return "is this an endpoint of the service?";
    case WI_AWS_OK:
    case WI_AWS_CONDITION:
    case WI_AWS_IN_USE:
    case WI_AWS_EXPIRED:
    case WI_AWS_INVALID:
    case WI_AWS_SERVER:
    case WI_AWS_NO_ANSWER:
        return "";
    }
    WEIR_ASSERT(!"a class without advice");
    return "";
}
