/*
 * The checker: reads a history event by event and says which property it breaks, as soon as it
 * does. Linear time; memory grows with shards, keys and records not yet covered. Independent of the
 * engines: it knows histories only.
 *
 * Properties: G1 to G8 of the design, I1 to I16 and L1 to L7 of reliability, P1 to P14 of the
 * peers' bug classes. Each is one function in sim/checker_*.c with its formula in a comment;
 * docs/properties.md lists them.
 */
#ifndef WI_SIM_CHECKER_H
#define WI_SIM_CHECKER_H

#include <weir/env.h>

#include "sim/history.h"

struct wi_checker;

/* What the run promises; 0 switches a bound off. */
struct wi_checker_settings {
    int64_t lease_duration_ms;
    int64_t crash_takeover_ms; /* L1: by the kernel's word */
    int64_t hang_takeover_ms;  /* L1: by the counter */
    int64_t balance_ms;        /* L2: after HEALED */
    int64_t progress_ms;       /* L4 */
    int64_t reshard_ms;        /* L6: parents finished -> child initialized, after HEALED */
    int64_t stop_ms;           /* P7: LEAVING -> owns nothing, after HEALED */
    uint32_t redelivered_max;  /* I12: processed records that one owner change may repeat */
    bool free_moves;           /* G5: processors checkpoint at shutdown_requested, or weir does */
    bool starts_at_tip; /* initial position LATEST, AT_TIMESTAMP: a shard may go without a row */
    bool fenced_sink;   /* I10 is demanded of EFFECT events */
    bool exactly_once_sink; /* I11 too */
    bool starts_at_time;    /* initial position AT_TIMESTAMP: a shard may end before that time */
};

struct wi_violation {
    const char *property; /* "I2", "G4", ... static */
    const char *name;     /* "belief exclusivity" ... static */
    char text[256];       /* what, with numbers */
    uint64_t event;       /* index of the event that broke it */
};

enum weir_error wi_checker_new(
    const struct weir_env *env,
    const struct wi_checker_settings *settings,
    struct wi_checker **ret);
void wi_checker_free(struct wi_checker *checker);

/* True if the history still holds; false: *ret_violation is set, and the checker takes no more. */
bool wi_checker_feed(
    struct wi_checker *checker,
    const struct wi_history_event *event,
    struct wi_violation *ret_violation);

/* The properties, for `weir sim --list-properties`: NULL-terminated. Static. */
struct wi_property {
    const char *property;
    const char *name;
    const char *formula;
};
const struct wi_property *wi_checker_properties(void);

#endif
