#include "lease/lease_watch_dynamodb.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>

#include "core/check.h"
#include "core/memory.h"
#include "core/mono.h"
#include "core/str.h"
#include "lease/lease.h"
#include "lease/lease_row_dynamodb.h"

#define MS_PER_S 1000

bool
wi_dynamodb_has_reported(
    const struct wi_dynamodb_worker *row, int64_t wall_ms, int64_t lease_duration_ms)
{
    const bool is_longer = row->is_ours && lease_duration_ms > WI_DYNAMODB_REPORT_LIFE_MS;

    return wall_ms - row->updated_s * MS_PER_S <
           (is_longer ? lease_duration_ms : WI_DYNAMODB_REPORT_LIFE_MS);
}

static int
compare_leases(const void *left, const void *right)
{
    const struct wi_dynamodb_watch_lease *a = left;
    const struct wi_dynamodb_watch_lease *b = right;

    return (a->key > b->key) - (a->key < b->key);
}

static enum weir_error
reserve(const struct weir_env *env, void **memory, size_t *capacity, size_t count, size_t size)
{
    void *grown = NULL;

    if (count <= *capacity) {
        return WEIR_OK;
    }
    grown = wi_resize_array(env, *memory, count, size);
    if (grown == NULL) {
        return WEIR_ENOMEM;
    }
    *memory = grown;
    *capacity = count;
    return WEIR_OK;
}

enum weir_error
wi_dynamodb_watch_begin(struct wi_dynamodb_watch *watch, size_t lease_count, size_t worker_count)
{
    void *leases = watch->leases;
    void *workers = watch->workers;
    enum weir_error error =
        reserve(watch->env, &leases, &watch->lease_capacity, lease_count, sizeof *watch->leases);

    watch->leases = leases;
    if (error == WEIR_OK) {
        error = reserve(
            watch->env,
            &workers,
            &watch->worker_capacity,
            watch->worker_count + worker_count,
            sizeof *watch->workers);
        watch->workers = workers;
    }
    watch->lease_count = 0;
    for (size_t i = 0; i < watch->worker_count; i++) {
        watch->workers[i].is_listed = false;
    }
    return error;
}

static const struct wi_dynamodb_watch_lease *
find_before(const struct wi_dynamodb_watch *watch, uint64_t key)
{
    const struct wi_dynamodb_watch_lease wanted = {.key = key};

    return watch->before_count == 0 ? NULL
                                    : bsearch(
                                          &wanted,
                                          watch->before,
                                          watch->before_count,
                                          sizeof *watch->before,
                                          compare_leases);
}

int64_t
wi_dynamodb_watch_age_ms(
    const struct wi_dynamodb_watch *watch, const struct wi_lease *lease, struct weir_mono now)
{
    const struct wi_dynamodb_watch_lease *before =
        find_before(watch, wi_str_hash(wi_str(lease->lease_key)));
    bool is_same = before != NULL && before->counter == lease->counter &&
                   before->owner == wi_str_hash(wi_str(lease->owner));

    return is_same ? wi_mono_elapsed_ms(before->since, now) : 0;
}

void
wi_dynamodb_watch_lease(
    struct wi_dynamodb_watch *watch, const struct wi_lease *lease, struct weir_mono now)
{
    struct wi_dynamodb_watch_lease *row = &watch->leases[watch->lease_count];
    const struct wi_dynamodb_watch_lease *before = NULL;

    if (lease->owner[0] == '\0') {
        return;
    }
    WEIR_ASSERT(watch->lease_count < watch->lease_capacity);
    *row = (struct wi_dynamodb_watch_lease){.key = wi_str_hash(wi_str(lease->lease_key)),
                                            .owner = wi_str_hash(wi_str(lease->owner)),
                                            .counter = lease->counter,
                                            .since = now};
    before = find_before(watch, row->key);
    if (before != NULL && before->owner == row->owner && before->counter == row->counter) {
        row->since = before->since;
    }
    row->moved = before != NULL && before->owner == row->owner && before->counter != row->counter;
    watch->lease_count++;
}

static struct wi_dynamodb_watch_worker *
find_worker(struct wi_dynamodb_watch *watch, const struct wi_dynamodb_worker *row, bool *ret_is_new)
{
    uint64_t owner = wi_str_hash(wi_str(row->worker.owner));
    struct wi_dynamodb_watch_worker *worker = NULL;

    *ret_is_new = false;
    for (size_t i = 0; i < watch->worker_count; i++) {
        if (watch->workers[i].owner == owner) {
            return &watch->workers[i];
        }
    }
    *ret_is_new = true;
    WEIR_ASSERT(watch->worker_count < watch->worker_capacity);
    worker = &watch->workers[watch->worker_count++];
    *worker = (struct wi_dynamodb_watch_worker){.owner = owner};
    return worker;
}

struct signs {
    bool holds;
    bool moved;
};

static struct signs
signs_of(const struct wi_dynamodb_watch *watch, uint64_t owner)
{
    struct signs signs = {.holds = false};

    for (size_t i = 0; i < watch->lease_count; i++) {
        if (watch->leases[i].owner == owner) {
            signs.holds = true;
            signs.moved = signs.moved || watch->leases[i].moved;
        }
    }
    return signs;
}

static bool
may_be_forgotten(
    const struct wi_dynamodb_watch_time *time,
    const struct wi_dynamodb_worker *row,
    int64_t quiet_ms)
{
    if (row->is_ours) {
        return quiet_ms >= WI_DYNAMODB_FORGET_MS && quiet_ms >= 4 * time->lease_duration_ms;
    }
    return quiet_ms >= WI_DYNAMODB_REPORT_LIFE_MS &&
           time->wall_s - row->updated_s >= WI_DYNAMODB_FORGET_JAVA_S;
}

void
wi_dynamodb_watch_worker(
    struct wi_dynamodb_watch *watch,
    const struct wi_dynamodb_watch_time *time,
    struct wi_dynamodb_worker *row)
{
    bool is_new = false;
    struct wi_dynamodb_watch_worker *worker = find_worker(watch, row, &is_new);
    struct signs signs = signs_of(watch, worker->owner);
    bool changed = worker->heartbeat != row->worker.counter || worker->updated_s != row->updated_s;
    int64_t quiet_ms = wi_mono_elapsed_ms(worker->since, time->now);

    if (is_new || changed || signs.moved) {
        worker->since = time->now;
        worker->beats += is_new ? 0 : 1;
        worker->is_silent = false;
        quiet_ms = 0;
    } else if (signs.holds) {
        /* From here on its row alone does not speak for it: it would go on for a minute. */
        worker->is_silent = worker->is_silent || quiet_ms >= time->lease_duration_ms;
    } else if (!row->is_ours && !worker->is_silent && quiet_ms < WI_DYNAMODB_REPORT_LIFE_MS) {
        worker->beats++;
    }
    worker->heartbeat = row->worker.counter;
    worker->updated_s = row->updated_s;
    worker->is_listed = true;
    row->worker.counter += worker->beats;
    if (!signs.holds && may_be_forgotten(time, row, quiet_ms)) {
        row->worker.state = WI_OWNER_GONE;
    }
}

bool
wi_dynamodb_watch_shows(
    const struct wi_dynamodb_watch *watch,
    const struct wi_dynamodb_worker *row,
    uint64_t listed_counter)
{
    uint64_t owner = wi_str_hash(wi_str(row->worker.owner));

    for (size_t i = 0; i < watch->worker_count; i++) {
        const struct wi_dynamodb_watch_worker *worker = &watch->workers[i];

        if (worker->owner == owner) {
            return worker->heartbeat == row->worker.counter &&
                   worker->updated_s == row->updated_s &&
                   worker->heartbeat + worker->beats == listed_counter;
        }
    }
    return false;
}

void
wi_dynamodb_watch_end(struct wi_dynamodb_watch *watch)
{
    struct wi_dynamodb_watch_lease *leases = watch->leases;
    size_t kept = 0;

    if (watch->lease_count > 1) {
        qsort(leases, watch->lease_count, sizeof *leases, compare_leases);
    }
    wi_free(watch->env, watch->before);
    watch->before = leases;
    watch->before_count = watch->lease_count;
    watch->leases = NULL;
    watch->lease_count = 0;
    watch->lease_capacity = 0;
    for (size_t i = 0; i < watch->worker_count; i++) {
        if (watch->workers[i].is_listed) {
            watch->workers[kept++] = watch->workers[i];
        }
    }
    watch->worker_count = kept;
}

void
wi_dynamodb_watch_free(struct wi_dynamodb_watch *watch)
{
    wi_free(watch->env, watch->before);
    wi_free(watch->env, watch->leases);
    wi_free(watch->env, watch->workers);
    *watch = (struct wi_dynamodb_watch){.env = watch->env};
}
