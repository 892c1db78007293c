/*
 * A tiny model of a fleet that does everything right: random puts, batches that fail, checkpoints,
 * crashes, hangs with zombies, hand-offs, exits, splits, merges, retention. It writes good
 * histories, and knows nothing of the engines or of the checker.
 */
#ifndef WI_TESTS_UNIT_SIM_HISTORY_MODEL_H
#define WI_TESTS_UNIT_SIM_HISTORY_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "sim/checker.h"
#include "sim/history.h"

struct history_model_result {
    struct wi_checker_settings settings;
    struct wi_history_event *events; /* free() them */
    size_t count;
};

/* A history of about `steps` things that happen, and of the work until all is done. */
void history_model_run(uint64_t seed, uint32_t steps, struct history_model_result *ret);

#endif
