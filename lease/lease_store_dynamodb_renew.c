/* Renewals: one write for each lease, all side by side; now and then the worker's own row. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "aws/dynamodb_api.h"
#include "aws/dynamodb_item.h"
#include "core/mono.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"
#include "lease/lease_rules.h"
#include "lease/lease_store.h"
#include "lease/lease_store_dynamodb.h"
#include "lease/lease_watch_dynamodb.h"

#define MS_PER_S 1000
/* Two attempts within a quarter of the lease duration, after which the next renewal comes. With a
 * short one a server must still have the time that it takes under load. */
#define ATTEMPTS_PER_DURATION 8
#define ATTEMPT_USUAL_MS      500

enum report {
    REPORT_NONE,
    REPORT_AGAIN,
    REPORT_HEARTBEAT, /* of a worker whose row another process has written */
    REPORT_ANEW,
    REPORT_REMOVE
};

struct renewal {
    struct wi_dynamodb_store *store;
    const char *owner;
    const struct wi_held_lease *held;
    size_t count;
    enum weir_error *results;
    struct wi_dynamodb_request *requests; /* of the leases, then worker row, then leader lock */
    int64_t attempt_ms;
    uint32_t attempts;
    struct weir_position initial;
    enum report report;
};

static void
limit_time(struct renewal *renewal, struct wi_dynamodb_request *request)
{
    request->call.attempt_timeout_ms = renewal->attempt_ms;
    request->call.attempts_max = renewal->attempts;
}

static void
build_lease(
    struct renewal *renewal, size_t index, struct wi_dynamodb_request *request, bool with_wish)
{
    const struct wi_held_lease *held = &renewal->held[index];
    struct wi_dynamodb_write write;

    wi_dynamodb_write_init(&write, renewal->store->env, false);
    wi_dynamodb_lease_renewal(&write, renewal->owner, held, with_wish);
    wi_dynamodb_build_update(request, &renewal->store->leases, held->lease_key, &write, false);
    wi_dynamodb_write_free(&write);
    limit_time(renewal, request);
}

/* The worker's row is due: always without leases, for nothing else says then that it lives. */
static bool
is_report_due(struct wi_dynamodb_store *store, const char *owner, size_t lease_count)
{
    struct weir_mono now = wi_dynamodb_now(store);
    int64_t duration_ms = store->application.lease_duration_ms;
    int64_t period_ms = duration_ms < WI_DYNAMODB_REPORT_MS ? duration_ms : WI_DYNAMODB_REPORT_MS;

    return lease_count == 0 || strcmp(store->owner, owner) != 0 ||
           !wi_mono_before(now, wi_mono_add_ms(store->reported, period_ms));
}

/* What is to be done about the worker's row: under 2.x's rules it has none, and after them it is
 * written anew. */
static enum report
choose_report(struct renewal *renewal, struct wi_worker *ret_self)
{
    struct wi_dynamodb_store *store = renewal->store;
    enum report report = REPORT_NONE;
    bool is_self = false;

    pthread_mutex_lock(&store->mutex);
    is_self = strcmp(store->owner, renewal->owner) == 0;
    if (store->mode == WI_DYNAMODB_MODE_2X) {
        report = is_self && store->has_row ? REPORT_REMOVE : REPORT_NONE;
    } else if (!is_report_due(store, renewal->owner, renewal->count)) {
        report = REPORT_NONE;
    } else if (!is_self) {
        report = REPORT_HEARTBEAT;
    } else if (store->has_row) {
        report = REPORT_AGAIN;
    } else {
        report = store->has_left ? REPORT_NONE : REPORT_ANEW;
    }
    *ret_self = store->self;
    pthread_mutex_unlock(&store->mutex);
    return report;
}

static void
build_report(
    struct renewal *renewal, const struct wi_worker *self, struct wi_dynamodb_request *request)
{
    struct wi_dynamodb_store *store = renewal->store;
    const struct wi_dynamodb_table *table = wi_dynamodb_workers(store);
    const int64_t wall_s = wi_dynamodb_wall_ms(store) / MS_PER_S;
    const bool is_single = atomic_load(&store->is_single);
    struct wi_dynamodb_write write;

    wi_dynamodb_write_init(&write, store->env, false);
    switch (renewal->report) {
    case REPORT_REMOVE:
        wi_dynamodb_build_delete(request, table, renewal->owner, NULL);
        break;
    case REPORT_HEARTBEAT:
        wi_dynamodb_worker_heartbeat(&write, wall_s);
        wi_dynamodb_worker_require_present(&write);
        wi_dynamodb_build_update(request, table, renewal->owner, &write, true);
        break;
    case REPORT_AGAIN:
        wi_dynamodb_worker_report(&write, self, store->host, wall_s, is_single, false);
        wi_dynamodb_worker_require_present(&write);
        wi_dynamodb_build_update(request, table, renewal->owner, &write, true);
        break;
    case REPORT_ANEW:
        wi_dynamodb_worker_report(&write, self, store->host, wall_s, is_single, true);
        wi_dynamodb_build_update(request, table, renewal->owner, &write, true);
        break;
    case REPORT_NONE:
        break;
    }
    wi_dynamodb_write_free(&write);
    limit_time(renewal, request);
}

/* The row is there, or not, as it was to be. */
static void
note_row(struct renewal *renewal, struct weir_mono sent)
{
    struct wi_dynamodb_store *store = renewal->store;

    pthread_mutex_lock(&store->mutex);
    if (strcmp(store->owner, renewal->owner) == 0) {
        store->has_row = renewal->report != REPORT_REMOVE;
        store->reported = sent;
    }
    pthread_mutex_unlock(&store->mutex);
}

/* What became of the worker's row. */
static enum weir_error
note_report(
    struct renewal *renewal,
    const struct wi_dynamodb_request *request,
    struct weir_mono sent,
    struct wi_renew_answer *answer)
{
    struct wi_dynamodb_store *store = renewal->store;
    struct wi_dynamodb_worker worker;

    if (request->error == WEIR_ECONFLICT) {
        return WEIR_ESESSIONLOST; /* somebody removed the row: this process was taken for dead */
    }
    if (request->error == WEIR_ENOTFOUND && wi_dynamodb_mode(store) != WI_DYNAMODB_MODE_3X) {
        return WEIR_OK; /* Java KCL 3.x makes the table for the rows when it comes to work here */
    }
    if (request->error != WEIR_OK) {
        return request->error;
    }
    note_row(renewal, sent);
    if (renewal->report == REPORT_REMOVE) {
        return WEIR_OK;
    }
    if (wi_dynamodb_worker_read(request->item, wi_dynamodb_workers(store)->key, &worker) ==
        WEIR_OK) {
        answer->drain_requested = worker.drain_requested;
    }
    return WEIR_OK;
}

/* A refused renewal, by the row as DynamoDB sent it along: R10's one read. WEIR_OK: it is still
 * this worker's, but there is a wish, and so it has to be renewed in another way. */
static enum weir_error
judge_refusal(struct renewal *renewal, size_t index, const struct wi_dynamodb_request *request)
{
    const struct wi_held_lease *held = &renewal->held[index];
    struct wi_dynamodb_lease row;
    enum weir_error error = WEIR_OK;

    if (request->item == NULL) {
        error = wi_dynamodb_get_lease(renewal->store, held->lease_key, &row);
    } else {
        error = wi_dynamodb_lease_read(request->item, &renewal->initial, &row);
    }
    if (error == WEIR_ENOTFOUND || (error == WEIR_OK && !row.is_ours)) {
        return WEIR_ELEASELOST;
    }
    return error == WEIR_OK ? wi_lease_check_renewal(&row.lease, renewal->owner, held->epoch)
                            : error;
}

static void
renew_with_wish(struct renewal *renewal, size_t index, struct wi_dynamodb_request *request)
{
    build_lease(renewal, index, request, true);
    wi_dynamodb_perform(&renewal->store->dynamodb, request, 1);
    renewal->results[index] = request->error == WEIR_ECONFLICT ? WEIR_ELEASELOST : request->error;
}

/* True if a wish was seen. */
static bool
note_leases(struct renewal *renewal)
{
    bool wished = false;

    for (size_t i = 0; i < renewal->count; i++) {
        struct wi_dynamodb_request *request = &renewal->requests[i];

        renewal->results[i] = request->error;
        if (request->error == WEIR_ECONFLICT) {
            renewal->results[i] = judge_refusal(renewal, i, request);
            if (renewal->results[i] == WEIR_OK) {
                renew_with_wish(renewal, i, request);
                wished = true;
            }
        }
    }
    return wished;
}

/* Without a single answer nobody knows anything: then the session's deadline must not move. */
static enum weir_error
overall(const struct renewal *renewal)
{
    enum weir_error error = WEIR_OK;

    for (size_t i = 0; i < renewal->count; i++) {
        if (renewal->results[i] == WEIR_OK || renewal->results[i] == WEIR_ELEASELOST) {
            return WEIR_OK;
        }
        error = renewal->results[i];
    }
    return error;
}

static enum weir_error
run(struct renewal *renewal, struct wi_renew_answer *answer)
{
    struct wi_dynamodb_store *store = renewal->store;
    const size_t report = renewal->count;
    size_t total = report;
    struct weir_mono sent = wi_dynamodb_now(store);
    struct wi_worker self;
    enum weir_error error = WEIR_OK;
    bool has_lock = false;

    for (size_t i = 0; i < renewal->count; i++) {
        build_lease(renewal, i, &renewal->requests[i], false);
    }
    renewal->report = choose_report(renewal, &self);
    if (renewal->report != REPORT_NONE) {
        build_report(renewal, &self, &renewal->requests[total++]);
    }
    has_lock = wi_dynamodb_build_heartbeat(store, renewal->owner, &renewal->requests[total]);
    if (has_lock) {
        limit_time(renewal, &renewal->requests[total]);
        total++;
    }
    wi_dynamodb_perform(&store->dynamodb, renewal->requests, total);
    if (has_lock) {
        wi_dynamodb_note_heartbeat(store, &renewal->requests[total - 1], sent);
    }
    if (renewal->report != REPORT_NONE) {
        error = note_report(renewal, &renewal->requests[report], sent, answer);
    }
    if (error == WEIR_ESESSIONLOST) {
        return error;
    }
    if (note_leases(renewal)) {
        wi_dynamodb_raise_hint(store);
    }
    return renewal->count == 0 ? error : overall(renewal);
}

/* All attempts together end within half the lease duration: the deadline comes after 0.8 of it. */
static void
choose_times(struct renewal *renewal, int64_t lease_duration_ms)
{
    int64_t half_ms = lease_duration_ms / 2;
    int64_t attempt_ms = half_ms < ATTEMPT_USUAL_MS ? half_ms : ATTEMPT_USUAL_MS;

    if (lease_duration_ms / ATTEMPTS_PER_DURATION > attempt_ms) {
        attempt_ms = lease_duration_ms / ATTEMPTS_PER_DURATION;
    }
    renewal->attempt_ms = attempt_ms > 1 ? attempt_ms : 1;
    renewal->attempts = 2 * attempt_ms <= half_ms ? 2 : 1;
}

enum weir_error
wi_dynamodb_renew(
    void *context,
    const char *owner,
    const struct wi_held_lease *held,
    size_t count,
    enum weir_error *ret_results,
    struct wi_renew_answer *ret_answer)
{
    struct wi_dynamodb_store *store = context;
    struct renewal renewal = {
        .store = store,
        .owner = owner,
        .held = held,
        .count = count,
        .results = ret_results,
        .requests = wi_dynamodb_requests_new(store, count + 2),
        .initial = wi_dynamodb_initial(store)};
    struct wi_renew_answer answer = {.drain_requested = false};
    enum weir_error error = WEIR_ENOMEM;

    if (atomic_load(&store->has_moved)) {
        wi_dynamodb_requests_free(store, renewal.requests, count + 2);
        return WEIR_ESESSIONLOST; /* nobody looks for this worker where its row and lock are */
    }
    choose_times(&renewal, wi_dynamodb_lease_duration_ms(store));
    if (renewal.requests != NULL) {
        error = run(&renewal, &answer);
    }
    wi_dynamodb_requests_free(store, renewal.requests, count + 2);
    if (error == WEIR_OK) {
        *ret_answer = answer;
    }
    return error;
}
