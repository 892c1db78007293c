/* The public functions of streams: they check arguments and call the slots of the stream's kind. */
#include "stream/stream_source.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "core/clock.h"
#include "core/detail.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"
#include "stream/batch.h"
#include "stream/stream_directory.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_set.h"
#include "stream/stream_kinesis_url.h"
#include "stream/stream_lmdb.h"

#define SHARDS_OPEN_MAX  10000U
#define RETENTION_MS_MIN 1000
#define RETENTION_MS_MAX ((int64_t)366 * 24 * 3600 * 1000)
#define RECORD_BYTES_MAX (16U * 1024U * 1024U)
#define MAP_BYTES_MIN    ((uint64_t)1024 * 1024)
#define MAP_BYTES_MAX    ((uint64_t)16 << 40)

/* Older callers know fewer members; none has been added yet. */
static bool
knows_all(size_t struct_size, size_t expected)
{
    return struct_size >= expected;
}

static enum weir_error
check_create(
    const char *name, const struct weir_stream_create_options *options, struct weir_detail *detail)
{
    if (!wi_kinesis_url_is(name) && weir_name_check(wi_str(name)) != WEIR_OK) {
        return wi_detail(
            detail, WEIR_EINVAL, "a stream's name is 1 to 128 of a-z A-Z 0-9 _ . - (not . or ..)");
    }
    if (!knows_all(options->struct_size, sizeof *options)) {
        return wi_detail(detail, WEIR_EINVAL, "options: start from the INIT macro");
    }
    if (options->shards < 1 || options->shards > SHARDS_OPEN_MAX) {
        return wi_detail(
            detail, WEIR_EINVAL, "shards: %u is outside [1, 10000]", (unsigned)options->shards);
    }
    if (options->retention_ms < RETENTION_MS_MIN || options->retention_ms > RETENTION_MS_MAX) {
        return wi_detail(detail, WEIR_EINVAL, "retention: it must be between 1 s and 1 year");
    }
    if (options->record_bytes_max < 1 || options->record_bytes_max > RECORD_BYTES_MAX) {
        return wi_detail(
            detail, WEIR_EINVAL, "record_bytes_max: it must be between 1 byte and 16 MiB");
    }
    return WEIR_OK;
}

enum weir_error
weir_stream_create(
    const struct weir_env *env,
    const char *data_directory,
    const char *name,
    const struct weir_stream_create_options *options,
    struct weir_detail *detail)
{
    const struct weir_stream_create_options defaults = WEIR_STREAM_CREATE_OPTIONS_INIT;
    const struct weir_stream_create_options *used = options == NULL ? &defaults : options;

    if (env == NULL || data_directory == NULL || name == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "create: an argument is NULL");
    }
    const enum weir_error error = check_create(name, used, detail);
    if (error != WEIR_OK) {
        return error;
    }
    return wi_kinesis_url_is(name)
               ? wi_stream_kinesis_create(env, name, used->shards, detail)
               : wi_stream_directory_create(env, data_directory, name, used, detail);
}

/* `weir:NAME` or `NAME`; a name has no colon, so what stands before one is a scheme. */
static enum weir_error
parse_url(const char *url, char ret_name[WEIR_NAME_SIZE], struct weir_detail *detail)
{
    struct weir_str name = wi_str(url);
    struct weir_str scheme = {NULL, 0};
    struct weir_str rest = {NULL, 0};

    if (wi_str_cut(name, ':', &scheme, &rest)) {
        if (!wi_str_equal_z(scheme, "weir")) {
            return wi_detail(
                detail,
                WEIR_EUNSUPPORTED,
                "%s: this version knows streams of the kinds weir:NAME and kinesis:NAME",
                url);
        }
        name = rest;
    }
    if (weir_name_check(name) != WEIR_OK) {
        return wi_detail(
            detail,
            WEIR_EINVAL,
            "%s: a stream's name is 1 to 128 of a-z A-Z 0-9 _ . - (not . or ..)",
            url);
    }
    (void)wi_str_copy(ret_name, WEIR_NAME_SIZE, name);
    return WEIR_OK;
}

static enum weir_error
check_open(const struct weir_stream_options *options, struct weir_detail *detail)
{
    if (!knows_all(options->struct_size, sizeof *options)) {
        return wi_detail(detail, WEIR_EINVAL, "options: start from the INIT macro");
    }
    if ((unsigned)options->durability > WEIR_DURABILITY_NONE) {
        return wi_detail(detail, WEIR_EINVAL, "durability: no such value");
    }
    if (options->map_bytes_max < MAP_BYTES_MIN || options->map_bytes_max > MAP_BYTES_MAX) {
        return wi_detail(detail, WEIR_EINVAL, "map_bytes_max: it must be between 1 MiB and 16 TiB");
    }
    return WEIR_OK;
}

static enum weir_error
open_embedded(
    const char *data_directory,
    const char *url,
    const struct weir_stream_options *options,
    struct weir_stream *stream,
    struct weir_detail *detail)
{
    char directory[WI_PATH_SIZE];
    enum weir_error error = parse_url(url, stream->name, detail);

    if (error == WEIR_OK) {
        error = wi_stream_path(data_directory, stream->name, directory, detail);
    }
    if (error != WEIR_OK) {
        return error;
    }
    (void)snprintf(stream->url, sizeof stream->url, "weir:%s", stream->name);
    error = wi_stream_lmdb_open(stream->env, directory, options, stream, detail);
    if (error == WEIR_ENOTFOUND) {
        return wi_detail(
            detail,
            error,
            "stream '%s' does not exist in %s: create it with `weir stream create %s`",
            stream->name,
            data_directory,
            stream->name);
    }
    return error;
}

static enum weir_error
open_kind(
    const char *data_directory,
    const char *url,
    const struct weir_stream_options *options,
    struct weir_stream *stream,
    struct weir_detail *detail)
{
    if (wi_kinesis_url_is_set(url)) {
        return wi_stream_kinesis_set_open(stream->env, url, stream, detail);
    }
    return wi_kinesis_url_is(url) ? wi_stream_kinesis_open(stream->env, url, stream, detail)
                                  : open_embedded(data_directory, url, options, stream, detail);
}

enum weir_error
weir_stream_open(
    const struct weir_env *env,
    const char *data_directory,
    const char *url,
    const struct weir_stream_options *options,
    struct weir_stream **ret,
    struct weir_detail *detail)
{
    const struct weir_stream_options defaults = WEIR_STREAM_OPTIONS_INIT;
    const struct weir_stream_options *used = options == NULL ? &defaults : options;
    struct weir_stream *stream = NULL;
    enum weir_error error = WEIR_OK;

    if (env == NULL || data_directory == NULL || url == NULL || ret == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "open: an argument is NULL");
    }
    error = check_open(used, detail);
    if (error != WEIR_OK) {
        return error;
    }
    stream = wi_alloc(env, sizeof *stream);
    if (stream == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "%s: no memory", url);
    }
    stream->env = env;
    error = open_kind(data_directory, url, used, stream, detail);
    if (error != WEIR_OK) {
        wi_free(env, stream);
        return error;
    }
    *ret = stream;
    return WEIR_OK;
}

void
weir_stream_close(struct weir_stream *stream)
{
    if (stream != NULL) {
        stream->ops->close(stream->source);
        wi_free(stream->env, stream);
    }
}

const char *
weir_stream_name(const struct weir_stream *stream)
{
    return stream->name;
}

enum weir_error
weir_stream_list(
    const struct weir_env *env,
    const char *data_directory,
    weir_stream_list_fn each,
    void *context,
    struct weir_detail *detail)
{
    if (env == NULL || data_directory == NULL || each == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "list: an argument is NULL");
    }
    return wi_stream_directory_list(env, data_directory, each, context, detail);
}

enum weir_error
weir_stream_delete(
    const struct weir_env *env,
    const char *data_directory,
    const char *name,
    struct weir_detail *detail)
{
    if (env == NULL || data_directory == NULL || name == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "delete: an argument is NULL");
    }
    if (wi_kinesis_url_is(name)) {
        return wi_stream_kinesis_delete(env, name, detail);
    }
    if (weir_name_check(wi_str(name)) != WEIR_OK) {
        return wi_detail(detail, WEIR_EINVAL, "delete: that is no name of a stream");
    }
    return wi_stream_directory_delete(env, data_directory, name, detail);
}

enum weir_error
weir_stream_describe(
    struct weir_stream *stream, struct weir_stream_description *ret, struct weir_detail *detail)
{
    if (stream == NULL || ret == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "describe: an argument is NULL");
    }
    return stream->ops->describe(stream->source, ret, detail);
}

void
weir_stream_description_free(
    struct weir_stream *stream, struct weir_stream_description *description)
{
    if (description != NULL) {
        wi_free(stream->env, description->shards);
        *description = (struct weir_stream_description){0};
    }
}

enum weir_error
weir_stream_put(
    struct weir_stream *stream,
    const struct weir_put_entry *entries,
    size_t count,
    struct weir_put_result *ret_results,
    struct weir_detail *detail)
{
    if (stream == NULL || entries == NULL || ret_results == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "put: an argument is NULL");
    }
    if (count < 1 || count > WEIR_PUT_RECORDS_MAX) {
        return wi_detail(detail, WEIR_EINVAL, "put: %zu records; one call takes 1 to 10000", count);
    }
    return stream->ops->put(stream->source, entries, count, ret_results, detail);
}

enum weir_error
weir_stream_get(
    struct weir_stream *stream,
    const struct weir_get_request *request,
    struct weir_batch *batch,
    struct weir_get_result *ret)
{
    if (stream == NULL || request == NULL || batch == NULL || ret == NULL ||
        (request->shard_id.data == NULL && request->shard_id.length > 0) ||
        request->records_max < 1 || request->records_max > WEIR_GET_RECORDS_MAX) {
        return WEIR_EINVAL;
    }
    return stream->ops->get(stream->source, request, batch, ret);
}

uint64_t
weir_stream_version(struct weir_stream *stream)
{
    return stream->ops->version(stream->source);
}

uint64_t
weir_stream_wait(struct weir_stream *stream, uint64_t seen, int64_t timeout_ms)
{
    const struct weir_mono deadline = wi_mono_add_ms(wi_mono_now(stream->env), timeout_ms);

    for (;;) {
        /* The word first: a put after this line makes the wait return at once. */
        const uint32_t word = stream->ops->wake_word(stream->source);
        const uint64_t version = stream->ops->version(stream->source);
        const int64_t left_ms = wi_mono_until_ms(wi_mono_now(stream->env), deadline);

        if (version != seen || timeout_ms <= 0 || left_ms <= 0) {
            return version;
        }
        if (stream->ops->wait(stream->source, word, left_ms) == word) {
            return stream->ops->version(stream->source); /* timed out */
        }
    }
}

enum weir_error
weir_stream_split(
    struct weir_stream *stream,
    struct weir_str shard_id,
    const struct weir_hash_key *at,
    struct weir_detail *detail)
{
    if (stream == NULL || shard_id.data == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "split: an argument is NULL");
    }
    return stream->ops->split(stream->source, shard_id, at, detail);
}

enum weir_error
weir_stream_merge(
    struct weir_stream *stream,
    struct weir_str shard_id,
    struct weir_str adjacent_shard_id,
    struct weir_detail *detail)
{
    if (stream == NULL || shard_id.data == NULL || adjacent_shard_id.data == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "merge: an argument is NULL");
    }
    return stream->ops->merge(stream->source, shard_id, adjacent_shard_id, detail);
}

enum weir_error
weir_stream_scale(struct weir_stream *stream, uint32_t shards, struct weir_detail *detail)
{
    if (stream == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "scale: the stream is NULL");
    }
    if (shards < 1 || shards > SHARDS_OPEN_MAX) {
        return wi_detail(detail, WEIR_EINVAL, "shards: %u is outside [1, 10000]", (unsigned)shards);
    }
    return stream->ops->scale(stream->source, shards, detail);
}

enum weir_error
weir_stream_trim(
    struct weir_stream *stream, uint64_t *ret_records_deleted, struct weir_detail *detail)
{
    if (stream == NULL || ret_records_deleted == NULL) {
        return wi_detail(detail, WEIR_EINVAL, "trim: an argument is NULL");
    }
    return stream->ops->trim(stream->source, ret_records_deleted, detail);
}

enum weir_error
wi_stream_describe_of(
    struct weir_stream *stream,
    struct weir_str shard_id,
    struct weir_stream_description *ret,
    struct weir_detail *detail)
{
    return stream->ops->describe_of == NULL
               ? stream->ops->describe(stream->source, ret, detail)
               : stream->ops->describe_of(stream->source, shard_id, ret, detail);
}

enum weir_error
wi_stream_tail(
    struct weir_stream *stream,
    struct weir_str shard_id,
    struct weir_sequence_number *ret,
    bool *ret_any)
{
    return stream->ops->tail(stream->source, shard_id, ret, ret_any);
}

uint32_t
wi_stream_wait_word(struct weir_stream *stream, uint32_t seen, int64_t timeout_ms)
{
    return stream->ops->wait(stream->source, seen, timeout_ms);
}

uint32_t
wi_stream_wake_word(struct weir_stream *stream)
{
    return stream->ops->wake_word(stream->source);
}

uint32_t
wi_stream_slot_word(struct weir_stream *stream, struct weir_str shard_id)
{
    return stream->ops->slot_word(stream->source, shard_id);
}

void
wi_stream_interrupt(struct weir_stream *stream)
{
    stream->ops->interrupt(stream->source);
}

bool
wi_stream_fetch_is_local(const struct weir_stream *stream)
{
    return stream->ops->fetch_is_local;
}

const char *
wi_stream_url(const struct weir_stream *stream)
{
    return stream->url;
}
