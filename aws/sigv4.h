/*
 * Signature Version 4 of AWS: values in, values out. The time is an argument; hashes are
 * OpenSSL's.
 */
#ifndef WI_AWS_SIGV4_H
#define WI_AWS_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/http.h"
#include "core/str.h"

#define WI_SIGV4_HASH_BYTES 32
#define WI_SIGV4_HEX_SIZE   65 /* a hash in hexadecimal and a final zero */
#define WI_SIGV4_TIME_SIZE  17 /* "20150830T123600Z" */
#define WI_SIGV4_DATE_SIZE  9  /* "20150830" */

/* Most headers and query parameters of one request. */
#define WI_SIGV4_HEADERS_MAX    32U
#define WI_SIGV4_PARAMETERS_MAX 64U

/* What is signed. All headers given are signed; `host` and `x-amz-date` must be among them. */
struct wi_sigv4_request {
    const char *method;
    struct weir_str path;  /* as it stands in the request line; "" means "/" */
    struct weir_str query; /* as it stands there, without '?' */
    const struct wi_http_header *headers;
    size_t header_count;
    struct weir_bytes payload;
};

/* Who signs, for what. */
struct wi_sigv4_scope {
    const char *key_id;
    const char *secret;
    const char *region;
    const char *service;
    char time[WI_SIGV4_TIME_SIZE];
};

/* A key lasts for a day, a region and a service: keep one of these beside the credentials. All
 * zeros is an empty one. Not thread-safe; wipe it with wi_sigv4_key_wipe(). */
struct wi_sigv4_key {
    char date[WI_SIGV4_DATE_SIZE];
    unsigned char secret_hash[WI_SIGV4_HASH_BYTES]; /* of secret, region and service */
    unsigned char bytes[WI_SIGV4_HASH_BYTES];
};

/* Wall time as x-amz-date wants it; years 1970 to 9999, others are clamped. */
void wi_sigv4_time(int64_t wall_ms, char ret[WI_SIGV4_TIME_SIZE]);

/* The three steps, each appended to `out`. WEIR_ELIMIT for too many headers or parameters. */
WEIR_MUST_CHECK enum weir_error wi_sigv4_canonical_request(
    const struct wi_sigv4_request *request, struct wi_buffer *out);
WEIR_MUST_CHECK enum weir_error wi_sigv4_string_to_sign(
    const struct wi_sigv4_scope *scope, struct weir_str canonical_request, struct wi_buffer *out);
/* Value of the header Authorization. */
WEIR_MUST_CHECK enum weir_error wi_sigv4_authorization(
    const struct wi_sigv4_request *request,
    const struct wi_sigv4_scope *scope,
    struct wi_sigv4_key *key,
    struct wi_buffer *out);

/* Derive the signing key, or keep it if it is still the right one. */
WEIR_MUST_CHECK enum weir_error wi_sigv4_key_for(
    const struct wi_sigv4_scope *scope, struct wi_sigv4_key *key);
void wi_sigv4_key_wipe(struct wi_sigv4_key *key);

#endif
