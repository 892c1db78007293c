/* Calls that failed for good, told in the log: each operation and kind of failure once in a while,
 * so that the words of the service are there and nothing else drowns in them. */
#ifndef WI_AWS_AWS_COMPLAINT_H
#define WI_AWS_AWS_COMPLAINT_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>

/* Kinds of failure of one client that are told apart; what goes beyond shares the last place. */
#define WI_AWS_COMPLAINTS_MAX 16U
/* A failure that lasts is told of this often. */
#define WI_AWS_COMPLAINT_INTERVAL_MS INT64_C(10000)
#define WI_AWS_COMPLAINT_NAME_SIZE   160

struct wi_aws_complaints {
    struct {
        char name[WI_AWS_COMPLAINT_NAME_SIZE];
        struct weir_mono not_before;
        uint64_t hidden; /* since it was told */
    } places[WI_AWS_COMPLAINTS_MAX];
    unsigned count;
};

/* Whether to tell of `type`, the service's word for it, or "", now; if so, how often it went
 * untold. Not thread-safe. */
bool wi_aws_complain(
    struct wi_aws_complaints *complaints,
    const char *operation,
    const char *type,
    struct weir_mono now,
    uint64_t *ret_hidden);

#endif
