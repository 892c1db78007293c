#include "tests/unit/sim/history_model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <weir/error.h>

#include "core/pcg.h"
#include "sim/history.h"
#include "tests/unit/sim/history_model_state.h"

#define KEY_RANGE (UINT64_MAX / KEYS + 1)

/* --- work ------------------------------------------------------------------------------------ */

static void
put(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];

    if (shard->exists && !shard->closed && shard->count < RECORDS) {
        model->sequence += 1 + model_below(model, 3);
        shard->sequences[shard->count++] = model->sequence;
        model_emit(
            model,
            (struct wi_history_event){.kind = WI_HISTORY_PUT,
                                      .shard = number,
                                      .first = model->sequence,
                                      .key =
                                          1 + shard->key_first +
                                          model_below(model, shard->key_end - shard->key_first)});
    }
}

static void
begin(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];
    struct wi_history_event event = model_call(model, WI_HISTORY_BEGIN, number);

    while (shard->next < shard->count && shard->dead[shard->next]) {
        shard->next++;
        shard->failed = 0;
    }
    if (shard->owner == 0 || shard->batch != 0 || shard->next == shard->count) {
        return;
    }
    while (shard->batch < 1 + model_below(model, BATCH) &&
           shard->next + shard->batch < shard->count && !shard->dead[shard->next + shard->batch]) {
        shard->batch++;
    }
    shard->batch += shard->batch == 0 ? 1 : 0;
    event.first = shard->sequences[shard->next];
    event.last = shard->sequences[shard->next + shard->batch - 1];
    event.count = shard->batch;
    event.attempt = ++shard->failed;
    model_emit(model, event);
}

/* The sink takes what it has not got. */
static void
apply(struct model *model, uint32_t number, uint32_t processed)
{
    struct shard *shard = &model->shards[number];

    for (uint32_t i = shard->next; i < shard->next + processed; i++) {
        struct wi_history_event event = model_call(model, WI_HISTORY_EFFECT, number);

        event.first = shard->sequences[i];
        event.fenced = true;
        if (event.first > shard->applied && !shard->dead[i]) {
            shard->applied = event.first;
            model_emit(model, event);
        }
    }
}

/* The batch returns: most often OK, else after some of its records, or none; after three attempts
 * the first one goes to the failure destination. */
static void
end(struct model *model, uint32_t number, bool well)
{
    struct shard *shard = &model->shards[number];
    struct wi_history_event event = model_call(model, WI_HISTORY_END, number);
    uint32_t processed = shard->batch;

    if (shard->batch == 0) {
        return;
    }
    if (!well && model_below(model, 3) == 0) {
        event.error = WEIR_EPROCESSOR;
        processed = model_below(model, shard->batch);
    }
    if (event.error != WEIR_OK && processed == 0 && shard->failed >= 3) {
        shard->dead[shard->next] = true;
        model_emit(
            model,
            (struct wi_history_event){.kind = WI_HISTORY_DEAD_LETTER,
                                      .worker = shard->owner,
                                      .shard = number,
                                      .first = shard->sequences[shard->next]});
        processed = 1;
    }
    apply(model, number, processed);
    event.last = processed == 0 ? 0 : shard->sequences[shard->next + processed - 1];
    event.count = processed;
    model_emit(model, event);
    shard->position = processed == 0 ? shard->position : event.last;
    shard->next += processed;
    shard->batch = 0;
    shard->failed = processed == 0 ? shard->failed : 0;
}

static void
checkpoint(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];
    struct wi_history_event event = model_call(model, WI_HISTORY_CHECKPOINT, number);

    if (shard->owner == 0 || shard->batch != 0) {
        return;
    }
    shard->checkpoint = shard->position;
    model_emit_owners(model, number, WI_OPERATION_CHECKPOINT, shard->owner, shard->epoch);
    event.last = shard->checkpoint;
    model_emit(model, event);
}

static void
destroy(struct model *model, uint32_t number, uint32_t worker, uint64_t epoch)
{
    model_emit(
        model,
        (struct wi_history_event){
            .kind = WI_HISTORY_DESTROY, .worker = worker, .shard = number, .epoch = epoch});
}

/* Given up in order, to `receiver` or nobody. */
static void
release(struct model *model, uint32_t number, uint32_t receiver)
{
    struct shard *shard = &model->shards[number];
    uint32_t owner = shard->owner;
    uint64_t epoch = shard->epoch;

    end(model, number, true);
    model_emit_call(model, WI_HISTORY_SHUTDOWN, number);
    model_emit_call(model, WI_HISTORY_DROP, number);
    shard->checkpoint = shard->position;
    shard->owner = receiver;
    shard->epoch++;
    model_emit_owners(model, number, WI_OPERATION_RELEASE, owner, epoch);
    destroy(model, number, owner, epoch);
}

static void
hand_off(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];
    uint32_t receiver = model_some_worker(model);

    if (shard->owner == 0 || shard->owner == receiver) {
        return;
    }
    model_emit_leaders(model, number, WI_OPERATION_HANDOFF);
    release(model, number, receiver);
    model_start(model, number);
}

/* A closed shard that is read to its end: children, SHARD_END, release. */
static void
finish(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];
    uint32_t owner = shard->owner;
    uint64_t epoch = shard->epoch;

    if (!shard->closed || owner == 0 || shard->batch != 0 || shard->next < shard->count) {
        return;
    }
    model_emit_call(model, WI_HISTORY_SHARD_ENDED, number);
    for (uint32_t i = 1; i < model->shard_count; i++) {
        struct shard *child = &model->shards[i];

        if ((child->parents[0] == number || child->parents[1] == number) && !child->has_row) {
            child->has_row = true;
            child->epoch = 1;
            model_emit(model, model_row(model, i, WI_OPERATION_CREATE));
        }
    }
    shard->finished = true;
    model_emit_owners(model, number, WI_OPERATION_FINISH, owner, epoch);
    model_emit_call(model, WI_HISTORY_DROP, number);
    shard->owner = 0;
    shard->epoch++;
    model_emit_owners(model, number, WI_OPERATION_RELEASE, owner, epoch);
    destroy(model, number, owner, epoch);
    model_place_all(model);
}

/* --- shards ---------------------------------------------------------------------------------- */

static void
add_shard(struct model *model, const uint32_t parents[2], uint32_t key_first, uint32_t key_end)
{
    uint32_t number = model->shard_count++;
    struct shard *shard = &model->shards[number];

    *shard = (struct shard){
        .exists = true,
        .parents = {parents[0], parents[1]},
        .key_first = key_first,
        .key_end = key_end,
    };
    model_emit(
        model,
        (struct wi_history_event){.kind = WI_HISTORY_SHARD,
                                  .shard = number,
                                  .parents = {parents[0], parents[1]},
                                  .first = key_first * KEY_RANGE,
                                  .last = key_end * KEY_RANGE - 1});
}

static void
close_shard(struct model *model, uint32_t number)
{
    model->shards[number].closed = true;
    model_emit(model, (struct wi_history_event){.kind = WI_HISTORY_CLOSE, .shard = number});
}

static void
split(struct model *model, uint32_t number)
{
    const struct shard *shard = &model->shards[number];
    uint32_t middle = (shard->key_first + shard->key_end) / 2;
    const uint32_t parents[2] = {number, 0};

    if (shard->closed || !shard->has_row || middle == shard->key_first ||
        model->shard_count + 2 > SHARDS) {
        return;
    }
    close_shard(model, number);
    add_shard(model, parents, shard->key_first, middle);
    add_shard(model, parents, middle, shard->key_end);
}

static void
merge(struct model *model, uint32_t number)
{
    const struct shard *shard = &model->shards[number];

    for (uint32_t i = 1; i < model->shard_count && model->shard_count < SHARDS; i++) {
        const struct shard *other = &model->shards[i];
        const uint32_t parents[2] = {number, i};

        if (!shard->closed && !other->closed && shard->has_row && other->has_row &&
            shard->key_end == other->key_first) {
            close_shard(model, number);
            close_shard(model, i);
            add_shard(model, parents, shard->key_first, other->key_end);
        }
    }
}

/* Retention: what is trimmed was processed, or was not in time. */
static void
trim(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];
    uint32_t through;

    if (shard->count == 0 || shard->batch != 0 || shard->owner == 0) {
        return;
    }
    through = model_below(model, shard->next + 2 < shard->count ? shard->next + 2 : shard->count);
    model_emit(
        model,
        (struct wi_history_event){
            .kind = WI_HISTORY_TRIM, .shard = number, .last = shard->sequences[through]});
    for (uint32_t i = 0; i <= through; i++) {
        shard->dead[i] = true;
    }
}

/* --- faults ---------------------------------------------------------------------------------- */

/* What `worker` owned goes to others. */
static void
take_over(struct model *model, uint32_t worker)
{
    if (model->leader == worker) {
        model_elect(model);
    }
    for (uint32_t i = 1; i < model->shard_count; i++) {
        if (model->shards[i].owner == worker) {
            model_assign(model, i);
        }
    }
}

static void
crash(struct model *model)
{
    size_t place = model_below(model, WORKERS);
    uint32_t worker = model->workers[place];

    model_emit_worker(model, WI_HISTORY_GONE, worker, false);
    model_join(model, place);
    take_over(model, worker);
}

static void
leave(struct model *model)
{
    size_t place = model_below(model, WORKERS);
    uint32_t worker = model->workers[place];

    model_emit_worker(model, WI_HISTORY_LEAVING, worker, false);
    for (uint32_t i = 1; i < model->shard_count; i++) {
        if (model->shards[i].owner == worker) {
            release(model, i, 0);
        }
    }
    if (model->leader == worker) {
        model_emit(
            model, (struct wi_history_event){.kind = WI_HISTORY_LEADER, .epoch = model->term});
    }
    model_emit_worker(model, WI_HISTORY_GONE, worker, false);
    model_join(model, place);
    if (model->leader == worker) {
        model_elect(model);
    }
    model_place_all(model);
}

static void
wake_zombie(struct model *model, const struct zombie *zombie, uint32_t worker)
{
    struct wi_history_event event = {
        .kind = WI_HISTORY_END,
        .worker = worker,
        .shard = zombie->shard,
        .epoch = zombie->epoch,
        .last = zombie->last,
        .count = zombie->batch,
    };

    if (zombie->batch > 0) {
        model_emit(model, event);
        event.kind = WI_HISTORY_CHECKPOINT;
        event.error = WEIR_ELEASELOST;
        model_emit(model, event);
    }
    event = (struct wi_history_event){
        .kind = WI_HISTORY_LEASE_LOST,
        .worker = worker,
        .shard = zombie->shard,
        .epoch = zombie->epoch,
    };
    model_emit(model, event);
    destroy(model, zombie->shard, worker, zombie->epoch);
}

static void
hang(struct model *model)
{
    uint32_t worker = model->workers[model_below(model, WORKERS)];

    model_emit_worker(model, WI_HISTORY_HANG, worker, true);
    model->standing_still = worker;
    model->zombie_count = 0;
    for (uint32_t i = 1; i < model->shard_count; i++) {
        const struct shard *shard = &model->shards[i];

        if (shard->owner == worker) {
            model->zombies[model->zombie_count++] = (struct zombie){
                i,
                shard->batch,
                shard->epoch,
                shard->batch > 0 ? shard->sequences[shard->next + shard->batch - 1] : 0};
        }
    }
    model_wait_ms(model, TAKEOVER_MS);
    take_over(model, worker);
    for (uint32_t i = 1; i < model->shard_count; i++) {
        begin(model, i);
    }
    model_emit_worker(model, WI_HISTORY_HANG, worker, false);
    model->standing_still = 0;
    for (size_t i = 0; i < model->zombie_count; i++) {
        wake_zombie(model, &model->zombies[i], worker);
    }
}

/* --- the run --------------------------------------------------------------------------------- */

static void
step(struct model *model)
{
    uint32_t shard = 1 + model_below(model, model->shard_count - 1);
    uint32_t choice = model_below(model, 200);

    if (choice < 90) {
        put(model, shard);
    } else if (choice < 140) {
        begin(model, shard);
        if (model_below(model, 4) > 0) {
            end(model, shard, false);
        }
    } else if (choice < 165) {
        end(model, shard, false);
        checkpoint(model, shard);
    } else if (choice < 182) {
        finish(model, shard);
    } else if (choice < 188) {
        hand_off(model, shard);
    } else if (choice < 191) {
        split(model, shard);
    } else if (choice < 193) {
        merge(model, shard);
    } else if (choice < 195) {
        trim(model, shard);
    } else if (choice < 197) {
        crash(model);
    } else if (choice < 198) {
        leave(model);
    } else {
        hang(model);
    }
    model_wait_ms(model, model_below(model, 50) == 0 ? 1000 : 0);
}

/* Parents have lower numbers than children, so one pass is enough. */
static void
drain(struct model *model)
{
    for (uint32_t i = 1; i < model->shard_count; i++) {
        struct shard *shard = &model->shards[i];

        end(model, i, true);
        while (shard->next < shard->count) {
            begin(model, i);
            end(model, i, true);
        }
        checkpoint(model, i);
        finish(model, i);
    }
}

void
history_model_run(uint64_t seed, uint32_t steps, struct history_model_result *ret)
{
    const uint32_t no_parents[2] = {0, 0};
    struct model model = {.result = ret, .shard_count = 1};

    *ret = (struct history_model_result){.settings = {
                                             .lease_duration_ms = 10000,
                                             .crash_takeover_ms = 500,
                                             .hang_takeover_ms = 13000,
                                             .balance_ms = 60000,
                                             .progress_ms = 60000,
                                             .reshard_ms = 5000,
                                             .stop_ms = 2000,
                                             .free_moves = true,
                                             .fenced_sink = true,
                                             .exactly_once_sink = true,
                                         }};
    model.shards = calloc(SHARDS, sizeof *model.shards);
    if (model.shards == NULL) {
        abort();
    }
    wi_pcg_seed(&model.pcg, seed, 1);
    for (size_t i = 0; i < WORKERS; i++) {
        model_join(&model, i);
    }
    model_elect(&model);
    add_shard(&model, no_parents, 0, KEYS / 2);
    add_shard(&model, no_parents, KEYS / 2, KEYS);
    model_place_all(&model);
    for (uint32_t i = 0; i < steps; i++) {
        step(&model);
    }
    model_emit(&model, (struct wi_history_event){.kind = WI_HISTORY_HEALED});
    drain(&model);
    model_emit(&model, (struct wi_history_event){.kind = WI_HISTORY_QUIET});
    free(model.shards);
}
