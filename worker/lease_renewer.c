/* Rules N1 to N6 of docs/state-machines-consumer.md, "Lease renewal". */
#include "worker/lease_renewer.h"

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/check.h"
#include "core/mono.h"

/* The holder's share of the lease duration (N1): with clock rates that differ by up to 10 % it ends
 * before an observer's full duration does. */
#define HOLD_TENTHS INT64_C(8)

static int64_t
at_least_one(int64_t ms)
{
    return ms > 0 ? ms : 1;
}

void
wi_lease_renewer_init(
    struct wi_lease_renewer *renewer, int64_t lease_duration_ms, struct weir_mono sent)
{
    WEIR_ASSERT(lease_duration_ms > 0);
    WEIR_ASSERT(lease_duration_ms <= INT64_MAX / HOLD_TENTHS);
    *renewer = (struct wi_lease_renewer){
        .hold_ms = at_least_one(lease_duration_ms * HOLD_TENTHS / 10),
        .period_ms = at_least_one(lease_duration_ms / 4),
        .retry_ms = at_least_one(lease_duration_ms / 40),
        .sent = sent,
    };
    renewer->next = wi_mono_add_ms(sent, renewer->period_ms);
    renewer->deadline = wi_mono_add_ms(sent, renewer->hold_ms);
}

bool
wi_lease_renewer_is_due(const struct wi_lease_renewer *renewer, struct weir_mono now)
{
    return !renewer->in_flight && !renewer->session_lost && !wi_mono_before(now, renewer->next);
}

void
wi_lease_renewer_sent(struct wi_lease_renewer *renewer, struct weir_mono now)
{
    WEIR_ASSERT(!renewer->in_flight);
    WEIR_ASSERT(!renewer->session_lost);
    renewer->in_flight = true;
    renewer->sent = now;
}

void
wi_lease_renewer_answered(
    struct wi_lease_renewer *renewer, enum weir_error error, struct weir_mono now)
{
    WEIR_ASSERT(renewer->in_flight);
    WEIR_ASSERT(!wi_mono_before(now, renewer->sent));
    renewer->in_flight = false;
    if (error == WEIR_OK) { /* N2 */
        renewer->deadline = wi_mono_add_ms(renewer->sent, renewer->hold_ms);
        renewer->next = wi_mono_add_ms(renewer->sent, renewer->period_ms);
    } else if (error == WEIR_ESESSIONLOST) { /* N4 */
        renewer->session_lost = true;
        renewer->deadline = (struct weir_mono){0};
        renewer->next = WI_MONO_NEVER;
    } else { /* N3 */
        renewer->next = wi_mono_add_ms(now, renewer->retry_ms);
    }
}

struct weir_mono
wi_lease_deadline(struct weir_mono session, int64_t hold_ms, struct weir_mono verified)
{
    if (verified.ns == WI_LEASE_LOST_WITH_ITS_SESSION.ns) { /* N4 */
        return (struct weir_mono){0};
    }
    WEIR_ASSERT(verified.ns >= 0);
    return wi_mono_earlier(session, wi_mono_add_ms(verified, hold_ms)); /* N6 */
}

struct weir_mono
wi_lease_renewer_deadline(const struct wi_lease_renewer *renewer, struct weir_mono verified)
{
    WEIR_ASSERT(renewer->hold_ms > 0);
    return wi_lease_deadline(renewer->deadline, renewer->hold_ms, verified);
}

struct weir_mono
wi_lease_renewer_wake(const struct wi_lease_renewer *renewer)
{
    return renewer->in_flight || renewer->session_lost ? WI_MONO_NEVER : renewer->next;
}
