#include "demo/table.h"

#include <stdint.h>
#include <string.h>

#include <weir/app.h>
#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "demo/history.h"
#include "demo/journal.h"
#include "demo/worker.h"

/* Where a checkpoint stands among the kinds: a beginning, a record, the end. */
static int
rank(const struct weir_position *position)
{
    switch (position->type) {
    case WEIR_TRIM_HORIZON:
    case WEIR_LATEST:
    case WEIR_AT_TIMESTAMP:
        return 0;
    case WEIR_AT_SEQUENCE_NUMBER:
    case WEIR_AFTER_SEQUENCE_NUMBER:
        return 1;
    case WEIR_SHARD_END:
        break;
    }
    return 2;
}

static bool
is_below(const struct weir_position *a, const struct weir_position *b)
{
    int order;

    if (rank(a) != rank(b) || rank(a) != 1) {
        return rank(a) < rank(b);
    }
    order = weir_sequence_number_compare(&a->sequence_number, &b->sequence_number);
    return order < 0 || (order == 0 && a->sub_sequence_number < b->sub_sequence_number);
}

static struct demo_high *
find_high(struct demo_table *table, const char *shard_id)
{
    for (size_t i = 0; i < table->high_count; i++) {
        if (strcmp(table->highs[i].shard_id, shard_id) == 0) {
            return &table->highs[i];
        }
    }
    return NULL;
}

static void
check_shard(struct demo_table *table, const struct weir_app_shard *shard)
{
    struct demo_high *high = find_high(table, shard->shard_id);

    if (high == NULL) {
        if (table->high_count < DEMO_SHARDS_MAX) {
            high = &table->highs[table->high_count++];
            demo_shard_id_copy(
                high->shard_id, (struct weir_str){shard->shard_id, strlen(shard->shard_id)});
            high->lease_epoch = shard->lease_epoch;
            high->checkpoint = shard->checkpoint;
        }
        return;
    }
    if (shard->lease_epoch < high->lease_epoch || is_below(&shard->checkpoint, &high->checkpoint)) {
        table->went_down++;
    }
    if (shard->lease_epoch > high->lease_epoch) {
        high->lease_epoch = shard->lease_epoch;
    }
    if (is_below(&high->checkpoint, &shard->checkpoint)) {
        high->checkpoint = shard->checkpoint;
        high->moves++;
    }
}

void
demo_table_check(struct demo_table *table, const struct weir_app_description *sample)
{
    table->samples++;
    table->damaged += sample->damaged_rows;
    for (size_t i = 0; i < sample->shard_count; i++) {
        check_shard(table, &sample->shards[i]);
    }
}

enum weir_error
demo_table_sample(struct demo_table *table, const struct weir_env *env, const char *data_directory)
{
    struct weir_app_description sample;
    const enum weir_error error =
        weir_app_describe(env, data_directory, DEMO_APPLICATION, &sample, NULL);

    if (error != WEIR_OK) {
        return error;
    }
    demo_table_check(table, &sample);
    weir_app_description_free(env, &table->now);
    table->now = sample;
    return WEIR_OK;
}

const struct weir_app_shard *
demo_table_shard(const struct demo_table *table, const char *shard_id)
{
    for (size_t i = 0; i < table->now.shard_count; i++) {
        if (strcmp(table->now.shards[i].shard_id, shard_id) == 0) {
            return &table->now.shards[i];
        }
    }
    return NULL;
}

const struct weir_app_worker *
demo_table_worker(const struct demo_table *table, const char *worker_id)
{
    for (size_t i = 0; i < table->now.worker_count; i++) {
        if (strcmp(table->now.workers[i].worker_id, worker_id) == 0 &&
            table->now.workers[i].alive) {
            return &table->now.workers[i];
        }
    }
    return NULL;
}

uint64_t
demo_table_moves_without(const struct demo_table *table, const char *worker_id)
{
    uint64_t moves = 0;

    for (size_t i = 0; i < table->high_count; i++) {
        const struct weir_app_shard *row = demo_table_shard(table, table->highs[i].shard_id);
        if (row != NULL && strcmp(row->owner, worker_id) != 0) {
            moves += table->highs[i].moves;
        }
    }
    return moves;
}

void
demo_table_free(struct demo_table *table, const struct weir_env *env)
{
    weir_app_description_free(env, &table->now);
}
