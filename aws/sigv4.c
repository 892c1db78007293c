#include "aws/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/http.h"
#include "core/check.h"
#include "core/str.h"
#include "core/timestamp.h"

#define ALGORITHM "AWS4-HMAC-SHA256"
#define SUFFIX    "aws4_request"
/* Last millisecond of the year 9999. */
#define WALL_MAX_MS INT64_C(253402300799999)
/* "AWS4" and the secret. */
#define SECRET_SIZE_MAX 1024
/* The secret with region and service. */
#define ORIGIN_SIZE_MAX (SECRET_SIZE_MAX + 512)

void
wi_sigv4_time(int64_t wall_ms, char ret[WI_SIGV4_TIME_SIZE])
{
    char text[WI_TIMESTAMP_SIZE]; /* 2015-08-30T12:36:00.000Z */
    size_t to = 0;

    wall_ms = wall_ms < 0 ? 0 : wall_ms > WALL_MAX_MS ? WALL_MAX_MS : wall_ms;
    (void)wi_timestamp_format(wall_ms, text);
    for (size_t i = 0; text[i] != '.' && text[i] != 'Z' && to + 2 < WI_SIGV4_TIME_SIZE; i++) {
        if (text[i] != '-' && text[i] != ':') {
            ret[to++] = text[i];
        }
    }
    ret[to++] = 'Z';
    ret[to] = '\0';
}

static void
to_hex(const unsigned char hash[WI_SIGV4_HASH_BYTES], char ret[WI_SIGV4_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < WI_SIGV4_HASH_BYTES; i++) {
        ret[2 * i] = digits[hash[i] >> 4];
        ret[2 * i + 1] = digits[hash[i] & 15];
    }
    ret[WI_SIGV4_HEX_SIZE - 1] = '\0';
}

static enum weir_error
hash_hex(const void *data, size_t length, char ret[WI_SIGV4_HEX_SIZE])
{
    unsigned char hash[EVP_MAX_MD_SIZE];

    if (EVP_Digest(length == 0 ? "" : data, length, hash, NULL, EVP_sha256(), NULL) != 1) {
        return WEIR_ENOMEM;
    }
    to_hex(hash, ret);
    return WEIR_OK;
}

static enum weir_error
keyed_hash(
    const void *key,
    size_t key_length,
    struct weir_str text,
    unsigned char ret[WI_SIGV4_HASH_BYTES])
{
    unsigned int length = 0;

    if (HMAC(
            EVP_sha256(),
            key,
            (int)key_length,
            (const unsigned char *)text.data,
            text.length,
            ret,
            &length) == NULL) {
        return WEIR_ENOMEM;
    }
    return WEIR_OK;
}

static bool
is_unreserved(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void
append_path(struct wi_buffer *out, struct weir_str path)
{
    if (path.length == 0) {
        wi_buffer_append_z(out, "/");
    }
    for (size_t i = 0; i < path.length; i++) {
        unsigned char c = (unsigned char)path.data[i];

        if (is_unreserved(c) || c == '/') {
            wi_buffer_append(out, &path.data[i], 1);
        } else {
            wi_buffer_printf(out, "%%%02X", c);
        }
    }
}

struct parameter {
    struct weir_str name;
    struct weir_str value;
};

static int
compare_parameters(const void *a, const void *b)
{
    const struct parameter *left = a;
    const struct parameter *right = b;
    int order = wi_str_compare(left->name, right->name);

    return order != 0 ? order : wi_str_compare(left->value, right->value);
}

/* Names and values are encoded already: they stand in the request line. */
static enum weir_error
append_query(struct wi_buffer *out, struct weir_str query)
{
    struct parameter parameters[WI_SIGV4_PARAMETERS_MAX];
    size_t count = 0;

    while (query.length > 0) {
        struct weir_str piece = query;
        struct weir_str rest = WI_STR("");
        struct parameter *parameter = &parameters[count];

        (void)wi_str_cut(query, '&', &piece, &rest);
        query = rest;
        if (piece.length == 0) {
            continue;
        }
        if (count++ == WI_SIGV4_PARAMETERS_MAX) {
            return WEIR_ELIMIT;
        }
        *parameter = (struct parameter){piece, WI_STR("")};
        (void)wi_str_cut(piece, '=', &parameter->name, &parameter->value);
    }
    qsort(parameters, count, sizeof parameters[0], compare_parameters);
    for (size_t i = 0; i < count; i++) {
        wi_buffer_append_z(out, i == 0 ? "" : "&");
        wi_buffer_append_str(out, parameters[i].name);
        wi_buffer_append_z(out, "=");
        wi_buffer_append_str(out, parameters[i].value);
    }
    return WEIR_OK;
}

static char
lower(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (char)(c - 'A' + 'a');
    }
    return c;
}

static int
compare_names(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return (int)(unsigned char)lower(*a) - (int)(unsigned char)lower(*b);
}

static int
compare_headers(const void *a, const void *b)
{
    const struct wi_http_header *left = *(const struct wi_http_header *const *)a;
    const struct wi_http_header *right = *(const struct wi_http_header *const *)b;
    int order = compare_names(left->name, right->name);

    /* The same name twice: in the order of the request. */
    return order != 0 ? order : (left > right) - (left < right);
}

/* The headers in the order of the signature. */
struct sorted {
    const struct wi_http_header *headers[WI_SIGV4_HEADERS_MAX];
    size_t count;
};

static enum weir_error
sort_headers(const struct wi_sigv4_request *request, struct sorted *ret)
{
    if (request->header_count > WI_SIGV4_HEADERS_MAX) {
        return WEIR_ELIMIT;
    }
    for (size_t i = 0; i < request->header_count; i++) {
        ret->headers[i] = &request->headers[i];
    }
    ret->count = request->header_count;
    qsort(ret->headers, ret->count, sizeof ret->headers[0], compare_headers);
    return WEIR_OK;
}

static bool
is_repeated(const struct sorted *sorted, size_t i)
{
    const struct wi_http_header *const *header = &sorted->headers[i];

    WEIR_ASSERT(i < sorted->count);
    return i > 0 && compare_names(header[-1]->name, header[0]->name) == 0;
}

static void
append_name(struct wi_buffer *out, const char *name)
{
    for (; *name != '\0'; name++) {
        char c = lower(*name);
        wi_buffer_append(out, &c, 1);
    }
}

/* Without blanks at the ends, and one for several in between. */
static void
append_value(struct wi_buffer *out, const char *value)
{
    bool started = false;
    bool blank = false;

    for (; *value != '\0'; value++) {
        if (*value == ' ' || *value == '\t') {
            blank = started;
            continue;
        }
        wi_buffer_append_z(out, blank ? " " : "");
        wi_buffer_append(out, value, 1);
        started = true;
        blank = false;
    }
}

static void
append_headers(struct wi_buffer *out, const struct sorted *sorted)
{
    for (size_t i = 0; i < sorted->count; i++) {
        if (is_repeated(sorted, i)) {
            wi_buffer_append_z(out, ",");
        } else {
            wi_buffer_append_z(out, i == 0 ? "" : "\n");
            append_name(out, sorted->headers[i]->name);
            wi_buffer_append_z(out, ":");
        }
        append_value(out, sorted->headers[i]->value);
    }
    wi_buffer_append_z(out, "\n");
}

static void
append_signed_headers(struct wi_buffer *out, const struct sorted *sorted)
{
    for (size_t i = 0; i < sorted->count; i++) {
        if (!is_repeated(sorted, i)) {
            wi_buffer_append_z(out, i == 0 ? "" : ";");
            append_name(out, sorted->headers[i]->name);
        }
    }
}

enum weir_error
wi_sigv4_canonical_request(const struct wi_sigv4_request *request, struct wi_buffer *out)
{
    char payload[WI_SIGV4_HEX_SIZE];
    struct sorted sorted;
    enum weir_error error = sort_headers(request, &sorted);

    if (error == WEIR_OK) {
        error = hash_hex(request->payload.data, request->payload.length, payload);
    }
    if (error != WEIR_OK) {
        return error;
    }
    wi_buffer_append_z(out, request->method);
    wi_buffer_append_z(out, "\n");
    append_path(out, request->path);
    wi_buffer_append_z(out, "\n");
    error = append_query(out, request->query);
    if (error != WEIR_OK) {
        return error;
    }
    wi_buffer_append_z(out, "\n");
    append_headers(out, &sorted);
    wi_buffer_append_z(out, "\n");
    append_signed_headers(out, &sorted);
    wi_buffer_append_z(out, "\n");
    wi_buffer_append_z(out, payload);
    return wi_buffer_error(out);
}

static struct weir_str
date_of(const struct wi_sigv4_scope *scope)
{
    return (struct weir_str){scope->time, WI_SIGV4_DATE_SIZE - 1};
}

static void
append_scope(struct wi_buffer *out, const struct wi_sigv4_scope *scope)
{
    wi_buffer_append_str(out, date_of(scope));
    wi_buffer_append_z(out, "/");
    wi_buffer_append_z(out, scope->region);
    wi_buffer_append_z(out, "/");
    wi_buffer_append_z(out, scope->service);
    wi_buffer_append_z(out, "/" SUFFIX);
}

enum weir_error
wi_sigv4_string_to_sign(
    const struct wi_sigv4_scope *scope, struct weir_str canonical_request, struct wi_buffer *out)
{
    char hash[WI_SIGV4_HEX_SIZE];
    enum weir_error error = hash_hex(canonical_request.data, canonical_request.length, hash);

    if (error != WEIR_OK) {
        return error;
    }
    wi_buffer_append_z(out, ALGORITHM "\n");
    wi_buffer_append_z(out, scope->time);
    wi_buffer_append_z(out, "\n");
    append_scope(out, scope);
    wi_buffer_append_z(out, "\n");
    wi_buffer_append_z(out, hash);
    return wi_buffer_error(out);
}

/* What a key was derived from, so that a kept one is not used for anything else. One hash, since
 * each request wants it; no region or service has a line break in it. */
static enum weir_error
hash_origin(const struct wi_sigv4_scope *scope, unsigned char ret[WI_SIGV4_HASH_BYTES])
{
    char text[ORIGIN_SIZE_MAX];
    const int length =
        snprintf(text, sizeof text, "%s\n%s\n%s", scope->region, scope->service, scope->secret);
    enum weir_error error = WEIR_OK;

    if (length < 0 || (size_t)length >= sizeof text) {
        error = WEIR_ELIMIT;
    } else if (EVP_Digest(text, (size_t)length, ret, NULL, EVP_sha256(), NULL) != 1) {
        error = WEIR_ENOMEM;
    }
    OPENSSL_cleanse(text, sizeof text);
    return error;
}

static enum weir_error
derive(const struct wi_sigv4_scope *scope, unsigned char ret[WI_SIGV4_HASH_BYTES])
{
    char secret[SECRET_SIZE_MAX];
    enum weir_error error = WEIR_OK;
    const struct weir_str steps[] = {wi_str(scope->region), wi_str(scope->service), WI_STR(SUFFIX)};
    int length = snprintf(secret, sizeof secret, "AWS4%s", scope->secret);

    if (length < 0 || (size_t)length >= sizeof secret) {
        OPENSSL_cleanse(secret, sizeof secret);
        return WEIR_ELIMIT;
    }
    error = keyed_hash(secret, (size_t)length, date_of(scope), ret);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0] && error == WEIR_OK; i++) {
        error = keyed_hash(ret, WI_SIGV4_HASH_BYTES, steps[i], ret);
    }
    OPENSSL_cleanse(secret, sizeof secret);
    return error;
}

enum weir_error
wi_sigv4_key_for(const struct wi_sigv4_scope *scope, struct wi_sigv4_key *key)
{
    struct wi_sigv4_key fresh = {.date = ""};
    enum weir_error error = hash_origin(scope, fresh.secret_hash);

    if (error != WEIR_OK) {
        return error;
    }
    (void)wi_str_copy(fresh.date, sizeof fresh.date, date_of(scope));
    if (strcmp(fresh.date, key->date) == 0 &&
        CRYPTO_memcmp(fresh.secret_hash, key->secret_hash, WI_SIGV4_HASH_BYTES) == 0) {
        return WEIR_OK;
    }
    error = derive(scope, fresh.bytes);
    if (error == WEIR_OK) {
        *key = fresh;
    }
    wi_sigv4_key_wipe(&fresh);
    return error;
}

void
wi_sigv4_key_wipe(struct wi_sigv4_key *key)
{
    OPENSSL_cleanse(key, sizeof *key);
}

enum weir_error
wi_sigv4_authorization(
    const struct wi_sigv4_request *request,
    const struct wi_sigv4_scope *scope,
    struct wi_sigv4_key *key,
    struct wi_buffer *out)
{
    struct wi_buffer text;
    struct wi_buffer canonical;
    struct sorted sorted;
    unsigned char hash[WI_SIGV4_HASH_BYTES];
    char signature[WI_SIGV4_HEX_SIZE];
    enum weir_error error = sort_headers(request, &sorted);

    wi_buffer_init(&canonical, out->env);
    wi_buffer_init(&text, out->env);
    if (error == WEIR_OK) {
        error = wi_sigv4_canonical_request(request, &canonical);
    }
    if (error == WEIR_OK) {
        error = wi_sigv4_string_to_sign(scope, wi_buffer_str(&canonical), &text);
    }
    if (error == WEIR_OK) {
        error = wi_sigv4_key_for(scope, key);
    }
    if (error == WEIR_OK) {
        error = keyed_hash(key->bytes, sizeof key->bytes, wi_buffer_str(&text), hash);
    }
    if (error == WEIR_OK) {
        to_hex(hash, signature);
        wi_buffer_printf(out, ALGORITHM " Credential=%s/", scope->key_id);
        append_scope(out, scope);
        wi_buffer_append_z(out, ", SignedHeaders=");
        append_signed_headers(out, &sorted);
        wi_buffer_append_z(out, ", Signature=");
        wi_buffer_append_z(out, signature);
        error = wi_buffer_error(out);
    }
    wi_buffer_free(&text);
    wi_buffer_free(&canonical);
    return error;
}
