/*
 * The lease epochs that this worker has been through. A consumer must not begin a second life under
 * an epoch: what it was handed in the first one is neither processed nor forgotten. A picture of
 * the table that is older than a release still shows the lease as this worker's; and after a
 * deadline has passed without anybody taking the lease, a new picture shows it too. Pure.
 *
 * Rules H9 to H11 of docs/state-machines-consumer.md, "Scheduler".
 */
#ifndef WI_WORKER_PAST_LEASES_H
#define WI_WORKER_PAST_LEASES_H

#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease.h"

struct wi_past_lease {
    char lease_key[WEIR_LEASE_KEY_SIZE];
    uint64_t epoch;
    struct weir_position handed_through; /* last position the processor was handed */
};

/* Embedded by value; all zeros but `env` is empty. */
struct wi_past_leases {
    const struct weir_env *env;
    struct wi_past_lease *items; /* sorted by lease_key */
    size_t count;
    size_t capacity;
};

/* What to do about a lease that the table calls this worker's and for which nothing runs. */
enum wi_past_verdict {
    WI_PAST_NEW,  /* an epoch that it has not been through: H9 */
    WI_PAST_OVER, /* the same epoch, still in the table: give it back, so that a new one begins: H9
                   */
    WI_PAST_OUT_OF_DATE /* an older epoch: the picture is out of date, do nothing: H11 */
};

enum wi_past_verdict wi_past_leases_judge(
    const struct wi_past_leases *past, const struct wi_lease *lease);

/* Last position handed out under the lease's present epoch; the row's own word for a new epoch. */
struct weir_position wi_past_leases_handed_through(
    const struct wi_past_leases *past, const struct wi_lease *lease);

/* A life under this epoch has ended. WEIR_ENOMEM: not remembered, keep the consumer and try again.
 */
enum weir_error wi_past_leases_remember(
    struct wi_past_leases *past,
    const char *lease_key,
    uint64_t epoch,
    const struct weir_position *handed_through);

/* Forget epochs that the table has left behind: no picture that is still to come can show them.
 * While rows cannot be read nothing is forgotten that the picture does not show. */
void wi_past_leases_forget(struct wi_past_leases *past, const struct wi_lease_table *table);

void wi_past_leases_free(struct wi_past_leases *past);

#endif
