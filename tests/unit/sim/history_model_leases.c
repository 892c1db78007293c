/* The model's leases: rows, owners, beliefs. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <weir/error.h>

#include "core/pcg.h"
#include "sim/history.h"
#include "tests/unit/sim/history_model.h"
#include "tests/unit/sim/history_model_state.h"

uint32_t
model_below(struct model *model, uint32_t bound)
{
    return (uint32_t)wi_pcg_below(&model->pcg, bound);
}

void
model_emit(struct model *model, struct wi_history_event event)
{
    struct history_model_result *result = model->result;
    struct wi_history_event *larger;

    if (result->count == model->capacity) {
        model->capacity = model->capacity == 0 ? 1024 : 2 * model->capacity;
        larger = realloc(result->events, model->capacity * sizeof *larger);
        if (larger == NULL) {
            abort();
        }
        result->events = larger;
    }
    model->now_ns += model_below(model, 3) * NS_PER_MS / 2;
    event.time_ns = model->now_ns;
    if (event.kind == WI_HISTORY_HOLD) {
        event.until_ns = model->now_ns + HOLD_MS * (int64_t)NS_PER_MS;
    }
    result->events[result->count++] = event;
}

struct wi_history_event
model_call(const struct model *model, enum wi_history_kind kind, uint32_t number)
{
    const struct shard *shard = &model->shards[number];

    return (struct wi_history_event){
        .kind = kind, .worker = shard->owner, .shard = number, .epoch = shard->epoch};
}

void
model_emit_call(struct model *model, enum wi_history_kind kind, uint32_t number)
{
    model_emit(model, model_call(model, kind, number));
}

struct wi_history_event
model_row(const struct model *model, uint32_t number, enum wi_history_operation operation)
{
    struct wi_history_event event = model_call(model, WI_HISTORY_ROW, number);

    event.last = model->shards[number].checkpoint;
    event.shard_end = model->shards[number].finished;
    event.operation = operation;
    return event;
}

void
model_emit_leaders(struct model *model, uint32_t number, enum wi_history_operation operation)
{
    struct wi_history_event event = model_row(model, number, operation);

    event.writer = model->leader;
    event.term = model->term;
    model_emit(model, event);
}

void
model_emit_owners(
    struct model *model,
    uint32_t number,
    enum wi_history_operation operation,
    uint32_t writer,
    uint64_t under)
{
    struct wi_history_event event = model_row(model, number, operation);

    event.writer = writer;
    event.under = under;
    model_emit(model, event);
}

/* --- leases ---------------------------------------------------------------------------------- */

static void
renew_all(struct model *model)
{
    model->renewed_ns = model->now_ns;
    for (uint32_t i = 1; i < model->shard_count; i++) {
        const struct shard *shard = &model->shards[i];

        if (shard->owner != 0 && shard->owner != model->standing_still && !shard->finished) {
            model_emit_call(model, WI_HISTORY_HOLD, i);
        }
    }
}

void
model_wait_ms(struct model *model, int64_t ms)
{
    int64_t end_ns = model->now_ns + ms * NS_PER_MS;

    while (model->now_ns < end_ns) {
        model->now_ns += 100 * (int64_t)NS_PER_MS;
        if (model->now_ns - model->renewed_ns >= RENEWAL_MS * (int64_t)NS_PER_MS) {
            renew_all(model);
        }
    }
}

static bool
parents_finished(const struct model *model, const struct shard *shard)
{
    for (size_t i = 0; i < 2; i++) {
        if (shard->parents[i] != 0 && !model->shards[shard->parents[i]].finished) {
            return false;
        }
    }
    return true;
}

void
model_start(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];
    struct wi_history_event event;

    shard->batch = 0;
    shard->failed = 0;
    shard->position = shard->checkpoint;
    shard->next = 0;
    while (shard->next < shard->count && shard->sequences[shard->next] <= shard->checkpoint) {
        shard->next++;
    }
    model_emit_call(model, WI_HISTORY_HOLD, number);
    event = model_call(model, WI_HISTORY_INITIALIZE, number);
    event.last = shard->checkpoint;
    if (model_below(model, 8) == 0) {
        event.error = WEIR_EPROCESSOR;
        model_emit(model, event);
        event.error = WEIR_OK;
    }
    model_emit(model, event);
    event = model_call(model, WI_HISTORY_EFFECT, number);
    event.fenced = true;
    model_emit(model, event);
}

uint32_t
model_some_worker(struct model *model)
{
    uint32_t worker = model->workers[model_below(model, WORKERS)];

    while (worker == model->standing_still) {
        worker = model->workers[model_below(model, WORKERS)];
    }
    return worker;
}

void
model_assign(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];

    shard->owner = model_some_worker(model);
    shard->epoch++;
    model_emit_leaders(model, number, WI_OPERATION_ASSIGN);
    model_start(model, number);
}

void
model_place_all(struct model *model)
{
    for (uint32_t i = 1; i < model->shard_count; i++) {
        struct shard *shard = &model->shards[i];

        if (!shard->has_row && shard->parents[0] == 0) {
            shard->has_row = true;
            shard->epoch = 1;
            model_emit_leaders(model, i, WI_OPERATION_CREATE);
        }
        if (shard->has_row && !shard->finished && shard->owner == 0 &&
            parents_finished(model, shard)) {
            model_assign(model, i);
        }
    }
}

void
model_elect(struct model *model)
{
    model->leader = model_some_worker(model);
    model->term++;
    model_emit(
        model,
        (struct wi_history_event){
            .kind = WI_HISTORY_LEADER, .worker = model->leader, .epoch = model->term});
}

void
model_join(struct model *model, size_t place)
{
    model->workers[place] = ++model->newest;
    model_emit(
        model,
        (struct wi_history_event){.kind = WI_HISTORY_WORKER, .worker = model->workers[place]});
}

void
model_emit_worker(struct model *model, enum wi_history_kind kind, uint32_t worker, bool on)
{
    model_emit(model, (struct wi_history_event){.kind = kind, .worker = worker, .on = on});
}
