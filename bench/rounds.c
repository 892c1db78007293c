/* Records for measurements: rounds of one to each shard, and streams full of them. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "bench/clock.h"
#include "bench/fleet.h"
#include "bench/harness.h"
#include "bench/records.h"
#include "bench/shared.h"

/* Explicit hash keys lie this far apart: they take turns at the shards. */
#define HASH_STEP 0x9e3779b97f4a7c15U

/* Zeroed memory, so that a half-built struct rounds can be closed. */
static bool
allocate(struct rounds *rounds, size_t count)
{
    rounds->entries = calloc(count, sizeof *rounds->entries);
    rounds->results = calloc(count, sizeof *rounds->results);
    rounds->payloads = calloc(count, sizeof *rounds->payloads);
    rounds->count = count;
    return rounds->entries != NULL && rounds->results != NULL && rounds->payloads != NULL;
}

enum weir_error
rounds_open(
    const struct weir_env *env, const char *data, struct rounds *ret, struct weir_detail *detail)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_stream_description stream = {0};
    enum weir_error error;

    *ret = (struct rounds){0};
    options.durability = WEIR_DURABILITY_NONE;
    error = weir_stream_open(env, data, FLEET_STREAM, &options, &ret->stream, detail);
    if (error != WEIR_OK) {
        return error;
    }
    error = weir_stream_describe(ret->stream, &stream, detail);
    if (error != WEIR_OK) {
        return error;
    }
    if (!allocate(ret, stream.shard_count)) {
        error = WEIR_ENOMEM;
        goto out;
    }
    for (size_t i = 0; i < stream.shard_count; i++) {
        ret->entries[i] =
            (struct weir_put_entry){.partition_key = {"bench", sizeof "bench" - 1},
                                    .data = {&ret->payloads[i], sizeof ret->payloads[i]},
                                    .explicit_hash_key = stream.shards[i].range.start,
                                    .has_explicit_hash_key = true};
    }
out:
    weir_stream_description_free(ret->stream, &stream);
    return error;
}

void
rounds_close(struct rounds *rounds)
{
    weir_stream_close(rounds->stream);
    free(rounds->entries);
    free(rounds->results);
    free(rounds->payloads);
    *rounds = (struct rounds){0};
}

enum weir_error
rounds_put(struct rounds *rounds, struct weir_detail *detail)
{
    enum weir_error error;

    for (size_t i = 0; i < rounds->count; i++) {
        rounds->payloads[i] = (struct bench_payload){rounds->index, bench_now_ns()};
    }
    error =
        weir_stream_put(rounds->stream, rounds->entries, rounds->count, rounds->results, detail);
    for (size_t i = 0; i < rounds->count && error == WEIR_OK; i++) {
        error = rounds->results[i].error;
    }
    if (error == WEIR_OK) {
        rounds->index++;
    }
    return error;
}

/* Batch after batch gets the same entries, so that making them costs nothing. */
static void
fill_entries(struct weir_put_entry entries[RECORDS_KEYS], uint32_t record_bytes, bool hashed)
{
    static char keys[RECORDS_KEYS][RECORDS_KEY_SIZE];
    static unsigned char data[RECORDS_BYTES_MAX];

    records_data(data);
    for (size_t i = 0; i < RECORDS_KEYS; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "key-%04zu", i);
        entries[i] = (struct weir_put_entry){.partition_key = {keys[i], RECORDS_KEY_SIZE - 1},
                                             .data = {data, record_bytes},
                                             .explicit_hash_key = {i * HASH_STEP, 0},
                                             .has_explicit_hash_key = hashed};
    }
}

enum weir_error
records_put(
    struct weir_stream *stream,
    uint64_t records,
    uint32_t record_bytes,
    bool hashed,
    struct weir_detail *detail)
{
    static struct weir_put_entry entries[RECORDS_KEYS];
    static struct weir_put_result results[RECORDS_BATCH];
    enum weir_error error = WEIR_OK;

    fill_entries(entries, record_bytes, hashed);
    for (uint64_t done = 0; error == WEIR_OK && done < records; done += RECORDS_BATCH) {
        error =
            weir_stream_put(stream, &entries[done % RECORDS_KEYS], RECORDS_BATCH, results, detail);
        if (error == WEIR_OK) {
            error = results[0].error;
        }
    }
    return error;
}

void
records_data(unsigned char data[RECORDS_BYTES_MAX])
{
    for (size_t i = 0; i < RECORDS_BYTES_MAX; i++) {
        data[i] = (unsigned char)(i * 131U + (i >> 4));
    }
}

bool
fleet_fill(struct bench *bench, const struct fleet *fleet, uint64_t records, uint32_t record_bytes)
{
    struct weir_stream_options options = WEIR_STREAM_OPTIONS_INIT;
    struct weir_detail detail = {""};
    struct weir_stream *stream = NULL;
    enum weir_error error;

    options.durability = WEIR_DURABILITY_NONE;
    error = weir_stream_open(bench->env, fleet->data, FLEET_STREAM, &options, &stream, &detail);
    if (error == WEIR_OK) {
        error = records_put(stream, records, record_bytes, false, &detail);
    }
    weir_stream_close(stream);
    return bench_check(bench, error, &detail, "fill a stream");
}
