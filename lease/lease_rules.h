/*
 * The rules of the lease table, shared by every backend: on which condition an operation may touch
 * a row, and what it does to it. Pure. docs/lease-table.md section 2 is the same in a table.
 *
 * A function that returns an error has changed nothing. Each names the rule of DESIGN 4.3 it
 * carries out. What a rule must know beside the row (is the receiver alive?) comes in as an
 * argument.
 */
#ifndef WI_LEASE_LEASE_RULES_H
#define WI_LEASE_LEASE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>

#include "lease/lease_store.h"

/* What is known of an owner at one moment: its session, and the kernel's word (R9). */
struct wi_owner_view {
    bool registered;   /* it has a session row */
    bool fenced;       /* declared dead: no renewal of it is accepted any more */
    bool process_gone; /* the kernel says that this process start is over */
    uint64_t counter;  /* its heartbeat; 0 without a session row */
};

/* R3, R9: how an observer is to judge an owner. */
enum wi_owner_state wi_owner_view_state(const char *owner, const struct wi_owner_view *view);

/* A lease may be given only to a registered worker that is not known to be dead. */
bool wi_owner_view_may_receive(const struct wi_owner_view *view);

/* True for a lease key, owner or shard id that fits `size` and is not empty. */
bool wi_lease_text_is_valid(const char *text, size_t size);

/* The invariants of a row; WEIR_EINVAL names none of them. Rows read from outside pass here too. */
WEIR_MUST_CHECK enum weir_error wi_lease_check(const struct wi_lease *lease);

/* A new row as `wish` describes its shard: unowned, at an epoch that no deleted row ever had. */
WEIR_MUST_CHECK enum weir_error wi_lease_create(
    const struct wi_lease *wish, uint64_t epoch_floor, struct wi_lease *ret);

/* G3, I4: WEIR_ELEASELOST unless `owner` holds the lease under this epoch. */
WEIR_MUST_CHECK enum weir_error wi_lease_check_holder(
    const struct wi_lease *lease, const char *owner, uint64_t epoch);

/* R5: as above, and the lease is not revoked. What a renewal says of one lease. */
WEIR_MUST_CHECK enum weir_error wi_lease_check_renewal(
    const struct wi_lease *lease, const char *owner, uint64_t epoch);

/*
 * R3, R5, R9: may the lease be assigned? WEIR_ECONFLICT: not as seen, or at its last epoch, which
 * is to hinder no other lease of the pass. WEIR_ENOTFOUND: no such receiver. On WEIR_OK *ret_fence
 * tells whether the owner's session must be fenced first.
 */
WEIR_MUST_CHECK enum weir_error wi_lease_judge_assignment(
    const struct wi_lease *lease,
    const struct wi_assignment *assignment,
    const struct wi_owner_view *owner,
    const struct wi_owner_view *receiver,
    bool *ret_fence);

/* Give it away; judged, and fenced where needed, before. WEIR_ECONFLICT: the epoch moved since. */
WEIR_MUST_CHECK enum weir_error wi_lease_apply_assignment(
    struct wi_lease *lease, const struct wi_assignment *assignment);

/* 4.6: leave, replace or (reason NONE) withdraw a wish. */
WEIR_MUST_CHECK enum weir_error wi_lease_apply_handoff(
    struct wi_lease *lease,
    const struct wi_handoff_request *request,
    const struct wi_owner_view *receiver);

/* R5: renewals of this lease fail from now on. Repeating it is OK. */
WEIR_MUST_CHECK enum weir_error wi_lease_apply_revocation(
    struct wi_lease *lease, uint64_t expected_epoch);

/* G4, I5. Drops a pending checkpoint that it reaches. */
WEIR_MUST_CHECK enum weir_error wi_lease_apply_checkpoint(
    struct wi_lease *lease, const struct wi_checkpoint_update *update);

/* First phase of a two-phase checkpoint; `state_length` application bytes go with it. */
WEIR_MUST_CHECK enum weir_error wi_lease_apply_prepare(
    struct wi_lease *lease, const struct wi_checkpoint_update *update, size_t state_length);
/* Whether that position is pending now: then the bytes that came with it belong to the row. */
bool wi_lease_is_prepared(const struct wi_lease *lease, const struct weir_position *position);

/* R6's second half: final checkpoint and next owner at once. A receiver that may not receive gets
 * nothing: the lease becomes unowned. WEIR_ECORRUPT at its last epoch. */
WEIR_MUST_CHECK enum weir_error wi_lease_apply_release(
    struct wi_lease *lease, const struct wi_release *release, const struct wi_owner_view *receiver);

/* 4.7: child ids and SHARD_END. The children's rows are the backend's business, before this. */
WEIR_MUST_CHECK enum weir_error wi_lease_apply_finish(
    struct wi_lease *lease, const struct wi_shard_finish *finish);

#endif
