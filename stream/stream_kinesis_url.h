/* `kinesis:NAME?region=...&endpoint=...`, `kinesis:arn:...` and `kinesis:A,B,C?...`, read into
 * parts. Pure. */
#ifndef WI_STREAM_STREAM_KINESIS_URL_H
#define WI_STREAM_STREAM_KINESIS_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/shard_key.h"

/* Room for the parts; longer ones are refused. */
#define WI_KINESIS_URL_ARN_SIZE    512
#define WI_KINESIS_URL_REGION_SIZE 64
#define WI_KINESIS_URL_VALUE_SIZE  512

/* Kinesis: reads of one shard in a second, for all readers together. */
#define WI_KINESIS_READS_PER_SECOND_DEFAULT 5
#define WI_KINESIS_READS_PER_SECOND_MAX     1000
/* Time between reads at the tip. */
#define WI_KINESIS_IDLE_MS_DEFAULT 1000
#define WI_KINESIS_IDLE_MS_MAX     60000
/* Silence after which a subscription of enhanced fan-out counts as dead. Kinesis sends events while
 * there are no records too; Java KCL has lived with the 30 s of its HTTP client. */
#define WI_KINESIS_QUIET_MS_DEFAULT 30000
#define WI_KINESIS_QUIET_MS_LEAST   1000
#define WI_KINESIS_QUIET_MS_MAX     300000

/* How records come: GetRecords alone knows another one than JSON. */
enum wi_kinesis_encoding {
    WI_KINESIS_JSON,
    WI_KINESIS_CBOR
};

struct wi_kinesis_url {
    char stream_name[WEIR_NAME_SIZE];
    char stream_arn[WI_KINESIS_URL_ARN_SIZE]; /* "" unless the URL has one */
    char region[WI_KINESIS_URL_REGION_SIZE];  /* "": as the AWS SDKs look for it */
    char endpoint[WI_KINESIS_URL_VALUE_SIZE]; /* "": likewise */
    char profile[WI_KINESIS_URL_VALUE_SIZE];  /* "": likewise */
    int64_t reads_per_second;
    int64_t idle_ms;
    enum wi_kinesis_encoding encoding;
    char consumer[WI_KINESIS_URL_VALUE_SIZE]; /* name or ARN; "": no enhanced fan-out */
    int64_t quiet_ms;
};

bool wi_kinesis_url_is(const char *url);

/* Of one stream. WEIR_EINVAL with a detail that says what is wrong with it; a list of streams is
 * wrong where one is meant. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_url_parse(
    const char *url, struct wi_kinesis_url *ret, struct weir_detail *detail);

/* --- several streams --- */

/* Streams of one list. */
#define WI_KINESIS_STREAMS_MAX 256U

/* One of a list; an identifier tells the account and the time, a name and an ARN do not. */
struct wi_kinesis_element {
    char name[WEIR_NAME_SIZE];
    char arn[WI_KINESIS_URL_ARN_SIZE]; /* "" unless it is one */
    bool is_identified;                /* it is an identifier */
    struct wi_stream_identifier identifier;
};

struct wi_kinesis_set_url {
    struct wi_kinesis_url options; /* for each of them; its name and ARN are empty */
    size_t count;                  /* 0: WI_KINESIS_ANY_STREAM */
    struct weir_str elements[WI_KINESIS_STREAMS_MAX]; /* views into the URL, each one checked */
};

/* More than one stream, one by its identifier, or WI_KINESIS_ANY_STREAM. */
bool wi_kinesis_url_is_set(const char *url);
/* The last of these: it names no stream that could be read. */
bool wi_kinesis_url_is_any(const char *url);
WEIR_MUST_CHECK enum weir_error wi_kinesis_set_url_parse(
    const char *url, struct wi_kinesis_set_url *ret, struct weir_detail *detail);
WEIR_MUST_CHECK enum weir_error wi_kinesis_element_parse(
    struct weir_str text, struct wi_kinesis_element *ret);
bool wi_kinesis_is_arn(struct weir_str text);
/* Field `number` of an ARN, from 0; empty if it has less. */
struct weir_str wi_kinesis_arn_field(struct weir_str arn, unsigned number);
#define WI_KINESIS_ARN_REGION  3U
#define WI_KINESIS_ARN_ACCOUNT 4U

#endif
