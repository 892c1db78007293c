/**
 * A page of memory that the demo shares with its worker processes: who holds still. It serves one
 * purpose. A process that is stopped inside a transaction keeps the writer lock of that LMDB
 * environment for as long as it is stopped, and the sink, which is not weir's, has no defence
 * against that. So before SIGSTOP the demo asks the worker to hold: a batch that begins from then
 * on waits after its records were handed over and before the sink is touched. When all batches that
 * have begun wait, none is inside a transaction of the sink or a checkpoint, none will be, and all
 * have records at hand that they will try to apply when they wake up after their leases are gone.
 */
#ifndef WI_DEMO_BOARD_H
#define WI_DEMO_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "demo/journal.h"

/** Longest time that a batch waits if nobody stops the process or lets it go on, in ms. */
#define DEMO_HOLD_MAX_MS 2000

/** One worker's part. All members start at zero. */
struct demo_place {
    _Atomic uint32_t hold;    /**< the demo: hold still, please */
    _Atomic uint32_t shards;  /**< the worker: shards that may be handed records now */
    _Atomic uint32_t batches; /**< the worker: calls of process_records that have begun */
    _Atomic uint32_t holding; /**< the worker: of them, those that wait */
};

struct demo_board {
    struct demo_place places[DEMO_WORKERS_MAX];
};

/** Map the board in `directory`, made new if `create`; NULL (errno) on failure. */
struct demo_board *demo_board_open(const char *directory, bool create);

/** Unmap; NULL is a no-op. */
void demo_board_close(struct demo_board *board);

#endif
