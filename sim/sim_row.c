#include "sim/sim_row.h"

#include <protobuf-c/protobuf-c.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/error.h>
#include <weir/sim.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/position.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row.h"
#include "lease/lease_store_memory.h"
#include "sim/sim.h"
#include "sim/sim_store.h"
#include "sim/sim_stream.h"
#include "sim/sim_world.h"

/* A field that no version has. */
#define FIELD_OF_NEWER_VERSION 127U

/* What encoding and decoding take; too much for the stack of a fiber. */
struct workspace {
    struct wi_row row;
    struct wi_lease lease;
    struct weir_bytes state;
    struct wi_row_bytes encoded;
};

static enum weir_error
decode(struct workspace *work, const char *key, const unsigned char *bytes, size_t length)
{
    return wi_row_decode_lease(
        &work->row, wi_str(key), (struct weir_bytes){bytes, length}, &work->lease, &work->state);
}

/* 0: the field is not there. */
static uint64_t
stamp_of(const struct workspace *work)
{
    const ProtobufCMessage *message = work->row.message;
    uint64_t stamp = 0;

    for (unsigned i = 0; message != NULL && i < message->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &message->unknown_fields[i];

        if (field->tag == FIELD_OF_NEWER_VERSION && field->len == sizeof stamp) {
            memcpy(&stamp, field->data, sizeof stamp);
        }
    }
    return stamp;
}

static bool
same_position(const struct weir_position *a, const struct weir_position *b)
{
    return a->type == b->type && wi_checkpoint_compare(a, b) == 0;
}

static bool
same_lease(const struct wi_lease *a, const struct wi_lease *b)
{
    return strcmp(a->owner, b->owner) == 0 && a->epoch == b->epoch && a->revoked == b->revoked &&
           a->pinned == b->pinned && a->has_pending == b->has_pending &&
           a->replay_exact == b->replay_exact && a->handoff.reason == b->handoff.reason &&
           strcmp(a->handoff.to, b->handoff.to) == 0 &&
           same_position(&a->checkpoint, &b->checkpoint) &&
           same_position(&a->replay_through, &b->replay_through) &&
           (!a->has_pending || same_position(&a->pending_checkpoint, &b->pending_checkpoint));
}

/* As a newer version does: its own field goes with the row. */
static enum weir_error
encode_newer(struct workspace *work, const struct wi_memory_lease *lease, uint64_t stamp)
{
    uint8_t data[sizeof stamp];
    ProtobufCMessageUnknownField field = {
        FIELD_OF_NEWER_VERSION, PROTOBUF_C_WIRE_TYPE_64BIT, sizeof data, data};
    struct wi_lease copy = lease->lease;
    enum weir_error error = WEIR_OK;

    memcpy(data, &stamp, sizeof data);
    error = decode(work, copy.lease_key, work->encoded.data, work->encoded.length);
    if (error == WEIR_OK) {
        work->row.message->n_unknown_fields = 1;
        work->row.message->unknown_fields = &field;
        error = wi_row_encode_lease(
            &work->row,
            &copy,
            (struct weir_bytes){lease->state, lease->state_length},
            &work->encoded);
    }
    return error;
}

static void
keep(struct wi_sim *sim, struct wi_sim_row *row, const struct wi_row_bytes *encoded)
{
    wi_free(&sim->world.env, row->bytes);
    row->bytes = wi_sim_alloc(&sim->world, 1, encoded->length);
    row->length = encoded->length;
    memcpy(row->bytes, encoded->data, encoded->length);
}

/* V1: a row reads back as it was written, and what an older version does not know stays in it. */
static void
check(
    struct wi_sim *sim, struct workspace *work, const struct wi_memory_lease *lease, uint32_t shard)
{
    const struct wi_sim_row *row = &sim->rows[shard - 1];
    enum weir_error error = decode(work, lease->lease.lease_key, row->bytes, row->length);
    char text[WEIR_SIM_NAME_SIZE];

    if (error == WEIR_OK && same_lease(&work->lease, &lease->lease) &&
        stamp_of(work) == row->stamp) {
        return;
    }
    (void)snprintf(
        text,
        sizeof text,
        "shard %u: %s",
        (unsigned)shard,
        error != WEIR_OK               ? weir_error_name(error)
        : stamp_of(work) != row->stamp ? "a field of a newer version was lost"
                                       : "the row reads back in another way");
    wi_sim_fail(sim, "V1", "rows of two versions", text);
}

void
wi_sim_row_write(
    struct wi_sim *sim, uint32_t shard, const struct wi_memory_lease *lease, uint32_t version)
{
    struct wi_sim_row *row = &sim->rows[shard - 1];
    struct workspace *work = wi_sim_alloc(&sim->world, 1, sizeof *work);
    struct wi_lease copy = lease->lease;
    enum weir_error error = WEIR_OK;

    wi_row_init(&work->row);
    if (row->bytes != NULL) {
        error = decode(work, copy.lease_key, row->bytes, row->length);
    }
    if (error == WEIR_OK) {
        error = wi_row_encode_lease(
            &work->row,
            &copy,
            (struct weir_bytes){lease->state, lease->state_length},
            &work->encoded);
    }
    if (error == WEIR_OK && version >= WI_SIM_VERSION_NEW) {
        row->stamp = sim->world.steps + 1;
        error = encode_newer(work, lease, row->stamp);
        wi_sim_count_scenario(sim, WI_SIM_WRITTEN_BY_NEWER);
    } else if (row->stamp != 0) {
        wi_sim_count_scenario(sim, WI_SIM_NEWER_KEPT_BY_OLDER);
    }
    WEIR_ASSERT(error == WEIR_OK);
    keep(sim, row, &work->encoded);
    check(sim, work, lease, shard);
    wi_free(&sim->world.env, work);
}

void
wi_sim_row_remove(struct wi_sim *sim, uint32_t shard)
{
    struct wi_sim_row *row = &sim->rows[shard - 1];

    wi_free(&sim->world.env, row->bytes);
    *row = (struct wi_sim_row){.length = 0};
}

/* --- prepared checkpoints -------------------------------------------------------------------- */

void
wi_sim_check_pending(
    struct wi_sim *sim, const struct wi_sim_request *request, enum weir_error error)
{
    uint32_t shard = wi_sim_shard_number(request->items[0].lease_key);
    const struct wi_sim_pending *pending = &sim->pending[shard - 1];
    bool is_there = error == WEIR_OK;
    char text[WEIR_SIM_NAME_SIZE];

    if ((error != WEIR_OK && error != WEIR_ENOTFOUND) ||
        (is_there == pending->is_there &&
         (!is_there ||
          (pending->through == wi_sim_position(sim, shard, &request->items[0].position) &&
           pending->state_length == request->state_length &&
           memcmp(pending->state, request->state, request->state_length) == 0)))) {
        if (is_there) {
            wi_sim_count_scenario(sim, WI_SIM_FOUND_PREPARED);
        }
        return;
    }
    (void)snprintf(
        text, sizeof text, "shard %u: what is pending is not what was prepared", (unsigned)shard);
    wi_sim_fail(sim, "T1", "prepared checkpoints", text);
}
