/* Balance by weighted load: largest first, from the most to the least loaded worker. */
#include <stdint.h>
#include <stdlib.h>

#include <weir/env.h>
#include <weir/error.h>

#include "coordinator/assignment.h"
#include "coordinator/assignment_plan.h"
#include "core/check.h"
#include "core/memory.h"

/* Loads within this part of the mean count as balanced. */
#define BAND_DIVISOR 10U

/* No lease. */
#define NO_LEASE SIZE_MAX

struct weighted_lease {
    uint64_t load;
    size_t lease;
};

/* A plan in the making. Workers with room stand in `heap`, least load first. */
struct load_plan {
    const struct wi_assign_input *input;
    struct wi_assign_tally *tallies;
    size_t *target;
    uint64_t load_max;             /* loads above count as this, so that no sum overflows */
    struct weighted_lease *sorted; /* all leases, largest load first */
    size_t *heap;
    size_t heap_count;
    size_t *first_lease; /* per worker: its first lease, or NO_LEASE */
    size_t *next_lease;  /* per lease: the next one of its worker, or NO_LEASE */
    bool *is_stuck;      /* per worker: nothing on it can be moved to advantage */
};

static uint64_t
load_of(const struct load_plan *plan, size_t lease)
{
    uint64_t load = plan->input->leases[lease].load;

    return load < plan->load_max ? load : plan->load_max;
}

static int
compare_weighted(const void *left, const void *right)
{
    const struct weighted_lease *a = left;
    const struct weighted_lease *b = right;

    if (a->load != b->load) {
        return a->load > b->load ? -1 : 1;
    }
    return a->lease < b->lease ? -1 : 1;
}

static void
sort_by_load(struct load_plan *plan)
{
    for (size_t i = 0; i < plan->input->lease_count; i++) {
        plan->sorted[i] = (struct weighted_lease){load_of(plan, i), i};
    }
    qsort(plan->sorted, plan->input->lease_count, sizeof *plan->sorted, compare_weighted);
}

/* Order of the heap: less load first, then fewer leases, then by index. */
static bool
is_less_loaded(const struct load_plan *plan, size_t a, size_t b)
{
    const struct wi_assign_tally *x = &plan->tallies[a];
    const struct wi_assign_tally *y = &plan->tallies[b];

    if (x->load != y->load) {
        return x->load < y->load;
    }
    return x->count != y->count ? x->count < y->count : a < b;
}

static void
sift_down(struct load_plan *plan, size_t place)
{
    size_t moving = plan->heap[place];

    for (;;) {
        size_t child = 2 * place + 1;

        if (child + 1 < plan->heap_count &&
            is_less_loaded(plan, plan->heap[child + 1], plan->heap[child])) {
            child++;
        }
        if (child >= plan->heap_count || !is_less_loaded(plan, plan->heap[child], moving)) {
            break;
        }
        plan->heap[place] = plan->heap[child];
        place = child;
    }
    plan->heap[place] = moving;
}

static bool
has_room(const struct load_plan *plan, size_t worker)
{
    return !plan->input->workers[worker].draining &&
           plan->tallies[worker].count < plan->tallies[worker].limit;
}

static void
build_heap(struct load_plan *plan)
{
    plan->heap_count = 0;
    for (size_t w = 0; w < plan->input->worker_count; w++) {
        if (has_room(plan, w)) {
            plan->heap[plan->heap_count++] = w;
        }
    }
    for (size_t place = plan->heap_count / 2; place-- > 0;) {
        sift_down(plan, place);
    }
}

/* Give a lease to the least loaded worker with room; there is one. */
static void
give_to_least_loaded(struct load_plan *plan, size_t lease)
{
    size_t to = plan->heap[0];

    WEIR_ASSERT(plan->heap_count > 0);
    plan->target[lease] = to;
    plan->tallies[to].count++;
    plan->tallies[to].load += load_of(plan, lease);
    if (!has_room(plan, to)) {
        plan->heap[0] = plan->heap[--plan->heap_count];
    }
    if (plan->heap_count > 0) {
        sift_down(plan, 0);
    }
}

/* C50, C51: the homeless, then what is above a bound; never throttled. */
static void
place_by_load(struct load_plan *plan)
{
    const struct wi_assign_input *input = plan->input;

    build_heap(plan);
    for (size_t i = 0; i < input->lease_count && plan->heap_count > 0; i++) {
        if (wi_assign_is_homeless(input, plan->sorted[i].lease)) {
            give_to_least_loaded(plan, plan->sorted[i].lease);
        }
    }
    for (size_t i = 0; i < input->lease_count && plan->heap_count > 0; i++) {
        size_t lease = plan->sorted[i].lease;
        size_t from = plan->target[lease];

        if (!input->leases[lease].fixed && from != WI_NO_WORKER &&
            plan->tallies[from].count > plan->tallies[from].limit) {
            plan->tallies[from].count--;
            plan->tallies[from].load -= load_of(plan, lease);
            give_to_least_loaded(plan, lease);
        }
    }
}

static void
link_leases(struct load_plan *plan)
{
    for (size_t w = 0; w < plan->input->worker_count; w++) {
        plan->first_lease[w] = NO_LEASE;
    }
    for (size_t i = plan->input->lease_count; i-- > 0;) {
        size_t worker = plan->target[i];

        if (worker != WI_NO_WORKER && !plan->input->leases[i].fixed) {
            plan->next_lease[i] = plan->first_lease[worker];
            plan->first_lease[worker] = i;
        }
    }
}

/* The most loaded worker that can give something away, or the least loaded one that can take. */
static size_t
find_extreme(const struct load_plan *plan, bool most_loaded)
{
    size_t found = WI_NO_WORKER;

    for (size_t w = 0; w < plan->input->worker_count; w++) {
        bool takes_part = most_loaded ? !plan->input->workers[w].draining && !plan->is_stuck[w]
                                      : has_room(plan, w);

        if (takes_part &&
            (found == WI_NO_WORKER || is_less_loaded(plan, w, found) != most_loaded)) {
            found = w;
        }
    }
    return found;
}

/* C53: the lease whose move evens out best: the one nearest to half of the difference. One as large
 * as the difference would only swap the roles of the two workers. */
static size_t
find_best_lease(const struct load_plan *plan, size_t from, uint64_t difference)
{
    uint64_t half = difference / 2;
    uint64_t best_distance = UINT64_MAX;
    size_t best = NO_LEASE;

    for (size_t i = plan->first_lease[from]; i != NO_LEASE; i = plan->next_lease[i]) {
        uint64_t load = load_of(plan, i);
        uint64_t distance = load > half ? load - half : half - load;

        if (load < difference && distance < best_distance) {
            best_distance = distance;
            best = i;
        }
    }
    return best;
}

static void
move_lease(struct load_plan *plan, size_t lease, size_t to)
{
    size_t from = plan->target[lease];
    size_t *link = &plan->first_lease[from];

    while (*link != lease) {
        WEIR_ASSERT(*link != NO_LEASE);
        link = &plan->next_lease[*link];
    }
    *link = plan->next_lease[lease];
    plan->next_lease[lease] = plan->first_lease[to];
    plan->first_lease[to] = lease;
    plan->tallies[from].count--;
    plan->tallies[from].load -= load_of(plan, lease);
    plan->tallies[to].count++;
    plan->tallies[to].load += load_of(plan, lease);
    plan->target[lease] = to;
}

/* Mean load of the workers that take part, rounded down. */
static uint64_t
mean_load(const struct load_plan *plan)
{
    uint64_t sum = 0;
    size_t count = 0;

    for (size_t w = 0; w < plan->input->worker_count; w++) {
        if (!plan->input->workers[w].draining) {
            sum += plan->tallies[w].load;
            count++;
        }
    }
    return count == 0 ? 0 : sum / count;
}

/* Both within the band around the mean; or around each other, where the mean is distorted by
 * workers that nothing can be moved from. */
static bool
is_balanced(uint64_t mean, uint64_t low, uint64_t high)
{
    uint64_t band = mean / BAND_DIVISOR;

    return (high <= mean + band && low + band >= mean) ||
           high - low <= (low + high) / 2 / BAND_DIVISOR;
}

/* C53: each move makes the larger of two loads smaller, so the end is reached whatever the bound.
 */
static void
even_out(struct load_plan *plan)
{
    uint64_t mean = mean_load(plan);
    size_t moves = 0;

    while (moves < plan->input->settings.load_moves_max) {
        size_t from = find_extreme(plan, true);
        size_t to = find_extreme(plan, false);
        uint64_t high = from == WI_NO_WORKER ? 0 : plan->tallies[from].load;
        uint64_t low = to == WI_NO_WORKER ? UINT64_MAX : plan->tallies[to].load;
        size_t lease;

        if (high <= low || is_balanced(mean, low, high)) {
            return;
        }
        lease = find_best_lease(plan, from, high - low);
        if (lease == NO_LEASE) {
            plan->is_stuck[from] = true;
        } else {
            move_lease(plan, lease, to);
            moves++;
        }
    }
}

static void
sum_loads(struct load_plan *plan)
{
    for (size_t i = 0; i < plan->input->lease_count; i++) {
        if (plan->target[i] != WI_NO_WORKER) {
            plan->tallies[plan->target[i]].load += load_of(plan, i);
        }
    }
}

enum weir_error
wi_assign_by_load(
    const struct weir_env *env,
    const struct wi_assign_input *input,
    struct wi_assign_tally *tallies,
    size_t *target)
{
    size_t leases = input->lease_count;
    size_t workers = input->worker_count;
    struct load_plan plan = {
        .input = input,
        .tallies = tallies,
        .target = target,
        .load_max = UINT64_MAX / 2 / (leases + 1),
        .sorted = wi_alloc_array(env, leases + 1, sizeof *plan.sorted),
        .heap = wi_alloc_array(env, workers + 1, sizeof *plan.heap),
        .first_lease = wi_alloc_array(env, workers + 1, sizeof *plan.first_lease),
        .next_lease = wi_alloc_array(env, leases + 1, sizeof *plan.next_lease),
        .is_stuck = wi_alloc_array(env, workers + 1, sizeof *plan.is_stuck),
    };
    enum weir_error error = WEIR_ENOMEM;

    if (plan.sorted != NULL && plan.heap != NULL && plan.first_lease != NULL &&
        plan.next_lease != NULL && plan.is_stuck != NULL) {
        sum_loads(&plan);
        sort_by_load(&plan);
        place_by_load(&plan);
        link_leases(&plan);
        even_out(&plan);
        error = WEIR_OK;
    }
    wi_free(env, plan.sorted);
    wi_free(env, plan.heap);
    wi_free(env, plan.first_lease);
    wi_free(env, plan.next_lease);
    wi_free(env, plan.is_stuck);
    return error;
}
