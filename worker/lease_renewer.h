/*
 * When to renew, and until when to believe (DESIGN R1, R10). Pure, embedded by value.
 *
 * A worker renews all its leases at once. The deadline counts from when an accepted renewal was
 * SENT; an unknown outcome never extends it; a lost session ends it at once.
 */
#ifndef WI_WORKER_LEASE_RENEWER_H
#define WI_WORKER_LEASE_RENEWER_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

struct wi_lease_renewer {
    int64_t hold_ms;           /* D_h = 0.8 D */
    int64_t period_ms;         /* D / 4 */
    int64_t retry_ms;          /* after a failure: D / 40, at least 1 */
    struct weir_mono next;     /* send the next renewal at this time */
    struct weir_mono sent;     /* of the one in flight */
    struct weir_mono deadline; /* believe until then */
    bool in_flight;
    bool session_lost;
};

/* The session was registered by a write sent at `sent` and accepted. */
void wi_lease_renewer_init(
    struct wi_lease_renewer *renewer, int64_t lease_duration_ms, struct weir_mono sent);

/* True if a renewal is to be sent now; then call _sent(). */
bool wi_lease_renewer_is_due(const struct wi_lease_renewer *renewer, struct weir_mono now);
void wi_lease_renewer_sent(struct wi_lease_renewer *renewer, struct weir_mono now);

/* The renewal in flight ended. WEIR_OK extends the deadline; WEIR_ESESSIONLOST ends it; anything
 * else is an unknown outcome or a refusal to try: the deadline stays, the next try comes soon. */
void wi_lease_renewer_answered(
    struct wi_lease_renewer *renewer, enum weir_error error, struct weir_mono now);

/* Stands for the time at which a lease was verified, once its session is lost (N4): no session that
 * comes later brings the belief in it back. */
#define WI_LEASE_LOST_WITH_ITS_SESSION ((struct weir_mono){-1})

/* Until when a lease may be believed in whose ownership was last verified by a request sent, or a
 * read begun, at `verified`, while the present session is believed in until `session` (N6). */
struct weir_mono wi_lease_deadline(
    struct weir_mono session, int64_t hold_ms, struct weir_mono verified);

/* The same for the session of the renewer. */
struct weir_mono wi_lease_renewer_deadline(
    const struct wi_lease_renewer *renewer, struct weir_mono verified);

/* When to look again: the next renewal, or never while one is in flight. */
struct weir_mono wi_lease_renewer_wake(const struct wi_lease_renewer *renewer);

#endif
