#include "core/shard_key.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"

/* Index of the last ':' in the text, or its length. */
static size_t
last_colon(struct weir_str text)
{
    for (size_t i = text.length; i > 0; i--) {
        if (text.data[i - 1] == ':') {
            return i - 1;
        }
    }
    return text.length;
}

struct weir_str
wi_shard_key_stream(struct weir_str key)
{
    const size_t at = last_colon(key);

    return (struct weir_str){key.data, at == key.length ? 0 : at};
}

struct weir_str
wi_shard_key_shard(struct weir_str key)
{
    const size_t at = last_colon(key);

    return at == key.length ? key : (struct weir_str){key.data + at + 1, key.length - at - 1};
}

struct weir_str
wi_shard_key_stream_name(struct weir_str key)
{
    struct weir_str head;
    struct weir_str tail;
    struct weir_str name;

    if (wi_str_cut(wi_shard_key_stream(key), ':', &head, &tail) &&
        wi_str_cut(tail, ':', &name, &tail)) {
        return name;
    }
    return (struct weir_str){key.data, 0};
}

enum weir_error
wi_shard_key_join(struct weir_str stream, struct weir_str shard, char ret[WEIR_NAME_SIZE])
{
    size_t at = 0;

    if (stream.length + shard.length + (stream.length > 0 ? 1 : 0) >= WEIR_NAME_SIZE) {
        return WEIR_ELIMIT;
    }
    if (stream.length > 0) {
        memcpy(ret, stream.data, stream.length);
        ret[stream.length] = ':';
        at = stream.length + 1;
    }
    if (shard.length > 0) {
        memcpy(ret + at, shard.data, shard.length);
    }
    ret[at + shard.length] = '\0';
    return WEIR_OK;
}

static bool
is_account(struct weir_str text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.length == WI_ACCOUNT_DIGITS;
}

enum weir_error
wi_stream_identifier_parse(struct weir_str text, struct wi_stream_identifier *ret)
{
    struct wi_stream_identifier identifier = {.created_s = 0};
    struct weir_str account;
    struct weir_str name;
    struct weir_str rest;
    struct weir_str created;

    if (!wi_str_cut(text, ':', &account, &rest) || !wi_str_cut(rest, ':', &name, &created) ||
        !is_account(account) || weir_name_check(name) != WEIR_OK) {
        return WEIR_EINVAL;
    }
    /* No second way to write a time: leases are found by the text. */
    if (created.length == 0 || created.data[0] < '1' || created.data[0] > '9' ||
        wi_str_to_i64(created, &identifier.created_s) != WEIR_OK) {
        return WEIR_EINVAL;
    }
    (void)wi_str_copy(identifier.account, sizeof identifier.account, account);
    (void)wi_str_copy(identifier.name, sizeof identifier.name, name);
    *ret = identifier;
    return WEIR_OK;
}

enum weir_error
wi_stream_identifier_format(
    const struct wi_stream_identifier *identifier, char ret[WI_STREAM_IDENTIFIER_SIZE])
{
    const int length = snprintf(
        ret,
        WI_STREAM_IDENTIFIER_SIZE,
        "%s:%s:%" PRId64,
        identifier->account,
        identifier->name,
        identifier->created_s);

    return length < 0 || (size_t)length + 1 + WI_KINESIS_SHARD_ID_LENGTH > WEIR_NAME_MAX
               ? WEIR_ELIMIT
               : WEIR_OK;
}
