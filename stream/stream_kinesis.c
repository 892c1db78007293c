/* Kinesis as a stream source: open, close, describe. */
#include "stream/stream_kinesis.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/http.h"
#include "aws/kinesis_api.h"
#include "core/detail.h"
#include "core/memory.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "stream/shard_graph.h"
#include "stream/stream_kinesis_url.h"
#include "stream/stream_source.h"

static uint64_t
version(void *source)
{
    const struct wi_kinesis_stream *stream = source;

    return atomic_load(&stream->version);
}

/* --- shards --- */

enum weir_error
wi_kinesis_refresh(struct wi_kinesis_stream *stream, struct weir_detail *detail)
{
    struct weir_shard *shards = NULL;
    size_t count = 0;
    enum weir_error error = wi_kinesis_list_shards(&stream->api, &shards, &count, detail);

    if (error == WEIR_OK) {
        error = wi_shards_sort(stream->env, shards, count);
    }
    if (error != WEIR_OK) {
        wi_free(stream->env, shards);
        return error;
    }
    pthread_mutex_lock(&stream->lock);
    wi_free(stream->env, stream->shards);
    stream->shards = shards;
    stream->shard_count = count;
    pthread_mutex_unlock(&stream->lock);
    return WEIR_OK;
}

static enum weir_error
copy_shards(
    struct wi_kinesis_stream *stream,
    struct weir_stream_description *ret,
    struct weir_detail *detail)
{
    enum weir_error error = WEIR_OK;
    struct weir_shard *shards;

    pthread_mutex_lock(&stream->lock);
    shards = wi_alloc_array(stream->env, stream->shard_count + 1, sizeof *shards);
    if (shards == NULL) {
        error = wi_detail(detail, WEIR_ENOMEM, "describe: no memory");
    } else {
        if (stream->shard_count > 0) {
            memcpy(shards, stream->shards, stream->shard_count * sizeof *shards);
        }
        *ret = (struct weir_stream_description){
            atomic_load(&stream->retention_ms), shards, stream->shard_count};
    }
    pthread_mutex_unlock(&stream->lock);
    return error;
}

static enum weir_error
describe(void *source, struct weir_stream_description *ret, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = source;
    const enum weir_error error = wi_kinesis_refresh(stream, detail);

    return error == WEIR_OK ? copy_shards(stream, ret, detail) : error;
}

/* Ids of shards that are ancestors, as far as they are known. */
struct lineage {
    const char *shard_ids[WI_KINESIS_ANCESTORS_MAX];
    size_t count;
};

static void
add_parents(struct lineage *lineage, const struct weir_shard *shard)
{
    for (size_t p = 0; p < WEIR_PARENTS_MAX; p++) {
        const char *parent = shard->parent_shard_ids[p];

        if (parent[0] != '\0' && lineage->count < WI_KINESIS_ANCESTORS_MAX) {
            lineage->shard_ids[lineage->count++] = parent;
        }
    }
}

static bool
is_ancestor(const struct lineage *lineage, const char *shard_id)
{
    for (size_t i = 0; i < lineage->count; i++) {
        if (strcmp(lineage->shard_ids[i], shard_id) == 0) {
            return true;
        }
    }
    return false;
}

/* The ranges of all listed ancestors. The list has parents first, so one pass backwards meets
 * children before their parents. */
static void
find_ancestors(const struct wi_kinesis_stream *stream, size_t at, struct wi_kinesis_family *family)
{
    struct lineage lineage = {.count = 0};

    add_parents(&lineage, &stream->shards[at]);
    for (size_t i = at; i-- > 0;) {
        const struct weir_shard *shard = &stream->shards[i];

        if (is_ancestor(&lineage, shard->shard_id) &&
            family->ancestor_count < WI_KINESIS_ANCESTORS_MAX) {
            family->ancestors[family->ancestor_count++] = shard->range;
            add_parents(&lineage, shard);
        }
    }
}

static bool
find_in_list(struct wi_kinesis_stream *stream, const char *shard_id, struct wi_kinesis_family *ret)
{
    size_t at;

    pthread_mutex_lock(&stream->lock);
    at = wi_shard_find(stream->shards, stream->shard_count, wi_str(shard_id));
    if (at != SIZE_MAX) {
        *ret = (struct wi_kinesis_family){.is_known = true,
                                          .range = stream->shards[at].range,
                                          .starting_sequence_number =
                                              stream->shards[at].starting_sequence_number};
        find_ancestors(stream, at, ret);
    }
    pthread_mutex_unlock(&stream->lock);
    return at != SIZE_MAX;
}

enum weir_error
wi_kinesis_find_family(
    struct wi_kinesis_stream *stream, const char *shard_id, struct wi_kinesis_family *ret)
{
    enum weir_error error;

    *ret = (struct wi_kinesis_family){.is_known = false};
    if (find_in_list(stream, shard_id, ret)) {
        return WEIR_OK;
    }
    error = wi_kinesis_refresh(stream, NULL);
    if (error == WEIR_OK) {
        (void)find_in_list(stream, shard_id, ret);
    }
    return error;
}

/* Kinesis does not tell the newest number of a shard: who must know what an earlier owner may have
 * been handed takes all up to the tip. What can be told is that there is no stream any more. */
static enum weir_error
tail(
    void *source,
    struct weir_str shard_id,
    struct weir_sequence_number *ret,
    bool *ret_any) /* NOLINT(readability-non-const-parameter): the slot's type */
{
    struct wi_kinesis_stream *stream = source;
    struct wi_kinesis_summary summary;

    (void)shard_id;
    (void)ret;
    (void)ret_any;
    if (atomic_exchange(&stream->is_suspect, false) &&
        wi_kinesis_describe_summary(&stream->api, &summary, NULL) == WEIR_ENOTFOUND) {
        return WEIR_ENOTFOUND;
    }
    return WEIR_EUNSUPPORTED;
}

enum weir_error
wi_kinesis_trim(
    void *source,
    uint64_t *ret_deleted, /* NOLINT(readability-non-const-parameter): the slot's type */
    struct weir_detail *detail)
{
    (void)source;
    (void)ret_deleted;
    return wi_detail(detail, WEIR_EUNSUPPORTED, "Kinesis trims its streams by itself");
}

/* --- open and close --- */

void
wi_kinesis_close_client(struct wi_aws_client *client, struct wi_http *http)
{
    if (client != NULL) {
        wi_aws_client_close(client);
    }
    if (http != NULL) {
        wi_http_close(http);
    }
}

static void
close_stream(void *source)
{
    struct wi_kinesis_stream *stream = source;

    for (size_t i = 0; i < stream->slot_count; i++) {
        wi_kinesis_reader_free(stream->slots[i]->reader);
        wi_free(stream->env, stream->slots[i]);
    }
    wi_free(stream->env, stream->slots);
    wi_free(stream->env, stream->shards);
    if (stream->shared == NULL) {
        wi_kinesis_close_client(stream->client, stream->http);
    }
    EVP_MD_free(stream->md5);
    pthread_cond_destroy(&stream->woken);
    pthread_mutex_destroy(&stream->consumer_lock);
    pthread_mutex_destroy(&stream->lock);
    wi_free(stream->env, stream);
}

const struct wi_stream_source_ops wi_kinesis_ops = {
    .close = close_stream,
    .describe = describe,
    .put = wi_kinesis_put,
    .get = wi_kinesis_get,
    .tail = tail,
    .split = wi_kinesis_split,
    .merge = wi_kinesis_merge,
    .scale = wi_kinesis_scale,
    .trim = wi_kinesis_trim,
    .version = version,
    .wait = wi_kinesis_wait_word,
    .wake_word = wi_kinesis_wake_word,
    .slot_word = wi_kinesis_slot_word,
    .interrupt = wi_kinesis_interrupt,
    .fetch_is_local = false,
};

static const char *
text_or_null(const char *text)
{
    return text[0] == '\0' ? NULL : text;
}

enum weir_error
wi_kinesis_open_client(
    const struct weir_env *env,
    const struct wi_kinesis_url *url,
    struct wi_http **http,
    struct wi_aws_client **ret,
    struct weir_detail *detail)
{
    const struct wi_aws_options options = {
        .service = WI_KINESIS_SERVICE,
        .target_prefix = WI_KINESIS_TARGET,
        .content_type = WI_KINESIS_CONTENT_TYPE,
        .region = text_or_null(url->region),
        .endpoint = text_or_null(url->endpoint),
        .profile = text_or_null(url->profile)};
    enum weir_error error = WEIR_OK;

    if (*http == NULL) {
        error = wi_http_open_curl(env, &(struct wi_http_curl_options){NULL}, http, detail);
    }
    return error == WEIR_OK ? wi_aws_client_open(env, *http, &options, ret, detail) : error;
}

static void
init_api(struct wi_kinesis_stream *stream)
{
    stream->api.env = stream->env;
    stream->api.client = stream->client;
    atomic_store(&stream->api.asks_for_cbor, stream->url.encoding == WI_KINESIS_CBOR);
    memcpy(stream->api.stream_name, stream->url.stream_name, sizeof stream->api.stream_name);
    memcpy(stream->api.stream_arn, stream->url.stream_arn, sizeof stream->api.stream_arn);
}

/* NULL: no memory. */
static struct wi_kinesis_stream *
new_handle(const struct weir_env *env)
{
    struct wi_kinesis_stream *stream = wi_alloc(env, sizeof *stream);

    if (stream != NULL) {
        stream->env = env;
        stream->pages_bytes = &stream->own_pages_bytes;
        wi_kinesis_init_waiting(&stream->lock, &stream->woken);
        pthread_mutex_init(&stream->consumer_lock, NULL);
        stream->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    }
    return stream;
}

enum weir_error
wi_kinesis_open_shared(
    const struct weir_env *env,
    const struct wi_kinesis_url *url,
    struct wi_kinesis_shared *shared,
    struct wi_kinesis_stream **ret)
{
    struct wi_kinesis_stream *stream = new_handle(env);

    if (stream == NULL) {
        return WEIR_ENOMEM;
    }
    stream->shared = shared;
    stream->http = shared->http;
    stream->client = shared->client;
    stream->pages_bytes = &shared->pages_bytes;
    stream->url = *url;
    init_api(stream);
    if (stream->md5 == NULL) {
        close_stream(stream);
        return WEIR_EPLATFORM;
    }
    *ret = stream;
    return WEIR_OK;
}

/* A handle that can send requests, by `http` or, if that is NULL, by its own; nothing has been
 * sent. */
static enum weir_error
open_handle(
    const struct weir_env *env,
    const char *url,
    struct wi_http *http,
    struct wi_kinesis_stream **ret,
    struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = new_handle(env);
    enum weir_error error;

    if (stream == NULL) {
        if (http != NULL) {
            wi_http_close(http);
        }
        return wi_detail(detail, WEIR_ENOMEM, "%s: no memory", url);
    }
    stream->http = http;
    error = wi_kinesis_url_parse(url, &stream->url, detail);
    if (error == WEIR_OK) {
        error =
            stream->md5 == NULL
                ? wi_detail(detail, WEIR_EPLATFORM, "OpenSSL has no MD5")
                : wi_kinesis_open_client(env, &stream->url, &stream->http, &stream->client, detail);
    }
    if (error != WEIR_OK) {
        close_stream(stream);
        return error;
    }
    init_api(stream);
    *ret = stream;
    return WEIR_OK;
}

/* The URL under which an application remembers the stream: enough to tell it from others, and short
 * enough for the row. The endpoint is left out: it is a way to the stream, not a part of it. */
static void
name_stream(const struct wi_kinesis_stream *stream, struct weir_stream *ret)
{
    const int length = snprintf(
        ret->url,
        sizeof ret->url,
        WI_KINESIS_SCHEME "%s?region=%s",
        stream->url.stream_name,
        wi_aws_region(stream->client));

    if (length < 0 || (size_t)length >= sizeof ret->url) {
        (void)snprintf(ret->url, sizeof ret->url, WI_KINESIS_SCHEME "%s", stream->url.stream_name);
    }
    memcpy(ret->name, stream->url.stream_name, sizeof ret->name);
}

void
wi_kinesis_note_summary(struct wi_kinesis_stream *stream, const struct wi_kinesis_summary *summary)
{
    atomic_store(&stream->retention_ms, summary->retention_ms);
    atomic_store(&stream->record_bytes_max, summary->record_bytes_max);
    memcpy(stream->arn, summary->stream_arn, sizeof stream->arn);
}

enum weir_error
wi_stream_kinesis_open_with(
    const struct weir_env *env,
    const char *url,
    struct wi_http *http,
    struct weir_stream *stream,
    struct weir_detail *detail)
{
    struct wi_kinesis_stream *source = NULL;
    struct wi_kinesis_summary summary;
    enum weir_error error = open_handle(env, url, http, &source, detail);

    if (source == NULL) {
        return error;
    }
    error = wi_kinesis_describe_summary(&source->api, &summary, detail);
    if (error == WEIR_ENOTFOUND) {
        error = wi_detail(
            detail,
            error,
            "stream %s does not exist in %s at %s: check the name, the region and the account, or "
            "create it",
            source->url.stream_name,
            wi_aws_region(source->client),
            wi_aws_endpoint(source->client));
    }
    if (error != WEIR_OK) {
        close_stream(source);
        return error;
    }
    wi_kinesis_note_summary(source, &summary);
    name_stream(source, stream);
    stream->ops = &wi_kinesis_ops;
    stream->source = source;
    return WEIR_OK;
}

enum weir_error
wi_stream_kinesis_open(
    const struct weir_env *env,
    const char *url,
    struct weir_stream *stream,
    struct weir_detail *detail)
{
    return wi_stream_kinesis_open_with(env, url, NULL, stream, detail);
}

/* --- create and delete --- */

enum weir_error
wi_stream_kinesis_create(
    const struct weir_env *env, const char *url, uint32_t shards, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = NULL;
    enum weir_error error = open_handle(env, url, NULL, &stream, detail);

    if (stream == NULL) {
        return error;
    }
    error = wi_kinesis_create_stream(&stream->api, shards, detail);
    if (error == WEIR_EBUSY) {
        error =
            wi_detail(detail, WEIR_EEXISTS, "stream %s exists already", stream->url.stream_name);
    }
    if (error == WEIR_OK) {
        error = wi_kinesis_wait_active(stream, detail);
    }
    close_stream(stream);
    return error;
}

enum weir_error
wi_stream_kinesis_delete(const struct weir_env *env, const char *url, struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = NULL;
    struct wi_kinesis_summary summary;
    enum weir_error error = open_handle(env, url, NULL, &stream, detail);

    if (stream == NULL) {
        return error;
    }
    error = wi_kinesis_delete_stream(&stream->api, detail);
    for (int64_t waited = 0; error == WEIR_OK && waited < WI_KINESIS_ACTIVE_WAIT_MS;
         waited += WI_KINESIS_ACTIVE_POLL_MS) {
        if (wi_kinesis_describe_summary(&stream->api, &summary, NULL) == WEIR_ENOTFOUND) {
            break;
        }
        (void)wi_kinesis_pause(stream, WI_KINESIS_ACTIVE_POLL_MS);
    }
    close_stream(stream);
    return error;
}
