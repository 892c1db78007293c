/* The processor's side of checkpoints. Called on processor threads, and on threads of the user. */
#include "worker/checkpointer.h"

#include <stddef.h>
#include <stdint.h>

#include <weir/checkpointer.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/mono.h"
#include "worker/checkpoint_tracker.h"

static struct wi_checkpointer_view
look(const struct weir_checkpointer *checkpointer)
{
    struct wi_checkpointer_view view = {0};

    checkpointer->ops->look(checkpointer->context, &view);
    return view;
}

/* Rules that need no table: the deadline (R2), and what was delivered (G4). */
static enum weir_error
may_checkpoint(const struct wi_checkpointer_view *view, const struct weir_position *wish)
{
    if (!wi_mono_before(view->now, view->deadline)) {
        return WEIR_ELEASELOST;
    }
    return wi_checkpoint_tracker_check(&view->tracker, wish);
}

static struct weir_position
wish_of(const struct wi_checkpointer_view *view, const struct weir_record *record)
{
    if (record == NULL) {
        return view->reached;
    }
    return (struct weir_position){.type = WEIR_AFTER_SEQUENCE_NUMBER,
                                  .sequence_number = record->sequence_number,
                                  .sub_sequence_number = record->sub_sequence_number};
}

static enum weir_error
checkpoint(
    const struct weir_checkpointer *checkpointer,
    const struct wi_checkpointer_view *view,
    const struct weir_position *wish)
{
    enum weir_error error = WEIR_OK;

    if (wish->type != WEIR_AFTER_SEQUENCE_NUMBER) {
        return WEIR_OK; /* nothing was delivered yet: the checkpoint stands where it stood */
    }
    error = may_checkpoint(view, wish);
    if (error == WEIR_OK) {
        error = checkpointer->ops->checkpoint(checkpointer->context, wish);
    }
    checkpointer->ops->done(checkpointer->context, wish, error);
    return error;
}

enum weir_error
weir_checkpoint(struct weir_checkpointer *checkpointer, const struct weir_record *record)
{
    struct wi_checkpointer_view view;
    struct weir_position wish;

    if (checkpointer == NULL) {
        return WEIR_EINVAL;
    }
    view = look(checkpointer);
    wish = wish_of(&view, record);
    return checkpoint(checkpointer, &view, &wish);
}

enum weir_error
weir_checkpoint_at(
    struct weir_checkpointer *checkpointer,
    const struct weir_sequence_number *sequence_number,
    uint64_t sub_sequence_number)
{
    struct weir_position wish = {
        .type = WEIR_AFTER_SEQUENCE_NUMBER, .sub_sequence_number = sub_sequence_number};
    struct wi_checkpointer_view view;

    if (checkpointer == NULL || sequence_number == NULL) {
        return WEIR_EINVAL;
    }
    view = look(checkpointer);
    wish.sequence_number = *sequence_number;
    return checkpoint(checkpointer, &view, &wish);
}

enum weir_error
weir_checkpoint_prepare(
    struct weir_checkpointer *checkpointer,
    const struct weir_record *record,
    struct weir_bytes state)
{
    struct wi_checkpointer_view view;
    struct weir_position wish;
    enum weir_error error = WEIR_OK;

    if (checkpointer == NULL || state.length > WEIR_CHECKPOINT_STATE_MAX ||
        (state.data == NULL && state.length > 0)) {
        return WEIR_EINVAL;
    }
    view = look(checkpointer);
    wish = wish_of(&view, record);
    error = may_checkpoint(&view, &wish);
    return error == WEIR_OK ? checkpointer->ops->prepare(checkpointer->context, &wish, state)
                            : error;
}

enum weir_error
weir_checkpoint_pending(
    struct weir_checkpointer *checkpointer,
    struct weir_position *ret_position,
    void *ret_state,
    size_t *ret_state_length)
{
    if (checkpointer == NULL || ret_position == NULL || ret_state == NULL ||
        ret_state_length == NULL) {
        return WEIR_EINVAL;
    }
    return checkpointer->ops->get_pending(
        checkpointer->context, ret_position, ret_state, ret_state_length);
}

struct weir_position
weir_checkpoint_last(const struct weir_checkpointer *checkpointer)
{
    return look(checkpointer).tracker.checkpoint;
}

int64_t
weir_lease_time_left_ms(const struct weir_checkpointer *checkpointer)
{
    struct wi_checkpointer_view view = look(checkpointer);

    return wi_mono_before(view.now, view.deadline) ? wi_mono_elapsed_ms(view.now, view.deadline)
                                                   : 0;
}
