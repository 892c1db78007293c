/* A simulator that never fails proves nothing. Bugs are planted in the engines, by functions that
 * the linker puts before the real ones, and each has to be found, under its name, within some
 * hundred seeds. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/sim.h>

#include "lease/lease.h"
#include "lease/lease_store.h"
#include "tests/support/weir_test.h"
#include "worker/lease_renewer.h"
#include "worker/past_leases.h"

#define SEEDS_MAX 400U

/* Linked as the functions of these names; __real_x is the product's. The names are the linker's. */
/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming) */
void __real_wi_lease_renewer_init(
    struct wi_lease_renewer *renewer, int64_t lease_duration_ms, struct weir_mono sent);
void __wrap_wi_lease_renewer_init(
    struct wi_lease_renewer *renewer, int64_t lease_duration_ms, struct weir_mono sent);
enum wi_past_verdict __real_wi_past_leases_judge(
    const struct wi_past_leases *past, const struct wi_lease *lease);
enum wi_past_verdict __wrap_wi_past_leases_judge(
    const struct wi_past_leases *past, const struct wi_lease *lease);
bool __real_wi_parents_are_finished(
    const struct wi_lease_table *table, const struct wi_lease *lease);
bool __wrap_wi_parents_are_finished(
    const struct wi_lease_table *table, const struct wi_lease *lease);
enum weir_error __real_wi_lease_apply_checkpoint(
    struct wi_lease *lease, const struct wi_checkpoint_update *update);
enum weir_error __wrap_wi_lease_apply_checkpoint(
    struct wi_lease *lease, const struct wi_checkpoint_update *update);

enum bug {
    BUG_NONE,
    BUG_HOLDS_TOO_LONG,
    BUG_SECOND_LIFE,
    BUG_PARENTS_IGNORED,
    BUG_CHECKPOINT_NOT_FENCED,
    BUG_NEVER_GIVES_BACK
};

static enum bug planted; /* read by the functions below */

/* R1: the deadline is 0.8 D after the send; with 2 D two workers believe at once. */
void
__wrap_wi_lease_renewer_init(
    struct wi_lease_renewer *renewer, int64_t lease_duration_ms, struct weir_mono sent)
{
    __real_wi_lease_renewer_init(renewer, lease_duration_ms, sent);
    if (planted == BUG_HOLDS_TOO_LONG) {
        renewer->hold_ms = 2 * lease_duration_ms;
    }
}

/* H9, H10. */
enum wi_past_verdict
__wrap_wi_past_leases_judge(const struct wi_past_leases *past, const struct wi_lease *lease)
{
    if (planted == BUG_SECOND_LIFE) {
        return WI_PAST_NEW;
    }
    if (planted == BUG_NEVER_GIVES_BACK &&
        __real_wi_past_leases_judge(past, lease) == WI_PAST_OVER) {
        return WI_PAST_OUT_OF_DATE;
    }
    return __real_wi_past_leases_judge(past, lease);
}

/* H6. */
bool
__wrap_wi_parents_are_finished(const struct wi_lease_table *table, const struct wi_lease *lease)
{
    return planted == BUG_PARENTS_IGNORED || __real_wi_parents_are_finished(table, lease);
}

/* I4: owner and epoch of a checkpoint are not looked at. */
enum weir_error
__wrap_wi_lease_apply_checkpoint(struct wi_lease *lease, const struct wi_checkpoint_update *update)
{
    struct wi_checkpoint_update forged = *update;

    if (planted == BUG_CHECKPOINT_NOT_FENCED) {
        forged.owner = lease->owner;
        forged.epoch = lease->epoch;
    }
    return __real_wi_lease_apply_checkpoint(lease, &forged);
}

/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */

/* The first seed that fails; its property must be one of those. */
static void
assert_found(enum bug bug, const char *properties)
{
    const struct weir_sim_options options = WEIR_SIM_OPTIONS_INIT;
    struct weir_sim_verdict verdict = {.failed = false};

    planted = bug;
    for (uint64_t seed = 1; seed <= SEEDS_MAX && !verdict.failed; seed++) {
        assert_int_equal(weir_sim_run(weir_env_default(), seed, &options, &verdict, NULL), WEIR_OK);
    }
    planted = BUG_NONE;
    assert_true(verdict.failed);
    print_message("%s %s: %s\n", verdict.property, verdict.name, verdict.text);
    assert_non_null(strstr(properties, verdict.property));
}

static void
finds_a_deadline_that_is_too_late(void **state)
{
    (void)state;
    assert_found(BUG_HOLDS_TOO_LONG, "I2 I3");
}

static void
finds_a_second_life_under_one_epoch(void **state)
{
    (void)state;
    assert_found(BUG_SECOND_LIFE, "I13 I2 I7");
}

static void
finds_a_child_that_does_not_wait_for_its_parents(void **state)
{
    (void)state;
    assert_found(BUG_PARENTS_IGNORED, "I9 I8");
}

static void
finds_a_checkpoint_that_is_not_fenced(void **state)
{
    (void)state;
    assert_found(BUG_CHECKPOINT_NOT_FENCED, "I4 I5 I6 G4 I14");
}

static void
finds_a_lease_that_nobody_works_on(void **state)
{
    (void)state;
    assert_found(BUG_NEVER_GIVES_BACK, "L1 L4 L5 L6 P4 P5 P7 L7");
}

/* --- shrinking ------------------------------------------------------------------------------- */

static struct weir_sim_verdict
run_limited(uint64_t seed, const struct weir_sim_limits *limits)
{
    struct weir_sim_options options = WEIR_SIM_OPTIONS_INIT;
    struct weir_sim_verdict verdict;

    options.limits = *limits;
    assert_int_equal(weir_sim_run(weir_env_default(), seed, &options, &verdict, NULL), WEIR_OK);
    return verdict;
}

static bool
fails_by_order(void *context, const struct weir_sim_limits *limits)
{
    const uint64_t *seed = context;
    struct weir_sim_verdict verdict = run_limited(*seed, limits);

    return verdict.failed && strcmp(verdict.property, "I9") == 0;
}

/* A child that does not wait takes a split and little else. */
static void
shrinks_to_a_small_run_that_fails_in_the_same_way(void **state)
{
    struct weir_sim_limits limits = WEIR_SIM_LIMITS_INIT;
    struct weir_sim_verdict whole;
    struct weir_sim_verdict small;
    uint64_t seed = 1;

    (void)state;
    planted = BUG_PARENTS_IGNORED;
    while (!fails_by_order(&seed, &limits)) {
        seed++;
        assert_true(seed < SEEDS_MAX);
    }
    whole = run_limited(seed, &limits);
    limits = (struct weir_sim_limits){
        .workers = whole.workers, .shards = whole.shards, .chaos_ms = whole.chaos_ms};
    (void)weir_sim_shrink(fails_by_order, &seed, &limits);
    small = run_limited(seed, &limits);
    assert_true(small.failed);
    assert_string_equal(small.property, "I9");
    assert_true(small.incidents <= 2);
    assert_int_equal(small.workers, 1);
    assert_true(small.chaos_ms <= whole.chaos_ms);
    assert_true(small.events < whole.events);
    assert_true(small.trace_hash == run_limited(seed, &limits).trace_hash);
    planted = BUG_NONE;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_a_deadline_that_is_too_late),
        cmocka_unit_test(finds_a_second_life_under_one_epoch),
        cmocka_unit_test(finds_a_child_that_does_not_wait_for_its_parents),
        cmocka_unit_test(finds_a_checkpoint_that_is_not_fenced),
        cmocka_unit_test(finds_a_lease_that_nobody_works_on),
        cmocka_unit_test(shrinks_to_a_small_run_that_fails_in_the_same_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
