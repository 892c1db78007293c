#include "aws/credential_answer.h"

#include <cjson/cJSON.h>
#include <expat.h>
#include <expat_external.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/credentials.h"
#include "core/check.h"
#include "core/detail.h"
#include "core/str.h"
#include "core/timestamp.h"

/* Deepest element of an answer of STS that is looked at. */
#define DEPTH_MAX 16

void
wi_aws_credentials_wipe(struct wi_aws_credentials *credentials)
{
    OPENSSL_cleanse(credentials, sizeof *credentials);
}

static bool
is_token(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f) {
            return false;
        }
    }
    return true;
}

enum weir_error
wi_aws_credentials_check(const struct wi_aws_credentials *credentials)
{
    return credentials->key_id[0] != '\0' && credentials->secret[0] != '\0' &&
                   is_token(credentials->key_id) && is_token(credentials->secret) &&
                   is_token(credentials->token)
               ? WEIR_OK
               : WEIR_ECORRUPT;
}

static enum weir_error
corrupt(struct weir_detail *detail)
{
    return wi_detail(detail, WEIR_ECORRUPT, "the answer holds no credentials");
}

static struct weir_str
member(const cJSON *root, const char *name)
{
    return wi_str(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, name)));
}

static void
wipe_member(const cJSON *root, const char *name)
{
    cJSON *item = cJSON_GetObjectItemCaseSensitive(root, name);

    if (cJSON_IsString(item)) {
        OPENSSL_cleanse(item->valuestring, strlen(item->valuestring));
    }
}

static enum weir_error
read_members(const cJSON *root, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    struct weir_str code = member(root, "Code");
    struct weir_str message = member(root, "Message");
    struct weir_str expiration = member(root, "Expiration");

    if (code.length == 0) {
        code = member(root, "code");
        message = member(root, "message");
    }
    if (code.length > 0 && !wi_str_equal_z(code, "Success")) {
        return wi_detail(
            detail,
            WEIR_EACCESS,
            "%.*s: %.*s",
            (int)(code.length < 64 ? code.length : 64),
            code.data,
            (int)(message.length < 160 ? message.length : 160),
            message.length == 0 ? "" : message.data);
    }
    ret->expires_ms = INT64_MAX;
    if (!wi_str_copy(ret->key_id, sizeof ret->key_id, member(root, "AccessKeyId")) ||
        !wi_str_copy(ret->secret, sizeof ret->secret, member(root, "SecretAccessKey")) ||
        !wi_str_copy(ret->token, sizeof ret->token, member(root, "Token")) ||
        (expiration.length > 0 && wi_timestamp_parse(expiration, &ret->expires_ms) != WEIR_OK) ||
        wi_aws_credentials_check(ret) != WEIR_OK) {
        return corrupt(detail);
    }
    return WEIR_OK;
}

enum weir_error
wi_aws_answer_json(struct weir_str text, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    struct wi_aws_credentials found = {.expires_ms = 0};
    cJSON *root = NULL;
    enum weir_error error;

    if (text.length > 0 && text.length <= WI_AWS_ANSWER_MAX) {
        root = cJSON_ParseWithLength(text.data, text.length);
    }
    error = cJSON_IsObject(root) ? read_members(root, &found, detail) : corrupt(detail);
    wipe_member(root, "SecretAccessKey");
    wipe_member(root, "Token");
    cJSON_Delete(root);
    if (error == WEIR_OK) {
        *ret = found;
    }
    wi_aws_credentials_wipe(&found);
    return error;
}

/* What is collected while expat goes through an answer. */
struct reading {
    XML_Parser parser;
    int depth;
    int in_credentials; /* depth of that element; 0: not inside */
    int in_error;
    char *to; /* where the text of the present element goes; NULL: nowhere */
    size_t size;
    size_t length;
    bool refused; /* a DTD, or too long a text */
    struct wi_aws_credentials credentials;
    char expiration[WI_TIMESTAMP_LENGTH_MAX];
    char code[64];
    char message[160];
};

/* Text of these elements is kept, if they stand directly in Credentials or in Error. */
static void
choose_place(struct reading *reading, const char *name)
{
    struct wi_aws_credentials *found = &reading->credentials;
    const struct {
        int parent;
        const char *name;
        char *to;
        size_t size;
    } places[] = {
        {reading->in_credentials, "AccessKeyId", found->key_id, sizeof found->key_id},
        {reading->in_credentials, "SecretAccessKey", found->secret, sizeof found->secret},
        {reading->in_credentials, "SessionToken", found->token, sizeof found->token},
        {reading->in_credentials, "Expiration", reading->expiration, sizeof reading->expiration},
        {reading->in_error, "Code", reading->code, sizeof reading->code},
        {reading->in_error, "Message", reading->message, sizeof reading->message},
    };

    reading->to = NULL;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(places); i++) {
        if (places[i].parent > 0 && reading->depth == places[i].parent + 1 &&
            strcmp(name, places[i].name) == 0) {
            reading->to = places[i].to;
            reading->size = places[i].size;
            reading->length = 0;
            reading->to[0] = '\0';
        }
    }
}

static void XMLCALL
begin_element(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct reading *reading = context;

    (void)attributes;
    reading->depth++;
    if (reading->depth > DEPTH_MAX) {
        reading->refused = true;
        (void)XML_StopParser(reading->parser, XML_FALSE);
        return;
    }
    choose_place(reading, name);
    if (reading->in_credentials == 0 && strcmp(name, "Credentials") == 0) {
        reading->in_credentials = reading->depth;
    }
    if (reading->in_error == 0 && strcmp(name, "Error") == 0) {
        reading->in_error = reading->depth;
    }
}

static void XMLCALL
end_element(void *context, const XML_Char *name)
{
    struct reading *reading = context;

    (void)name;
    reading->to = NULL;
    reading->in_credentials =
        reading->in_credentials == reading->depth ? 0 : reading->in_credentials;
    reading->in_error = reading->in_error == reading->depth ? 0 : reading->in_error;
    reading->depth--;
}

static void XMLCALL
take_text(void *context, const XML_Char *text, int length)
{
    struct reading *reading = context;
    size_t room;

    if (reading->to == NULL) {
        return;
    }
    room = reading->size - 1 - reading->length;
    if ((size_t)length > room) {
        /* Half a message is of use, half a key is not. */
        reading->refused = reading->refused || reading->in_error == 0;
        length = (int)room;
    }
    memcpy(reading->to + reading->length, text, (size_t)length);
    reading->length += (size_t)length;
    reading->to[reading->length] = '\0';
}

static void XMLCALL
refuse_dtd(
    void *context,
    const XML_Char *name,
    const XML_Char *system_id,
    const XML_Char *public_id,
    int has_internal_subset)
{
    struct reading *reading = context;

    (void)name;
    (void)system_id;
    (void)public_id;
    (void)has_internal_subset;
    reading->refused = true;
    (void)XML_StopParser(reading->parser, XML_FALSE);
}

static enum weir_error
judge(struct reading *reading, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    struct wi_aws_credentials *found = &reading->credentials;

    if (reading->code[0] != '\0') {
        return wi_detail(detail, WEIR_EACCESS, "%s: %s", reading->code, reading->message);
    }
    if (wi_timestamp_parse(wi_str(reading->expiration), &found->expires_ms) != WEIR_OK ||
        wi_aws_credentials_check(found) != WEIR_OK) {
        return corrupt(detail);
    }
    *ret = *found;
    return WEIR_OK;
}

enum weir_error
wi_aws_answer_xml(struct weir_str text, struct wi_aws_credentials *ret, struct weir_detail *detail)
{
    struct reading reading = {.depth = 0};
    enum weir_error error;
    bool whole;

    if (text.length == 0 || text.length > WI_AWS_ANSWER_MAX) {
        return corrupt(detail);
    }
    reading.parser = XML_ParserCreate(NULL);
    if (reading.parser == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "no memory for an answer");
    }
    XML_SetUserData(reading.parser, &reading);
    XML_SetElementHandler(reading.parser, begin_element, end_element);
    XML_SetCharacterDataHandler(reading.parser, take_text);
    XML_SetStartDoctypeDeclHandler(reading.parser, refuse_dtd);
    whole = XML_Parse(reading.parser, text.data, (int)text.length, XML_TRUE) == XML_STATUS_OK;
    XML_ParserFree(reading.parser);
    error = whole && !reading.refused ? judge(&reading, ret, detail) : corrupt(detail);
    OPENSSL_cleanse(&reading, sizeof reading);
    return error;
}
