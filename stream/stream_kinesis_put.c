/* weir_stream_put() of Kinesis: calls of at most 500 records and 5 MiB. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "aws/kinesis_api.h"
#include "core/detail.h"
#include "core/memory.h"
#include "core/str.h"
#include "stream/stream_kinesis.h"

/* One call of PutRecords. */
struct call {
    size_t record_bytes_max; /* of the stream */
    struct wi_kinesis_put_entry entries[WI_KINESIS_PUT_RECORDS_MAX];
    struct wi_kinesis_put_result results[WI_KINESIS_PUT_RECORDS_MAX];
    size_t places[WI_KINESIS_PUT_RECORDS_MAX]; /* of the entries in the caller's array */
    size_t count;
    size_t bytes;
};

/* Bytes of the UTF-8 character at `p`, 0 if there is none: RFC 3629, and no zero. */
static size_t
character_length(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {1, 0x80, 0x800, 0x10000};
    const size_t more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
    uint32_t code = more == 0 ? *p : *p & (0x3fU >> more);

    if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4 || left <= more) {
        return 0;
    }
    for (size_t i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (p[i] & 0x3fU);
    }
    return code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0
                                                                                      : more + 1;
}

/* Characters of UTF-8 text, or 0 if it is none. */
static size_t
count_characters(struct weir_str text)
{
    const unsigned char *p = (const unsigned char *)text.data;
    size_t count = 0;

    for (size_t at = 0; at < text.length; count++) {
        const size_t length = character_length(p + at, text.length - at);

        if (length == 0) {
            return 0;
        }
        at += length;
    }
    return count;
}

/* The stream may take larger records than when it was opened: one look at it before records that
 * were too large then are refused. */
static size_t
find_record_max(
    struct wi_kinesis_stream *stream, const struct weir_put_entry *entries, size_t count)
{
    const size_t known = atomic_load(&stream->record_bytes_max);
    struct wi_kinesis_summary summary;
    bool is_enough = true;

    for (size_t i = 0; i < count && is_enough; i++) {
        is_enough =
            entries[i].data.length <= known || entries[i].data.length > WI_KINESIS_RECORD_BYTES_MAX;
    }
    if (is_enough || wi_kinesis_describe_summary(&stream->api, &summary, NULL) != WEIR_OK) {
        return known;
    }
    atomic_store(&stream->record_bytes_max, summary.record_bytes_max);
    return summary.record_bytes_max;
}

static bool
is_acceptable(const struct weir_put_entry *entry, size_t record_bytes_max)
{
    const struct weir_str key = entry->partition_key;
    const size_t characters = key.length > WEIR_PARTITION_KEY_MAX ? 0 : count_characters(key);

    return characters >= 1 && characters <= WI_KINESIS_KEY_CHARACTERS_MAX &&
           entry->data.length <= record_bytes_max &&
           entry->data.length + key.length <= WI_KINESIS_PUT_BYTES_MAX;
}

/* Gather the next records, from *next on, as many as one call takes. */
static void
gather(
    struct call *call,
    const struct weir_put_entry *entries,
    size_t count,
    size_t *next,
    struct weir_put_result *ret_results)
{
    call->count = 0;
    call->bytes = 0;
    for (; *next < count && call->count < WI_KINESIS_PUT_RECORDS_MAX; (*next)++) {
        const struct weir_put_entry *entry = &entries[*next];
        const size_t size = entry->partition_key.length + entry->data.length;

        if (!is_acceptable(entry, call->record_bytes_max)) {
            ret_results[*next] = (struct weir_put_result){.error = WEIR_EINVAL};
            continue;
        }
        if (call->count > 0 && call->bytes + size > WI_KINESIS_PUT_BYTES_MAX) {
            return;
        }
        call->entries[call->count] = (struct wi_kinesis_put_entry){
            .partition_key = entry->partition_key,
            .data = entry->data,
            .explicit_hash_key = entry->has_explicit_hash_key ? &entry->explicit_hash_key : NULL};
        call->places[call->count++] = *next;
        call->bytes += size;
    }
}

/* What the caller is told of one record. An internal failure of Kinesis has stored nothing and is
 * worth another try, like a throttled one. */
static enum weir_error
fill(const struct wi_kinesis_put_result *result, struct weir_put_result *ret)
{
    *ret = (struct weir_put_result){.error = result->error == WEIR_OK ? WEIR_OK : WEIR_ETHROTTLED,
                                    .sequence_number = result->sequence_number};
    return wi_str_copy(ret->shard_id, sizeof ret->shard_id, wi_str(result->shard_id))
               ? WEIR_OK
               : WEIR_ECORRUPT;
}

/* None of the call's records was taken: they are worth another try. */
static void
refuse_call(const struct call *call, struct weir_put_result *ret_results)
{
    for (size_t i = 0; i < call->count; i++) {
        ret_results[call->places[i]] = (struct weir_put_result){.error = WEIR_ETHROTTLED};
    }
}

/* Send one call; *ret_refused: some records are to be put again, before any that follow them. */
static enum weir_error
send_call(
    struct wi_kinesis_stream *stream,
    struct call *call,
    struct weir_put_result *ret_results,
    bool *ret_refused,
    struct weir_detail *detail)
{
    enum weir_error error =
        wi_kinesis_put_records(&stream->api, call->entries, call->count, call->results, detail);

    *ret_refused = false;
    if (error == WEIR_ETHROTTLED) {
        refuse_call(call, ret_results);
        *ret_refused = true;
        return WEIR_OK;
    }
    for (size_t i = 0; i < call->count && error == WEIR_OK; i++) {
        struct weir_put_result *result = &ret_results[call->places[i]];

        error = fill(&call->results[i], result);
        *ret_refused |= result->error != WEIR_OK;
    }
    return error;
}

enum weir_error
wi_kinesis_put(
    void *source,
    const struct weir_put_entry *entries,
    size_t count,
    struct weir_put_result *ret_results,
    struct weir_detail *detail)
{
    struct wi_kinesis_stream *stream = source;
    struct call *call = wi_alloc(stream->env, sizeof *call);
    enum weir_error error = WEIR_OK;
    bool refused = false;
    bool any_sent = false;
    size_t next = 0;

    if (call == NULL) {
        return wi_detail(detail, WEIR_ENOMEM, "put: no memory");
    }
    call->record_bytes_max = find_record_max(stream, entries, count);
    while (error == WEIR_OK && next < count && !refused) {
        gather(call, entries, count, &next, ret_results);
        if (call->count > 0) {
            error = send_call(stream, call, ret_results, &refused, detail);
            if (error != WEIR_OK && any_sent) {
                /* An error means that nothing was written: the next put meets it. */
                refuse_call(call, ret_results);
                refused = true;
                error = WEIR_OK;
            }
            any_sent = true;
        }
    }
    /* What follows a refused record waits for it, so that the caller can put all again in order. */
    for (; next < count; next++) {
        ret_results[next] = (struct weir_put_result){
            .error = is_acceptable(&entries[next], call->record_bytes_max) ? WEIR_ETHROTTLED
                                                                           : WEIR_EINVAL};
    }
    wi_free(stream->env, call);
    return error;
}
