#include "stream/stream_kinesis_pace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>

#include "core/check.h"
#include "core/mono.h"

#define MS_PER_SECOND 1000
/* A read that is not refused takes back one part in so many of the distance to the limit. */
#define RECOVERY_PARTS 8
/* Reads at the tip get rarer by this factor, in halves: 3 is 1.5 times. */
#define IDLE_GROWTH_HALVES 3

static int64_t
larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t
smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void
wi_kinesis_pace_init(struct wi_kinesis_pace *pace, int64_t least_ms, int64_t idle_ms)
{
    WEIR_ASSERT(least_ms >= 0);
    *pace = (struct wi_kinesis_pace){
        .least_ms = least_ms, .idle_ms = larger(idle_ms, least_ms), .now_ms = least_ms};
}

void
wi_kinesis_pace_read(
    struct wi_kinesis_pace *pace,
    struct weir_mono sent,
    struct weir_mono now,
    size_t bytes,
    bool is_tip)
{
    const int64_t by_bytes_ms =
        (int64_t)(bytes / (WI_KINESIS_BYTES_PER_SECOND / (size_t)MS_PER_SECOND));
    const int64_t above_ms = pace->now_ms - pace->least_ms;
    struct weir_mono next;

    WEIR_ASSERT(above_ms >= 0);
    pace->now_ms -= above_ms < RECOVERY_PARTS ? above_ms : above_ms / RECOVERY_PARTS;
    if (is_tip && bytes == 0) {
        pace->tip_ms = larger(pace->tip_ms * IDLE_GROWTH_HALVES / 2, larger(pace->now_ms, 1));
        pace->tip_ms = smaller(pace->tip_ms, pace->idle_ms);
    } else {
        pace->tip_ms = 0;
    }
    next = wi_mono_add_ms(sent, larger(pace->now_ms, by_bytes_ms));
    if (pace->tip_ms > 0) {
        next = wi_mono_add_ms(now, pace->tip_ms); /* however long the answer took */
    }
    pace->not_before = wi_mono_before(next, now) ? now : next;
}

void
wi_kinesis_pace_refused(struct wi_kinesis_pace *pace, struct weir_mono now, uint64_t random)
{
    int64_t wait_ms;

    pace->now_ms = smaller(larger(pace->now_ms, 1) * 2, WI_KINESIS_THROTTLED_MS_MAX);
    pace->now_ms = larger(pace->now_ms, pace->least_ms);
    /* Half of it fixed, half of it by chance: readers that were refused together part. */
    wait_ms = pace->now_ms / 2 + (int64_t)(random % (uint64_t)(pace->now_ms / 2 + 1));
    pace->not_before = wi_mono_add_ms(now, larger(wait_ms, 1));
}

int64_t
wi_kinesis_pace_wait_ms(const struct wi_kinesis_pace *pace, struct weir_mono now)
{
    return wi_mono_until_ms(now, pace->not_before);
}
