#include "stream/stream_kinesis_set.h"

#include <pthread.h>
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
#include "core/detail.h"
#include "core/log.h"
#include "core/memory.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "core/stream_names.h"
#include "stream/batch.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_members.h"
#include "stream/stream_kinesis_url.h"
#include "stream/stream_source.h"

/* --- shards --- */

/* Put the stream before ids, each of which may be "". */
static enum weir_error
prefix_ids(const char *stream, char (*ids)[WEIR_NAME_SIZE], size_t count)
{
    enum weir_error error = WEIR_OK;

    for (size_t i = 0; i < count && error == WEIR_OK; i++) {
        char bare[WEIR_NAME_SIZE];

        memcpy(bare, ids[i], sizeof bare);
        if (bare[0] != '\0') {
            error = wi_shard_key_join(wi_str(stream), wi_str(bare), ids[i]);
        }
    }
    return error;
}

static enum weir_error
describe_member(
    struct wi_kinesis_stream *stream,
    const char *id,
    struct weir_stream_description *ret,
    struct weir_detail *detail)
{
    struct weir_stream_description description = {0};
    enum weir_error error = wi_kinesis_ops.describe(stream, &description, detail);

    for (size_t i = 0; i < description.shard_count && error == WEIR_OK; i++) {
        struct weir_shard *shard = &description.shards[i];

        error = prefix_ids(id, &shard->shard_id, 1);
        if (error == WEIR_OK) {
            error = prefix_ids(id, shard->parent_shard_ids, WEIR_PARENTS_MAX);
        }
        if (error != WEIR_OK) {
            error = wi_detail(detail, error, "the ids of its shards are too long");
        }
    }
    if (error != WEIR_OK) {
        wi_free(stream->env, description.shards);
        return error;
    }
    *ret = description;
    return WEIR_OK;
}

/* Add the shards of one stream to those of the others. */
static enum weir_error
append(
    const struct wi_kinesis_set *set,
    const struct weir_stream_description *one,
    struct weir_stream_description *all)
{
    const size_t count = all->shard_count + one->shard_count;
    struct weir_shard *shards;

    if (count > WEIR_SHARDS_MAX) {
        return WEIR_ELIMIT;
    }
    shards = wi_resize_array(set->env, all->shards, count + 1, sizeof *shards);
    if (shards == NULL) {
        return WEIR_ENOMEM;
    }
    if (one->shard_count > 0) {
        memcpy(shards + all->shard_count, one->shards, one->shard_count * sizeof *shards);
    }
    all->shards = shards;
    all->shard_count = count;
    if (one->retention_ms > all->retention_ms) {
        all->retention_ms = one->retention_ms;
    }
    return WEIR_OK;
}

static void
warn_unlisted(
    const struct wi_kinesis_set *set, const char *id, enum weir_error error, const char *why)
{
    wi_log(
        set->env,
        WEIR_LOG_WARN,
        "stream",
        "the shards of stream %s cannot be listed: %s; the other streams go on, and its leases "
        "stay as they are",
        id,
        why[0] == '\0' ? weir_error_text(error) : why);
}

/* The streams of the list, without those that cannot be listed now: whoever syncs leases with it
 * leaves the leases of streams alone of which it shows nothing. Fails if it would show none. */
static enum weir_error
describe(void *source, struct weir_stream_description *ret, struct weir_detail *detail)
{
    struct wi_kinesis_set *set = source;
    struct weir_stream_description all = {0};
    enum weir_error error = WEIR_OK;
    enum weir_error first_error = WEIR_OK;

    if (set->listed == 0) {
        return wi_detail(
            detail,
            WEIR_EUNSUPPORTED,
            "kinesis:" WI_KINESIS_ANY_STREAM " stands for the streams of an application, and names "
            "none: name them, with commas between");
    }
    for (size_t i = 0; i < set->listed && error == WEIR_OK; i++) {
        const struct wi_kinesis_member *member = &set->members[i];
        struct weir_stream_description one = {0};
        struct weir_detail own = {""};
        const enum weir_error failure = describe_member(member->stream, member->id, &one, &own);

        if (failure == WEIR_OK) {
            error = append(set, &one, &all);
            wi_free(set->env, one.shards);
            continue;
        }
        warn_unlisted(set, member->id, failure, own.text);
        if (first_error == WEIR_OK) {
            first_error =
                wi_detail(detail, failure, "stream %s: %s", member->id, weir_error_text(failure));
        }
        error = failure == WEIR_ECANCELED || failure == WEIR_ENOMEM ? failure : WEIR_OK;
    }
    if (error == WEIR_OK && all.shard_count == 0 && first_error != WEIR_OK) {
        error = first_error;
    }
    if (error != WEIR_OK) {
        wi_free(set->env, all.shards);
        return error;
    }
    *ret = all;
    return WEIR_OK;
}

static enum weir_error
describe_of(
    void *source,
    struct weir_str shard_id,
    struct weir_stream_description *ret,
    struct weir_detail *detail)
{
    struct wi_kinesis_set *set = source;
    struct wi_kinesis_stream *stream = NULL;
    struct weir_str bare;
    char id[WI_STREAM_IDENTIFIER_SIZE];
    enum weir_error error = wi_kinesis_member_of(set, shard_id, &stream, &bare, detail);

    if (error != WEIR_OK) {
        return error;
    }
    (void)wi_str_copy(id, sizeof id, wi_shard_key_stream(shard_id));
    return describe_member(stream, id, ret, detail);
}

/* --- reading --- */

static enum weir_error
get(void *source,
    const struct weir_get_request *request,
    struct weir_batch *batch,
    struct weir_get_result *ret)
{
    struct wi_kinesis_set *set = source;
    struct weir_get_request bare = *request;
    struct wi_kinesis_stream *stream = NULL;
    char id[WI_STREAM_IDENTIFIER_SIZE];
    enum weir_error error =
        wi_kinesis_member_of(set, request->shard_id, &stream, &bare.shard_id, NULL);

    if (error != WEIR_OK) {
        wi_batch_clear(batch);
        return error == WEIR_EINVAL ? WEIR_ENOTFOUND : error; /* no shard has such an id */
    }
    error = wi_kinesis_ops.get(stream, &bare, batch, ret);
    if (error == WEIR_OK) {
        (void)wi_str_copy(id, sizeof id, wi_shard_key_stream(request->shard_id));
        error = prefix_ids(id, ret->child_shard_ids, WEIR_CHILDREN_MAX);
    }
    return error;
}

/* Never WEIR_ENOTFOUND: that one of the streams is gone is not the end of the others. */
static enum weir_error
tail(
    void *source, /* NOLINT(readability-non-const-parameter): the slot's type, and the next two */
    struct weir_str shard_id,
    struct weir_sequence_number *ret, /* NOLINT(readability-non-const-parameter) */
    bool *ret_any)                    /* NOLINT(readability-non-const-parameter) */
{
    (void)source;
    (void)shard_id;
    (void)ret;
    (void)ret_any;
    return WEIR_EUNSUPPORTED;
}

/* --- what is done to one stream --- */

static enum weir_error
name_one(struct weir_detail *detail)
{
    return wi_detail(
        detail,
        WEIR_EUNSUPPORTED,
        "this is done to one stream at a time: name it alone, as in kinesis:NAME");
}

static enum weir_error
put(void *source,
    const struct weir_put_entry *entries,
    size_t count,
    struct weir_put_result *ret_results,
    struct weir_detail *detail)
{
    (void)source;
    (void)entries;
    (void)count;
    (void)ret_results;
    return name_one(detail);
}

static enum weir_error
split(
    void *source,
    struct weir_str shard_id,
    const struct weir_hash_key *at,
    struct weir_detail *detail)
{
    (void)source;
    (void)shard_id;
    (void)at;
    return name_one(detail);
}

static enum weir_error
merge(void *source, struct weir_str a, struct weir_str b, struct weir_detail *detail)
{
    (void)source;
    (void)a;
    (void)b;
    return name_one(detail);
}

static enum weir_error
scale(void *source, uint32_t shards, struct weir_detail *detail)
{
    (void)source;
    (void)shards;
    return name_one(detail);
}

/* --- waiting --- */

/* Kinesis tells nobody of a commit; what a single stream raises its version for is its deletion. */
static uint64_t
version(void *source)
{
    (void)source;
    return 0;
}

static uint32_t
wait_word(void *source, uint32_t seen, int64_t timeout_ms)
{
    struct wi_kinesis_set *set = source;
    const struct wi_kinesis_wait wait = wi_kinesis_shared_wait(&set->shared);

    return wi_kinesis_wait_for(&wait, seen, timeout_ms);
}

static uint32_t
wake_word(void *source)
{
    struct wi_kinesis_set *set = source;
    const struct wi_kinesis_wait wait = wi_kinesis_shared_wait(&set->shared);

    return wi_kinesis_word(&wait);
}

static uint32_t
slot_word(void *source, struct weir_str shard_id)
{
    struct weir_str bare;
    struct wi_kinesis_stream *stream = wi_kinesis_member_look(source, shard_id, &bare);

    return stream == NULL ? 0 : wi_kinesis_ops.slot_word(stream, bare);
}

static void
interrupt(void *source)
{
    struct wi_kinesis_set *set = source;
    const struct wi_kinesis_wait wait = wi_kinesis_shared_wait(&set->shared);
    size_t count;

    wi_kinesis_interrupt_waiting(&wait);
    set->shared.http->ops->interrupt(set->shared.http->http);
    pthread_mutex_lock(&set->lock);
    count = set->count;
    pthread_mutex_unlock(&set->lock);
    for (size_t i = 0; i < count; i++) {
        struct wi_kinesis_stream *stream;

        pthread_mutex_lock(&set->lock);
        stream = set->members[i].stream;
        pthread_mutex_unlock(&set->lock);
        if (stream != NULL) {
            wi_kinesis_ops.interrupt(stream);
        }
    }
}

/* --- open and close --- */

static void
close_set(void *source)
{
    struct wi_kinesis_set *set = source;

    for (size_t i = 0; i < set->count; i++) {
        if (set->members[i].stream != NULL) {
            wi_kinesis_ops.close(set->members[i].stream);
        }
    }
    wi_kinesis_close_client(set->shared.client, set->shared.http);
    pthread_cond_destroy(&set->shared.woken);
    pthread_mutex_destroy(&set->shared.lock);
    pthread_mutex_destroy(&set->open_lock);
    pthread_mutex_destroy(&set->lock);
    wi_free(set->env, set);
}

static const struct wi_stream_source_ops set_ops = {
    .close = close_set,
    .describe = describe,
    .describe_of = describe_of,
    .put = put,
    .get = get,
    .tail = tail,
    .split = split,
    .merge = merge,
    .scale = scale,
    .trim = wi_kinesis_trim,
    .version = version,
    .wait = wait_word,
    .wake_word = wake_word,
    .slot_word = slot_word,
    .interrupt = interrupt,
    .fetch_is_local = false,
};

static struct wi_kinesis_set *
new_set(const struct weir_env *env, struct wi_http *http)
{
    struct wi_kinesis_set *set = wi_alloc(env, sizeof *set);

    if (set != NULL) {
        set->env = env;
        set->shared.http = http;
        wi_kinesis_init_waiting(&set->shared.lock, &set->shared.woken);
        pthread_mutex_init(&set->open_lock, NULL);
        pthread_mutex_init(&set->lock, NULL);
    }
    return set;
}

/* The region of the streams whose ARNs are given, unless the options have one. */
static void
adopt_region(const struct wi_kinesis_set_url *url, struct wi_kinesis_url *options)
{
    for (size_t i = 0; i < url->count && options->region[0] == '\0'; i++) {
        if (wi_kinesis_is_arn(url->elements[i])) {
            (void)wi_str_copy(
                options->region,
                sizeof options->region,
                wi_kinesis_arn_field(url->elements[i], WI_KINESIS_ARN_REGION));
        }
    }
}

static enum weir_error
open_members(
    struct wi_kinesis_set *set, const struct wi_kinesis_set_url *url, struct weir_detail *detail)
{
    enum weir_error error;

    set->options = url->options;
    adopt_region(url, &set->options);
    error = wi_kinesis_open_client(
        set->env, &set->options, &set->shared.http, &set->shared.client, detail);
    for (size_t i = 0; i < url->count && error == WEIR_OK; i++) {
        struct wi_kinesis_element element;

        error = wi_kinesis_element_parse(url->elements[i], &element);
        if (error == WEIR_OK) {
            error = wi_kinesis_member_add(set, &element, detail);
        }
    }
    return error;
}

/* What an application remembers leaves the names out: the list may change. */
static void
name_set(const struct wi_kinesis_set *set, struct weir_stream *ret)
{
    struct wi_stream_names names;

    wi_stream_names_init(&names);
    for (size_t i = 0; i < set->listed; i++) {
        wi_stream_names_add(&names, wi_str(set->members[i].stream->url.stream_name));
    }
    (void)wi_str_copy(
        ret->name,
        sizeof ret->name,
        set->listed == 0 ? WI_STR(WI_KINESIS_ANY_STREAM) : wi_str(names.text));
    (void)snprintf(
        ret->url,
        sizeof ret->url,
        WI_KINESIS_SCHEME WI_KINESIS_ANY_STREAM "?region=%s",
        wi_aws_region(set->shared.client));
}

enum weir_error
wi_stream_kinesis_set_open_with(
    const struct weir_env *env,
    const char *url,
    struct wi_http *http,
    struct weir_stream *stream,
    struct weir_detail *detail)
{
    struct wi_kinesis_set_url parts;
    struct wi_kinesis_set *set = new_set(env, http);
    enum weir_error error;

    if (set == NULL) {
        if (http != NULL) {
            wi_http_close(http);
        }
        return wi_detail(detail, WEIR_ENOMEM, "%s: no memory", url);
    }
    error = wi_kinesis_set_url_parse(url, &parts, detail);
    if (error == WEIR_OK) {
        error = open_members(set, &parts, detail);
    }
    if (error != WEIR_OK) {
        close_set(set);
        return error;
    }
    name_set(set, stream);
    stream->ops = &set_ops;
    stream->source = set;
    return WEIR_OK;
}

enum weir_error
wi_stream_kinesis_set_open(
    const struct weir_env *env,
    const char *url,
    struct weir_stream *stream,
    struct weir_detail *detail)
{
    return wi_stream_kinesis_set_open_with(env, url, NULL, stream, detail);
}
