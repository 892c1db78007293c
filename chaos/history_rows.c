/* The rows and holds that the callbacks prove, put between them. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <weir/error.h>

#include "chaos/base.h"
#include "chaos/history.h"
#include "chaos/ledger.h"
#include "sim/history.h"

/* A row as the callbacks so far prove it. */
struct proven {
    uint32_t owner;
    uint64_t epoch;
    uint64_t checkpoint;
    size_t lives; /* initializations to come */
    bool closed;
};

struct pass {
    const struct chaos_ledger *ledger;
    const struct chaos_history *sorted;
    struct chaos_history *out;
    struct proven *rows;   /* by number of the shard */
    int64_t *next_life_ns; /* by event: of an INITIALIZE, when the next owner's is */
};

static struct wi_history_event
row_event(
    const struct pass *pass,
    const struct wi_history_event *event,
    enum wi_history_operation operation)
{
    const struct proven *row = &pass->rows[event->shard];

    return (struct wi_history_event){.kind = WI_HISTORY_ROW,
                                     .time_ns = event->time_ns,
                                     .worker = row->owner,
                                     .shard = event->shard,
                                     .epoch = row->epoch,
                                     .last = row->checkpoint,
                                     .operation = operation};
}

static void
add_checkpoint(
    struct pass *pass, const struct wi_history_event *event, uint64_t checkpoint, uint64_t under)
{
    struct proven *row = &pass->rows[event->shard];
    struct wi_history_event write = row_event(pass, event, WI_OPERATION_CHECKPOINT);

    if (checkpoint <= row->checkpoint) {
        return;
    }
    row->checkpoint = checkpoint;
    write.last = checkpoint;
    write.under = under;
    chaos_history_add(pass->out, &write);
}

/* The row was assigned to this worker; owners that never began may have been between. */
static void
add_assignments(struct pass *pass, const struct wi_history_event *event)
{
    struct proven *row = &pass->rows[event->shard];

    while (row->epoch < event->epoch) {
        struct wi_history_event write;

        row->epoch++;
        row->owner = row->epoch == event->epoch ? event->worker : 0;
        write = row_event(pass, event, WI_OPERATION_ASSIGN);
        chaos_history_add(pass->out, &write);
    }
}

static void
before_initialize(struct pass *pass, const struct wi_history_event *event, size_t index)
{
    struct proven *row = &pass->rows[event->shard];
    const struct wi_history_event hold = {
        .kind = WI_HISTORY_HOLD,
        .time_ns = event->time_ns,
        .worker = event->worker,
        .shard = event->shard,
        .epoch = event->epoch,
        .until_ns = pass->next_life_ns[index]};

    row->lives--;
    if (event->epoch <= row->epoch) {
        return; /* a stale owner: the checker will say so */
    }
    add_checkpoint(pass, event, event->last, row->epoch);
    add_assignments(pass, event);
    chaos_history_add(pass->out, &hold);
}

static void
add_close(struct pass *pass, const struct wi_history_event *event)
{
    struct proven *row = &pass->rows[event->shard];
    struct wi_history_event close = {
        .kind = WI_HISTORY_CLOSE, .time_ns = event->time_ns, .shard = event->shard};

    if (!row->closed) {
        row->closed = true;
        chaos_history_add(pass->out, &close);
    }
}

/* SHARD_END stands in the row if nobody begins again. */
static void
after_shard_ended(struct pass *pass, const struct wi_history_event *event)
{
    struct proven *row = &pass->rows[event->shard];
    struct wi_history_event write = row_event(pass, event, WI_OPERATION_FINISH);

    if (row->lives == 0 && event->epoch == row->epoch) {
        write.under = row->epoch;
        write.shard_end = true;
        write.last = 0;
        chaos_history_add(pass->out, &write);
    }
}

static void
after_shard(struct pass *pass, const struct wi_history_event *event)
{
    struct wi_history_event write;

    pass->rows[event->shard].epoch = 1;
    write = row_event(pass, event, WI_OPERATION_CREATE);
    chaos_history_add(pass->out, &write);
}

/* A list of the shards in the ledger: the first epoch that a row may have is 1. */
static void
take_event(struct pass *pass, size_t index)
{
    struct wi_history_event event = pass->sorted->events[index];

    if (event.kind == WI_HISTORY_INITIALIZE) {
        before_initialize(pass, &event, index);
    } else if (event.kind == WI_HISTORY_SHARD_ENDED) {
        add_close(pass, &event);
    } else if (event.kind == WI_HISTORY_CHECKPOINT && event.error == WEIR_OK) {
        add_checkpoint(pass, &event, event.last, event.epoch);
    } else if (event.kind == WI_HISTORY_QUIET) {
        event.time_ns = pass->ledger->end_ns - pass->ledger->begin_ns;
    }
    chaos_history_add(pass->out, &event);
    if (event.kind == WI_HISTORY_SHARD_ENDED) {
        after_shard_ended(pass, &event);
    } else if (event.kind == WI_HISTORY_SHARD) {
        after_shard(pass, &event);
    }
}

void
chaos_history_add_rows(
    const struct chaos_ledger *ledger,
    const struct chaos_history *sorted,
    struct chaos_history *ret)
{
    const int64_t end_ns = ledger->end_ns - ledger->begin_ns + CHAOS_NS_PER_S;
    struct pass pass = {.ledger = ledger, .sorted = sorted, .out = ret};
    int64_t *next_ns = chaos_zeroed(CHAOS_LEDGER_SHARDS + 1, sizeof *next_ns);

    pass.rows = chaos_zeroed(CHAOS_LEDGER_SHARDS + 1, sizeof *pass.rows);
    pass.next_life_ns = chaos_zeroed(sorted->count, sizeof *pass.next_life_ns);
    for (size_t i = sorted->count; i > 0; i--) {
        const struct wi_history_event *event = &sorted->events[i - 1];

        if (event->kind == WI_HISTORY_INITIALIZE) {
            pass.next_life_ns[i - 1] = next_ns[event->shard] == 0 ? end_ns : next_ns[event->shard];
            next_ns[event->shard] = event->time_ns;
            pass.rows[event->shard].lives++;
        }
    }
    for (size_t i = 0; i < sorted->count; i++) {
        take_event(&pass, i);
    }
    free(next_ns);
    free(pass.next_life_ns);
    free(pass.rows);
}
