/* Rules K1 to K6 of docs/state-machines-consumer.md, "Checkpoints". */
#include "worker/checkpoint_tracker.h"

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/position.h"

static bool
is_below(const struct weir_position *a, const struct weir_position *b)
{
    return wi_checkpoint_compare(a, b) < 0;
}

void
wi_checkpoint_tracker_init(
    struct wi_checkpoint_tracker *tracker, const struct weir_position *checkpoint)
{
    WEIR_ASSERT(checkpoint->type != WEIR_SHARD_END);
    *tracker = (struct wi_checkpoint_tracker){
        .checkpoint = *checkpoint, .delivered = *checkpoint, .processed = *checkpoint};
}

void
wi_checkpoint_tracker_delivered(
    struct wi_checkpoint_tracker *tracker, const struct weir_position *last)
{
    WEIR_ASSERT(last->type == WEIR_AFTER_SEQUENCE_NUMBER);
    if (is_below(&tracker->delivered, last)) {
        tracker->delivered = *last;
    }
}

void
wi_checkpoint_tracker_processed(
    struct wi_checkpoint_tracker *tracker, const struct weir_position *last, uint64_t count)
{
    WEIR_ASSERT(last->type == WEIR_AFTER_SEQUENCE_NUMBER);
    WEIR_ASSERT(!is_below(&tracker->delivered, last));
    tracker->processed_count += count;
    if (is_below(&tracker->processed, last)) {
        tracker->processed = *last;
    }
}

enum weir_error
wi_checkpoint_tracker_check(
    const struct wi_checkpoint_tracker *tracker, const struct weir_position *wish)
{
    WEIR_ASSERT(!is_below(&tracker->delivered, &tracker->processed));
    if (wish->type != WEIR_AFTER_SEQUENCE_NUMBER) {
        return WEIR_EINVAL;
    }
    return is_below(wish, &tracker->checkpoint) || is_below(&tracker->delivered, wish) ? WEIR_EINVAL
                                                                                       : WEIR_OK;
}

void
wi_checkpoint_tracker_written(
    struct wi_checkpoint_tracker *tracker, const struct weir_position *written)
{
    WEIR_ASSERT(written->type == WEIR_AFTER_SEQUENCE_NUMBER);
    WEIR_ASSERT(!is_below(&tracker->delivered, written));
    if (is_below(&tracker->checkpoint, written)) {
        tracker->checkpoint = *written;
    }
    tracker->processed_count = 0;
}

bool
wi_checkpoint_tracker_is_dirty(const struct wi_checkpoint_tracker *tracker)
{
    WEIR_ASSERT(!is_below(&tracker->delivered, &tracker->processed));
    return is_below(&tracker->checkpoint, &tracker->processed);
}
