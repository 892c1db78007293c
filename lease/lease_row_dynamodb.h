/*
 * Rows of a DynamoDB table in the schema of Java KCL 3.5: items to values and back, and the
 * conditions of writes. No I/O. docs/lease-table-dynamodb.md says what each attribute means.
 *
 * weir writes attributes of its own ("weir...") beside Java's. They hold only as long as nobody
 * else has written the row: every write of weir that raises leaseCounter sets weirCounter to the
 * same number, and every write of Java raises leaseCounter alone.
 */
#ifndef WI_LEASE_LEASE_ROW_DYNAMODB_H
#define WI_LEASE_LEASE_ROW_DYNAMODB_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_item.h"
#include "lease/lease_store.h"

#define WI_DYNAMODB_LEASE_KEY   "leaseKey"
#define WI_DYNAMODB_LEASE_OWNER "leaseOwner"
#define WI_DYNAMODB_OWNER_INDEX "LeaseOwnerToLeaseKeyIndex"

/* Java's, for hand-offs that its leader asked for: from the wish until it takes the lease away. */
#define WI_DYNAMODB_HANDOFF_TIMEOUT_MS 30000

/* What a row is, by its entityType; a row without one is a lease (Java KCL before 3.5). */
enum wi_dynamodb_row_kind {
    WI_DYNAMODB_ROW_LEASE,
    WI_DYNAMODB_ROW_LEADER,
    WI_DYNAMODB_ROW_WORKER,
    WI_DYNAMODB_ROW_STATE,           /* client version migration, and weir's agreement */
    WI_DYNAMODB_ROW_TABLE_MIGRATION, /* of companion tables into this one */
    WI_DYNAMODB_ROW_OTHER            /* left alone */
};
enum wi_dynamodb_row_kind wi_dynamodb_row_kind(const cJSON *item);

/* --- leases --- */

struct wi_dynamodb_lease {
    struct wi_lease lease;            /* owner: who works on it now; owner_state: NONE or ALIVE */
    bool is_ours;                     /* weir's attributes hold */
    bool has_stream;                  /* of one of several streams, named in its key */
    char java_owner[WEIR_OWNER_SIZE]; /* leaseOwner: during a hand-off the next one */
    char java_checkpoint_owner[WEIR_OWNER_SIZE]; /* checkpointOwner: "" if absent */
    size_t state_length;
    uint8_t state[WI_PENDING_STATE_MAX]; /* of the pending checkpoint */
};

/* WEIR_ECORRUPT if the row is no lease that can be worked with. `initial` says what a Java row at
 * AT_TIMESTAMP means, which does not name its time. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_lease_read(
    const cJSON *item, const struct weir_position *initial, struct wi_dynamodb_lease *ret);

/* Key of a row that may be damaged; "" if it has none. */
void wi_dynamodb_row_key(const cJSON *item, const char *key_name, char ret[WEIR_LEASE_KEY_SIZE]);

/* PutItem of a new lease; the caller's condition is that the row is absent. */
void wi_dynamodb_lease_create(struct wi_dynamodb_write *write, const struct wi_lease *lease);

/* What may have happened to the row since it was read, besides renewals of its owner. */
enum wi_dynamodb_guard {
    WI_DYNAMODB_GUARD_NOTHING, /* nothing at all: counter, owners */
    WI_DYNAMODB_GUARD_OWNERS   /* renewals and checkpoints: only the owners are compared */
};
void wi_dynamodb_require_as_read(
    struct wi_dynamodb_write *write,
    const struct wi_dynamodb_lease *before,
    enum wi_dynamodb_guard guard);

/* The row is `owner`'s under `epoch`, and weir's attributes hold. */
void wi_dynamodb_require_held(struct wi_dynamodb_write *write, const char *owner, uint64_t epoch);
/* What the leader wants of a held lease is as it was read: a change writes all of that again. */
void wi_dynamodb_require_wish_as_read(
    struct wi_dynamodb_write *write, const struct wi_dynamodb_lease *before);

/* Update from `before` to `after`: whatever the rules of lease_rules.h may have changed. The
 * counter grows by `raise`; 0 leaves it alone (hand-off wishes). */
void wi_dynamodb_lease_change(
    struct wi_dynamodb_write *write,
    const struct wi_dynamodb_lease *before,
    const struct wi_lease *after,
    uint64_t raise);

/* Renewal: the counter + 1 and the throughput, if that is known; if the lease is held, not revoked,
 * and nobody wishes it away. */
void wi_dynamodb_lease_renewal(
    struct wi_dynamodb_write *write,
    const char *owner,
    const struct wi_held_lease *held,
    bool with_wish);

/* Checkpoint of a held lease without a look at the row first; the condition fails if it would go
 * down or if a pending checkpoint has to be looked at. Also a renewal. */
void wi_dynamodb_lease_checkpoint(
    struct wi_dynamodb_write *write, const struct wi_checkpoint_update *update);

/* Add to a change: the prepared checkpoint and its bytes. */
void wi_dynamodb_lease_set_pending(
    struct wi_dynamodb_write *write, const struct weir_position *position, struct weir_bytes state);

/* The checkpoint is still this one. */
void wi_dynamodb_require_checkpoint(
    struct wi_dynamodb_write *write, const struct weir_position *checkpoint);

/* The first write of an owner: from here on the row is under `lease->epoch`. The row must be as the
 * picture `lease` showed it. */
void wi_dynamodb_lease_claim(
    struct wi_dynamodb_write *write, const char *owner, const struct wi_lease *lease);

/* --- workers --- */

struct wi_dynamodb_worker {
    struct wi_worker worker; /* counter: weir's heartbeat, 0 of a Java worker */
    bool is_ours;
    bool drain_requested;
    int64_t updated_s; /* lut: wall time of its host; 0 if that is absent or beyond the year 9999 */
    char host[80];     /* boot id and pid namespace; "" of a Java worker */
};

WEIR_MUST_CHECK enum weir_error wi_dynamodb_worker_read(
    const cJSON *item, const char *key_name, struct wi_dynamodb_worker *ret);

/* Update: the row of this process start as the Java leader wants to see it. The caller adds the
 * heartbeat. A draining worker reports a failing metric, so that nothing is assigned to it. In
 * three tables it does not say that it knows the layout with one: Java's leader would take that as
 * leave to move them under its feet. */
void wi_dynamodb_worker_report(
    struct wi_dynamodb_write *write,
    const struct wi_worker *worker,
    const char *host,
    int64_t wall_s,
    bool is_single, /* everything is in one table */
    bool is_new);   /* counts the heartbeat: from 1 on */

/* Update: the heartbeat alone. */
void wi_dynamodb_worker_heartbeat(struct wi_dynamodb_write *write, int64_t wall_s);

/* Conditions: the row of a weir worker is there; and it is as it was read, so that nobody lives
 * behind it. */
void wi_dynamodb_worker_require_present(struct wi_dynamodb_write *write);
void wi_dynamodb_worker_require_silent(
    struct wi_dynamodb_write *write, const struct wi_dynamodb_worker *row);
/* Update: an operator wants that worker to leave. */
void wi_dynamodb_worker_request_drain(struct wi_dynamodb_write *write);

/* --- the leader lock --- */

#define WI_DYNAMODB_VERSION_SIZE 64U

struct wi_dynamodb_leader {
    char owner[WEIR_OWNER_SIZE];            /* "" if released or absent */
    char version[WI_DYNAMODB_VERSION_SIZE]; /* a new one at each heartbeat; "" if absent */
    bool is_released;
    int64_t duration_ms;
    uint64_t term; /* weir's; 0 of a Java leader */
};

/* NULL: no row. A row that is damaged counts as one that nobody renews. */
void wi_dynamodb_leader_read(const cJSON *item, struct wi_dynamodb_leader *ret);

/* PutItem that takes the lock from `before`. */
void wi_dynamodb_leader_take(
    struct wi_dynamodb_write *write,
    const char *key_name,
    const struct wi_dynamodb_leader *before,
    const struct wi_dynamodb_leader *after);
void wi_dynamodb_leader_heartbeat(
    struct wi_dynamodb_write *write,
    const struct wi_dynamodb_leader *before,
    const char *new_version);
/* Keeps the row, and so the term. */
void wi_dynamodb_leader_release(
    struct wi_dynamodb_write *write, const struct wi_dynamodb_leader *before);

/* --- the state row: which rules the fleet follows, and what weir's workers agree on --- */

enum wi_dynamodb_mode {
    WI_DYNAMODB_MODE_NONE,    /* no row: a new application, or Java KCL 2.x */
    WI_DYNAMODB_MODE_2X,      /* workers take leases from each other */
    WI_DYNAMODB_MODE_UPGRADE, /* the same; by its row each says that it knows 3.x */
    WI_DYNAMODB_MODE_3X       /* a leader assigns */
};

struct wi_dynamodb_state {
    enum wi_dynamodb_mode mode;
    char client_version[64]; /* as written */
    bool has_application;
    struct wi_application application;
    uint64_t epoch_floor;
};

/* NULL: no row. */
void wi_dynamodb_state_read(const cJSON *item, struct wi_dynamodb_state *ret);
/* PutItem of a new application's row, as Java KCL 3.x writes it. */
void wi_dynamodb_state_create(
    struct wi_dynamodb_write *write, const char *key_name, const char *by, int64_t wall_ms);
/* Update: what weir's workers agree on. */
void wi_dynamodb_state_agree(
    struct wi_dynamodb_write *write, const struct wi_application *application);

/* Update: no epoch up to this one is used again. The condition fails if that is so already. */
void wi_dynamodb_state_lift_floor(struct wi_dynamodb_write *write, uint64_t epoch);

/* "TABLE_MIGRATION_STATUS_COMPLETE" or another; "" if there is none. */
void wi_dynamodb_table_migration_read(const cJSON *item, char *ret, size_t size);

#define WI_DYNAMODB_LEADER_KEY          "Leader"
#define WI_DYNAMODB_STATE_KEY           "Migration3.0"
#define WI_DYNAMODB_TABLE_MIGRATION_KEY "TableMigration3.5"

#endif
