/* Watches the lease table: every change of owner, epoch and checkpoint that it sees. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/app.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "chaos/base.h"
#include "chaos/ledger.h"
#include "chaos/place.h"
#include "chaos/run.h"

#define SAMPLE_MS 5

/* "w17" is worker 17. */
static uint32_t
worker_of(const char *owner)
{
    return owner[0] == 'w' ? chaos_shard_number(owner, strlen(owner)) : 0;
}

static uint64_t
checkpoint_of(const struct weir_app_shard *shard)
{
    if (shard->checkpoint.type == WEIR_SHARD_END) {
        return UINT64_MAX;
    }
    return shard->checkpoint.type == WEIR_AFTER_SEQUENCE_NUMBER
               ? shard->checkpoint.sequence_number.word[3]
               : 0;
}

static void
look_at(struct chaos_run *run, struct chaos_row *last, const struct weir_app_shard *shard)
{
    const uint32_t number = chaos_shard_number(shard->shard_id, strlen(shard->shard_id));
    const struct chaos_row row = {
        .time_ns = chaos_now_ns(),
        .shard = number,
        .worker = worker_of(shard->owner),
        .epoch = shard->lease_epoch,
        .checkpoint = checkpoint_of(shard)};
    struct chaos_ledger *ledger = &run->ledger;

    if (number >= CHAOS_LEDGER_SHARDS ||
        (last[number].time_ns != 0 && last[number].worker == row.worker &&
         last[number].epoch == row.epoch && last[number].checkpoint == row.checkpoint)) {
        return;
    }
    last[number] = row;
    ledger->rows = chaos_grown(ledger->rows, ledger->row_count, sizeof *ledger->rows);
    ledger->rows[ledger->row_count++] = row;
}

/* The only one who touches the rows until chaos_sampler_stop(). */
static void *
sample(void *argument)
{
    struct chaos_run *run = argument;
    struct chaos_row *last = chaos_zeroed(CHAOS_LEDGER_SHARDS, sizeof *last);
    char data[CHAOS_PATH_SIZE];

    chaos_place_data(run->place.work, data);
    while (atomic_load(&run->sampling)) {
        struct weir_app_description description = {.shard_count = 0};
        uint32_t open = 0;
        uint32_t unowned = 0;

        if (weir_app_describe(run->options->env, data, CHAOS_APPLICATION, &description, NULL) ==
            WEIR_OK) {
            for (size_t i = 0; i < description.shard_count; i++) {
                const struct weir_app_shard *shard = &description.shards[i];

                look_at(run, last, shard);
                open += shard->state == WEIR_SHARD_SHUTDOWN_COMPLETE ? 0 : 1;
                unowned += shard->state == WEIR_SHARD_UNASSIGNED ? 1 : 0;
            }
            weir_app_description_free(run->options->env, &description);
            atomic_store(&run->open_shards, open);
            atomic_store(&run->unowned, unowned);
        }
        chaos_sleep_ms(SAMPLE_MS);
    }
    free(last);
    return NULL;
}

bool
chaos_sampler_start(struct chaos_run *run)
{
    atomic_store(&run->sampling, true);
    run->has_sampler = pthread_create(&run->sampler, NULL, sample, run) == 0;
    return run->has_sampler || chaos_impossible(run, "a thread cannot be started");
}

void
chaos_sampler_stop(struct chaos_run *run)
{
    if (run->has_sampler) {
        atomic_store(&run->sampling, false);
        (void)pthread_join(run->sampler, NULL);
        run->has_sampler = false;
    }
}

/* The row of a shard, or NULL: the table has none yet. */
static const struct weir_app_shard *
row_of(const struct weir_app_description *description, const char *shard_id)
{
    for (size_t i = 0; i < description->shard_count; i++) {
        if (strcmp(description->shards[i].shard_id, shard_id) == 0) {
            return &description->shards[i];
        }
    }
    return NULL;
}

/* Rows of finished parents go, so a closed shard may have none. */
static bool
is_done(const struct weir_shard *shard, const struct weir_app_shard *row)
{
    if (shard->closed) {
        return row == NULL || row->checkpoint.type == WEIR_SHARD_END;
    }
    return row != NULL && row->state == WEIR_SHARD_PROCESSING && row->millis_behind_latest == 0;
}

static void
say_why(const struct weir_shard *shard, const struct weir_app_shard *row, char *why)
{
    if (row == NULL) {
        (void)snprintf(why, CHAOS_TEXT_SIZE, "the table has no row for %s", shard->shard_id);
        return;
    }
    (void)snprintf(
        why,
        CHAOS_TEXT_SIZE,
        "%.40s (%s) is %s, owner '%.24s', %" PRId64 " ms behind",
        shard->shard_id,
        shard->closed ? "closed" : "open",
        weir_shard_state_name(row->state),
        row->owner,
        row->millis_behind_latest);
}

bool
chaos_is_worked_off(struct chaos_run *run, char why[CHAOS_TEXT_SIZE])
{
    struct weir_app_description table = {.shard_count = 0};
    struct weir_stream_description stream = {.shard_count = 0};
    char data[CHAOS_PATH_SIZE];
    bool done = false;

    (void)snprintf(why, CHAOS_TEXT_SIZE, "table or stream cannot be read");
    chaos_place_data(run->place.work, data);
    if (weir_app_describe(run->options->env, data, CHAOS_APPLICATION, &table, NULL) != WEIR_OK) {
        return false;
    }
    if (weir_stream_describe(run->stream, &stream, NULL) == WEIR_OK) {
        done = stream.shard_count > 0;
        for (size_t i = 0; done && i < stream.shard_count; i++) {
            const struct weir_app_shard *row = row_of(&table, stream.shards[i].shard_id);

            done = is_done(&stream.shards[i], row);
            if (!done) {
                say_why(&stream.shards[i], row, why);
            }
        }
        weir_stream_description_free(run->stream, &stream);
    }
    weir_app_description_free(run->options->env, &table);
    return done;
}

static void
note_shard(struct chaos_ledger *ledger, const struct weir_shard *shard)
{
    const uint32_t number = chaos_shard_number(shard->shard_id, strlen(shard->shard_id));
    struct chaos_shard noted = {
        .number = number,
        .parents = {CHAOS_NONE, CHAOS_NONE},
        .seen_ns = chaos_now_ns(),
        .closed = shard->closed};

    for (size_t i = 0; i < ledger->shard_count; i++) {
        if (ledger->shards[i].number == number) {
            ledger->shards[i].closed = shard->closed;
            return;
        }
    }
    for (size_t i = 0; i < WEIR_PARENTS_MAX; i++) {
        const char *parent = shard->parent_shard_ids[i];

        if (parent[0] != '\0') {
            noted.parents[i] = chaos_shard_number(parent, strlen(parent));
        }
    }
    if (number < CHAOS_LEDGER_SHARDS) {
        ledger->shards = chaos_grown(ledger->shards, ledger->shard_count, sizeof *ledger->shards);
        ledger->shards[ledger->shard_count++] = noted;
    }
}

void
chaos_note_shards(struct chaos_run *run)
{
    struct weir_stream_description description = {.shard_count = 0};

    if (weir_stream_describe(run->stream, &description, NULL) == WEIR_OK) {
        for (size_t i = 0; i < description.shard_count; i++) {
            note_shard(&run->ledger, &description.shards[i]);
        }
        weir_stream_description_free(run->stream, &description);
    }
}
