/* Renewals: one write for each lease, all side by side; now and then the worker's own row. */
#include <cjson/cJSON.h>
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
#include "core/memory.h"
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
    size_t *second;                       /* leases of the second round */
    size_t wished;
    size_t unseen;
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

/* A refused renewal, by its row: R10's one read. If the lease is still this worker's, there is a
 * wish, and so it has to be renewed in another way: noted in `second`. */
static void
judge_refusal(struct renewal *renewal, size_t index, const cJSON *item)
{
    const struct wi_held_lease *held = &renewal->held[index];
    struct wi_dynamodb_lease row;
    enum weir_error error = WEIR_ENOTFOUND;

    if (item != NULL && wi_dynamodb_row_kind(item) == WI_DYNAMODB_ROW_LEASE) {
        error = wi_dynamodb_lease_read(item, &renewal->initial, &row);
    }
    if (error == WEIR_ENOTFOUND || (error == WEIR_OK && !row.is_ours)) {
        error = WEIR_ELEASELOST;
    } else if (error == WEIR_OK) {
        error = wi_lease_check_renewal(&row.lease, renewal->owner, held->epoch);
    }
    renewal->results[index] = error;
    if (error == WEIR_OK) {
        renewal->second[renewal->wished++] = index;
    }
}

/* Results of the first round. Wishes are noted from the front of `second`, rows that did not come
 * along from its end: no lease is in both. From here on nothing needs the requests' answers. */
static void
note_leases(struct renewal *renewal)
{
    for (size_t i = 0; i < renewal->count; i++) {
        const struct wi_dynamodb_request *request = &renewal->requests[i];

        renewal->results[i] = request->error;
        if (request->error == WEIR_ECONFLICT && request->item != NULL) {
            judge_refusal(renewal, i, request->item);
        } else if (request->error == WEIR_ECONFLICT) {
            renewal->unseen++;
            renewal->second[renewal->count - renewal->unseen] = i;
        }
    }
}

/* Refused, and DynamoDB did not send the row along: mostly there is none. */
static void
look_at_unseen(struct renewal *renewal)
{
    const size_t first = renewal->count - renewal->unseen;
    struct wi_dynamodb_store *store = renewal->store;

    for (size_t i = 0; i < renewal->unseen; i++) {
        wi_dynamodb_build_get(
            &renewal->requests[i],
            &store->leases,
            renewal->held[renewal->second[first + i]].lease_key,
            true);
        limit_time(renewal, &renewal->requests[i]);
    }
    wi_dynamodb_perform(&store->dynamodb, renewal->requests, renewal->unseen);
    for (size_t i = 0; i < renewal->unseen; i++) {
        const struct wi_dynamodb_request *request = &renewal->requests[i];
        const size_t index = renewal->second[first + i];

        renewal->results[index] = request->error;
        if (request->error == WEIR_OK) {
            judge_refusal(renewal, index, request->item);
        }
    }
}

/* All side by side: a leader that evens out wishes for hundreds of leases at once, and the session
 * of all others waits for this. */
static void
renew_wished(struct renewal *renewal)
{
    for (size_t i = 0; i < renewal->wished; i++) {
        build_lease(renewal, renewal->second[i], &renewal->requests[i], true);
    }
    wi_dynamodb_perform(&renewal->store->dynamodb, renewal->requests, renewal->wished);
    for (size_t i = 0; i < renewal->wished; i++) {
        const enum weir_error error = renewal->requests[i].error;

        renewal->results[renewal->second[i]] = error == WEIR_ECONFLICT ? WEIR_ELEASELOST : error;
    }
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
    note_leases(renewal);
    look_at_unseen(renewal);
    if (renewal->wished > 0) {
        wi_dynamodb_raise_hint(store);
        renew_wished(renewal);
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
        .second = wi_alloc_array(store->env, count + 1, sizeof *renewal.second),
        .initial = wi_dynamodb_initial(store)};
    struct wi_renew_answer answer = {.drain_requested = false};
    enum weir_error error = WEIR_ENOMEM;

    choose_times(&renewal, wi_dynamodb_lease_duration_ms(store));
    if (atomic_load(&store->has_moved)) {
        error = WEIR_ESESSIONLOST; /* nobody looks for this worker where its row and lock are */
    } else if (renewal.requests != NULL && renewal.second != NULL) {
        error = run(&renewal, &answer);
    }
    wi_free(store->env, renewal.second);
    wi_dynamodb_requests_free(store, renewal.requests, count + 2);
    if (error == WEIR_OK) {
        *ret_answer = answer;
    }
    return error;
}
