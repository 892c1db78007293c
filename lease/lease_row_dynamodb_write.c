/* Lease rows: conditions and changes. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <weir/types.h>

#include "aws/dynamodb_item.h"
#include "core/position.h"
#include "core/shard_key.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_names_dynamodb.h"
#include "lease/lease_position_dynamodb.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_store.h"

#define BYTES_PER_KB 1024U
#define MILLION      1000000U

static const struct wi_java_position_names checkpoint_names = {
    CHECKPOINT, CHECKPOINT_SUB, WEIR_CHECKPOINT};
static const struct wi_java_position_names pending_names = {PENDING, PENDING_SUB, WEIR_PENDING};

/* --- conditions ----------------------------------------------------------------------------- */

static void
require_text_or_none(struct wi_dynamodb_write *write, const char *name, const char *text)
{
    if (text[0] == '\0') {
        wi_dynamodb_require_absent(write, name);
    } else {
        wi_dynamodb_require_text(write, name, "=", text);
    }
}

void
wi_dynamodb_require_as_read(
    struct wi_dynamodb_write *write,
    const struct wi_dynamodb_lease *before,
    enum wi_dynamodb_guard guard)
{
    require_text_or_none(write, LEASE_OWNER, before->java_owner);
    require_text_or_none(write, CHECKPOINT_OWNER, before->java_checkpoint_owner);
    if (guard == WI_DYNAMODB_GUARD_NOTHING) {
        wi_dynamodb_require_u64(write, LEASE_COUNTER, "=", before->lease.counter);
    } else if (before->is_ours) {
        wi_dynamodb_require_u64(write, WEIR_EPOCH, "=", before->lease.epoch);
        wi_dynamodb_require(write, WEIR_COUNTER " = " LEASE_COUNTER);
    } else {
        wi_dynamodb_require_present(write, LEASE_KEY);
    }
}

void
wi_dynamodb_require_held(struct wi_dynamodb_write *write, const char *owner, uint64_t epoch)
{
    unsigned me = wi_dynamodb_value_text(write, owner);

    wi_dynamodb_require_u64(write, WEIR_EPOCH, "=", epoch);
    wi_dynamodb_require(
        write,
        WEIR_OWNER " = :v%u AND " WEIR_COUNTER " = " LEASE_COUNTER " AND (" CHECKPOINT_OWNER
                   " = :v%u OR (attribute_not_exists(" CHECKPOINT_OWNER ") AND " LEASE_OWNER
                   " = :v%u))",
        me,
        me,
        me);
}

void
wi_dynamodb_require_wish_as_read(
    struct wi_dynamodb_write *write, const struct wi_dynamodb_lease *before)
{
    require_text_or_none(write, LEASE_OWNER, before->java_owner);
    require_text_or_none(write, CHECKPOINT_OWNER, before->java_checkpoint_owner);
    if (before->lease.handoff.reason == WI_HANDOFF_NONE) {
        wi_dynamodb_require_absent(write, WEIR_HANDOFF_REASON);
    } else if (before->java_checkpoint_owner[0] == '\0') {
        wi_dynamodb_require_present(write, WEIR_HANDOFF_REASON); /* Java's wishes have none */
    }
    if (!before->lease.revoked) {
        wi_dynamodb_require_absent(write, WEIR_REVOKED);
    }
}

/* --- writes --------------------------------------------------------------------------------- */

static void
set_exact(struct wi_dynamodb_write *write, const char *name, const struct weir_position *position)
{
    char text[WEIR_POSITION_SIZE];

    if (!wi_java_position_is_exact(position)) {
        (void)weir_position_format(position, text);
        wi_dynamodb_set_text(write, name, text);
    } else if (!write->is_put) {
        wi_dynamodb_remove(write, name);
    }
}

static void
set_position(
    struct wi_dynamodb_write *write,
    const struct wi_java_position_names *names,
    const struct weir_position *position)
{
    struct wi_java_position java = wi_java_position_of(position);

    wi_dynamodb_set_text(write, names->checkpoint, java.checkpoint);
    wi_dynamodb_set_i64(write, names->sub_sequence_number, java.sub_sequence_number);
    set_exact(write, names->exact, position);
}

static void
set_order(struct wi_dynamodb_write *write, const struct weir_position *checkpoint)
{
    char order[WI_POSITION_ORDER_SIZE];

    wi_position_order(checkpoint, order);
    wi_dynamodb_set_text(write, WEIR_ORDER, order);
}

static void
set_replay(struct wi_dynamodb_write *write, const struct wi_lease *lease)
{
    char text[WEIR_POSITION_SIZE];

    (void)weir_position_format(&lease->replay_through, text);
    wi_dynamodb_set_text(write, WEIR_REPLAY, text);
    if (lease->replay_exact) {
        wi_dynamodb_set_u64(write, WEIR_REPLAY_EXACT, 1);
    } else if (!write->is_put) {
        wi_dynamodb_remove(write, WEIR_REPLAY_EXACT);
    }
}

/* Sets of shards: bare ids, whatever stands before them in weir. */
static void
set_ids(
    struct wi_dynamodb_write *write,
    const char *name,
    const char (*ids)[WEIR_NAME_SIZE],
    size_t count)
{
    char bare[WEIR_PARENTS_MAX][WEIR_NAME_SIZE] = {{0}};

    _Static_assert(WEIR_CHILDREN_MAX <= WEIR_PARENTS_MAX, "there is room for either");
    for (size_t i = 0; i < count; i++) {
        (void)wi_str_copy(bare[i], sizeof bare[i], wi_shard_key_shard(wi_str(ids[i])));
    }
    wi_dynamodb_set_texts(write, name, (const char(*)[WEIR_NAME_SIZE])bare, count);
}

/* What Java's rows of several streams have beside the key. */
static void
set_stream(struct wi_dynamodb_write *write, const char *lease_key)
{
    const struct weir_str stream = wi_shard_key_stream(wi_str(lease_key));
    char text[WEIR_LEASE_KEY_SIZE];

    if (stream.length > 0) {
        (void)wi_str_copy(text, sizeof text, stream);
        wi_dynamodb_set_text(write, STREAM_NAME, text);
        (void)wi_str_copy(text, sizeof text, wi_shard_key_shard(wi_str(lease_key)));
        wi_dynamodb_set_text(write, SHARD_ID, text);
    }
}

void
wi_dynamodb_lease_create(struct wi_dynamodb_write *write, const struct wi_lease *lease)
{
    char number[WEIR_HASH_KEY_SIZE];

    wi_dynamodb_set_text(write, LEASE_KEY, lease->lease_key);
    wi_dynamodb_set_text(write, ENTITY_TYPE, ENTITY_LEASE);
    wi_dynamodb_set_u64(write, LEASE_COUNTER, 0);
    wi_dynamodb_set_u64(write, OWNER_SWITCHES, 0);
    set_position(write, &checkpoint_names, &lease->checkpoint);
    set_stream(write, lease->lease_key);
    set_ids(write, PARENT_SHARD_IDS, lease->parent_shard_ids, WEIR_PARENTS_MAX);
    set_ids(write, CHILD_SHARD_IDS, lease->child_shard_ids, WEIR_CHILDREN_MAX);
    (void)weir_hash_key_format(lease->range.start, number);
    wi_dynamodb_set_text(write, STARTING_HASH_KEY, number);
    (void)weir_hash_key_format(lease->range.end, number);
    wi_dynamodb_set_text(write, ENDING_HASH_KEY, number);
    wi_dynamodb_set_u64(write, WEIR_EPOCH, lease->epoch);
    wi_dynamodb_set_u64(write, WEIR_COUNTER, 0);
    set_order(write, &lease->checkpoint);
    set_replay(write, lease);
}

static void
set_or_remove(
    struct wi_dynamodb_write *write, const char *name, const char *before, const char *after)
{
    if (after[0] != '\0') {
        wi_dynamodb_set_text(write, name, after);
    } else if (before[0] != '\0') {
        wi_dynamodb_remove(write, name);
    }
}

/* Java's two owners: with a wish for a receiver the receiver stands in leaseOwner already. */
static void
change_owners(
    struct wi_dynamodb_write *write,
    const struct wi_dynamodb_lease *before,
    const struct wi_lease *after)
{
    bool moves = after->handoff.reason != WI_HANDOFF_NONE && after->handoff.to[0] != '\0';

    set_or_remove(write, LEASE_OWNER, before->java_owner, moves ? after->handoff.to : after->owner);
    set_or_remove(
        write, CHECKPOINT_OWNER, before->java_checkpoint_owner, moves ? after->owner : "");
}

static void
change_marks(struct wi_dynamodb_write *write, const struct wi_lease *after)
{
    if (after->revoked) {
        wi_dynamodb_set_u64(write, WEIR_REVOKED, after->epoch);
    } else {
        wi_dynamodb_remove(write, WEIR_REVOKED);
    }
    if (after->pinned) {
        wi_dynamodb_set_u64(write, WEIR_PINNED, after->epoch);
    } else {
        wi_dynamodb_remove(write, WEIR_PINNED);
    }
    if (after->handoff.reason != WI_HANDOFF_NONE) {
        wi_dynamodb_set_u64(write, WEIR_HANDOFF_REASON, (uint64_t)after->handoff.reason);
        wi_dynamodb_set_i64(write, WEIR_HANDOFF_TIMEOUT, after->handoff.timeout_ms);
    } else {
        wi_dynamodb_remove(write, WEIR_HANDOFF_REASON);
        wi_dynamodb_remove(write, WEIR_HANDOFF_TIMEOUT);
    }
}

static void
change_checkpoint(
    struct wi_dynamodb_write *write,
    const struct wi_dynamodb_lease *before,
    const struct wi_lease *after)
{
    if (wi_checkpoint_compare(&before->lease.checkpoint, &after->checkpoint) != 0) {
        set_position(write, &checkpoint_names, &after->checkpoint);
    }
    set_order(write, &after->checkpoint);
    if (!after->has_pending) {
        wi_dynamodb_remove(write, PENDING);
        wi_dynamodb_remove(write, PENDING_SUB);
        wi_dynamodb_remove(write, PENDING_STATE);
        wi_dynamodb_remove(write, WEIR_PENDING);
    }
}

/* The epoch is the table's from here on: who reads it need not know what Java did before. */
static void
change_epoch(
    struct wi_dynamodb_write *write,
    const struct wi_dynamodb_lease *before,
    const struct wi_lease *after,
    uint64_t raise)
{
    wi_dynamodb_set_u64(write, WEIR_EPOCH, after->epoch);
    if (after->owner[0] != '\0') {
        wi_dynamodb_set_text(write, WEIR_OWNER, after->owner);
    } else {
        wi_dynamodb_remove(write, WEIR_OWNER);
    }
    /* Both grow by the same, whatever renewals came in between; or become the same. */
    wi_dynamodb_increase(write, LEASE_COUNTER, raise);
    if (before->is_ours) {
        wi_dynamodb_increase(write, WEIR_COUNTER, raise);
    } else {
        wi_dynamodb_set_u64(write, WEIR_COUNTER, before->lease.counter + raise);
    }
}

void
wi_dynamodb_lease_change(
    struct wi_dynamodb_write *write,
    const struct wi_dynamodb_lease *before,
    const struct wi_lease *after,
    uint64_t raise)
{
    change_owners(write, before, after);
    if (raise > 0) {
        change_epoch(write, before, after, raise);
        change_checkpoint(write, before, after);
        set_replay(write, after);
        wi_dynamodb_set_u64(write, OWNER_SWITCHES, after->owner_switches_since_checkpoint);
        if (after->child_shard_ids[0][0] != '\0') {
            set_ids(write, CHILD_SHARD_IDS, after->child_shard_ids, WEIR_CHILDREN_MAX);
        }
    }
    change_marks(write, after);
}

static void
raise_counters(struct wi_dynamodb_write *write)
{
    wi_dynamodb_increase(write, LEASE_COUNTER, 1);
    wi_dynamodb_increase(write, WEIR_COUNTER, 1);
}

/* Java's form: KB (1024 bytes) with six decimals. */
static void
set_throughput(struct wi_dynamodb_write *write, uint64_t bytes_per_second)
{
    char json[64];

    (void)snprintf(
        json,
        sizeof json,
        "{\"N\":\"%" PRIu64 ".%06" PRIu64 "\"}",
        bytes_per_second / BYTES_PER_KB,
        bytes_per_second % BYTES_PER_KB * MILLION / BYTES_PER_KB);
    wi_dynamodb_set_json(write, THROUGHPUT_KBPS, json);
}

void
wi_dynamodb_lease_renewal(
    struct wi_dynamodb_write *write,
    const char *owner,
    const struct wi_held_lease *held,
    bool with_wish)
{
    raise_counters(write);
    if (held->has_throughput) {
        set_throughput(write, held->bytes_per_second);
    }
    wi_dynamodb_require_held(write, owner, held->epoch);
    wi_dynamodb_require_absent(write, WEIR_REVOKED);
    if (!with_wish) {
        wi_dynamodb_require_absent(write, CHECKPOINT_OWNER);
        wi_dynamodb_require_absent(write, WEIR_HANDOFF_REASON);
    }
}

void
wi_dynamodb_lease_checkpoint(
    struct wi_dynamodb_write *write, const struct wi_checkpoint_update *update)
{
    char order[WI_POSITION_ORDER_SIZE];

    wi_position_order(&update->position, order);
    raise_counters(write);
    set_position(write, &checkpoint_names, &update->position);
    wi_dynamodb_set_text(write, WEIR_ORDER, order);
    wi_dynamodb_set_u64(write, OWNER_SWITCHES, 0);
    wi_dynamodb_require_held(write, update->owner, update->epoch);
    wi_dynamodb_require_text(write, WEIR_ORDER, "<=", order);
    wi_dynamodb_require_absent(write, PENDING);
}

void
wi_dynamodb_lease_set_pending(
    struct wi_dynamodb_write *write, const struct weir_position *position, struct weir_bytes state)
{
    set_position(write, &pending_names, position);
    if (state.length > 0) {
        wi_dynamodb_set_bytes(write, PENDING_STATE, state);
    } else {
        wi_dynamodb_remove(write, PENDING_STATE);
    }
}

void
wi_dynamodb_require_checkpoint(
    struct wi_dynamodb_write *write, const struct weir_position *checkpoint)
{
    struct wi_java_position java = wi_java_position_of(checkpoint);

    wi_dynamodb_require_text(write, CHECKPOINT, "=", java.checkpoint);
}

void
wi_dynamodb_lease_claim(
    struct wi_dynamodb_write *write, const char *owner, const struct wi_lease *lease)
{
    wi_dynamodb_set_u64(write, LEASE_COUNTER, lease->counter + 1);
    wi_dynamodb_set_u64(write, WEIR_COUNTER, lease->counter + 1);
    wi_dynamodb_set_u64(write, WEIR_EPOCH, lease->epoch);
    wi_dynamodb_set_text(write, WEIR_OWNER, owner);
    set_order(write, &lease->checkpoint);
    set_replay(write, lease);
    wi_dynamodb_remove(write, WEIR_REVOKED);
    wi_dynamodb_remove(write, WEIR_HANDOFF_REASON);
    wi_dynamodb_remove(write, WEIR_HANDOFF_TIMEOUT);
    wi_dynamodb_require_u64(write, LEASE_COUNTER, "=", lease->counter);
    wi_dynamodb_require_text(write, LEASE_OWNER, "=", owner);
    wi_dynamodb_require_absent(write, CHECKPOINT_OWNER);
}
