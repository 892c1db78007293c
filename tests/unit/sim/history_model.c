#include "tests/unit/sim/history_model.h"

#include <stdbool.h>
#include <stdlib.h>

#include <weir/error.h>

#include "core/pcg.h"

#define SHARDS      48U /* numbers from 1 to SHARDS - 1 */
#define RECORDS     2048U
#define WORKERS     4U
#define KEYS        16U
#define BATCH       10U
#define NS_PER_MS   1000000
#define HOLD_MS     8000
#define RENEWAL_MS  1500
#define TAKEOVER_MS 11000
#define KEY_RANGE   (UINT64_MAX / KEYS + 1)

struct shard {
    uint64_t sequences[RECORDS];
    bool dead[RECORDS];
    uint32_t count;
    uint32_t next;   /* the first record that its owner has not processed */
    uint32_t failed; /* attempts of that record so far */
    uint32_t batch;  /* records of the batch that is under way; 0: none */
    uint32_t parents[2];
    uint32_t key_first;
    uint32_t key_end;
    uint32_t owner; /* 0: none */
    uint64_t epoch;
    uint64_t checkpoint;
    uint64_t position; /* its owner has processed through */
    uint64_t applied;  /* by the sink */
    bool exists;
    bool closed;
    bool has_row;
    bool finished;
};

/* A processor of a worker that stood still, and does not know yet that it has lost its lease. */
struct zombie {
    uint32_t shard;
    uint32_t batch;
    uint64_t epoch;
    uint64_t last;
};

struct model {
    struct history_model_result *result;
    size_t capacity;
    struct wi_pcg pcg;
    int64_t now_ns;
    int64_t renewed_ns;
    uint64_t sequence;
    uint64_t term;
    uint32_t leader;
    uint32_t workers[WORKERS]; /* their numbers */
    uint32_t newest;
    uint32_t shard_count;
    uint32_t standing_still; /* a worker; 0: none */
    struct shard *shards;    /* by number */
    struct zombie zombies[SHARDS];
    size_t zombie_count;
};

static uint32_t
below(struct model *model, uint32_t bound)
{
    return (uint32_t)wi_pcg_below(&model->pcg, bound);
}

static void
emit(struct model *model, struct wi_history_event event)
{
    struct history_model_result *result = model->result;

    if (result->count == model->capacity) {
        model->capacity = model->capacity == 0 ? 1024 : 2 * model->capacity;
        result->events = realloc(result->events, model->capacity * sizeof *result->events);
        if (result->events == NULL) {
            abort();
        }
    }
    model->now_ns += below(model, 3) * NS_PER_MS / 2;
    event.time_ns = model->now_ns;
    if (event.kind == WI_HISTORY_HOLD) {
        event.until_ns = model->now_ns + HOLD_MS * (int64_t)NS_PER_MS;
    }
    result->events[result->count++] = event;
}

/* A call of the shard's owner. */
static struct wi_history_event
call(const struct model *model, enum wi_history_kind kind, uint32_t number)
{
    const struct shard *shard = &model->shards[number];

    return (struct wi_history_event){
        .kind = kind, .worker = shard->owner, .shard = number, .epoch = shard->epoch};
}

static void
emit_call(struct model *model, enum wi_history_kind kind, uint32_t number)
{
    emit(model, call(model, kind, number));
}

/* The row as it is now. */
static struct wi_history_event
row(const struct model *model, uint32_t number, enum wi_history_operation operation)
{
    struct wi_history_event event = call(model, WI_HISTORY_ROW, number);

    event.last = model->shards[number].checkpoint;
    event.shard_end = model->shards[number].finished;
    event.operation = operation;
    return event;
}

/* A write of the leader's. */
static void
emit_leaders(struct model *model, uint32_t number, enum wi_history_operation operation)
{
    struct wi_history_event event = row(model, number, operation);

    event.writer = model->leader;
    event.term = model->term;
    emit(model, event);
}

/* A write of the owner's, under the epoch before it. */
static void
emit_owners(
    struct model *model,
    uint32_t number,
    enum wi_history_operation operation,
    uint32_t writer,
    uint64_t under)
{
    struct wi_history_event event = row(model, number, operation);

    event.writer = writer;
    event.under = under;
    emit(model, event);
}

/* --- leases ---------------------------------------------------------------------------------- */

static void
renew_all(struct model *model)
{
    model->renewed_ns = model->now_ns;
    for (uint32_t i = 1; i < model->shard_count; i++) {
        const struct shard *shard = &model->shards[i];

        if (shard->owner != 0 && shard->owner != model->standing_still && !shard->finished) {
            emit_call(model, WI_HISTORY_HOLD, i);
        }
    }
}

/* Time passes; renewals go on. */
static void
wait_ms(struct model *model, int64_t ms)
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

static void
start(struct model *model, uint32_t number)
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
    emit_call(model, WI_HISTORY_HOLD, number);
    event = call(model, WI_HISTORY_INITIALIZE, number);
    event.last = shard->checkpoint;
    if (below(model, 8) == 0) {
        event.error = WEIR_EPROCESSOR;
        emit(model, event);
        event.error = WEIR_OK;
    }
    emit(model, event);
    event = call(model, WI_HISTORY_EFFECT, number);
    event.fenced = true;
    emit(model, event);
}

static uint32_t
some_worker(struct model *model)
{
    uint32_t worker = model->workers[below(model, WORKERS)];

    while (worker == model->standing_still) {
        worker = model->workers[below(model, WORKERS)];
    }
    return worker;
}

static void
assign(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];

    shard->owner = some_worker(model);
    shard->epoch++;
    emit_leaders(model, number, WI_OPERATION_ASSIGN);
    start(model, number);
}

/* Rows for what has none, owners for what has none. */
static void
place_all(struct model *model)
{
    for (uint32_t i = 1; i < model->shard_count; i++) {
        struct shard *shard = &model->shards[i];

        if (!shard->has_row && shard->parents[0] == 0) {
            shard->has_row = true;
            shard->epoch = 1;
            emit_leaders(model, i, WI_OPERATION_CREATE);
        }
        if (shard->has_row && !shard->finished && shard->owner == 0 &&
            parents_finished(model, shard)) {
            assign(model, i);
        }
    }
}

static void
elect(struct model *model)
{
    model->leader = some_worker(model);
    model->term++;
    emit(
        model,
        (struct wi_history_event){
            .kind = WI_HISTORY_LEADER, .worker = model->leader, .epoch = model->term});
}

static void
join(struct model *model, size_t place)
{
    model->workers[place] = ++model->newest;
    emit(
        model,
        (struct wi_history_event){.kind = WI_HISTORY_WORKER, .worker = model->workers[place]});
}

static void
emit_worker(struct model *model, enum wi_history_kind kind, uint32_t worker, bool on)
{
    emit(model, (struct wi_history_event){.kind = kind, .worker = worker, .on = on});
}

/* --- work ------------------------------------------------------------------------------------ */

static void
put(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];

    if (shard->exists && !shard->closed && shard->count < RECORDS) {
        model->sequence += 1 + below(model, 3);
        shard->sequences[shard->count++] = model->sequence;
        emit(
            model,
            (struct wi_history_event){.kind = WI_HISTORY_PUT,
                                      .shard = number,
                                      .first = model->sequence,
                                      .key = 1 + shard->key_first +
                                             below(model, shard->key_end - shard->key_first)});
    }
}

static void
begin(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];
    struct wi_history_event event = call(model, WI_HISTORY_BEGIN, number);

    while (shard->next < shard->count && shard->dead[shard->next]) {
        shard->next++;
        shard->failed = 0;
    }
    if (shard->owner == 0 || shard->batch != 0 || shard->next == shard->count) {
        return;
    }
    while (shard->batch < 1 + below(model, BATCH) && shard->next + shard->batch < shard->count &&
           !shard->dead[shard->next + shard->batch]) {
        shard->batch++;
    }
    shard->batch += shard->batch == 0 ? 1 : 0;
    event.first = shard->sequences[shard->next];
    event.last = shard->sequences[shard->next + shard->batch - 1];
    event.count = shard->batch;
    event.attempt = ++shard->failed;
    emit(model, event);
}

/* The sink takes what it has not got. */
static void
apply(struct model *model, uint32_t number, uint32_t processed)
{
    struct shard *shard = &model->shards[number];

    for (uint32_t i = shard->next; i < shard->next + processed; i++) {
        struct wi_history_event event = call(model, WI_HISTORY_EFFECT, number);

        event.first = shard->sequences[i];
        event.fenced = true;
        if (event.first > shard->applied && !shard->dead[i]) {
            shard->applied = event.first;
            emit(model, event);
        }
    }
}

/* The batch returns: most often OK, else after some of its records, or none; after three attempts
 * the first one goes to the failure destination. */
static void
end(struct model *model, uint32_t number, bool well)
{
    struct shard *shard = &model->shards[number];
    struct wi_history_event event = call(model, WI_HISTORY_END, number);
    uint32_t processed = shard->batch;

    if (shard->batch == 0) {
        return;
    }
    if (!well && below(model, 3) == 0) {
        event.error = WEIR_EPROCESSOR;
        processed = below(model, shard->batch);
    }
    if (event.error != WEIR_OK && processed == 0 && shard->failed >= 3) {
        shard->dead[shard->next] = true;
        emit(
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
    emit(model, event);
    shard->position = processed == 0 ? shard->position : event.last;
    shard->next += processed;
    shard->batch = 0;
    shard->failed = processed == 0 ? shard->failed : 0;
}

static void
checkpoint(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];
    struct wi_history_event event = call(model, WI_HISTORY_CHECKPOINT, number);

    if (shard->owner == 0 || shard->batch != 0) {
        return;
    }
    shard->checkpoint = shard->position;
    emit_owners(model, number, WI_OPERATION_CHECKPOINT, shard->owner, shard->epoch);
    event.last = shard->checkpoint;
    emit(model, event);
}

static void
destroy(struct model *model, uint32_t number, uint32_t worker, uint64_t epoch)
{
    emit(
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
    emit_call(model, WI_HISTORY_SHUTDOWN, number);
    emit_call(model, WI_HISTORY_DROP, number);
    shard->checkpoint = shard->position;
    shard->owner = receiver;
    shard->epoch++;
    emit_owners(model, number, WI_OPERATION_RELEASE, owner, epoch);
    destroy(model, number, owner, epoch);
}

static void
hand_off(struct model *model, uint32_t number)
{
    struct shard *shard = &model->shards[number];
    uint32_t receiver = some_worker(model);

    if (shard->owner == 0 || shard->owner == receiver) {
        return;
    }
    emit_leaders(model, number, WI_OPERATION_HANDOFF);
    release(model, number, receiver);
    start(model, number);
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
    emit_call(model, WI_HISTORY_SHARD_ENDED, number);
    for (uint32_t i = 1; i < model->shard_count; i++) {
        struct shard *child = &model->shards[i];

        if ((child->parents[0] == number || child->parents[1] == number) && !child->has_row) {
            child->has_row = true;
            child->epoch = 1;
            emit(model, row(model, i, WI_OPERATION_CREATE));
        }
    }
    shard->finished = true;
    emit_owners(model, number, WI_OPERATION_FINISH, owner, epoch);
    emit_call(model, WI_HISTORY_DROP, number);
    shard->owner = 0;
    shard->epoch++;
    emit_owners(model, number, WI_OPERATION_RELEASE, owner, epoch);
    destroy(model, number, owner, epoch);
    place_all(model);
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
    emit(
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
    emit(model, (struct wi_history_event){.kind = WI_HISTORY_CLOSE, .shard = number});
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
    through = below(model, shard->next + 2 < shard->count ? shard->next + 2 : shard->count);
    emit(
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
        elect(model);
    }
    for (uint32_t i = 1; i < model->shard_count; i++) {
        if (model->shards[i].owner == worker) {
            assign(model, i);
        }
    }
}

static void
crash(struct model *model)
{
    size_t place = below(model, WORKERS);
    uint32_t worker = model->workers[place];

    emit_worker(model, WI_HISTORY_GONE, worker, false);
    join(model, place);
    take_over(model, worker);
}

static void
leave(struct model *model)
{
    size_t place = below(model, WORKERS);
    uint32_t worker = model->workers[place];

    emit_worker(model, WI_HISTORY_LEAVING, worker, false);
    for (uint32_t i = 1; i < model->shard_count; i++) {
        if (model->shards[i].owner == worker) {
            release(model, i, 0);
        }
    }
    if (model->leader == worker) {
        emit(model, (struct wi_history_event){.kind = WI_HISTORY_LEADER, .epoch = model->term});
    }
    emit_worker(model, WI_HISTORY_GONE, worker, false);
    join(model, place);
    if (model->leader == worker) {
        elect(model);
    }
    place_all(model);
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
        emit(model, event);
        event.kind = WI_HISTORY_CHECKPOINT;
        event.error = WEIR_ELEASELOST;
        emit(model, event);
    }
    event = (struct wi_history_event){
        .kind = WI_HISTORY_LEASE_LOST,
        .worker = worker,
        .shard = zombie->shard,
        .epoch = zombie->epoch,
    };
    emit(model, event);
    destroy(model, zombie->shard, worker, zombie->epoch);
}

static void
hang(struct model *model)
{
    uint32_t worker = model->workers[below(model, WORKERS)];

    emit_worker(model, WI_HISTORY_HANG, worker, true);
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
    wait_ms(model, TAKEOVER_MS);
    take_over(model, worker);
    for (uint32_t i = 1; i < model->shard_count; i++) {
        begin(model, i);
    }
    emit_worker(model, WI_HISTORY_HANG, worker, false);
    model->standing_still = 0;
    for (size_t i = 0; i < model->zombie_count; i++) {
        wake_zombie(model, &model->zombies[i], worker);
    }
}

/* --- the run --------------------------------------------------------------------------------- */

static void
step(struct model *model)
{
    uint32_t shard = 1 + below(model, model->shard_count - 1);
    uint32_t choice = below(model, 200);

    if (choice < 90) {
        put(model, shard);
    } else if (choice < 140) {
        begin(model, shard);
        if (below(model, 4) > 0) {
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
    wait_ms(model, below(model, 50) == 0 ? 1000 : 0);
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
        join(&model, i);
    }
    elect(&model);
    add_shard(&model, no_parents, 0, KEYS / 2);
    add_shard(&model, no_parents, KEYS / 2, KEYS);
    place_all(&model);
    for (uint32_t i = 0; i < steps; i++) {
        step(&model);
    }
    emit(&model, (struct wi_history_event){.kind = WI_HISTORY_HEALED});
    drain(&model);
    emit(&model, (struct wi_history_event){.kind = WI_HISTORY_QUIET});
    free(model.shards);
}
