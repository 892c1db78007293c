/*
 * Who gets what: a pure function of workers, leases and settings (DESIGN 4.5). Balance first
 * (counts differ by at most one; with known load, weighted load within 10 %), then as few moves as
 * possible. The same input gives the same plan; input order does not matter beyond ties, which go
 * by index.
 */
#ifndef WI_COORDINATOR_ASSIGNMENT_H
#define WI_COORDINATOR_ASSIGNMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>

#define WI_NO_WORKER SIZE_MAX

struct wi_assign_worker {
    uint32_t leases_max; /* 0: no bound */
    bool draining;       /* receives nothing; everything it has is to move */
};

struct wi_assign_lease {
    size_t
        worker; /* index of who has it, or will have it after a pending hand-off; or WI_NO_WORKER */
    bool fixed; /* not movable now: hand-off pending, revoked, or pinned. Counts as load. */
    uint64_t load; /* throughput in bytes/s; 0: not known */
};

struct wi_assign_settings {
    bool by_load;          /* weigh by load when every lease has one; else by count */
    size_t load_moves_max; /* bound on moves that only even out load; recovery is never bounded */
};

struct wi_assign_input {
    const struct wi_assign_worker *workers;
    size_t worker_count;
    const struct wi_assign_lease *leases;
    size_t lease_count;
    struct wi_assign_settings settings;
};

/*
 * Decide the receiver of every lease.
 * @param ret_target one index per lease: equal to leases[i].worker if it stays; WI_NO_WORKER if
 *        nobody can take it (no worker, all full or draining)
 * A draining worker's lease goes to WI_NO_WORKER only if nobody can take it.
 */
enum weir_error wi_assign(
    const struct weir_env *env, const struct wi_assign_input *input, size_t *ret_target);

#endif
