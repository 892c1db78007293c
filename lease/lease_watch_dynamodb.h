/*
 * Signs of life in a table that has no sessions: which worker rows and which leases' counters have
 * changed since the last listing. Pure; time comes in. A worker of Java KCL writes its row every
 * 30 s only, so between two writes its leases speak for it, and if it has none, nobody does.
 */
#ifndef WI_LEASE_LEASE_WATCH_DYNAMODB_H
#define WI_LEASE_LEASE_WATCH_DYNAMODB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#include "lease/lease_row_dynamodb.h"

/* A worker row of Java KCL counts as live for two of its reports. */
#define WI_DYNAMODB_REPORT_MS      INT64_C(30000)
#define WI_DYNAMODB_REPORT_LIFE_MS (2 * WI_DYNAMODB_REPORT_MS)
/* A Java worker looks for leases that it was given once in a lease duration: so many durations pass
 * before a lease that it has not renewed once is taken away again. */
#define WI_DYNAMODB_JAVA_GRACE 2
/* Rows of weir's workers without a sign of life for that long, and without leases, may go. */
#define WI_DYNAMODB_FORGET_MS (3 * WI_DYNAMODB_REPORT_MS)
/* Those of Java's go after a day of wall time, as its own leader does it. */
#define WI_DYNAMODB_FORGET_JAVA_S INT64_C(86400)

/* Whether the row was written lately, by the wall clock: that needs no earlier listing. Java's
 * leader lets a row live for two reports. A weir worker writes its row at renewals only, a quarter
 * of the lease duration apart, and may be late. */
bool wi_dynamodb_has_reported(
    const struct wi_dynamodb_worker *row, int64_t wall_ms, int64_t lease_duration_ms);

struct wi_dynamodb_watch_lease {
    uint64_t key; /* hashes */
    uint64_t owner;
    uint64_t counter;
    struct weir_mono since; /* the listing that first showed this owner and counter */
    bool moved;             /* since the last listing, under the same owner */
};

struct wi_dynamodb_watch_worker {
    uint64_t owner;         /* hash */
    uint64_t heartbeat;     /* of weir */
    int64_t updated_s;      /* of Java */
    struct weir_mono since; /* last sign of life */
    uint64_t beats;
    bool is_silent; /* it had leases and did not renew them */
    bool is_listed;
};

/* Embedded by value; all zeros but `env` is empty. */
struct wi_dynamodb_watch {
    const struct weir_env *env;
    struct wi_dynamodb_watch_lease *before; /* sorted by key */
    size_t before_count;
    struct wi_dynamodb_watch_lease *leases; /* of the listing under way */
    size_t lease_count;
    size_t lease_capacity;
    struct wi_dynamodb_watch_worker *workers;
    size_t worker_count;
    size_t worker_capacity;
};

/* A listing of at most so many rows begins. WEIR_ENOMEM: nothing is changed. */
WEIR_MUST_CHECK enum weir_error wi_dynamodb_watch_begin(
    struct wi_dynamodb_watch *watch, size_t lease_count, size_t worker_count);
/* All leases first, ... */
void wi_dynamodb_watch_lease(
    struct wi_dynamodb_watch *watch, const struct wi_lease *lease, struct weir_mono now);
/* How long listings have shown the lease with this owner and counter, until `now`. */
int64_t wi_dynamodb_watch_age_ms(
    const struct wi_dynamodb_watch *watch, const struct wi_lease *lease, struct weir_mono now);

struct wi_dynamodb_watch_time {
    struct weir_mono now; /* after the read */
    int64_t wall_s;
    int64_t lease_duration_ms;
};

/* ... then all workers: sets counter and state of the row. */
void wi_dynamodb_watch_worker(
    struct wi_dynamodb_watch *watch,
    const struct wi_dynamodb_watch_time *time,
    struct wi_dynamodb_worker *row);
/* Whether the last listing showed this counter, and a row that has not changed since. */
bool wi_dynamodb_watch_shows(
    const struct wi_dynamodb_watch *watch,
    const struct wi_dynamodb_worker *row,
    uint64_t listed_counter);
void wi_dynamodb_watch_end(struct wi_dynamodb_watch *watch);
void wi_dynamodb_watch_free(struct wi_dynamodb_watch *watch);

#endif
