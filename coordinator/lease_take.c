#include "coordinator/lease_take.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "coordinator/java_shuffle.h"
#include "core/memory.h"
#include "core/pcg.h"
#include "lease/lease.h"
#include "lease/lease_expiry.h"
#include "lease/lease_store.h"

/* The seed of Java KCL's DeterministicShuffleShardSyncLeaderDecider. */
#define LEADER_SEED 1947

struct owner {
    const char *name;
    size_t live; /* its leases that are neither finished nor expired */
};

/* A pass on its way; arrays have room for every lease. */
struct pass {
    const struct wi_take_input *input;
    struct wi_pcg *random;
    size_t *chosen; /* indices of leases */
    size_t chosen_count;
    struct owner *owners; /* the live workers, this one with them; sorted */
    size_t owner_count;
    size_t unfinished;
    size_t mine;
};

/* --- one lease ------------------------------------------------------------------------------ */

static bool
is_finished(const struct wi_lease *lease)
{
    return lease->checkpoint.type == WEIR_SHARD_END;
}

static bool
is_mine(const struct pass *pass, const struct wi_lease *lease)
{
    return strcmp(lease->owner, pass->input->owner) == 0;
}

static bool
has_stood_still(const struct pass *pass, const struct wi_lease *lease, int64_t durations)
{
    const struct wi_take_input *input = pass->input;

    return wi_lease_expiry_is_expired(
        input->seen, lease->lease_key, input->now, durations * input->lease_duration_ms);
}

/* T2: nobody's, or of somebody who is dead. */
static bool
is_free(const struct pass *pass, const struct wi_lease *lease)
{
    return lease->owner[0] == '\0' || lease->owner_state == WI_OWNER_GONE ||
           has_stood_still(pass, lease, 1);
}

static bool
is_live_lease_of(const struct pass *pass, const struct wi_lease *lease, const char *owner)
{
    return !is_finished(lease) && !is_free(pass, lease) && strcmp(lease->owner, owner) == 0;
}

/* --- who has how many ----------------------------------------------------------------------- */

static int
compare_owners(const void *a, const void *b)
{
    const struct owner *left = a;
    const struct owner *right = b;

    return strcmp(left->name, right->name);
}

static void
merge_owners(struct pass *pass)
{
    size_t kept = 0;

    qsort(pass->owners, pass->owner_count, sizeof *pass->owners, compare_owners);
    for (size_t i = 0; i < pass->owner_count; i++) {
        if (kept > 0 && strcmp(pass->owners[kept - 1].name, pass->owners[i].name) == 0) {
            pass->owners[kept - 1].live += pass->owners[i].live;
        } else {
            pass->owners[kept++] = pass->owners[i];
        }
    }
    pass->owner_count = kept;
}

/* T1, T3: finished leases are nobody's load; an owner of expired leases only is no worker any
 * more, and this worker is one without any lease, too. */
static void
count_leases(struct pass *pass)
{
    const struct wi_lease_table *table = pass->input->table;

    pass->owners[pass->owner_count++] = (struct owner){.name = pass->input->owner};
    for (size_t i = 0; i < table->lease_count; i++) {
        const struct wi_lease *lease = &table->leases[i];

        if (is_finished(lease)) {
            continue;
        }
        pass->unfinished++;
        if (is_mine(pass, lease)) {
            pass->mine++;
        } else if (!is_free(pass, lease)) {
            pass->owners[pass->owner_count++] = (struct owner){.name = lease->owner, .live = 1};
        }
    }
    merge_owners(pass);
}

/* T4: the leases of this worker if all had the same share. */
static size_t
fair_share(const struct pass *pass)
{
    if (pass->owner_count >= pass->unfinished) {
        return 1;
    }
    return (pass->unfinished + pass->owner_count - 1) / pass->owner_count;
}

/* --- choosing ------------------------------------------------------------------------------- */

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Keep `wanted` of the chosen leases, any of them. */
static void
draw(struct pass *pass, size_t wanted)
{
    size_t kept = least(least(wanted, pass->chosen_count), WI_TAKES_MAX);

    for (size_t i = 0; i < kept; i++) {
        size_t other = i + (size_t)wi_pcg_below(pass->random, pass->chosen_count - i);
        size_t moved = pass->chosen[i];

        pass->chosen[i] = pass->chosen[other];
        pass->chosen[other] = moved;
    }
    pass->chosen_count = kept;
}

/* Leases that are free and have stood still for so many lease durations; 0: that are free. */
static void
choose_free(struct pass *pass, int64_t durations)
{
    const struct wi_lease_table *table = pass->input->table;

    pass->chosen_count = 0;
    for (size_t i = 0; i < table->lease_count; i++) {
        const struct wi_lease *lease = &table->leases[i];

        if (!is_finished(lease) && !is_mine(pass, lease) && is_free(pass, lease) &&
            (durations == 0 || has_stood_still(pass, lease, durations))) {
            pass->chosen[pass->chosen_count++] = i;
        }
    }
}

static void
choose_leases_of(struct pass *pass, const char *owner)
{
    const struct wi_lease_table *table = pass->input->table;

    pass->chosen_count = 0;
    for (size_t i = 0; i < table->lease_count; i++) {
        if (is_live_lease_of(pass, &table->leases[i], owner)) {
            pass->chosen[pass->chosen_count++] = i;
        }
    }
}

/* The other worker with the most leases; NULL if there is none. */
static const struct owner *
most_loaded(const struct pass *pass)
{
    const struct owner *found = NULL;

    for (size_t i = 0; i < pass->owner_count; i++) {
        const struct owner *owner = &pass->owners[i];

        if (strcmp(owner->name, pass->input->owner) != 0 &&
            (found == NULL || owner->live > found->live)) {
            found = owner;
        }
    }
    return found;
}

/* T6: never so much that the victim would want it back: it keeps its share, and with one lease too
 * few nothing is stolen from a worker that has no more than its share. */
static size_t
steal_count(size_t need, size_t victim, size_t share)
{
    size_t count = 0;

    if (victim < share || need == 0) {
        return 0;
    }
    count = least(need, victim - share);
    count = count == 0 && need > 1 ? 1 : count;
    return least(count, WI_STEALS_MAX);
}

static void
choose_to_steal(struct pass *pass, size_t need, size_t share, bool *ret_steals)
{
    const struct owner *victim = most_loaded(pass);
    size_t count = victim == NULL ? 0 : steal_count(need, victim->live, share);

    pass->chosen_count = 0;
    if (count > 0) {
        choose_leases_of(pass, victim->name);
        draw(pass, count);
        *ret_steals = pass->chosen_count > 0;
    }
}

/* T4 to T8. */
static void
choose(struct pass *pass, struct wi_take_plan *plan)
{
    size_t leases_max = pass->input->leases_max == 0 ? SIZE_MAX : pass->input->leases_max;
    size_t room = leases_max > pass->mine ? leases_max - pass->mine : 0;
    size_t share = fair_share(pass);
    size_t need = 0;

    choose_free(pass, WI_VERY_OLD_DURATIONS);
    if (pass->chosen_count > 0) {
        draw(pass, room);
        return;
    }
    share = least(share, leases_max);
    need = share > pass->mine ? share - pass->mine : 0;
    choose_free(pass, 0);
    if (pass->chosen_count > 0) {
        draw(pass, need);
    } else {
        choose_to_steal(pass, need, share, &plan->steals);
    }
}

/* --- the plan ------------------------------------------------------------------------------- */

static enum weir_error
write_takes(const struct weir_env *env, const struct pass *pass, struct wi_take_plan *plan)
{
    if (pass->chosen_count == 0) {
        return WEIR_OK;
    }
    plan->takes = wi_alloc_array(env, pass->chosen_count, sizeof *plan->takes);
    plan->keys = wi_alloc_array(env, pass->chosen_count, sizeof *plan->keys);
    if (plan->takes == NULL || plan->keys == NULL) {
        wi_take_plan_free(env, plan);
        return WEIR_ENOMEM;
    }
    for (; plan->count < pass->chosen_count; plan->count++) {
        const struct wi_lease *lease = &pass->input->table->leases[pass->chosen[plan->count]];
        char *key = plan->keys[plan->count];

        memcpy(key, lease->lease_key, sizeof lease->lease_key);
        plan->takes[plan->count] = (struct wi_assignment){
            .lease_key = key,
            .to = pass->input->owner,
            .expected_epoch = lease->epoch,
            .expected_counter = plan->steals ? WI_COUNTER_OF_A_STEAL : lease->counter};
    }
    return WEIR_OK;
}

enum weir_error
wi_take_plan_make(
    const struct weir_env *env,
    const struct wi_take_input *input,
    struct wi_pcg *random,
    struct wi_take_plan *ret)
{
    size_t room = input->table->lease_count + 1;
    struct wi_take_plan plan = {.count = 0};
    struct pass pass = {.input = input, .random = random};
    enum weir_error error = WEIR_ENOMEM;

    pass.chosen = wi_alloc_array(env, room, sizeof *pass.chosen);
    pass.owners = wi_alloc_array(env, room, sizeof *pass.owners);
    if (pass.chosen != NULL && pass.owners != NULL) {
        count_leases(&pass);
        choose(&pass, &plan);
        error = write_takes(env, &pass, &plan);
    }
    wi_free(env, pass.chosen);
    wi_free(env, pass.owners);
    if (error == WEIR_OK) {
        *ret = plan;
    }
    return error;
}

void
wi_take_plan_free(const struct weir_env *env, struct wi_take_plan *plan)
{
    wi_free(env, plan->takes);
    wi_free(env, plan->keys);
    *plan = (struct wi_take_plan){.count = 0};
}

/* --- the leader of a shuffle ---------------------------------------------------------------- */

static int
compare_names(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;

    return strcmp(*left, *right);
}

/* Every owner of a lease once, in Java's order of texts, which is that of bytes for all that is
 * ASCII. Finished leases count here: they have owners like any other row. */
static size_t
distinct_owners(const struct wi_lease_table *table, const char **names)
{
    size_t count = 0;
    size_t kept = 0;

    for (size_t i = 0; i < table->lease_count; i++) {
        if (table->leases[i].owner[0] != '\0') {
            names[count++] = table->leases[i].owner;
        }
    }
    if (count > 1) {
        qsort(names, count, sizeof *names, compare_names);
    }
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0) {
            names[kept++] = names[i];
        }
    }
    return kept;
}

enum weir_error
wi_take_leader(
    const struct weir_env *env, const struct wi_lease_table *table, const char **ret_owner)
{
    const char **names = wi_alloc_array(env, table->lease_count + 1, sizeof *names);
    size_t *order = wi_alloc_array(env, table->lease_count + 1, sizeof *order);
    enum weir_error error = names == NULL || order == NULL ? WEIR_ENOMEM : WEIR_OK;

    if (error == WEIR_OK) {
        size_t count = distinct_owners(table, names);

        for (size_t i = 0; i < count; i++) {
            order[i] = i;
        }
        wi_java_shuffle(order, count, LEADER_SEED);
        *ret_owner = count == 0 ? NULL : names[order[0]];
    }
    wi_free(env, names);
    wi_free(env, order);
    return error;
}
