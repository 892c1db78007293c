/* URL of a lease table in DynamoDB:
 * dynamodb:TABLE?region=R&endpoint=U&create=never|if-missing&poll=TIME&profile=P. No I/O. */
#ifndef WI_LEASE_LEASE_URL_DYNAMODB_H
#define WI_LEASE_LEASE_URL_DYNAMODB_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#define WI_DYNAMODB_URL_PREFIX "dynamodb:"
#define WI_DYNAMODB_NAME_MIN   3
/* Room for the suffixes of companion tables within DynamoDB's 255. */
#define WI_DYNAMODB_NAME_MAX 230

struct wi_dynamodb_url {
    char table[WI_DYNAMODB_NAME_MAX + 1];
    char region[64];    /* "": as the AWS SDKs find it */
    char endpoint[512]; /* "": likewise */
    char profile[128];  /* "": likewise */
    bool create;
    int64_t poll_ms; /* 0: a quarter of the lease duration */
};

/* Whether a text names a table in DynamoDB at all. */
bool wi_dynamodb_url_matches(struct weir_str text);

/* WEIR_EINVAL with a detail that says what is wrong and what is allowed. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_url_parse(
    struct weir_str text, struct wi_dynamodb_url *ret, struct weir_detail *detail);

#endif
