#include "demo/history.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "demo/journal.h"

#define CAPACITY_FIRST 65536

uint32_t
demo_history_find(struct demo_history *history, const char *shard_id)
{
    struct demo_lane *shard;

    for (uint32_t i = 0; i < history->shard_count; i++) {
        if (strncmp(history->shards[i].id, shard_id, DEMO_SHARD_ID_SIZE) == 0) {
            return i;
        }
    }
    if (history->shard_count == DEMO_SHARDS_MAX) {
        return DEMO_NONE;
    }
    shard = &history->shards[history->shard_count];
    *shard = (struct demo_lane){.parents = {DEMO_NONE, DEMO_NONE}, .last_span = DEMO_NONE};
    demo_shard_id_copy(shard->id, (struct weir_str){shard_id, strlen(shard_id)});
    return history->shard_count++;
}

void
demo_history_shard(struct demo_history *history, const struct weir_shard *shard)
{
    const uint32_t number = demo_history_find(history, shard->shard_id);

    for (size_t i = 0; number != DEMO_NONE && i < WEIR_PARENTS_MAX; i++) {
        if (shard->parent_shard_ids[i][0] != '\0') {
            history->shards[number].parents[i] =
                demo_history_find(history, shard->parent_shard_ids[i]);
        }
    }
}

static bool
make_room(struct demo_history *history)
{
    const size_t capacity = history->put_capacity == 0 ? CAPACITY_FIRST : history->put_capacity * 2;
    struct demo_put *puts;

    if (history->put_count < history->put_capacity) {
        return true;
    }
    if (history->put_count >= DEMO_PUTS_MAX) {
        return false;
    }
    puts = realloc(history->puts, capacity * sizeof *puts);
    if (puts == NULL) {
        return false;
    }
    history->puts = puts;
    history->put_capacity = capacity;
    return true;
}

bool
demo_history_put(
    struct demo_history *history,
    const struct weir_put_result *result,
    uint32_t package,
    int64_t acked_ns)
{
    const uint32_t shard = demo_history_find(history, result->shard_id);

    if (shard == DEMO_NONE || !make_room(history)) {
        return false;
    }
    history->puts[history->put_count++] =
        (struct demo_put){.sequence_number = result->sequence_number,
                          .acked_ns = acked_ns,
                          .shard = shard,
                          .package = package};
    history->shards[shard].put++;
    return true;
}

struct demo_span *
demo_history_span(struct demo_history *history, uint32_t shard, uint64_t lease_epoch)
{
    /* From the end: it is nearly always one of the last. */
    for (uint32_t i = history->span_count; i > 0; i--) {
        struct demo_span *span = &history->spans[i - 1];
        if (span->shard == shard && span->lease_epoch == lease_epoch) {
            return span;
        }
    }
    return NULL;
}

const struct demo_span *
demo_history_next(const struct demo_history *history, const struct demo_span *span)
{
    const struct demo_span *next = NULL;

    for (uint32_t i = 0; i < history->span_count; i++) {
        const struct demo_span *other = &history->spans[i];
        if (other->shard == span->shard && other->lease_epoch > span->lease_epoch &&
            (next == NULL || other->lease_epoch < next->lease_epoch)) {
            next = other;
        }
    }
    return next;
}

const struct demo_span *
demo_history_owner(const struct demo_history *history, uint32_t shard)
{
    const uint32_t last = history->shards[shard].last_span;

    return last != DEMO_NONE && history->spans[last].end == DEMO_SPAN_OPEN ? &history->spans[last]
                                                                           : NULL;
}

static void
begin_span(struct demo_history *history, uint32_t shard, const struct demo_entry *entry)
{
    struct demo_lane *lane = &history->shards[shard];
    const uint32_t number = history->span_count;

    if (number == DEMO_SPANS_MAX || entry->worker >= DEMO_WORKERS_MAX) {
        history->strangers++;
        return;
    }
    history->spans[number] = (struct demo_span){.shard = shard,
                                                .worker = entry->worker,
                                                .lease_epoch = entry->lease_epoch,
                                                .initialize_ns = entry->begin_ns,
                                                .initialized_ns = entry->end_ns};
    history->span_count++;
    if (lane->last_span == DEMO_NONE ||
        history->spans[lane->last_span].lease_epoch < entry->lease_epoch) {
        lane->last_span = number;
    }
}

static void
deliver(struct demo_history *history, struct demo_span *span, const struct demo_entry *entry)
{
    struct demo_put *put;

    if (entry->put_index >= history->put_count) {
        history->strangers++;
        return;
    }
    put = &history->puts[entry->put_index];
    if (put->shard != span->shard ||
        weir_sequence_number_compare(&put->sequence_number, &entry->sequence_number) != 0) {
        history->strangers++;
        return;
    }
    if (span->first_begin_ns == 0) {
        span->first_begin_ns = entry->begin_ns;
        span->first_put = entry->put_index;
    }
    history->by_worker[span->worker]++;
    if (put->deliveries++ == 0) {
        history->delivered++;
        history->shards[span->shard].delivered++;
    } else {
        history->redelivered++;
    }
}

static void
end_span(struct demo_span *span, enum demo_span_end end, int64_t end_ns)
{
    if (span->end == DEMO_SPAN_OPEN) {
        span->end = end;
        span->end_ns = end_ns;
    }
}

/* An entry about an owner that is known. */
static void
go_on(struct demo_history *history, struct demo_span *span, const struct demo_entry *entry)
{
    switch ((enum demo_event)entry->event) {
    case DEMO_INITIALIZE:
        history->strangers++; /* two owners in one epoch */
        break;
    case DEMO_RECORD:
        deliver(history, span, entry);
        break;
    case DEMO_BATCH_END:
        span->last_end_ns = entry->end_ns;
        history->fenced += entry->error == WEIR_EFENCED ? 1 : 0;
        break;
    case DEMO_CHECKPOINT:
        if (entry->error == WEIR_ELEASELOST) {
            history->refused++;
            history->refused_by_worker[span->worker]++;
        }
        break;
    case DEMO_LEASE_LOST:
        end_span(span, DEMO_SPAN_LOST, entry->begin_ns);
        break;
    case DEMO_SHARD_ENDED:
        end_span(span, DEMO_SPAN_FINISHED, entry->begin_ns);
        break;
    case DEMO_SHUTDOWN_REQUESTED:
        end_span(span, DEMO_SPAN_HANDED_OVER, entry->begin_ns);
        break;
    }
}

void
demo_history_entry(struct demo_history *history, const struct demo_entry *entry)
{
    const uint32_t shard = demo_history_find(history, entry->shard_id);
    struct demo_span *span =
        shard == DEMO_NONE ? NULL : demo_history_span(history, shard, entry->lease_epoch);

    if (shard == DEMO_NONE || (span == NULL && entry->event != DEMO_INITIALIZE) ||
        (span != NULL && span->worker != entry->worker)) {
        history->strangers++;
    } else if (span == NULL) {
        begin_span(history, shard, entry);
    } else {
        go_on(history, span, entry);
    }
}

void
demo_history_free(struct demo_history *history)
{
    free(history->puts);
    *history = (struct demo_history){.puts = NULL};
}
