#include "lease/lease_row.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/position_message.h"
#include "lease/session_rules.h"
#include "wire/envelope.h"
#include "wire/message_arena.h"
#include "wire/weir.pb-c.h"

/* What a lease message points to while it is packed. */
struct lease_parts {
    char *parents[WEIR_PARENTS_MAX];
    char *children[WEIR_CHILDREN_MAX];
    struct wi_position_message checkpoint;
    struct wi_position_message pending;
    struct wi_position_message replay;
};

void
wi_row_init(struct wi_row *row)
{
    row->message = NULL;
    wi_message_arena_init(&row->arena);
}

static enum weir_error
open_row(
    struct wi_row *row,
    const ProtobufCMessageDescriptor *descriptor,
    struct weir_str key,
    struct weir_bytes value)
{
    struct weir_bytes payload = {NULL, 0};
    enum weir_error error = wi_envelope_open(value, key, &payload);

    wi_row_init(row);
    if (error == WEIR_OK) {
        error = wi_message_unpack(&row->arena, descriptor, payload, &row->message);
    }
    return error;
}

static enum weir_error
seal_row(const ProtobufCMessage *message, struct weir_str key, struct wi_row_bytes *ret)
{
    size_t length = protobuf_c_message_get_packed_size(message);

    if (length > WI_ENVELOPE_PAYLOAD_MAX) {
        return WEIR_ELIMIT;
    }
    (void)protobuf_c_message_pack(message, ret->data + WI_ENVELOPE_HEADER_SIZE);
    wi_envelope_seal(ret->data, length, key);
    ret->length = WI_ENVELOPE_HEADER_SIZE + length;
    return WEIR_OK;
}

/* Text of a message into an array of a struct; false if it is too long. */
static bool
take_text(char *to, size_t size, const char *from)
{
    return wi_str_copy(to, size, wi_str(from));
}

static bool
take_ids(char (*to)[WEIR_NAME_SIZE], size_t limit, char **from, size_t count)
{
    if (count > limit) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!take_text(to[i], WEIR_NAME_SIZE, from[i])) {
            return false;
        }
    }
    return true;
}

static size_t
give_ids(char (*from)[WEIR_NAME_SIZE], size_t limit, char **to)
{
    size_t count = 0;

    for (size_t i = 0; i < limit; i++) {
        if (from[i][0] != '\0') {
            to[count++] = from[i];
        }
    }
    return count;
}

static bool
take_lease_texts(const Weir__Lease *message, struct wi_lease *lease)
{
    return take_text(lease->lease_key, sizeof lease->lease_key, message->lease_key) &&
           take_text(lease->shard_id, sizeof lease->shard_id, message->shard_id) &&
           take_text(lease->owner, sizeof lease->owner, message->owner) &&
           take_text(lease->handoff.to, sizeof lease->handoff.to, message->handoff_to) &&
           take_ids(
               lease->parent_shard_ids,
               WEIR_PARENTS_MAX,
               message->parent_shard_ids,
               message->n_parent_shard_ids) &&
           take_ids(
               lease->child_shard_ids,
               WEIR_CHILDREN_MAX,
               message->child_shard_ids,
               message->n_child_shard_ids);
}

static bool
take_lease_positions(const Weir__Lease *message, struct wi_lease *lease)
{
    lease->has_pending = message->pending_checkpoint != NULL;
    return wi_position_from_message(message->checkpoint, &lease->checkpoint) &&
           wi_position_from_message(message->replay_through, &lease->replay_through) &&
           (!lease->has_pending ||
            wi_position_from_message(message->pending_checkpoint, &lease->pending_checkpoint));
}

static bool
take_lease_numbers(const Weir__Lease *message, struct wi_lease *lease)
{
    lease->range = (struct weir_hash_range){{message->range_start_high, message->range_start_low},
                                            {message->range_end_high, message->range_end_low}};
    lease->epoch = message->epoch;
    lease->handoff.timeout_ms = message->handoff_timeout_ms;
    lease->revoked = message->revoked;
    lease->pinned = message->pinned;
    lease->replay_exact = message->replay_exact;
    lease->owner_switches_since_checkpoint = message->owner_switches_since_checkpoint;
    lease->throughput_bytes_per_second = message->throughput_bytes_per_second;
    if (message->handoff_reason > WI_HANDOFF_OPERATOR) {
        return false;
    }
    lease->handoff.reason = (enum wi_handoff_reason)message->handoff_reason;
    return message->pending_state.len <= WI_PENDING_STATE_MAX;
}

enum weir_error
wi_row_decode_lease(
    struct wi_row *row,
    struct weir_str key,
    struct weir_bytes value,
    struct wi_lease *ret,
    struct weir_bytes *ret_state)
{
    enum weir_error error = open_row(row, &weir__lease__descriptor, key, value);
    const Weir__Lease *message;
    bool valid;

    if (error != WEIR_OK) {
        return error;
    }
    message = (const Weir__Lease *)row->message;
    *ret = (struct wi_lease){.owner_state = WI_OWNER_NONE};
    valid = take_lease_texts(message, ret) && take_lease_positions(message, ret) &&
            take_lease_numbers(message, ret) && wi_lease_check(ret) == WEIR_OK &&
            wi_str_equal_z(key, ret->lease_key);
    *ret_state = (struct weir_bytes){message->pending_state.data, message->pending_state.len};
    return valid ? WEIR_OK : WEIR_ECORRUPT;
}

static void
give_lease_values(struct wi_lease *lease, Weir__Lease *message)
{
    message->lease_key = lease->lease_key;
    message->shard_id = lease->shard_id;
    message->owner = lease->owner;
    message->handoff_to = lease->handoff.to;
    message->range_start_high = lease->range.start.high;
    message->range_start_low = lease->range.start.low;
    message->range_end_high = lease->range.end.high;
    message->range_end_low = lease->range.end.low;
    message->epoch = lease->epoch;
    message->handoff_reason = (uint32_t)lease->handoff.reason;
    message->handoff_timeout_ms = lease->handoff.timeout_ms;
    message->revoked = lease->revoked;
    message->pinned = lease->pinned;
    message->replay_exact = lease->replay_exact;
    message->owner_switches_since_checkpoint = lease->owner_switches_since_checkpoint;
    message->throughput_bytes_per_second = lease->throughput_bytes_per_second;
}

static void
give_lease_parts(struct wi_lease *lease, Weir__Lease *message, struct lease_parts *parts)
{
    message->n_parent_shard_ids =
        give_ids(lease->parent_shard_ids, WEIR_PARENTS_MAX, parts->parents);
    message->parent_shard_ids = parts->parents;
    message->n_child_shard_ids =
        give_ids(lease->child_shard_ids, WEIR_CHILDREN_MAX, parts->children);
    message->child_shard_ids = parts->children;
    wi_position_to_message(&lease->checkpoint, &parts->checkpoint, &message->checkpoint);
    wi_position_to_message(&lease->replay_through, &parts->replay, &message->replay_through);
    if (lease->has_pending) {
        wi_position_to_message(
            &lease->pending_checkpoint, &parts->pending, &message->pending_checkpoint);
    } else {
        message->pending_checkpoint = NULL;
    }
}

enum weir_error
wi_row_encode_lease(
    struct wi_row *row, struct wi_lease *lease, struct weir_bytes state, struct wi_row_bytes *ret)
{
    struct lease_parts parts;
    uint8_t pending[WI_PENDING_STATE_MAX];
    Weir__Lease fresh;
    Weir__Lease *message = (Weir__Lease *)row->message;

    if (state.length > sizeof pending) {
        return WEIR_ELIMIT;
    }
    if (message == NULL) {
        weir__lease__init(&fresh);
        message = &fresh;
    }
    give_lease_values(lease, message);
    give_lease_parts(lease, message, &parts);
    message->pending_state = (ProtobufCBinaryData){0, pending};
    if (lease->has_pending && state.length > 0) {
        memcpy(pending, state.data, state.length);
        message->pending_state.len = state.length;
    }
    return seal_row(&message->base, wi_str(lease->lease_key), ret);
}

enum weir_error
wi_row_decode_session(
    struct wi_row *row, struct weir_str key, struct weir_bytes value, struct wi_session *ret)
{
    enum weir_error error = open_row(row, &weir__worker__descriptor, key, value);
    const Weir__Worker *message;
    bool valid;

    if (error != WEIR_OK) {
        return error;
    }
    message = (const Weir__Worker *)row->message;
    *ret = (struct wi_session){.worker =
                                   {.counter = message->counter,
                                    .max_leases = message->max_leases,
                                    .protocol_version = message->protocol_version,
                                    .draining = message->draining,
                                    .state = WI_OWNER_ALIVE},
                               .fenced = message->fenced,
                               .drain_requested = message->drain_requested};
    valid = take_text(ret->worker.owner, sizeof ret->worker.owner, message->owner) &&
            ret->worker.owner[0] != '\0' && ret->worker.counter <= WI_NUMBER_LAST &&
            wi_str_equal_z(key, ret->worker.owner);
    return valid ? WEIR_OK : WEIR_ECORRUPT;
}

enum weir_error
wi_row_encode_session(struct wi_row *row, struct wi_session *session, struct wi_row_bytes *ret)
{
    Weir__Worker fresh;
    Weir__Worker *message = (Weir__Worker *)row->message;

    if (message == NULL) {
        weir__worker__init(&fresh);
        message = &fresh;
    }
    message->owner = session->worker.owner;
    message->counter = session->worker.counter;
    message->max_leases = session->worker.max_leases;
    message->protocol_version = session->worker.protocol_version;
    message->draining = session->worker.draining;
    message->fenced = session->fenced;
    message->drain_requested = session->drain_requested;
    return seal_row(&message->base, wi_str(session->worker.owner), ret);
}

enum weir_error
wi_row_decode_leader(
    struct wi_row *row, struct weir_str key, struct weir_bytes value, struct wi_leader *ret)
{
    enum weir_error error = open_row(row, &weir__leader__descriptor, key, value);
    const Weir__Leader *message;
    bool valid;

    if (error != WEIR_OK) {
        return error;
    }
    message = (const Weir__Leader *)row->message;
    *ret = (struct wi_leader){.term = message->term, .owner_state = WI_OWNER_NONE};
    valid = take_text(ret->owner, sizeof ret->owner, message->owner) && ret->term <= WI_NUMBER_LAST;
    return valid ? WEIR_OK : WEIR_ECORRUPT;
}

enum weir_error
wi_row_encode_leader(
    struct wi_row *row, struct weir_str key, struct wi_leader *leader, struct wi_row_bytes *ret)
{
    Weir__Leader fresh;
    Weir__Leader *message = (Weir__Leader *)row->message;

    if (message == NULL) {
        weir__leader__init(&fresh);
        message = &fresh;
    }
    message->owner = leader->owner;
    message->term = leader->term;
    return seal_row(&message->base, key, ret);
}

enum weir_error
wi_row_decode_application(
    struct wi_row *row, struct weir_str key, struct weir_bytes value, struct wi_application *ret)
{
    enum weir_error error = open_row(row, &weir__application__descriptor, key, value);
    const Weir__Application *message;
    bool valid;

    if (error != WEIR_OK) {
        return error;
    }
    message = (const Weir__Application *)row->message;
    *ret = (struct wi_application){.lease_duration_ms = message->lease_duration_ms};
    valid = take_text(ret->stream_url, sizeof ret->stream_url, message->stream_url) &&
            wi_position_from_message(message->initial_position, &ret->initial_position) &&
            wi_application_check(ret) == WEIR_OK;
    return valid ? WEIR_OK : WEIR_ECORRUPT;
}

enum weir_error
wi_row_encode_application(
    struct wi_row *row,
    struct weir_str key,
    struct wi_application *application,
    struct wi_row_bytes *ret)
{
    struct wi_position_message initial;
    Weir__Application fresh;
    Weir__Application *message = (Weir__Application *)row->message;

    if (message == NULL) {
        weir__application__init(&fresh);
        message = &fresh;
    }
    message->stream_url = application->stream_url;
    message->lease_duration_ms = application->lease_duration_ms;
    wi_position_to_message(&application->initial_position, &initial, &message->initial_position);
    return seal_row(&message->base, key, ret);
}

enum weir_error
wi_row_decode_counters(
    struct wi_row *row, struct weir_str key, struct weir_bytes value, struct wi_table_counters *ret)
{
    enum weir_error error = open_row(row, &weir__table__descriptor, key, value);
    const Weir__Table *message;

    if (error != WEIR_OK) {
        return error;
    }
    message = (const Weir__Table *)row->message;
    *ret = (struct wi_table_counters){
        message->ownership_version, message->epoch_floor, message->epoch_highest};
    return ret->epoch_floor <= ret->epoch_highest ? WEIR_OK : WEIR_ECORRUPT;
}

enum weir_error
wi_row_encode_counters(
    struct wi_row *row,
    struct weir_str key,
    const struct wi_table_counters *counters,
    struct wi_row_bytes *ret)
{
    Weir__Table fresh;
    Weir__Table *message = (Weir__Table *)row->message;

    if (message == NULL) {
        weir__table__init(&fresh);
        message = &fresh;
    }
    message->ownership_version = counters->ownership_version;
    message->epoch_floor = counters->epoch_floor;
    message->epoch_highest = counters->epoch_highest;
    return seal_row(&message->base, key, ret);
}
