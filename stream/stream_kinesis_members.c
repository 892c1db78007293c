#include "stream/stream_kinesis_members.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/aws_client.h"
#include "aws/kinesis_api.h"
#include "core/clock.h"
#include "core/detail.h"
#include "core/log.h"
#include "core/mono.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "stream/stream_kinesis.h"
#include "stream/stream_kinesis_set.h"
#include "stream/stream_kinesis_url.h"

/* DescribeStreamSummary is allowed 20 times a second for all of an account: the rest waits. */
#define THROTTLED_TRIES    30U
#define THROTTLED_PAUSE_MS 500
#define MS_PER_SECOND      1000

/* --- one stream is asked for --- */

/* A stream that answered. */
struct found {
    struct wi_kinesis_stream *stream;
    struct wi_kinesis_summary summary;
};

static void
close_stream(struct wi_kinesis_stream *stream)
{
    if (stream != NULL) {
        wi_kinesis_ops.close(stream);
    }
}

static enum weir_error
ask_summary(
    struct wi_kinesis_stream *stream, struct wi_kinesis_summary *ret, struct weir_detail *detail)
{
    enum weir_error error = WEIR_ETHROTTLED;

    for (unsigned i = 0; i < THROTTLED_TRIES && error == WEIR_ETHROTTLED; i++) {
        error = wi_kinesis_describe_summary(&stream->api, ret, detail);
        if (error == WEIR_ETHROTTLED && !wi_kinesis_pause(stream, THROTTLED_PAUSE_MS)) {
            return WEIR_ECANCELED;
        }
    }
    return error;
}

/* By its name (the stream of this account), or by its ARN. */
static enum weir_error
find_stream(
    struct wi_kinesis_set *set,
    const char *name,
    const char *arn,
    struct found *ret,
    struct weir_detail *detail)
{
    struct wi_kinesis_url url = set->options;
    struct found found = {.stream = NULL};
    enum weir_error error;

    (void)wi_str_copy(url.stream_name, sizeof url.stream_name, wi_str(name));
    (void)wi_str_copy(url.stream_arn, sizeof url.stream_arn, wi_str(arn));
    error = wi_kinesis_open_shared(set->env, &url, &set->shared, &found.stream);
    if (error != WEIR_OK) {
        return error;
    }
    error = ask_summary(found.stream, &found.summary, detail);
    if (error != WEIR_OK) {
        close_stream(found.stream);
        return error;
    }
    wi_kinesis_note_summary(found.stream, &found.summary);
    *ret = found;
    return WEIR_OK;
}

static struct weir_str
account_of(const struct found *found)
{
    return wi_kinesis_arn_field(wi_str(found->summary.stream_arn), WI_KINESIS_ARN_ACCOUNT);
}

static const char *
partition_of(struct weir_str region)
{
    if (wi_str_starts_with(region, WI_STR("cn-"))) {
        return "aws-cn";
    }
    return wi_str_starts_with(region, WI_STR("us-gov-")) ? "aws-us-gov" : "aws";
}

/* Another account's stream of that name is only to be had by its ARN. */
static enum weir_error
find_identified(
    struct wi_kinesis_set *set,
    const struct wi_stream_identifier *identifier,
    struct found *ret,
    struct weir_detail *detail)
{
    const char *region = wi_aws_region(set->shared.client);
    char arn[WI_KINESIS_URL_ARN_SIZE];
    enum weir_error error = find_stream(set, identifier->name, "", ret, detail);

    if (error == WEIR_OK && wi_str_equal_z(account_of(ret), identifier->account)) {
        return WEIR_OK;
    }
    if (error == WEIR_OK) {
        close_stream(ret->stream);
    } else if (error != WEIR_ENOTFOUND) {
        return error;
    }
    (void)snprintf(
        arn,
        sizeof arn,
        "arn:%s:kinesis:%s:%s:stream/%s",
        partition_of(wi_str(region)),
        region,
        identifier->account,
        identifier->name);
    error = find_stream(set, identifier->name, arn, ret, detail);
    if (error == WEIR_OK && !wi_str_equal_z(account_of(ret), identifier->account)) {
        close_stream(ret->stream);
        return wi_detail(detail, WEIR_ENOTFOUND, "the service answered with another account's");
    }
    return error;
}

/* What the service says that a stream is. */
static enum weir_error
identify(const struct found *found, const char *name, struct wi_stream_identifier *ret)
{
    char text[WI_KINESIS_URL_ARN_SIZE];
    const struct weir_str account = account_of(found);

    (void)snprintf(
        text,
        sizeof text,
        "%.*s:%s:%" PRId64,
        (int)account.length,
        account.data,
        name,
        found->summary.created_ms / MS_PER_SECOND);
    return wi_stream_identifier_parse(wi_str(text), ret);
}

static enum weir_error
find_element(
    struct wi_kinesis_set *set,
    const struct wi_kinesis_element *element,
    struct found *ret,
    struct wi_stream_identifier *ret_identifier,
    struct weir_detail *detail)
{
    const char *region = wi_aws_region(set->shared.client);
    enum weir_error error;

    if (element->is_identified) {
        *ret_identifier = element->identifier;
        return find_identified(set, &element->identifier, ret, detail);
    }
    if (element->arn[0] != '\0' &&
        !wi_str_equal_z(
            wi_kinesis_arn_field(wi_str(element->arn), WI_KINESIS_ARN_REGION), region)) {
        return wi_detail(detail, WEIR_EINVAL, "it is not in region %s, as the others are", region);
    }
    error = find_stream(set, element->name, element->arn, ret, detail);
    if (error == WEIR_OK && identify(ret, element->name, ret_identifier) != WEIR_OK) {
        close_stream(ret->stream);
        error = wi_detail(
            detail,
            WEIR_ECORRUPT,
            "the service does not say its account and the time of its creation: write it as "
            "ACCOUNT:NAME:EPOCH");
    }
    return error;
}

/* --- the list --- */

/* WEIR_EEXISTS: the stream is there already, be it under another epoch. */
static enum weir_error
check_new(
    const struct wi_kinesis_set *set,
    const struct wi_stream_identifier *identifier,
    struct weir_detail *detail)
{
    for (size_t i = 0; i < set->count; i++) {
        struct wi_stream_identifier other;

        if (wi_stream_identifier_parse(wi_str(set->members[i].id), &other) == WEIR_OK &&
            strcmp(other.account, identifier->account) == 0 &&
            strcmp(other.name, identifier->name) == 0) {
            return wi_detail(
                detail, WEIR_EINVAL, "it is twice in the list, also as %s", set->members[i].id);
        }
    }
    return WEIR_OK;
}

static enum weir_error
too_long(const struct wi_stream_identifier *identifier, struct weir_detail *detail)
{
    char text[WI_KINESIS_URL_ARN_SIZE];
    const int others =
        snprintf(text, sizeof text, "%s::%" PRId64, identifier->account, identifier->created_s);

    return wi_detail(
        detail,
        WEIR_ELIMIT,
        "among several streams a name has at most %d characters, this one has %zu: give it an "
        "application of its own",
        WEIR_NAME_MAX - (int)WI_KINESIS_SHARD_ID_LENGTH - 1 - others,
        strlen(identifier->name));
}

enum weir_error
wi_kinesis_member_add(
    struct wi_kinesis_set *set,
    const struct wi_kinesis_element *element,
    struct weir_detail *detail)
{
    struct wi_kinesis_member *member = &set->members[set->count];
    struct wi_stream_identifier identifier = {.created_s = 0};
    struct found found = {.stream = NULL};
    enum weir_error error = find_element(set, element, &found, &identifier, detail);

    if (error == WEIR_OK) {
        error = check_new(set, &identifier, detail);
        if (error == WEIR_OK && wi_stream_identifier_format(&identifier, member->id) != WEIR_OK) {
            error = too_long(&identifier, detail);
        }
        if (error != WEIR_OK) {
            close_stream(found.stream);
        }
    }
    if (error == WEIR_OK) {
        member->stream = found.stream;
        set->count++;
        set->listed++;
        return WEIR_OK;
    }
    if (detail != NULL && detail->text[0] == '\0') {
        error = wi_detail(detail, error, "%s", weir_error_text(error));
    }
    wi_detail_prefix(detail, "stream %s", element->name);
    return error;
}

/* --- former streams --- */

/* The member of this identifier; NULL if there is none. Under the lock. */
static struct wi_kinesis_member *
find_locked(struct wi_kinesis_set *set, struct weir_str id)
{
    for (size_t i = 0; i < set->count; i++) {
        if (wi_str_equal_z(id, set->members[i].id)) {
            return &set->members[i];
        }
    }
    return NULL;
}

struct wi_kinesis_stream *
wi_kinesis_member_look(struct wi_kinesis_set *set, struct weir_str key, struct weir_str *ret_shard)
{
    const struct wi_kinesis_member *member;
    struct wi_kinesis_stream *stream = NULL;

    *ret_shard = wi_shard_key_shard(key);
    pthread_mutex_lock(&set->lock);
    member = find_locked(set, wi_shard_key_stream(key));
    stream = member == NULL ? NULL : member->stream;
    pthread_mutex_unlock(&set->lock);
    return stream;
}

/* A stream that was deleted and made anew has shards of the same ids, and other records. */
static enum weir_error
check_epoch(
    const struct found *found,
    const struct wi_stream_identifier *identifier,
    struct weir_detail *detail)
{
    const int64_t created_s = found->summary.created_ms / MS_PER_SECOND;

    if (created_s == identifier->created_s) {
        return WEIR_OK;
    }
    return wi_detail(
        detail,
        WEIR_ENOTFOUND,
        "the stream of that name was created at %" PRId64 ": if the epoch %" PRId64
        " was chosen by an application, name %s:%s:%" PRId64 " in the list of streams; else that "
        "stream is gone, and its leases are to be deleted",
        created_s,
        identifier->created_s,
        identifier->account,
        identifier->name,
        identifier->created_s);
}

static enum weir_error
open_former(
    struct wi_kinesis_set *set,
    struct weir_str id,
    struct wi_kinesis_stream **ret,
    struct weir_detail *detail)
{
    struct wi_stream_identifier identifier;
    struct found found = {.stream = NULL};
    enum weir_error error = wi_stream_identifier_parse(id, &identifier);

    if (error != WEIR_OK) {
        return wi_detail(detail, error, "it is no ACCOUNT:NAME:EPOCH");
    }
    error = find_identified(set, &identifier, &found, detail);
    if (error == WEIR_OK) {
        error = check_epoch(&found, &identifier, detail);
        if (error != WEIR_OK) {
            close_stream(found.stream);
        }
    }
    if (error == WEIR_OK) {
        *ret = found.stream;
    }
    return error;
}

/* Of the former streams that could not be opened the one that failed first, once it may be asked
 * again: leases of streams that are gone do not keep out those of streams that are there. Under
 * both locks. */
static struct wi_kinesis_member *
find_failed_locked(struct wi_kinesis_set *set, struct weir_mono now)
{
    struct wi_kinesis_member *first = NULL;

    for (size_t i = set->listed; i < set->count; i++) {
        struct wi_kinesis_member *member = &set->members[i];

        if (member->stream == NULL && !wi_mono_before(now, member->retry_at) &&
            (first == NULL || wi_mono_before(member->retry_at, first->retry_at))) {
            first = member;
        }
    }
    return first;
}

/* The member's place, whether it has a stream or not; NULL: there is no room. Under both locks. */
static struct wi_kinesis_member *
place_locked(struct wi_kinesis_set *set, struct weir_str id, struct weir_mono now)
{
    struct wi_kinesis_member *member = find_locked(set, id);
    const bool has_room = set->count < WI_KINESIS_MEMBERS_MAX;

    if (member != NULL || id.length >= sizeof member->id) {
        return member;
    }
    member = has_room ? &set->members[set->count] : find_failed_locked(set, now);
    if (member != NULL) {
        (void)wi_str_copy(member->id, sizeof member->id, id);
        member->error = WEIR_OK;
        set->count += has_room;
    }
    return member;
}

/* Ask for it now, unless that was tried a moment ago. The open lock is held. */
static enum weir_error
try_former(
    struct wi_kinesis_set *set,
    struct weir_str id,
    struct wi_kinesis_stream **ret,
    struct weir_detail *detail)
{
    const struct weir_mono now = wi_mono_now(set->env);
    struct wi_kinesis_stream *stream = NULL;
    struct weir_detail own = {""};
    struct wi_kinesis_member *member;
    enum weir_error error;

    pthread_mutex_lock(&set->lock);
    member = place_locked(set, id, now);
    stream = member == NULL ? NULL : member->stream;
    pthread_mutex_unlock(&set->lock);
    if (member == NULL) {
        return wi_detail(detail, WEIR_ELIMIT, "too many former streams have leases");
    }
    if (stream != NULL) {
        *ret = stream;
        return WEIR_OK;
    }
    if (member->error != WEIR_OK && wi_mono_before(now, member->retry_at)) {
        return wi_detail(
            detail, member->error, "stream %s could not be opened a moment ago", member->id);
    }
    error = open_former(set, id, &stream, &own);
    member->error = error;
    member->retry_at = wi_mono_add_ms(wi_mono_now(set->env), WI_KINESIS_FORMER_RETRY_MS);
    if (error != WEIR_OK) {
        const char *why = own.text[0] == '\0' ? weir_error_text(error) : own.text;

        wi_log(
            set->env,
            WEIR_LOG_WARN,
            "stream",
            "stream %s has leases, but is not in the list, and cannot be opened: %s",
            member->id,
            why);
        return wi_detail(detail, error, "stream %s: %s", member->id, why);
    }
    wi_log(
        set->env,
        WEIR_LOG_INFO,
        "stream",
        "stream %s is not in the list; its leases are worked off",
        member->id);
    pthread_mutex_lock(&set->lock);
    member->stream = stream;
    pthread_mutex_unlock(&set->lock);
    *ret = stream;
    return WEIR_OK;
}

enum weir_error
wi_kinesis_member_of(
    struct wi_kinesis_set *set,
    struct weir_str key,
    struct wi_kinesis_stream **ret,
    struct weir_str *ret_shard,
    struct weir_detail *detail)
{
    struct wi_stream_identifier identifier;
    const struct weir_str id = wi_shard_key_stream(key);
    struct wi_kinesis_stream *stream = wi_kinesis_member_look(set, key, ret_shard);
    enum weir_error error = WEIR_OK;

    if (stream == NULL) {
        if (wi_stream_identifier_parse(id, &identifier) != WEIR_OK) {
            return wi_detail(
                detail,
                WEIR_EINVAL,
                "'%.*s' is no ACCOUNT:STREAM:EPOCH:SHARD",
                (int)(key.length < WEIR_NAME_MAX ? key.length : WEIR_NAME_MAX),
                key.data);
        }
        pthread_mutex_lock(&set->open_lock);
        error = try_former(set, id, &stream, detail);
        pthread_mutex_unlock(&set->open_lock);
    }
    if (error == WEIR_OK) {
        *ret = stream;
    }
    return error;
}
