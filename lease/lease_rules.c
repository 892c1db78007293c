#include "lease/lease_rules.h"

#include <stdint.h>
#include <string.h>

#include <weir/error.h>
#include <weir/types.h>

#include "core/check.h"
#include "core/position.h"
#include "lease/lease.h"
#include "lease/lease_store.h"

enum wi_owner_state
wi_owner_view_state(const char *owner, const struct wi_owner_view *view)
{
    if (owner[0] == '\0') {
        return WI_OWNER_NONE;
    }
    return view->fenced || view->process_gone ? WI_OWNER_GONE : WI_OWNER_ALIVE;
}

bool
wi_owner_view_may_receive(const struct wi_owner_view *view)
{
    return view->registered && !view->fenced && !view->process_gone;
}

bool
wi_lease_text_is_valid(const char *text, size_t size)
{
    return text != NULL && text[0] != '\0' && memchr(text, '\0', size) != NULL;
}

static bool
is_terminated(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static bool
ids_are_valid(const char (*ids)[WEIR_NAME_SIZE], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_terminated(ids[i], WEIR_NAME_SIZE)) {
            return false;
        }
    }
    return true;
}

static bool
position_is_valid(const struct weir_position *position)
{
    return position->type >= WEIR_TRIM_HORIZON && position->type <= WEIR_SHARD_END;
}

static bool
handoff_is_valid(const struct wi_handoff *handoff)
{
    return handoff->reason >= WI_HANDOFF_NONE && handoff->reason <= WI_HANDOFF_OPERATOR &&
           is_terminated(handoff->to, sizeof handoff->to) && handoff->timeout_ms >= 0;
}

/* What only an owned lease has. */
static bool
ownership_is_valid(const struct wi_lease *lease)
{
    if (!is_terminated(lease->owner, sizeof lease->owner) || lease->epoch == 0 ||
        lease->epoch > WI_NUMBER_LAST) {
        return false;
    }
    return lease->owner[0] != '\0' || (!lease->revoked && lease->handoff.reason == WI_HANDOFF_NONE);
}

static bool
checkpoints_are_valid(const struct wi_lease *lease)
{
    if (!position_is_valid(&lease->checkpoint) || !position_is_valid(&lease->replay_through)) {
        return false;
    }
    return !lease->has_pending ||
           (position_is_valid(&lease->pending_checkpoint) &&
            wi_checkpoint_compare(&lease->pending_checkpoint, &lease->checkpoint) >= 0);
}

enum weir_error
wi_lease_check(const struct wi_lease *lease)
{
    bool valid = wi_lease_text_is_valid(lease->lease_key, sizeof lease->lease_key) &&
                 wi_lease_text_is_valid(lease->shard_id, sizeof lease->shard_id) &&
                 ids_are_valid(lease->parent_shard_ids, WEIR_PARENTS_MAX) &&
                 ids_are_valid(lease->child_shard_ids, WEIR_CHILDREN_MAX) &&
                 weir_hash_key_compare(lease->range.start, lease->range.end) <= 0 &&
                 ownership_is_valid(lease) && checkpoints_are_valid(lease) &&
                 handoff_is_valid(&lease->handoff);

    return valid ? WEIR_OK : WEIR_EINVAL;
}

enum weir_error
wi_lease_create(const struct wi_lease *wish, uint64_t epoch_floor, struct wi_lease *ret)
{
    struct wi_lease lease = *wish;
    enum weir_error error;

    lease.owner[0] = '\0';
    lease.epoch = epoch_floor + 1;
    lease.counter = 0;
    lease.owner_state = WI_OWNER_NONE;
    lease.has_pending = false;
    lease.pending_checkpoint = (struct weir_position){0};
    lease.handoff = (struct wi_handoff){0};
    lease.revoked = false;
    lease.pinned = false;
    /* Nobody was handed anything yet, and that is known exactly. */
    lease.replay_exact = true;
    lease.replay_through = (struct weir_position){0};
    lease.owner_switches_since_checkpoint = 0;
    lease.throughput_bytes_per_second = 0;
    error = wi_lease_check(&lease);
    if (error == WEIR_OK) {
        *ret = lease;
    }
    return error;
}

/* Only the row of a stranger comes to its last epoch. */
static bool
may_change_owner(const struct wi_lease *lease)
{
    return lease->epoch < WI_NUMBER_LAST;
}

enum weir_error
wi_lease_check_holder(const struct wi_lease *lease, const char *owner, uint64_t epoch)
{
    bool holds = owner[0] != '\0' && lease->epoch == epoch && strcmp(lease->owner, owner) == 0;

    return holds ? WEIR_OK : WEIR_ELEASELOST;
}

enum weir_error
wi_lease_check_renewal(const struct wi_lease *lease, const char *owner, uint64_t epoch)
{
    return lease->revoked ? WEIR_ELEASELOST : wi_lease_check_holder(lease, owner, epoch);
}

enum weir_error
wi_lease_judge_assignment(
    const struct wi_lease *lease,
    const struct wi_assignment *assignment,
    const struct wi_owner_view *owner,
    const struct wi_owner_view *receiver,
    bool *ret_fence)
{
    enum wi_owner_state state = wi_owner_view_state(lease->owner, owner);
    bool judged_by_counter = state == WI_OWNER_ALIVE && !lease->revoked;

    if (lease->epoch != assignment->expected_epoch || !may_change_owner(lease)) {
        return WEIR_ECONFLICT;
    }
    if (!wi_owner_view_may_receive(receiver)) {
        return WEIR_ENOTFOUND;
    }
    /* A live owner is neither fenced in favour of itself nor while its counter moves (R3). */
    if (judged_by_counter && (owner->counter != assignment->expected_counter ||
                              strcmp(lease->owner, assignment->to) == 0)) {
        return WEIR_ECONFLICT;
    }
    *ret_fence = judged_by_counter;
    return WEIR_OK;
}

/* Placed by hand: the balancer is to leave it there. */
static bool
is_operators_wish(const struct wi_lease *lease, const char *to)
{
    return lease->handoff.reason == WI_HANDOFF_OPERATOR && strcmp(lease->handoff.to, to) == 0;
}

static void
set_owner(struct wi_lease *lease, const char *owner)
{
    size_t length = strlen(owner);

    WEIR_ASSERT(length < sizeof lease->owner);
    WEIR_ASSERT(lease->epoch < UINT64_MAX);
    memcpy(lease->owner, owner, length + 1);
    lease->epoch++;
    lease->handoff = (struct wi_handoff){0};
    lease->revoked = false;
    if (length > 0 && lease->owner_switches_since_checkpoint < UINT32_MAX) {
        lease->owner_switches_since_checkpoint++;
    }
}

enum weir_error
wi_lease_apply_assignment(struct wi_lease *lease, const struct wi_assignment *assignment)
{
    bool pinned = is_operators_wish(lease, assignment->to);

    if (lease->epoch != assignment->expected_epoch || !may_change_owner(lease)) {
        return WEIR_ECONFLICT;
    }
    if (lease->owner[0] != '\0') {
        /* It may have been handed more than its checkpoint says. */
        lease->replay_exact = false;
    }
    lease->pinned = pinned;
    set_owner(lease, assignment->to);
    return WEIR_OK;
}

enum weir_error
wi_lease_apply_handoff(
    struct wi_lease *lease,
    const struct wi_handoff_request *request,
    const struct wi_owner_view *receiver)
{
    const struct wi_handoff *handoff = &request->handoff;

    if (lease->epoch != request->expected_epoch || lease->owner[0] == '\0') {
        return WEIR_ECONFLICT;
    }
    if (handoff->reason == WI_HANDOFF_NONE) {
        lease->handoff = (struct wi_handoff){0};
        return WEIR_OK;
    }
    if (!handoff_is_valid(handoff) || strcmp(handoff->to, lease->owner) == 0) {
        return WEIR_EINVAL;
    }
    if (handoff->to[0] != '\0' && !wi_owner_view_may_receive(receiver)) {
        return WEIR_ENOTFOUND;
    }
    lease->handoff = *handoff;
    return WEIR_OK;
}

enum weir_error
wi_lease_apply_revocation(struct wi_lease *lease, uint64_t expected_epoch)
{
    if (lease->epoch != expected_epoch || lease->owner[0] == '\0') {
        return WEIR_ECONFLICT;
    }
    lease->revoked = true;
    return WEIR_OK;
}

/* G4: sentinels come into a row only at its creation; SHARD_END only through finish_shard. */
static enum weir_error
check_advance(const struct wi_lease *lease, const struct weir_position *position)
{
    bool is_place =
        position->type == WEIR_AT_SEQUENCE_NUMBER || position->type == WEIR_AFTER_SEQUENCE_NUMBER;
    int order = wi_checkpoint_compare(position, &lease->checkpoint);

    return order == 0 || (is_place && order > 0) ? WEIR_OK : WEIR_EINVAL;
}

static void
set_checkpoint(struct wi_lease *lease, const struct weir_position *position)
{
    lease->checkpoint = *position;
    lease->owner_switches_since_checkpoint = 0;
    if (lease->has_pending && wi_checkpoint_compare(position, &lease->pending_checkpoint) >= 0) {
        lease->has_pending = false;
        lease->pending_checkpoint = (struct weir_position){0};
    }
}

enum weir_error
wi_lease_apply_checkpoint(struct wi_lease *lease, const struct wi_checkpoint_update *update)
{
    enum weir_error error = wi_lease_check_holder(lease, update->owner, update->epoch);

    if (error == WEIR_OK) {
        error = check_advance(lease, &update->position);
    }
    if (error == WEIR_OK) {
        set_checkpoint(lease, &update->position);
    }
    return error;
}

enum weir_error
wi_lease_apply_prepare(
    struct wi_lease *lease, const struct wi_checkpoint_update *update, size_t state_length)
{
    enum weir_error error = wi_lease_check_holder(lease, update->owner, update->epoch);

    if (error == WEIR_OK) {
        error = state_length > WI_PENDING_STATE_MAX ? WEIR_EINVAL
                                                    : check_advance(lease, &update->position);
    }
    if (error == WEIR_OK && wi_checkpoint_compare(&update->position, &lease->checkpoint) > 0) {
        lease->has_pending = true;
        lease->pending_checkpoint = update->position;
    }
    return error;
}

bool
wi_lease_is_prepared(const struct wi_lease *lease, const struct weir_position *position)
{
    return lease->has_pending && wi_checkpoint_compare(position, &lease->pending_checkpoint) == 0;
}

/* What the releasing owner was handed joins what owners before it were handed. */
static void
extend_replay(struct wi_lease *lease, const struct wi_release *release)
{
    if (wi_checkpoint_compare(&release->handed_through, &lease->replay_through) > 0) {
        lease->replay_through = release->handed_through;
    }
    lease->replay_exact = lease->replay_exact || release->covers_earlier;
}

enum weir_error
wi_lease_apply_release(
    struct wi_lease *lease, const struct wi_release *release, const struct wi_owner_view *receiver)
{
    enum weir_error error = wi_lease_check_holder(lease, release->owner, release->epoch);
    bool to_receiver = release->to[0] != '\0' && wi_owner_view_may_receive(receiver);

    if (error == WEIR_OK && !may_change_owner(lease)) {
        error = WEIR_ECORRUPT;
    }
    if (error == WEIR_OK && release->has_checkpoint) {
        error = check_advance(lease, &release->checkpoint);
    }
    if (error != WEIR_OK) {
        return error;
    }
    if (release->has_checkpoint) {
        set_checkpoint(lease, &release->checkpoint);
    }
    extend_replay(lease, release);
    lease->pinned = to_receiver && is_operators_wish(lease, release->to);
    set_owner(lease, to_receiver ? release->to : "");
    return WEIR_OK;
}

enum weir_error
wi_lease_apply_finish(struct wi_lease *lease, const struct wi_shard_finish *finish)
{
    const struct weir_position shard_end = {.type = WEIR_SHARD_END};
    enum weir_error error = wi_lease_check_holder(lease, finish->owner, finish->epoch);

    if (error != WEIR_OK) {
        return error;
    }
    if (finish->child_count > WEIR_CHILDREN_MAX) {
        return WEIR_EINVAL;
    }
    for (size_t i = 0; i < finish->child_count; i++) {
        memcpy(lease->child_shard_ids[i], finish->children[i].shard_id, WEIR_NAME_SIZE);
    }
    set_checkpoint(lease, &shard_end);
    return WEIR_OK;
}
