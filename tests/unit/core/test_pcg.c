/* Seeded randomness: failures of the simulator must be repeatable everywhere. */
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>

#include "core/check.h"
#include "core/pcg.h"
#include "tests/support/weir_test.h"

/* The published demonstration sequence of PCG XSH RR 64/32 for seed 42, sequence 54. */
static void
gives_the_published_sequence(void **state)
{
    static const uint32_t published[] = {
        0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e};
    struct wi_pcg pcg;
    (void)state;
    wi_pcg_seed(&pcg, 42, 54);
    for (size_t i = 0; i < WI_ARRAY_LENGTH(published); i++) {
        assert_int_equal(wi_pcg_next32(&pcg), published[i]);
    }
}

static void
repeats_itself_for_one_seed_and_differs_for_others(void **state)
{
    struct wi_pcg a;
    struct wi_pcg b;
    struct wi_pcg other_seed;
    struct wi_pcg other_sequence;
    (void)state;
    wi_pcg_seed(&a, 7, 1);
    wi_pcg_seed(&b, 7, 1);
    wi_pcg_seed(&other_seed, 8, 1);
    wi_pcg_seed(&other_sequence, 7, 2);
    for (int i = 0; i < 100; i++) {
        uint64_t value = wi_pcg_next64(&a);
        assert_true(value == wi_pcg_next64(&b));
        assert_true(value != wi_pcg_next64(&other_seed));
        assert_true(value != wi_pcg_next64(&other_sequence));
    }
}

static void
stays_below_the_bound_and_reaches_every_value(void **state)
{
    unsigned seen[10] = {0};
    struct wi_pcg pcg;
    (void)state;
    wi_pcg_seed(&pcg, 1, 1);
    for (int i = 0; i < 10000; i++) {
        uint64_t value = wi_pcg_below(&pcg, WI_ARRAY_LENGTH(seen));
        assert_true(value < WI_ARRAY_LENGTH(seen));
        seen[value]++;
        assert_true(wi_pcg_below(&pcg, 1) == 0);
        assert_true(wi_pcg_below(&pcg, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
    for (size_t i = 0; i < WI_ARRAY_LENGTH(seen); i++) {
        assert_in_range(seen[i], 850, 1150);
    }
}

static void
serves_as_the_rng_of_an_environment(void **state)
{
    struct wi_pcg pcg;
    struct wi_pcg same;
    struct weir_rng rng = wi_pcg_rng(&pcg);
    (void)state;
    wi_pcg_seed(&pcg, 3, 4);
    same = pcg;
    assert_true(rng.next(rng.context) == wi_pcg_next64(&same));
    assert_true(pcg.state == same.state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_published_sequence),
        cmocka_unit_test(repeats_itself_for_one_seed_and_differs_for_others),
        cmocka_unit_test(stays_below_the_bound_and_reaches_every_value),
        cmocka_unit_test(serves_as_the_rng_of_an_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
