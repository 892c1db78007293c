/* `kinesis:NAME?region=...&endpoint=...` and `kinesis:arn:...`, read into parts. Pure. */
#ifndef WI_STREAM_STREAM_KINESIS_URL_H
#define WI_STREAM_STREAM_KINESIS_URL_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#define WI_KINESIS_SCHEME "kinesis:"

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

/* WEIR_EINVAL with a detail that says what is wrong with it. */
WEIR_MUST_CHECK enum weir_error wi_kinesis_url_parse(
    const char *url, struct wi_kinesis_url *ret, struct weir_detail *detail);

#endif
