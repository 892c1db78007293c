/* The order of checkpoints. */
#ifndef WI_CORE_POSITION_H
#define WI_CORE_POSITION_H

#include <weir/types.h>

/* -1, 0 or 1 as checkpoint a is below, equal to or above b. From the bottom:
 *
 *     TRIM_HORIZON < AT_TIMESTAMP (by time) < LATEST      no record has been processed yet
 *     < sequence numbers, by (sequence number, sub-sequence number);
 *       AT_SEQUENCE_NUMBER stands just below its record, AFTER_SEQUENCE_NUMBER just above
 *     < SHARD_END
 *
 * This is a total order. Only members that the type uses are compared. */
int wi_checkpoint_compare(const struct weir_position *a, const struct weir_position *b);

#endif
