/* Lease rows: reading. */
#include "lease/lease_row_dynamodb.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_item.h"
#include "core/check.h"
#include "core/hash_key.h"
#include "core/position.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_names_dynamodb.h"
#include "lease/lease_position_dynamodb.h"
#include "lease/lease_rules.h"

/* Counters beyond it are damage: room for every renewal to come. */
#define COUNTER_MAX         (UINT64_MAX / 2)
#define SWITCHES_MAX        ((uint64_t)UINT32_MAX)
#define BYTES_PER_KB        1024.0
#define THROUGHPUT_MAX_KBPS 1e12

static const struct wi_java_position_names checkpoint_names = {
    CHECKPOINT, CHECKPOINT_SUB, WEIR_CHECKPOINT};
static const struct wi_java_position_names pending_names = {PENDING, PENDING_SUB, WEIR_PENDING};

/* --- kinds ---------------------------------------------------------------------------------- */

enum wi_dynamodb_row_kind
wi_dynamodb_row_kind(const cJSON *item)
{
    static const struct {
        const char *type;
        enum wi_dynamodb_row_kind kind;
    } kinds[] = {
        {ENTITY_LEASE, WI_DYNAMODB_ROW_LEASE},
        {"LEADER", WI_DYNAMODB_ROW_LEADER},
        {"WORKER_METRIC_STATS", WI_DYNAMODB_ROW_WORKER},
        {"CLIENT_VERSION_MIGRATION", WI_DYNAMODB_ROW_STATE},
        {"TABLE_MIGRATION", WI_DYNAMODB_ROW_TABLE_MIGRATION},
    };
    const char *type = wi_dynamodb_text(item, ENTITY_TYPE);

    if (!wi_dynamodb_has(item, ENTITY_TYPE)) {
        return WI_DYNAMODB_ROW_LEASE;
    }
    for (size_t i = 0; type != NULL && i < WI_ARRAY_LENGTH(kinds); i++) {
        if (strcmp(type, kinds[i].type) == 0) {
            return kinds[i].kind;
        }
    }
    return WI_DYNAMODB_ROW_OTHER;
}

void
wi_dynamodb_row_key(const cJSON *item, const char *key_name, char ret[WEIR_LEASE_KEY_SIZE])
{
    const char *key = wi_dynamodb_text(item, key_name);

    (void)wi_str_copy(ret, WEIR_LEASE_KEY_SIZE, wi_str(key));
}

/* --- reading -------------------------------------------------------------------------------- */

/* Text that must fit; absent is "". */
static bool
read_text(const cJSON *item, const char *name, char *ret, size_t size)
{
    const char *text = wi_dynamodb_text(item, name);

    ret[0] = '\0';
    if (text == NULL) {
        return !wi_dynamodb_has(item, name);
    }
    return wi_str_copy(ret, size, wi_str(text));
}

/* Java writes bare shard ids; inside weir they have their stream before them, like the key. */
static bool
read_ids(
    const cJSON *item,
    const char *name,
    struct weir_str stream,
    char (*ret)[WEIR_NAME_SIZE],
    size_t max)
{
    const cJSON *ids = wi_dynamodb_texts(item, name);
    const cJSON *id = NULL;
    size_t count = 0;

    if (ids == NULL) {
        return !wi_dynamodb_has(item, name);
    }
    cJSON_ArrayForEach(id, ids)
    {
        if (count == max || !cJSON_IsString(id) ||
            wi_shard_key_stream(wi_str(id->valuestring)).length > 0 ||
            wi_shard_key_join(stream, wi_str(id->valuestring), ret[count]) != WEIR_OK) {
            return false;
        }
        count++;
    }
    return true;
}

/* Rows of Java KCL 1.x have no range. */
static bool
read_range(const cJSON *item, struct weir_hash_range *ret)
{
    const char *start = wi_dynamodb_text(item, STARTING_HASH_KEY);
    const char *end = wi_dynamodb_text(item, ENDING_HASH_KEY);

    *ret = (struct weir_hash_range){WI_HASH_KEY_MIN, WI_HASH_KEY_MAX};
    if (start == NULL && end == NULL) {
        return true;
    }
    return start != NULL && end != NULL &&
           weir_hash_key_parse(wi_str(start), &ret->start) == WEIR_OK &&
           weir_hash_key_parse(wi_str(end), &ret->end) == WEIR_OK;
}

/* Java's own decimal number; only good for balancing, so what cannot be read is 0. */
static uint64_t
read_throughput(const cJSON *item)
{
    const char *text = wi_dynamodb_number(item, THROUGHPUT_KBPS);
    cJSON *number = text == NULL ? NULL : cJSON_Parse(text);
    double kbps = cJSON_GetNumberValue(number); /* not a number is no number above 0 */

    cJSON_Delete(number);
    return kbps > 0.0 && kbps < THROUGHPUT_MAX_KBPS ? (uint64_t)(kbps * BYTES_PER_KB) : 0;
}

/* Whether an attribute says what the key says already; it may be absent. */
static bool
agrees(const cJSON *item, const char *name, struct weir_str expected)
{
    const char *text = wi_dynamodb_text(item, name);

    return text == NULL ? !wi_dynamodb_has(item, name) : wi_str_equal_z(expected, text);
}

/* Which shard, of which stream: one of several has its stream in the key. */
static bool
read_shard(const cJSON *item, struct wi_dynamodb_lease *row)
{
    struct wi_lease *lease = &row->lease;
    struct wi_stream_identifier identifier;
    struct weir_str key;
    struct weir_str stream;

    if (!read_text(item, LEASE_KEY, lease->lease_key, sizeof lease->lease_key)) {
        return false;
    }
    key = wi_str(lease->lease_key);
    stream = wi_shard_key_stream(key);
    row->has_stream = stream.length > 0;
    if (row->has_stream && (wi_stream_identifier_parse(stream, &identifier) != WEIR_OK ||
                            wi_shard_key_shard(key).length == 0)) {
        return false;
    }
    return agrees(item, STREAM_NAME, stream) && agrees(item, SHARD_ID, wi_shard_key_shard(key)) &&
           wi_str_copy(lease->shard_id, sizeof lease->shard_id, key) &&
           read_ids(item, PARENT_SHARD_IDS, stream, lease->parent_shard_ids, WEIR_PARENTS_MAX) &&
           read_ids(item, CHILD_SHARD_IDS, stream, lease->child_shard_ids, WEIR_CHILDREN_MAX) &&
           read_range(item, &lease->range);
}

/* Who works on it: during a hand-off of Java the old owner, until it lets go. */
static bool
read_owners(const cJSON *item, struct wi_dynamodb_lease *row)
{
    struct wi_lease *lease = &row->lease;

    if (!read_text(item, LEASE_OWNER, row->java_owner, sizeof row->java_owner) ||
        !read_text(
            item,
            CHECKPOINT_OWNER,
            row->java_checkpoint_owner,
            sizeof row->java_checkpoint_owner)) {
        return false;
    }
    memcpy(
        lease->owner,
        row->java_checkpoint_owner[0] != '\0' ? row->java_checkpoint_owner : row->java_owner,
        sizeof lease->owner);
    lease->owner_state = lease->owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE;
    return wi_dynamodb_u64(item, LEASE_COUNTER, &lease->counter) && lease->counter < COUNTER_MAX;
}

/* Whether weir's attributes hold, and so under which epoch the row is. What Java has done in
 * between is one more change of owner. */
static bool
read_epoch(const cJSON *item, struct wi_dynamodb_lease *row)
{
    const char *owner = wi_dynamodb_text(item, WEIR_OWNER);
    uint64_t epoch = 0;
    uint64_t counter = 0;

    if (wi_dynamodb_has(item, WEIR_EPOCH) &&
        (!wi_dynamodb_u64(item, WEIR_EPOCH, &epoch) || epoch == 0 || epoch >= COUNTER_MAX)) {
        return false;
    }
    row->is_ours = epoch > 0 && wi_dynamodb_u64(item, WEIR_COUNTER, &counter) &&
                   counter == row->lease.counter &&
                   strcmp(owner == NULL ? "" : owner, row->lease.owner) == 0;
    row->lease.epoch = row->is_ours ? epoch : epoch + 1;
    return true;
}

static bool
is_of_epoch(const cJSON *item, const char *name, uint64_t epoch)
{
    uint64_t found = 0;

    return wi_dynamodb_u64(item, name, &found) && found == epoch;
}

/* A wish: Java's form if there is a receiver, weir's alone if the lease is only to be let go. */
static void
read_handoff(const cJSON *item, struct wi_dynamodb_lease *row)
{
    struct wi_handoff *handoff = &row->lease.handoff;
    uint64_t reason = 0;
    int64_t timeout_ms = 0;
    bool has_own = row->is_ours && wi_dynamodb_u64(item, WEIR_HANDOFF_REASON, &reason) &&
                   reason > WI_HANDOFF_NONE && reason <= WI_HANDOFF_OPERATOR;

    if (row->lease.owner[0] == '\0' || (row->java_checkpoint_owner[0] == '\0' && !has_own)) {
        return;
    }
    handoff->reason = has_own ? (enum wi_handoff_reason)reason : WI_HANDOFF_BALANCE;
    handoff->timeout_ms = WI_DYNAMODB_HANDOFF_TIMEOUT_MS;
    if (has_own && wi_dynamodb_i64(item, WEIR_HANDOFF_TIMEOUT, &timeout_ms) && timeout_ms >= 0) {
        handoff->timeout_ms = timeout_ms;
    }
    if (row->java_checkpoint_owner[0] != '\0' &&
        strcmp(row->java_owner, row->java_checkpoint_owner) != 0) {
        memcpy(handoff->to, row->java_owner, sizeof handoff->to);
    }
}

static void
read_replay(const cJSON *item, struct wi_dynamodb_lease *row)
{
    const char *text = wi_dynamodb_text(item, WEIR_REPLAY);

    if (text != NULL && weir_position_parse(wi_str(text), &row->lease.replay_through) == WEIR_OK) {
        row->lease.replay_exact = row->is_ours && wi_dynamodb_has(item, WEIR_REPLAY_EXACT);
    }
}

/* Java's own bug writes the bytes as an N at creation: then there are none. */
static enum weir_error
read_pending(const cJSON *item, const struct weir_position *initial, struct wi_dynamodb_lease *row)
{
    struct wi_lease *lease = &row->lease;
    enum weir_error error = WEIR_OK;

    if (!wi_dynamodb_has(item, PENDING)) {
        return WEIR_OK;
    }
    error = wi_java_position_read(item, &pending_names, initial, &lease->pending_checkpoint);
    lease->has_pending = error == WEIR_OK;
    if (lease->has_pending &&
        wi_checkpoint_compare(&lease->pending_checkpoint, &lease->checkpoint) < 0) {
        /* Java leaves one behind when it checkpoints past it. */
        lease->has_pending = false;
        lease->pending_checkpoint = (struct weir_position){.type = WEIR_TRIM_HORIZON};
    }
    if (lease->has_pending && wi_dynamodb_has(item, PENDING_STATE) &&
        !wi_dynamodb_bytes(
            item, PENDING_STATE, row->state, sizeof row->state, &row->state_length)) {
        row->state_length = 0;
        error = wi_dynamodb_number(item, PENDING_STATE) != NULL ? WEIR_OK : WEIR_ECORRUPT;
    }
    return error;
}

enum weir_error
wi_dynamodb_lease_read(
    const cJSON *item, const struct weir_position *initial, struct wi_dynamodb_lease *ret)
{
    struct wi_dynamodb_lease row = {.is_ours = false};
    uint64_t switches = 0;
    enum weir_error error = WEIR_OK;

    if (!read_shard(item, &row) || !read_owners(item, &row) || !read_epoch(item, &row)) {
        return WEIR_ECORRUPT;
    }
    error = wi_java_position_read(item, &checkpoint_names, initial, &row.lease.checkpoint);
    if (error == WEIR_OK) {
        error = read_pending(item, initial, &row);
    }
    if (error != WEIR_OK) {
        return error;
    }
    if (wi_dynamodb_u64(item, OWNER_SWITCHES, &switches)) {
        row.lease.owner_switches_since_checkpoint =
            (uint32_t)(switches > SWITCHES_MAX ? SWITCHES_MAX : switches);
    }
    row.lease.throughput_bytes_per_second = read_throughput(item);
    row.lease.revoked = row.is_ours && row.lease.owner[0] != '\0' &&
                        is_of_epoch(item, WEIR_REVOKED, row.lease.epoch);
    row.lease.pinned = row.is_ours && is_of_epoch(item, WEIR_PINNED, row.lease.epoch);
    read_handoff(item, &row);
    read_replay(item, &row);
    if (wi_lease_check(&row.lease) != WEIR_OK) {
        return WEIR_ECORRUPT;
    }
    *ret = row;
    return WEIR_OK;
}
