/* Listings: a scan of the table, its rows told apart. */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/check.h"
#include "core/memory.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_dynamodb.h"
#include "lease/lease_table.h"
#include "lease/lease_watch_dynamodb.h"

#define MS_PER_S  1000
#define PAGES_MIN 8U

/* Answers of one table's pages; they own the items. */
struct pages {
    cJSON **answers;
    size_t count;
    size_t capacity;
};

/* A listing on its way. */
struct listing {
    struct wi_dynamodb_store *store;
    struct pages pages[3]; /* leases; states and workers if they are tables of their own */
    struct weir_position initial;
    struct wi_lease_table table;
    struct wi_dynamodb_worker *workers;
    bool *worker_is_gone;
    const cJSON *lock;
    const cJSON *state;
    bool is_single;
    bool by_taking; /* under 2.x's rules */
    char self[WEIR_OWNER_SIZE];
    size_t lease_rows;
    size_t worker_rows;
};

/* --- scanning ------------------------------------------------------------------------------- */

static enum weir_error
keep_page(const struct weir_env *env, struct pages *pages, struct wi_dynamodb_request *request)
{
    if (pages->count == pages->capacity) {
        size_t capacity = pages->capacity == 0 ? PAGES_MIN : pages->capacity * 2;
        void *grown = wi_resize_array(env, pages->answers, capacity, sizeof(cJSON *));

        if (grown == NULL) {
            return WEIR_ENOMEM;
        }
        pages->answers = grown;
        pages->capacity = capacity;
    }
    pages->answers[pages->count++] = request->answer;
    request->answer = NULL; /* its last_key lives on in the page */
    return WEIR_OK;
}

static void
free_pages(const struct weir_env *env, struct pages *pages)
{
    for (size_t i = 0; i < pages->count; i++) {
        cJSON_Delete(pages->answers[i]);
    }
    wi_free(env, pages->answers);
}

/* One page of each segment that has another one, side by side, until none has. */
static enum weir_error
scan_segments(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_table *table,
    struct wi_dynamodb_request *requests,
    unsigned segments,
    struct pages *pages)
{
    const cJSON *next[WI_DYNAMODB_SEGMENTS_MAX] = {NULL};
    bool is_open[WI_DYNAMODB_SEGMENTS_MAX];
    size_t rows = 0;
    bool any = true;

    for (unsigned i = 0; i < segments; i++) {
        is_open[i] = true;
    }
    while (any) {
        unsigned segment_of[WI_DYNAMODB_SEGMENTS_MAX];
        unsigned open = 0;

        for (unsigned i = 0; i < segments; i++) {
            if (is_open[i]) {
                wi_dynamodb_build_scan(&requests[open], table, next[i], i, segments);
                segment_of[open++] = i;
            }
        }
        wi_dynamodb_perform(&store->dynamodb, requests, open);
        any = false;
        for (unsigned i = 0; i < open; i++) {
            enum weir_error error = requests[i].error;
            const cJSON *last_key = requests[i].last_key;
            int count = cJSON_GetArraySize(requests[i].items);

            rows += (size_t)count;
            if (error == WEIR_OK && rows > WI_DYNAMODB_ROWS_MAX) {
                error = WEIR_ELIMIT;
            }
            if (error == WEIR_OK) {
                error = keep_page(store->env, pages, &requests[i]);
            }
            if (error != WEIR_OK) {
                return error;
            }
            next[segment_of[i]] = last_key;
            is_open[segment_of[i]] = last_key != NULL;
            any = any || last_key != NULL;
        }
    }
    return WEIR_OK;
}

static enum weir_error
scan(
    struct wi_dynamodb_store *store,
    const struct wi_dynamodb_table *table,
    unsigned segments,
    struct pages *pages)
{
    struct wi_dynamodb_request *requests = wi_dynamodb_requests_new(store, segments);
    enum weir_error error = WEIR_ENOMEM;

    if (requests != NULL) {
        error = scan_segments(store, table, requests, segments, pages);
    }
    wi_dynamodb_requests_free(store, requests, segments);
    return error;
}

/* As many segments as the last listing had pages. */
static enum weir_error
scan_all(struct listing *listing)
{
    struct wi_dynamodb_store *store = listing->store;
    enum weir_error error = WEIR_OK;
    unsigned segments = 1;

    pthread_mutex_lock(&store->mutex);
    segments = store->segments;
    pthread_mutex_unlock(&store->mutex);
    error = scan(store, &store->leases, segments, &listing->pages[0]);
    if (error == WEIR_OK && !listing->is_single) {
        error = scan(store, &store->own_states, 1, &listing->pages[1]);
    }
    if (error == WEIR_OK && !listing->is_single) {
        error = scan(store, &store->own_workers, 1, &listing->pages[2]);
        if (error == WEIR_ENOTFOUND && wi_dynamodb_mode(store) != WI_DYNAMODB_MODE_3X) {
            error = WEIR_OK; /* workers of 2.x have no rows, and need no table for them */
        }
    }
    if (error == WEIR_OK) {
        size_t pages = listing->pages[0].count;

        pthread_mutex_lock(&store->mutex);
        store->segments = (unsigned)(pages == 0                         ? 1
                                     : pages > WI_DYNAMODB_SEGMENTS_MAX ? WI_DYNAMODB_SEGMENTS_MAX
                                                                        : pages);
        pthread_mutex_unlock(&store->mutex);
    }
    return error;
}

/* --- telling rows apart --------------------------------------------------------------------- */

typedef void (*row_fn)(struct listing *listing, const cJSON *item, enum wi_dynamodb_row_kind kind);

/* In companion tables a row's key says what it is. */
static enum wi_dynamodb_row_kind
kind_of(const struct listing *listing, size_t table, const cJSON *item)
{
    const char *key = NULL;

    if (table == 0) {
        return wi_dynamodb_row_kind(item);
    }
    if (table == 2) {
        return WI_DYNAMODB_ROW_WORKER;
    }
    key = wi_dynamodb_text(item, listing->store->own_states.key);
    if (key != NULL && strcmp(key, WI_DYNAMODB_LEADER_KEY) == 0) {
        return WI_DYNAMODB_ROW_LEADER;
    }
    return key != NULL && strcmp(key, WI_DYNAMODB_STATE_KEY) == 0 ? WI_DYNAMODB_ROW_STATE
                                                                  : WI_DYNAMODB_ROW_OTHER;
}

static void
each_row(struct listing *listing, row_fn function)
{
    for (size_t table = 0; table < WI_ARRAY_LENGTH(listing->pages); table++) {
        const struct pages *pages = &listing->pages[table];

        for (size_t i = 0; i < pages->count; i++) {
            const cJSON *items = cJSON_GetObjectItemCaseSensitive(pages->answers[i], "Items");
            const cJSON *item = NULL;

            cJSON_ArrayForEach(item, items)
            {
                function(listing, item, kind_of(listing, table, item));
            }
        }
    }
}

static void
count_row(struct listing *listing, const cJSON *item, enum wi_dynamodb_row_kind kind)
{
    listing->lease_rows += kind == WI_DYNAMODB_ROW_LEASE ? 1 : 0;
    listing->worker_rows += kind == WI_DYNAMODB_ROW_WORKER ? 1 : 0;
    if (kind == WI_DYNAMODB_ROW_LEADER) {
        listing->lock = item;
    } else if (kind == WI_DYNAMODB_ROW_STATE) {
        listing->state = item;
    }
}

static void
note_damage(struct listing *listing, const cJSON *item)
{
    struct wi_lease_table *table = &listing->table;

    if (table->damaged_count++ == 0) {
        wi_dynamodb_row_key(item, listing->store->leases.key, table->first_damaged);
    }
}

/* Workers of 2.x know no checkpointOwner: one that a hand-off has left behind means nothing. A
 * hand-off to this worker that 3.x began is not through, though, while one stands there: the old
 * owner ends it, or lets the lease expire, and then it is taken as any other. */
static void
show_taker(const struct listing *listing, struct wi_dynamodb_lease *row)
{
    const bool comes_here =
        row->java_checkpoint_owner[0] != '\0' && strcmp(row->java_owner, listing->self) == 0;

    if (!comes_here) {
        memcpy(row->lease.owner, row->java_owner, sizeof row->lease.owner);
        row->lease.owner_state = row->java_owner[0] == '\0' ? WI_OWNER_NONE : WI_OWNER_ALIVE;
    }
    row->lease.handoff = (struct wi_handoff){.reason = WI_HANDOFF_NONE};
}

/* Java's leader gives finished leases to somebody, too: nobody has to do anything. Under 2.x's
 * rules other workers see their owners, by whom they agree on a leader. */
static bool
is_nobodys_work(const struct listing *listing, const struct wi_lease *lease)
{
    return lease->checkpoint.type == WEIR_SHARD_END &&
           (!listing->by_taking || strcmp(lease->owner, listing->self) == 0);
}

static void
keep_row(struct listing *listing, const cJSON *item, enum wi_dynamodb_row_kind kind)
{
    struct wi_lease_table *table = &listing->table;

    if (kind == WI_DYNAMODB_ROW_LEASE) {
        struct wi_dynamodb_lease row;

        if (wi_dynamodb_lease_read(item, &listing->initial, &row) != WEIR_OK) {
            note_damage(listing, item);
            return;
        }
        if (!row.is_ours && listing->by_taking) {
            show_taker(listing, &row);
        }
        if (!row.is_ours && is_nobodys_work(listing, &row.lease)) {
            row.lease.owner[0] = '\0';
            row.lease.owner_state = WI_OWNER_NONE;
            row.lease.handoff = (struct wi_handoff){.reason = WI_HANDOFF_NONE};
        }
        table->leases[table->lease_count++] = row.lease;
    } else if (kind == WI_DYNAMODB_ROW_WORKER) {
        struct wi_dynamodb_worker *worker = &listing->workers[table->worker_count];

        if (wi_dynamodb_worker_read(
                item,
                listing->is_single ? listing->store->leases.key : listing->store->own_workers.key,
                worker) == WEIR_OK) {
            table->worker_count++;
        }
    }
}

static int
compare_leases(const void *a, const void *b)
{
    const struct wi_lease *left = a;
    const struct wi_lease *right = b;

    return strcmp(left->lease_key, right->lease_key);
}

static int
compare_workers(const void *a, const void *b)
{
    const struct wi_dynamodb_worker *left = a;
    const struct wi_dynamodb_worker *right = b;

    return strcmp(left->worker.owner, right->worker.owner);
}

/* --- what the rows say together ------------------------------------------------------------- */

/* Signs of life; the store's mutex is held. */
static enum weir_error
judge_workers(struct listing *listing)
{
    struct wi_dynamodb_store *store = listing->store;
    struct wi_lease_table *table = &listing->table;
    const struct wi_dynamodb_watch_time time = {
        .now = wi_dynamodb_now(store),
        .wall_s = wi_dynamodb_wall_ms(store) / MS_PER_S,
        .lease_duration_ms = store->application.lease_duration_ms};
    enum weir_error error =
        wi_dynamodb_watch_begin(&store->watch, table->lease_count, table->worker_count);

    if (error != WEIR_OK) {
        return error;
    }
    for (size_t i = 0; i < table->lease_count; i++) {
        wi_dynamodb_watch_lease(&store->watch, &table->leases[i], time.now);
    }
    for (size_t i = 0; i < table->worker_count; i++) {
        struct wi_dynamodb_worker *row = &listing->workers[i];

        wi_dynamodb_watch_worker(&store->watch, &time, row);
        listing->worker_is_gone[i] = wi_dynamodb_process_is_gone(store, row);
        row->worker.state = listing->worker_is_gone[i] ? WI_OWNER_GONE : row->worker.state;
        row->worker.elsewhere = strcmp(row->host, store->host) != 0;
        table->workers[i] = row->worker;
    }
    wi_dynamodb_watch_end(&store->watch);
    return WEIR_OK;
}

/* Leases whose owner the kernel calls dead; a silent row alone says nothing about a lease. */
static void
judge_owners(struct listing *listing)
{
    struct wi_lease_table *table = &listing->table;

    for (size_t i = 0; i < table->lease_count; i++) {
        struct wi_lease *lease = &table->leases[i];
        const struct wi_worker *owner = wi_lease_table_find_worker(table, lease->owner);

        if (owner != NULL && listing->worker_is_gone[owner - table->workers]) {
            lease->owner_state = WI_OWNER_GONE;
        }
    }
}

static int
compare_hashes(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return (*left > *right) - (*left < *right);
}

/* What the poll need not tell any more; the store's mutex is held. */
static enum weir_error
note_known(struct listing *listing)
{
    struct wi_dynamodb_store *store = listing->store;
    const struct wi_lease_table *table = &listing->table;
    size_t count = 0;
    uint64_t *known =
        wi_resize_array(store->env, store->known, table->lease_count + 1, sizeof *known);

    if (known == NULL) {
        return WEIR_ENOMEM;
    }
    store->known = known;
    for (size_t i = 0; i < table->lease_count; i++) {
        if (store->owner[0] != '\0' && strcmp(table->leases[i].owner, store->owner) == 0) {
            known[count++] = wi_str_hash(wi_str(table->leases[i].lease_key));
        }
    }
    qsort(known, count, sizeof *known, compare_hashes);
    store->known_count = count;
    return WEIR_OK;
}

static enum weir_error
judge(struct listing *listing)
{
    struct wi_dynamodb_store *store = listing->store;
    enum weir_error error = WEIR_OK;

    wi_dynamodb_note_lock(store, listing->lock, &listing->table.leader);
    pthread_mutex_lock(&store->mutex);
    listing->table.application = store->application;
    error = judge_workers(listing);
    if (error == WEIR_OK) {
        error = note_known(listing);
    }
    pthread_mutex_unlock(&store->mutex);
    if (error == WEIR_OK) {
        const struct wi_worker *leader =
            wi_lease_table_find_worker(&listing->table, listing->table.leader.owner);

        judge_owners(listing);
        if (leader != NULL && listing->worker_is_gone[leader - listing->table.workers]) {
            listing->table.leader.owner_state = WI_OWNER_GONE;
        }
    }
    return error;
}

/* How the rows are to be read. */
static void
note_rules(struct listing *listing)
{
    struct wi_dynamodb_store *store = listing->store;
    struct wi_dynamodb_state state;

    wi_dynamodb_state_read(listing->state, &state);
    pthread_mutex_lock(&store->mutex);
    wi_dynamodb_note_mode(store, state.mode, listing->lease_rows > 0);
    listing->by_taking = store->mode != WI_DYNAMODB_MODE_3X;
    memcpy(listing->self, store->owner, sizeof listing->self);
    if (state.has_application) {
        store->application = state.application;
    }
    pthread_mutex_unlock(&store->mutex);
}

static enum weir_error
fill(struct listing *listing)
{
    struct wi_dynamodb_store *store = listing->store;
    const struct weir_env *env = store->env;
    enum weir_error error = WEIR_OK;

    each_row(listing, count_row);
    note_rules(listing);
    error = wi_lease_table_new(env, listing->lease_rows, listing->worker_rows, &listing->table);
    if (error != WEIR_OK) {
        return error;
    }
    listing->workers = wi_alloc_array(env, listing->worker_rows + 1, sizeof *listing->workers);
    listing->worker_is_gone =
        wi_alloc_array(env, listing->worker_rows + 1, sizeof *listing->worker_is_gone);
    if (listing->workers == NULL || listing->worker_is_gone == NULL) {
        return WEIR_ENOMEM;
    }
    each_row(listing, keep_row);
    if (listing->table.lease_count > 1) {
        qsort(
            listing->table.leases,
            listing->table.lease_count,
            sizeof *listing->table.leases,
            compare_leases);
    }
    if (listing->table.worker_count > 1) {
        qsort(
            listing->workers,
            listing->table.worker_count,
            sizeof *listing->workers,
            compare_workers);
    }
    return judge(listing);
}

enum weir_error
wi_dynamodb_list(void *context, struct wi_lease_table *ret)
{
    struct wi_dynamodb_store *store = context;
    struct listing listing = {.store = store, .initial = wi_dynamodb_initial(store)};
    uint32_t version = wi_dynamodb_version(store);
    enum weir_error error = wi_dynamodb_look_at_layout(store);

    if (error == WEIR_OK) {
        listing.is_single = atomic_load(&store->is_single);
        error = scan_all(&listing);
    }
    if (error == WEIR_OK) {
        error = fill(&listing);
    }
    if (error == WEIR_OK) {
        *ret = listing.table;
        ret->version = version;
    } else {
        wi_lease_table_free(store->env, &listing.table);
    }
    for (size_t i = 0; i < WI_ARRAY_LENGTH(listing.pages); i++) {
        free_pages(store->env, &listing.pages[i]);
    }
    wi_free(store->env, listing.workers);
    wi_free(store->env, listing.worker_is_gone);
    return error;
}

enum weir_error
wi_dynamodb_get(void *context, const char *lease_key, struct wi_lease *ret)
{
    struct wi_dynamodb_store *store = context;
    struct wi_dynamodb_lease row;
    struct wi_owner_view view;
    enum weir_error error = wi_dynamodb_get_lease(store, lease_key, &row);

    if (error == WEIR_OK && row.lease.owner[0] != '\0') {
        error = wi_dynamodb_view(store, row.lease.owner, &view);
        row.lease.owner_state = wi_owner_view_state(row.lease.owner, &view);
    }
    if (error == WEIR_OK) {
        *ret = row.lease;
    }
    return error;
}
