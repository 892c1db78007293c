/*
 * The lease table as a model: the memory backend, which is the specification of all of them, behind
 * requests that take time and may be late, lost, doubled or refused. On one host a request is a
 * call of the process: it does not outlive it, and it waits while the process is stopped. Remote it
 * is a message with a timeout, which may arrive when its sender has long given up or is dead.
 */
#ifndef WI_SIM_SIM_STORE_H
#define WI_SIM_SIM_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>
#include <weir/types.h>

#include "lease/lease_store.h"
#include "sim/sim_world.h"

/* A remote request that was not answered for so long has an unknown outcome. */
#define WI_SIM_REQUEST_TIMEOUT_MS 3000

enum wi_sim_operation {
    WI_SIM_LIST,
    WI_SIM_GET_LEADER,
    WI_SIM_CREATE,
    WI_SIM_REMOVE,
    WI_SIM_ASSIGN,
    WI_SIM_HANDOFF,
    WI_SIM_REVOKE,
    WI_SIM_RENEW,
    WI_SIM_CHECKPOINT,
    WI_SIM_PREPARE,
    WI_SIM_GET_PENDING,
    WI_SIM_RELEASE,
    WI_SIM_FINISH,
    WI_SIM_PUT_WORKER,
    WI_SIM_REMOVE_WORKER,
    WI_SIM_TAKE_LEADER,
    WI_SIM_RELEASE_LEADER,
    WI_SIM_OPERATIONS
};

const char *wi_sim_operation_name(enum wi_sim_operation operation);

/* One row of a request; members that the operation does not use are 0. */
struct wi_sim_item {
    char lease_key[WEIR_LEASE_KEY_SIZE];
    char owner[WEIR_OWNER_SIZE];
    char to[WEIR_OWNER_SIZE];
    uint64_t epoch;
    uint64_t counter;
    struct wi_handoff handoff;
    struct weir_position position;
    struct weir_position handed_through;
    bool has_checkpoint;
    bool covers_earlier;
    uint64_t consumer; /* the sender's: which of its consumers it is about */
    enum weir_error result;
};

struct wi_sim_node;

/* Everything by value: it may arrive after its sender is gone. */
struct wi_sim_request {
    enum wi_sim_operation operation;
    uint32_t node;
    uint32_t life;
    uint32_t version; /* the sender's */
    uint32_t writer;  /* the sender's session, for the history; 0: an operator */
    /* In the sender's process, unless it is over. Not called twice. */
    void (*answered)(struct wi_sim *sim, struct wi_sim_node *node, struct wi_sim_request *request);
    uint64_t consumer;     /* the sender's */
    struct weir_mono sent; /* on the sender's clock */

    uint64_t term;
    uint64_t expected_term;
    uint64_t expected_counter;
    uint64_t expected_epoch;
    char lease_key[WEIR_LEASE_KEY_SIZE];
    char owner[WEIR_OWNER_SIZE];
    struct wi_worker worker;
    struct wi_lease *leases; /* CREATE; children of FINISH */
    size_t lease_count;
    struct wi_sim_item *items;
    size_t count;
    uint8_t *state; /* WI_PENDING_STATE_MAX application bytes of PREPARE and GET_PENDING */
    size_t state_length;

    /* The answer. */
    enum weir_error error;
    struct wi_lease_table table;
    struct wi_leader leader;
    uint64_t won_term;
    struct wi_renew_answer renewal;

    unsigned references; /* events under way that name it */
    bool is_answered;
};

/* What the table must have as a prepared checkpoint of a shard (T1). */
struct wi_sim_pending {
    bool is_there;
    uint64_t through;
    size_t state_length;
    uint8_t state[WI_PENDING_STATE_MAX];
};

struct wi_sim_damage {
    char lease_key[WEIR_LEASE_KEY_SIZE];
    enum weir_error error; /* WEIR_ECORRUPT or WEIR_EVERSION */
};

#define WI_SIM_DAMAGES_MAX 8

struct wi_sim_store {
    struct wi_lease_store *store;
    struct wi_sim_damage damages[WI_SIM_DAMAGES_MAX];
    size_t damage_count;
    bool is_full;        /* writes that need room answer WEIR_EFULL ... */
    bool is_full_to_all; /* ... and so do all others */
    uint32_t locked_by;  /* number of a stopped node + 1 that holds the writer lock; 0: none */
};

void wi_sim_store_init(struct wi_sim *sim);
void wi_sim_store_free(struct wi_sim *sim);

/* A request of this node; `count` items, all zero. Belongs to the simulator once it is sent. */
struct wi_sim_request *wi_sim_request_new(
    struct wi_sim *sim, uint32_t node, enum wi_sim_operation operation, size_t count);
/* Application bytes for PREPARE, or room for those of GET_PENDING. */
void wi_sim_request_set_state(
    struct wi_sim *sim, struct wi_sim_request *request, struct weir_bytes state);
void wi_sim_request_send(struct wi_sim *sim, struct wi_sim_request *request);

/* The kernel's word that an owner's process is over (one host only). */
void wi_sim_store_process_gone(struct wi_sim *sim, const char *owner);
/* Liveness is lost with the power; leases stay. */
void wi_sim_store_power_loss(struct wi_sim *sim);

/* Whether there is a row, readable or not; whether it is at SHARD_END. */
bool wi_sim_store_has_row(struct wi_sim *sim, const char *lease_key);
bool wi_sim_store_has_ended(struct wi_sim *sim, const char *lease_key);

/* Make a row unreadable; false if there is none. */
bool wi_sim_store_damage(struct wi_sim *sim, uint64_t random, enum weir_error error);
void wi_sim_store_repair(struct wi_sim *sim);

/* An operator's own writes, at once: a wish to move a lease, a wish that a worker leaves. */
void wi_sim_store_move(struct wi_sim *sim, uint64_t random);
void wi_sim_store_ask_to_drain(struct wi_sim *sim, const char *owner);

/* The hint's version as a process of this host reads it. */
uint32_t wi_sim_store_version(struct wi_sim *sim);

/* Carry out at once, with no fault but damage; fills the answer. sim_store_apply.c */
void wi_sim_store_apply(struct wi_sim *sim, struct wi_sim_request *request);

#endif
