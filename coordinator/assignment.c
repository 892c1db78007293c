#include "coordinator/assignment.h"

#include <stddef.h>

#include <weir/env.h>
#include <weir/error.h>

#include "coordinator/assignment_plan.h"
#include "core/check.h"
#include "core/memory.h"

/* C51: what a worker may have at most; nothing is taken away that cannot leave. */
static size_t
limit_of(const struct wi_assign_worker *worker, size_t fixed, size_t lease_count)
{
    size_t limit = worker->leases_max == 0 ? lease_count : worker->leases_max;

    if (worker->draining) {
        limit = 0;
    }
    limit = limit < lease_count ? limit : lease_count;
    return limit > fixed ? limit : fixed;
}

bool
wi_assign_is_homeless(const struct wi_assign_input *input, size_t lease)
{
    const struct wi_assign_lease *at = &input->leases[lease];

    return !at->fixed && (at->worker == WI_NO_WORKER || input->workers[at->worker].draining);
}

/* Count what each worker has; put homeless leases aside. Returns how many leases take part: all but
 * those that are fixed where nobody has them. */
static size_t
tally_up(const struct wi_assign_input *input, struct wi_assign_tally *tallies, size_t *target)
{
    size_t participants = 0;

    for (size_t i = 0; i < input->lease_count; i++) {
        const struct wi_assign_lease *lease = &input->leases[i];
        bool is_homeless = wi_assign_is_homeless(input, i);

        target[i] = is_homeless ? WI_NO_WORKER : lease->worker;
        participants += is_homeless || lease->worker != WI_NO_WORKER ? 1 : 0;
        if (target[i] != WI_NO_WORKER) {
            WEIR_ASSERT(lease->worker < input->worker_count);
            tallies[lease->worker].count++;
            tallies[lease->worker].fixed += lease->fixed ? 1 : 0;
        }
    }
    for (size_t w = 0; w < input->worker_count; w++) {
        tallies[w].limit = limit_of(&input->workers[w], tallies[w].fixed, input->lease_count);
    }
    return participants;
}

/* What the worker has when everybody is filled up to `level`, as far as its bounds allow. */
static size_t
filled_to(const struct wi_assign_tally *tally, size_t level)
{
    size_t filled = level < tally->limit ? level : tally->limit;

    return filled > tally->fixed ? filled : tally->fixed;
}

static size_t
sum_filled_to(const struct wi_assign_tally *tallies, size_t worker_count, size_t level)
{
    size_t sum = 0;

    for (size_t w = 0; w < worker_count; w++) {
        sum += filled_to(&tallies[w], level);
    }
    return sum;
}

/* C50: the highest level to which there are enough leases to fill all workers. */
static size_t
find_level(
    const struct wi_assign_tally *tallies,
    size_t worker_count,
    size_t participants,
    size_t lease_count)
{
    size_t low = 0;
    size_t high = lease_count;

    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;

        if (sum_filled_to(tallies, worker_count, middle) <= participants) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

/* C50, C52: decide how many leases each worker ends up with. The leases that are left over go one
 * each to workers at the level: first to those that have more than the level now, which saves a
 * move each. */
static void
set_wanted(
    struct wi_assign_tally *tallies, size_t worker_count, size_t participants, size_t lease_count)
{
    size_t level = find_level(tallies, worker_count, participants, lease_count);
    size_t filled = sum_filled_to(tallies, worker_count, level);
    size_t left = participants > filled ? participants - filled : 0;

    for (size_t w = 0; w < worker_count; w++) {
        tallies[w].wanted = filled_to(&tallies[w], level);
    }
    for (int saves_a_move = 1; saves_a_move >= 0; saves_a_move--) {
        for (size_t w = 0; w < worker_count && left > 0; w++) {
            bool is_candidate = tallies[w].wanted == level && level < tallies[w].limit;

            if (is_candidate && (tallies[w].count > level) == (saves_a_move == 1)) {
                tallies[w].wanted++;
                left--;
            }
        }
    }
}

/* The first worker from *cursor on that still wants leases, or WI_NO_WORKER. */
static size_t
next_receiver(const struct wi_assign_tally *tallies, size_t worker_count, size_t *cursor)
{
    while (*cursor < worker_count && tallies[*cursor].count >= tallies[*cursor].wanted) {
        (*cursor)++;
    }
    return *cursor < worker_count ? *cursor : WI_NO_WORKER;
}

/* C50: homeless leases first; what is left of the receivers' wishes is met by workers that have
 * more than they are to end up with. */
static void
assign_by_count(
    const struct wi_assign_input *input, struct wi_assign_tally *tallies, size_t *target)
{
    size_t cursor = 0;

    for (size_t i = 0; i < input->lease_count; i++) {
        if (wi_assign_is_homeless(input, i)) {
            target[i] = next_receiver(tallies, input->worker_count, &cursor);
        }
        if (wi_assign_is_homeless(input, i) && target[i] != WI_NO_WORKER) {
            tallies[target[i]].count++;
        }
    }
    for (size_t i = input->lease_count; i-- > 0;) {
        size_t from = target[i];
        size_t to = next_receiver(tallies, input->worker_count, &cursor);

        if (to == WI_NO_WORKER) {
            return;
        }
        if (from != WI_NO_WORKER && !input->leases[i].fixed &&
            tallies[from].count > tallies[from].wanted) {
            tallies[from].count--;
            tallies[to].count++;
            target[i] = to;
        }
    }
}

/* C53: loads are compared only where all are known. */
static bool
every_load_is_known(const struct wi_assign_input *input)
{
    for (size_t i = 0; i < input->lease_count; i++) {
        if (input->leases[i].load == 0) {
            return false;
        }
    }
    return true;
}

enum weir_error
wi_assign(const struct weir_env *env, const struct wi_assign_input *input, size_t *ret_target)
{
    enum weir_error error = WEIR_OK;
    struct wi_assign_tally *tallies = wi_alloc_array(env, input->worker_count + 1, sizeof *tallies);
    size_t participants;

    if (tallies == NULL) {
        return WEIR_ENOMEM;
    }
    participants = tally_up(input, tallies, ret_target);
    if (input->settings.by_load && every_load_is_known(input)) {
        error = wi_assign_by_load(env, input, tallies, ret_target);
    } else {
        set_wanted(tallies, input->worker_count, participants, input->lease_count);
        assign_by_count(input, tallies, ret_target);
    }
    wi_free(env, tallies);
    return error;
}
