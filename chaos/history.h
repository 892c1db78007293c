/**
 * The ledger as a history of sim/history.h. What the journals say is taken as it is; the rows of
 * the table are those that the callbacks prove: where a processor started there was a row that said
 * so. A hold lasts until the next owner begins.
 */
#ifndef WI_CHAOS_HISTORY_H
#define WI_CHAOS_HISTORY_H

#include <stddef.h>

#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "sim/history.h"

struct chaos_history {
    struct wi_history_event *events;
    size_t count;
};

/** Build; free with chaos_history_free(). */
void chaos_history_make(
    const struct chaos_ledger *ledger,
    const struct chaos_verdict *verdict,
    struct chaos_history *ret);

void chaos_history_free(struct chaos_history *history);

/** Append an event. */
void chaos_history_add(struct chaos_history *history, const struct wi_history_event *event);

/** Second half of chaos_history_make(): the same events with rows and holds between them. */
void chaos_history_add_rows(
    const struct chaos_ledger *ledger,
    const struct chaos_history *sorted,
    struct chaos_history *ret);

#endif
