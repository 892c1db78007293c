/* A lease row as weir's code sees it, and the rows beside it. Values only; no behaviour. */
#ifndef WI_LEASE_LEASE_H
#define WI_LEASE_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/types.h>

/* Epochs, counters and terms end here. A row with a higher one is damaged, and one that would grow
 * beyond it is left as it is. */
#define WI_NUMBER_LAST (UINT64_MAX - 1)
/* Longest lease duration of a row; a worker asks for an hour at most. */
#define WI_LEASE_DURATION_MS_MAX INT64_C(86400000)

/* Why a hand-off was asked for. */
enum wi_handoff_reason {
    WI_HANDOFF_NONE = 0,
    WI_HANDOFF_BALANCE = 1, /* the leader evens out load */
    WI_HANDOFF_DRAIN = 2,   /* the owner leaves the fleet */
    WI_HANDOFF_OPERATOR = 3 /* `weir app move` or `release` */
};

/* A wish for a planned move; the owner carries it out (DESIGN 4.6). */
struct wi_handoff {
    enum wi_handoff_reason reason; /* NONE: no wish */
    char to[WEIR_OWNER_SIZE];      /* "" means: release, the leader will assign it */
    int64_t timeout_ms; /* an interval: reader counts it from when it first saw the wish */
};

/* What the table knows about the process behind a lease's owner. */
enum wi_owner_state {
    WI_OWNER_NONE,  /* unowned */
    WI_OWNER_ALIVE, /* judge by the counter (DESIGN R3) */
    WI_OWNER_GONE   /* fenced, or the kernel says it is dead: may be taken at once (R9) */
};

struct wi_lease {
    char lease_key[WEIR_LEASE_KEY_SIZE]; /* shard id, or stream:shard with several streams */
    char shard_id[WEIR_NAME_SIZE];
    char parent_shard_ids[WEIR_PARENTS_MAX][WEIR_NAME_SIZE];
    char child_shard_ids[WEIR_CHILDREN_MAX][WEIR_NAME_SIZE]; /* known from the shard's end on */
    struct weir_hash_range range;
    char owner[WEIR_OWNER_SIZE]; /* "" if unowned */
    uint64_t epoch;   /* +1 at every change of owner (also to none); never reused for the key */
    uint64_t counter; /* what an observer watches: grows while the owner lives */
    enum wi_owner_state owner_state;
    struct weir_position checkpoint;
    bool has_pending; /* a prepared checkpoint; its bytes: get_pending() */
    struct weir_position pending_checkpoint;
    struct wi_handoff handoff;
    bool revoked;      /* the owner's renewals fail; take it D after the revocation (R5) */
    bool pinned;       /* placed by an operator: the balancer leaves it alone */
    bool replay_exact; /* replay_through is right: the last owner released it in order */
    struct weir_position replay_through; /* last position that any earlier owner was handed */
    uint32_t owner_switches_since_checkpoint;
    uint64_t throughput_bytes_per_second;
};

/* A worker process as the table knows it. */
struct wi_worker {
    char owner[WEIR_OWNER_SIZE]; /* identity of this process start */
    uint64_t counter;            /* its heartbeat */
    uint32_t max_leases;         /* 0: no bound */
    uint32_t protocol_version;
    bool draining;             /* wants to leave: give it nothing, move everything away */
    enum wi_owner_state state; /* ALIVE or GONE */
    bool elsewhere;            /* its process is not one of this kernel's */
};

struct wi_leader {
    char owner[WEIR_OWNER_SIZE]; /* "" if nobody leads */
    uint64_t term;               /* +1 at every take; every write of a leader names it (R12) */
    uint64_t counter;
    enum wi_owner_state owner_state;
    bool passive;        /* asks no draining worker for its leases: each lets go by itself */
    bool everyone_takes; /* there is none: each worker takes leases for itself (Java KCL 2.x) */
    bool ends_soon;      /* beside it: the worker that a shuffle names decides when that ends */
};

/* What all workers of an application must agree on. */
struct wi_application {
    char stream_url[WEIR_NAME_SIZE + 16];
    int64_t lease_duration_ms; /* D of DESIGN 4.3: the proofs need one value for all */
    struct weir_position initial_position;
};

/* One consistent picture of the table. Release with wi_lease_table_free(). */
struct wi_lease_table {
    struct wi_lease *leases; /* sorted by lease_key */
    size_t lease_count;
    struct wi_worker *workers; /* sorted by owner */
    size_t worker_count;
    struct wi_leader leader;
    struct wi_application application;
    uint32_t version;     /* of the hint, read before the rows: pass it to wait() */
    size_t damaged_count; /* rows that could not be read; never written over */
    char first_damaged[WEIR_LEASE_KEY_SIZE];
};

#endif
