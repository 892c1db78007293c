/* The DynamoDB backend's inside, for its files. docs/lease-table-dynamodb.md describes it. */
#ifndef WI_LEASE_LEASE_STORE_DYNAMODB_H
#define WI_LEASE_LEASE_STORE_DYNAMODB_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "aws/aws_client.h"
#include "aws/dynamodb_api.h"
#include "aws/http.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_url_dynamodb.h"
#include "lease/lease_watch_dynamodb.h"

/* Requests of one operation that are built and in flight together, at most. */
#define WI_DYNAMODB_BATCH_MAX 64U
/* Rounds of look and write before an operation on a contended row gives up. */
#define WI_DYNAMODB_ROUNDS_MAX 4U
/* Segments of a parallel scan, at most; as many as the last scan had pages. */
#define WI_DYNAMODB_SEGMENTS_MAX 16U
/* Most rows of a table: beyond it a listing is refused (WEIR_ELIMIT). */
#define WI_DYNAMODB_ROWS_MAX 200000U

#define WI_DYNAMODB_TABLE_SIZE 256U
#define WI_DYNAMODB_HOST_SIZE  80U

/* What this handle knows of the leader lock. */
struct wi_dynamodb_lock {
    struct wi_dynamodb_leader seen; /* at the last read */
    bool was_read;
    uint64_t term;          /* that callers were told */
    struct weir_mono since; /* the lock has looked as it does since then */
    uint64_t looks;         /* reads of a lock of Java that still holds: its counter goes on */
    bool held;              /* by a worker of this handle */
    struct weir_mono deadline;
    struct wi_dynamodb_worker holder; /* of a lock of weir, when its row was last read */
};

struct wi_dynamodb_store {
    struct wi_lease_store base;
    const struct weir_env *env;
    struct wi_http *http;
    struct wi_aws_client *client;
    struct wi_dynamodb dynamodb;
    char lease_name[WI_DYNAMODB_NAME_MAX + 1];
    char state_name[WI_DYNAMODB_TABLE_SIZE];
    char worker_name[WI_DYNAMODB_TABLE_SIZE];
    struct wi_dynamodb_table leases;
    struct wi_dynamodb_table own_states; /* in use unless all is in one table: Java KCL 3.0's */
    struct wi_dynamodb_table own_workers;
    atomic_bool is_single; /* becomes false when Java KCL 3.0 makes tables beside 2.x's */
    atomic_bool has_moved; /* Java KCL moves three tables into one: nothing goes on until it has */
    int64_t poll_ms;       /* 0: a quarter of the lease duration */
    char host[WI_DYNAMODB_HOST_SIZE]; /* boot id and pid namespace of this process */

    /* Only of the thread that opens the application. */
    bool has_rights;
    bool reads_one;     /* a lease of one stream was seen */
    bool reads_several; /* one of several streams' */

    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    uint32_t version;
    struct wi_application application; /* as agreed, or as wished before */
    enum wi_dynamodb_mode mode;        /* 2X, UPGRADE or 3X; without a row Migration3.0: 2X */
    struct weir_mono mode_looked;      /* when the row was last read */
    struct weir_mono layout_looked;
    char owner[WEIR_OWNER_SIZE]; /* the worker of this process: whose leases are polled */
    struct wi_worker self;
    bool has_row; /* self is in the table */
    bool has_left;
    struct weir_mono reported; /* when its row was last written */
    struct weir_mono next_poll;
    bool is_polling;
    uint64_t *known; /* hashes of keys of leases that the last listing showed as its own; sorted */
    size_t known_count;
    struct wi_dynamodb_watch watch;
    struct wi_dynamodb_lock lock;
    unsigned segments;
};

/* --- lease_store_dynamodb_rows.c: what several files need --- */

struct weir_mono wi_dynamodb_now(const struct wi_dynamodb_store *store);
int64_t wi_dynamodb_wall_ms(const struct wi_dynamodb_store *store);
struct wi_dynamodb_request *wi_dynamodb_requests_new(struct wi_dynamodb_store *store, size_t count);
void wi_dynamodb_requests_free(
    struct wi_dynamodb_store *store, struct wi_dynamodb_request *requests, size_t count);

/* Ownership may have changed: those who wait look again. */
void wi_dynamodb_raise_hint(struct wi_dynamodb_store *store);
/* Where an AT_TIMESTAMP of Java begins. */
struct weir_position wi_dynamodb_initial(struct wi_dynamodb_store *store);
int64_t wi_dynamodb_lease_duration_ms(struct wi_dynamodb_store *store);

/* One row. WEIR_ENOTFOUND, WEIR_ECORRUPT. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_get_lease(
    struct wi_dynamodb_store *store, const char *lease_key, struct wi_dynamodb_lease *ret);
WEIR_MUST_CHECK enum weir_error wi_dynamodb_get_worker(
    struct wi_dynamodb_store *store, const char *owner, struct wi_dynamodb_worker *ret);
WEIR_MUST_CHECK enum weir_error wi_dynamodb_get_state(
    struct wi_dynamodb_store *store, struct wi_dynamodb_state *ret);

/* R9: the kernel's word about a worker of this host; false if it has none. */
bool wi_dynamodb_process_is_gone(
    const struct wi_dynamodb_store *store, const struct wi_dynamodb_worker *worker);
/* What is known of an owner; not registered if it has no row. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_view(
    struct wi_dynamodb_store *store, const char *owner, struct wi_owner_view *ret);

/* One update, then its error. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_update_row(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_table *table,
    const char *key,
    const struct wi_dynamodb_write *write);

/* --- lease_store_dynamodb_mode.c --- */

/* Where the row Migration3.0 and the leader lock are, and the rows of workers. */
const struct wi_dynamodb_table *wi_dynamodb_states(const struct wi_dynamodb_store *store);
const struct wi_dynamodb_table *wi_dynamodb_workers(const struct wi_dynamodb_store *store);

enum wi_dynamodb_mode wi_dynamodb_mode(struct wi_dynamodb_store *store);

/* What the row Migration3.0 says; NONE: there is none. The mutex is held. */
void wi_dynamodb_note_mode(
    struct wi_dynamodb_store *store, enum wi_dynamodb_mode found, bool has_leases);

/* Look at that row if nothing has shown it for a minute, and at the layout. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_look_at_mode(struct wi_dynamodb_store *store);

/* --- lease_store_dynamodb_rights.c --- */

/* WEIR_EACCESS if something that a worker does is not allowed; the log says what. Once a store. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_check_rights(struct wi_dynamodb_store *store);

/* --- lease_store_dynamodb_change.c: look, judge, write on that condition; in parallel --- */

/* One row of a change. `row` is NULL if it is absent. On WEIR_OK the change is written: `after`,
 * the counter + `raise`, on `condition`. */
struct wi_dynamodb_change {
    const struct wi_dynamodb_lease *row;
    struct wi_lease after;
    uint64_t raise;
    enum {
        WI_CHANGE_IF_UNTOUCHED,
        WI_CHANGE_IF_OWNERS,
        WI_CHANGE_IF_HELD
    } condition;
    bool has_state; /* of a prepared checkpoint */
    struct weir_bytes state;
};

typedef enum weir_error (*wi_dynamodb_judge_fn)(
    void *context, size_t index, struct wi_dynamodb_change *change);

struct wi_dynamodb_changes {
    size_t count;
    const char *(*key)(void *context, size_t index);
    wi_dynamodb_judge_fn judge; /* called again if the row has changed in between */
    void *context;
};

/* Results as the judge gives them, or of the write; a refused one is looked at again. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_change_leases(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_changes *changes,
    enum weir_error *ret_results);

/* --- lease_store_dynamodb_list.c --- */

enum weir_error wi_dynamodb_list(void *context, struct wi_lease_table *ret);
enum weir_error wi_dynamodb_get(void *context, const char *lease_key, struct wi_lease *ret);

/* --- lease_store_dynamodb_lock.c --- */

/* Note a read of the lock; tells it as the coordinator wants to see it. */
void wi_dynamodb_note_lock(
    struct wi_dynamodb_store *store, const cJSON *item, struct wi_leader *ret);
/* R12. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_check_term(
    struct wi_dynamodb_store *store, uint64_t term);
/* A heartbeat of the lock, if this handle holds it for `owner`: false, and nothing built, if not.
 */
bool wi_dynamodb_build_heartbeat(
    struct wi_dynamodb_store *store, const char *owner, struct wi_dynamodb_request *request);
void wi_dynamodb_note_heartbeat(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_request *request,
    struct weir_mono sent);
enum weir_error wi_dynamodb_get_leader(void *context, struct wi_leader *ret);
enum weir_error wi_dynamodb_take_leader(
    void *context,
    const char *owner,
    uint64_t expected_term,
    uint64_t expected_counter,
    uint64_t *ret_term);
enum weir_error wi_dynamodb_release_leader(void *context, const char *owner, uint64_t term);

/* --- lease_store_dynamodb_leader.c --- */

enum weir_error wi_dynamodb_create(
    void *context, uint64_t term, const struct wi_lease *leases, size_t count, size_t *ret_created);
enum weir_error wi_dynamodb_remove_lease(
    void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch);
enum weir_error wi_dynamodb_assign(
    void *context,
    uint64_t term,
    const struct wi_assignment *items,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_dynamodb_request_handoff(
    void *context,
    uint64_t term,
    const struct wi_handoff_request *items,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_dynamodb_revoke(
    void *context, uint64_t term, const char *lease_key, uint64_t expected_epoch);
/* Rows that are absent; parents before children, whatever is lost on the way. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_put_leases(
    struct wi_dynamodb_store *store,
    const struct wi_lease *leases,
    size_t count,
    size_t *ret_created);

/* --- lease_store_dynamodb_owner.c --- */

enum weir_error wi_dynamodb_claim(
    void *context,
    const char *owner,
    const struct wi_lease *leases,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_dynamodb_checkpoint(
    void *context,
    const struct wi_checkpoint_update *items,
    size_t count,
    enum weir_error *ret_results);
enum weir_error wi_dynamodb_prepare(
    void *context, const struct wi_checkpoint_update *item, struct weir_bytes state);
enum weir_error wi_dynamodb_get_pending(
    void *context,
    const char *lease_key,
    struct weir_position *ret,
    uint8_t *ret_state,
    size_t *ret_length);
enum weir_error wi_dynamodb_release(
    void *context, const struct wi_release *items, size_t count, enum weir_error *ret_results);
enum weir_error wi_dynamodb_finish_shard(void *context, const struct wi_shard_finish *finish);

/* --- lease_store_dynamodb_renew.c --- */

enum weir_error wi_dynamodb_renew(
    void *context,
    const char *owner,
    const struct wi_held_lease *held,
    size_t count,
    enum weir_error *ret_results,
    struct wi_renew_answer *ret_answer);

/* --- lease_store_dynamodb_workers.c --- */

enum weir_error wi_dynamodb_open_application(
    void *context, const struct wi_application *wish, struct wi_application *ret);
enum weir_error wi_dynamodb_put_worker(void *context, const struct wi_worker *worker);
enum weir_error wi_dynamodb_remove_worker(void *context, const char *owner);
enum weir_error wi_dynamodb_remove_dead_worker(
    void *context, uint64_t term, const char *owner, uint64_t expected_counter);
enum weir_error wi_dynamodb_request_drain(void *context, const char *worker_name);
enum weir_error wi_dynamodb_reset(void *context, const struct weir_position *position);

/* --- lease_store_dynamodb_poll.c --- */

uint32_t wi_dynamodb_version(void *context);
uint32_t wi_dynamodb_wait(void *context, uint32_t seen, int64_t timeout_ms);
void wi_dynamodb_interrupt(void *context);

/* --- lease_store_dynamodb_tables.c --- */

/* Find the layout; make the table and its index if that is wished. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_open_tables(
    struct wi_dynamodb_store *store, bool create, struct weir_detail *detail);

/* Once a minute. Java KCL 3.0 to 3.4 may have made tables of its own since: under 2.x's rules, and
 * as long as no row says so, that is the only sign of an upgrade. And Java KCL 3.5 may move three
 * tables into one: WEIR_EUNSUPPORTED from then on, and a worker's session is lost. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_look_at_layout(struct wi_dynamodb_store *store);
/* After such a move: find the new layout. WEIR_EUNSUPPORTED: it is not complete. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_follow_move(struct wi_dynamodb_store *store);

#endif
