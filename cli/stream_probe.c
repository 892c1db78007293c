#include "cli/stream_probe.h"

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "cli/cli.h"

/* Records that are this old are asked for: few, and no moment that the service calls the future. */
#define LOOK_BACK_MS 1000

/* Members of a fleet that start together look at different shards, each of which has its limits. */
static const struct weir_shard *
choose(const struct weir_stream_description *description)
{
    const size_t first = (size_t)getpid() % (description->shard_count + 1);

    for (size_t i = 0; i < description->shard_count; i++) {
        const struct weir_shard *shard =
            &description->shards[(first + i) % description->shard_count];

        if (!shard->closed) {
            return shard;
        }
    }
    return NULL;
}

static enum weir_error
read_one(const struct weir_env *env, struct weir_stream *stream, const struct weir_shard *shard)
{
    struct weir_batch *batch = NULL;
    struct weir_get_result result;
    const struct weir_position from = {
        .type = WEIR_AT_TIMESTAMP,
        .timestamp_ms = env->clock.wall(env->clock.context).ms - LOOK_BACK_MS};
    enum weir_error error = weir_batch_new(env, &batch);

    if (error == WEIR_OK) {
        error = weir_stream_get(
            stream,
            &(struct weir_get_request){.shard_id = cli_str(shard->shard_id),
                                       .from = from,
                                       .records_max = 1,
                                       .bytes_max = 1},
            batch,
            &result);
    }
    weir_batch_free(batch);
    return error;
}

/* Throttling, silence and the like are the worker's to wait for. */
static enum weir_error
lasting(enum weir_error error)
{
    return error == WEIR_EACCESS || error == WEIR_ENOTFOUND ? error : WEIR_OK;
}

enum weir_error
cli_stream_probe(
    const struct weir_env *env, const char *data, const char *name, struct weir_detail *detail)
{
    struct weir_stream *stream = NULL;
    struct weir_stream_description description = {0};
    enum weir_error error;

    if (!cli_stream_is_kinesis(name)) {
        return WEIR_OK;
    }
    error = weir_stream_open(env, data, name, NULL, &stream, detail);
    if (error != WEIR_OK) {
        return error;
    }
    error = weir_stream_describe(stream, &description, detail);
    if (error == WEIR_OK) {
        const struct weir_shard *shard = choose(&description);

        detail->text[0] = '\0';
        error = shard == NULL ? WEIR_OK : read_one(env, stream, shard);
        /* A shard that is gone by now is no stream that is gone. */
        error = error == WEIR_ENOTFOUND ? WEIR_OK : error;
    }
    weir_stream_description_free(stream, &description);
    weir_stream_close(stream);
    return lasting(error);
}
