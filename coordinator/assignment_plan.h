/* What the two ways of balancing share: by count (assignment.c) and by load (assignment_load.c). */
#ifndef WI_COORDINATOR_ASSIGNMENT_PLAN_H
#define WI_COORDINATOR_ASSIGNMENT_PLAN_H

#include "coordinator/assignment.h"

/* A worker while a plan is made. */
struct wi_assign_tally {
    size_t limit;  /* most leases it may have; what is fixed on it counts in any case */
    size_t fixed;  /* leases that cannot leave it */
    size_t count;  /* leases it has in the plan */
    size_t wanted; /* by count: leases it is to end up with */
    uint64_t load; /* by load: sum of its leases */
};

/* C53: place what must be placed, then even out weighted load with few moves. `target` comes in as
 * the leases' workers, and holds WI_NO_WORKER where a lease is to be placed. */
enum weir_error wi_assign_by_load(
    const struct weir_env *env,
    const struct wi_assign_input *input,
    struct wi_assign_tally *tallies,
    size_t *target);

/* True if the lease is to leave a draining worker, or nobody has it. */
bool wi_assign_is_homeless(const struct wi_assign_input *input, size_t lease);

#endif
