/* Rule H8 of docs/state-machines-consumer.md, "Scheduler". */
#include "core/pcg.h"
#include "tests/support/weir_test.h"
#include "worker/fetch_budget.h"

static void
grants_what_is_left_but_no_sliver(void **state)
{
    struct wi_fetch_budget budget;
    (void)state;
    wi_fetch_budget_init(&budget, 250, 100);

    assert_true(wi_fetch_budget_reserve(&budget) == 100);
    assert_true(wi_fetch_budget_reserve(&budget) == 100);
    assert_true(wi_fetch_budget_reserve(&budget) == 50);
    assert_true(wi_fetch_budget_reserve(&budget) == 0);
    wi_fetch_budget_give_back(&budget, 24);
    assert_true(wi_fetch_budget_reserve(&budget) == 0);
    wi_fetch_budget_give_back(&budget, 1);
    assert_true(wi_fetch_budget_reserve(&budget) == 25);
}

static void
always_grants_one_fetch(void **state)
{
    struct wi_fetch_budget budget;
    (void)state;
    wi_fetch_budget_init(&budget, 10, 100);

    assert_true(wi_fetch_budget_reserve(&budget) == 10);
    assert_true(wi_fetch_budget_reserve(&budget) == 0);
    wi_fetch_budget_give_back(&budget, 10);
    assert_true(wi_fetch_budget_reserve(&budget) == 10);
}

static void
never_grants_more_than_there_is(void **state)
{
    struct wi_fetch_budget budget;
    struct wi_pcg random;
    uint64_t held[64] = {0};
    (void)state;
    wi_pcg_seed(&random, 3, 3);
    wi_fetch_budget_init(&budget, 1000, 128);

    for (int i = 0; i < 100000; i++) {
        uint64_t *mine = &held[wi_pcg_below(&random, 64)];
        uint64_t sum = 0;
        if (*mine == 0) {
            *mine = wi_fetch_budget_reserve(&budget);
        } else {
            uint64_t part = 1 + wi_pcg_below(&random, *mine);
            wi_fetch_budget_give_back(&budget, part);
            *mine -= part;
        }
        for (size_t j = 0; j < 64; j++) {
            sum += held[j];
        }
        assert_true(sum == budget.bytes_reserved);
        assert_true(sum <= 1000);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_what_is_left_but_no_sliver),
        cmocka_unit_test(always_grants_one_fetch),
        cmocka_unit_test(never_grants_more_than_there_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
