/** The producer of the demo: puts the package index at a steady rate, round after round. */
#ifndef WI_DEMO_PRODUCER_H
#define WI_DEMO_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/stream.h>

#include "demo/history.h"
#include "demo/packages.h"
#include "demo/payload.h"

/** Most records of one put. */
#define DEMO_PUT_MAX 500

/** The producer. Fill the first four members; the others start at zero. */
struct demo_producer {
    struct weir_stream *stream;
    const struct demo_index *index;
    struct demo_history *history;
    uint64_t rate;  /**< records per second, >= 1 */
    bool finishing; /**< no pauses any more; stop at the end of a round */
    bool stopped;   /**< put nothing any more */
    int64_t due_ns; /**< when the next record is due; 0: at once */
    struct weir_put_entry entries[DEMO_PUT_MAX];
    struct weir_put_result results[DEMO_PUT_MAX];
    char texts[DEMO_PUT_MAX][DEMO_PAYLOAD_SIZE];
};

/**
 * Put what is due, at most DEMO_PUT_MAX records; blocks for one commit.
 * @return WEIR_OK also if nothing is due, or if the stream is busy: it will be tried again
 */
WEIR_MUST_CHECK enum weir_error demo_producer_turn(
    struct demo_producer *producer, const struct weir_env *env, struct weir_detail *detail);

/** Whether whole rounds have been put, at least one, and nothing will follow. */
bool demo_producer_is_done(const struct demo_producer *producer);

/** Complete rounds. */
uint64_t demo_producer_rounds(const struct demo_producer *producer);

#endif
