/*
 * What a seed decides: the shape of a run and its faults. Rates are drawn per seed, each fault on
 * or off (swarm), so that runs differ in kind. Incidents are drawn before the run begins, as a
 * list: a shrinker can leave some of them out.
 */
#ifndef WI_SIM_SIM_FAULT_H
#define WI_SIM_SIM_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/sim.h>
#include <weir/types.h>

#include "sim/sim_world.h"

#define WI_SIM_SLOTS_MAX     8  /* worker processes at a time */
#define WI_SIM_INCIDENTS_MAX 48 /* in one run */

/* Kinds of faults; docs/simulator.md has the table. Names: wi_sim_fault_name(). */
enum wi_sim_fault {
    /* of single requests: each has a rate */
    WI_SIM_LATE,        /* an answer takes up to 1.5 D */
    WI_SIM_LOST,        /* a request does not arrive */
    WI_SIM_LOST_ANSWER, /* it was carried out, nobody hears of it */
    WI_SIM_DOUBLED,     /* it arrives twice */
    WI_SIM_UNKNOWN,     /* EIO: carried out or not */
    WI_SIM_THROTTLED,   /* the table refuses for now */
    WI_SIM_LOST_HINT,   /* a wake-up is lost */
    WI_SIM_STREAM_LATE,
    WI_SIM_STREAM_LOST,
    WI_SIM_STREAM_THROTTLED,
    WI_SIM_EXPIRED_ITERATOR,
    WI_SIM_STALE_SHARDS, /* a list of shards of a moment ago */
    WI_SIM_SLOW_PROCESSOR,
    WI_SIM_FAILING_PROCESSOR,
    /* of the whole run */
    WI_SIM_DRIFT, /* clocks run at 0.9 to 1.1 */
    /* incidents */
    WI_SIM_CRASH,
    WI_SIM_CRASH_LEADER,
    WI_SIM_STOP,        /* SIGSTOP, later SIGCONT */
    WI_SIM_STOP_LOCKED, /* the same inside a transaction: writers wait; evicted after D / 2 */
    WI_SIM_SUSPEND,     /* all processes at once */
    WI_SIM_WALL_JUMP,
    WI_SIM_CUT, /* worker and table do not hear each other */
    WI_SIM_CUT_REQUESTS,
    WI_SIM_CUT_ANSWERS,
    WI_SIM_CUT_STREAM,
    WI_SIM_SPLIT,
    WI_SIM_MERGE,
    WI_SIM_STORM, /* many splits and merges in a row */
    WI_SIM_TRIM,
    WI_SIM_HANG,   /* a processor does not return */
    WI_SIM_POISON, /* one record that cannot be processed for a while */
    WI_SIM_KILLER, /* one record that ends the process */
    WI_SIM_CORRUPT_RECORD,
    WI_SIM_FULL_DISK,
    WI_SIM_DAMAGED_ROW,
    WI_SIM_NEWER_ROW,
    WI_SIM_JOIN,
    WI_SIM_DRAIN,
    WI_SIM_OPERATOR_DRAIN,
    WI_SIM_OPERATOR_MOVE,
    WI_SIM_UPGRADE, /* one worker after the other drains and comes back */
    WI_SIM_POWER_LOSS,
    WI_SIM_FAULTS
};

const char *wi_sim_fault_name(enum wi_sim_fault fault);

/* The fault of that name; false if there is none. */
bool wi_sim_fault_find(const char *name, enum wi_sim_fault *ret);

/* Whether this kind may keep a worker from writing to the table. */
bool wi_sim_fault_hinders_writes(enum wi_sim_fault fault);

/* How a sink treats effects. */
enum wi_sim_sink_kind {
    WI_SIM_SINK_PLAIN,
    WI_SIM_SINK_FENCED,      /* refuses smaller lease epochs, planted at initialize */
    WI_SIM_SINK_EXACTLY_ONCE /* fenced, and keeps its position */
};

/* The shape of a run. */
struct wi_sim_config {
    bool remote; /* table beyond a network: own clocks, no word of a kernel, requests outlive */
    bool automatic_checkpoints;
    bool prepares; /* explicit checkpoints come in two phases */
    bool strict;
    bool two_versions; /* workers start with either, and come back from an upgrade with the newer */
    bool calm;         /* no fault keeps a write from the table: sim_calm.c */
    enum wi_sim_sink_kind sink;
    uint32_t workers;
    uint32_t shards;
    uint32_t leases_max;
    uint32_t batch_records_max;
    uint32_t keys;
    uint64_t checkpoint_records;
    uint32_t threads;        /* for processors, of each worker; 0: one for each shard */
    uint64_t buffer_fetches; /* fetches that the byte budget has room for */
    int64_t lease_duration_ms;
    int64_t handoff_timeout_ms;
    int64_t drain_timeout_ms;
    int64_t shard_sync_interval_ms;
    int64_t checkpoint_interval_ms;
    int64_t retry_base_ms;
    int64_t retry_cap_ms;
    int64_t put_interval_us; /* mean time between puts */
    int64_t chaos_ms;
    struct weir_position initial_position;
    uint32_t rate[WI_SIM_FAULTS]; /* per million; 0: off */
};

struct wi_sim_incident {
    int64_t time_ns;
    enum wi_sim_fault fault;
    uint32_t slot;       /* the worker that it hits, if it hits one */
    int64_t duration_ms; /* until it is over; 0: it has no length */
    uint64_t argument;   /* random bits for the rest */
};

struct wi_sim_plan {
    struct wi_sim_config config;
    struct wi_sim_incident incidents[WI_SIM_INCIDENTS_MAX];
    size_t incident_count;
};

_Static_assert(WI_SIM_FAULTS <= 64, "one bit for each kind");
_Static_assert(WI_SIM_INCIDENTS_MAX <= 64, "one bit for each incident");

/* --- sim_calm.c --- */

/* Bounds of a calm run: until the leases of a dead process are with others, on one host; until a
 * worker that leaves has no lease. */
int64_t wi_sim_calm_takeover_ms(const struct wi_sim_config *config);
int64_t wi_sim_calm_stop_ms(const struct wi_sim_config *config);
/* How long what goes wrong last is watched, before everybody leaves. */
int64_t wi_sim_calm_watch_ms(const struct wi_sim_config *config);

/* Draw everything from the world's seed, then leave out what the limits say. */
void wi_sim_plan_draw(
    struct wi_sim_world *world, const struct weir_sim_limits *limits, struct wi_sim_plan *ret);

#endif
