/*
 * Whether and when a request is made again: the standard mode of the AWS SDKs (full jitter, a
 * budget of retries), and the rule that a request whose outcome is unknown is repeated only if its
 * caller allows that. Pure: time and randomness are arguments.
 */
#ifndef WI_AWS_AWS_RETRY_H
#define WI_AWS_AWS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>

#include "aws/aws_client.h"

/* Budget of the standard mode: each retry costs, each success gives back. When a service is down,
 * a client's load on it falls to that of its first attempts. */
#define WI_AWS_BUDGET_MAX          500
#define WI_AWS_BUDGET_RETRY        5
#define WI_AWS_BUDGET_TIMEOUT      10 /* a retry after a timeout */
#define WI_AWS_BUDGET_GIVE_BACK    1  /* by a success at the first attempt */
#define WI_AWS_BACKOFF_BASE_MS     50
#define WI_AWS_BACKOFF_THROTTLE_MS 500 /* base after a throttled attempt */
#define WI_AWS_BACKOFF_CAP_MS      5000
#define WI_AWS_RETRY_AFTER_MAX_MS  20000
/* Clocks that differ by less do not make a signature expire (AWS allows 5 min). */
#define WI_AWS_SKEW_MIN_MS 240000

/* Shared by the calls of a client; guard it. */
struct wi_aws_budget {
    int32_t tokens;
};

/* What is known of a call when an attempt has ended. */
struct wi_aws_attempt {
    enum wi_aws_class class;
    bool outcome_unknown; /* of this attempt */
    bool repeatable;
    bool canceled;
    bool expired_token; /* the service calls the token expired */
    bool skewed;        /* the service calls the signature expired, and the clocks differ */
    uint32_t attempts;  /* made so far */
    uint32_t attempts_max;
    int64_t retry_after_ms; /* -1: the service did not say */
    struct weir_mono now;
    struct weir_mono deadline; /* of the call */
    uint64_t random;
};

/* What a call remembers between its attempts; all zeros at the start. */
struct wi_aws_retry {
    bool refreshed; /* repeated once already with fresh credentials */
    bool corrected; /* ... with a corrected clock */
    int32_t paid;   /* what the last retry cost */
};

enum wi_aws_step {
    WI_AWS_END,     /* this outcome is the call's */
    WI_AWS_AGAIN,   /* after `wait_ms` */
    WI_AWS_REFRESH, /* at once, with fresh credentials */
    WI_AWS_CORRECT  /* at once, with the service's time */
};

struct wi_aws_decision {
    enum wi_aws_step step;
    int64_t wait_ms;
};

struct wi_aws_decision wi_aws_retry_decide(
    struct wi_aws_retry *retry, struct wi_aws_budget *budget, const struct wi_aws_attempt *attempt);

#endif
