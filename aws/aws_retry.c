#include "aws/aws_retry.h"

#include <stdbool.h>
#include <stdint.h>

#include "aws/aws_client.h"
#include "core/backoff.h"
#include "core/check.h"
#include "core/mono.h"

static const struct wi_aws_decision end = {WI_AWS_END, 0};

static void
give_back(struct wi_aws_budget *budget, int32_t tokens)
{
    budget->tokens += tokens;
    if (budget->tokens > WI_AWS_BUDGET_MAX) {
        budget->tokens = WI_AWS_BUDGET_MAX;
    }
}

static bool
pay(struct wi_aws_budget *budget, int32_t tokens)
{
    if (budget->tokens < tokens) {
        return false;
    }
    budget->tokens -= tokens;
    return true;
}

/* Refused before anything was done: what was wrong with the signature can be mended, once each,
 * whatever the number of attempts. */
static struct wi_aws_decision
decide_denied(struct wi_aws_retry *retry, const struct wi_aws_attempt *attempt)
{
    if (attempt->skewed && !retry->corrected) {
        retry->corrected = true;
        return (struct wi_aws_decision){WI_AWS_CORRECT, 0};
    }
    if (attempt->expired_token && !retry->refreshed) {
        retry->refreshed = true;
        return (struct wi_aws_decision){WI_AWS_REFRESH, 0};
    }
    return end;
}

static int64_t
wait_of(const struct wi_aws_attempt *attempt)
{
    int64_t base_ms =
        attempt->class == WI_AWS_THROTTLED ? WI_AWS_BACKOFF_THROTTLE_MS : WI_AWS_BACKOFF_BASE_MS;
    int64_t wait_ms =
        wi_backoff_ms(attempt->attempts, base_ms, WI_AWS_BACKOFF_CAP_MS, attempt->random);
    int64_t asked_ms = attempt->retry_after_ms < WI_AWS_RETRY_AFTER_MAX_MS
                           ? attempt->retry_after_ms
                           : WI_AWS_RETRY_AFTER_MAX_MS;

    return asked_ms > wait_ms ? asked_ms : wait_ms;
}

static struct wi_aws_decision
decide_again(
    struct wi_aws_retry *retry, struct wi_aws_budget *budget, const struct wi_aws_attempt *attempt)
{
    int32_t price =
        attempt->class == WI_AWS_NO_ANSWER ? WI_AWS_BUDGET_TIMEOUT : WI_AWS_BUDGET_RETRY;
    int64_t wait_ms = wait_of(attempt);

    if (attempt->canceled || attempt->attempts >= attempt->attempts_max) {
        return end;
    }
    if (attempt->outcome_unknown && !attempt->repeatable) {
        return end;
    }
    if (!wi_mono_before(wi_mono_add_ms(attempt->now, wait_ms), attempt->deadline)) {
        return end;
    }
    if (!pay(budget, price)) {
        return end;
    }
    retry->paid = price;
    return (struct wi_aws_decision){WI_AWS_AGAIN, wait_ms};
}

struct wi_aws_decision
wi_aws_retry_decide(
    struct wi_aws_retry *retry, struct wi_aws_budget *budget, const struct wi_aws_attempt *attempt)
{
    WEIR_ASSERT(attempt->attempts > 0);
    WEIR_ASSERT(budget->tokens >= 0 && budget->tokens <= WI_AWS_BUDGET_MAX);
    switch (attempt->class) {
    case WI_AWS_OK:
        give_back(budget, retry->paid > 0 ? retry->paid : WI_AWS_BUDGET_GIVE_BACK);
        return end;
    case WI_AWS_DENIED:
        return decide_denied(retry, attempt);
    case WI_AWS_THROTTLED:
    case WI_AWS_SERVER:
    case WI_AWS_NO_ANSWER:
        return decide_again(retry, budget, attempt);
    case WI_AWS_CONDITION:
    case WI_AWS_NOT_FOUND:
    case WI_AWS_IN_USE:
    case WI_AWS_EXPIRED:
    case WI_AWS_INVALID:
    case WI_AWS_OTHER:
        return end;
    }
    WEIR_ASSERT(!"a class without a rule");
    return end;
}
