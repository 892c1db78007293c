/** The record processor of `weir worker --print`: one line of JSON per record. */
#ifndef WI_CLI_PRINT_PROCESSOR_H
#define WI_CLI_PRINT_PROCESSOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <weir/processor.h>
#include <weir/worker.h>

/**
 * What all shards share. A checkpoint covers only what write(2) has accepted. Once a write has
 * failed nothing is printed or checkpointed any more, and the worker is asked to stop.
 */
struct print_processor {
    struct weir_worker *worker; /**< set before it runs */
    int fd;
    pthread_mutex_t lock; /**< keeps lines of different shards from mixing; may be held for long */
    atomic_int error;     /**< errno value of the write that failed, or 0; set under the lock */
};

/** Prepare `print`, and fill `ret` with callbacks for it. False if the lock cannot be made. */
bool cli_print_processor_init(struct print_processor *print, int fd, struct weir_processor *ret);

/** Release the lock; the worker no longer runs. */
void cli_print_processor_close(struct print_processor *print);

#endif
