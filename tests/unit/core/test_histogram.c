/* The histogram: exact below 32, within 1/32 above, bounded. */
#include <stddef.h>
#include <stdint.h>

#include "core/check.h"
#include "core/histogram.h"
#include "core/pcg.h"
#include "tests/support/weir_test.h"

static void
answers_0_while_it_is_empty(void **state)
{
    static const struct wi_histogram empty;
    struct wi_histogram other = empty;
    (void)state;
    assert_true(wi_histogram_percentile(&empty, 50) == 0);
    assert_true(wi_histogram_mean(&empty) == 0);
    wi_histogram_merge(&other, &empty);
    assert_true(wi_histogram_count(&other) == 0 && wi_histogram_min(&other) == 0);
    assert_true(wi_histogram_max(&other) == 0);
}

static void
is_exact_for_small_values(void **state)
{
    struct wi_histogram histogram;
    (void)state;
    wi_histogram_reset(&histogram);
    for (uint64_t value = 1; value <= 30; value++) {
        wi_histogram_record(&histogram, value);
    }
    assert_true(wi_histogram_percentile(&histogram, 0) == 1);
    assert_true(wi_histogram_percentile(&histogram, 50) == 15);
    assert_true(wi_histogram_percentile(&histogram, 100) == 30);
    assert_true(wi_histogram_mean(&histogram) == 15.5);
    assert_true(wi_histogram_count(&histogram) == 30);
    assert_true(wi_histogram_min(&histogram) == 1 && wi_histogram_max(&histogram) == 30);
}

/* Both neighbours of every power of two and values between. */
static void
is_within_one_step_for_every_magnitude(void **state)
{
    struct wi_histogram histogram;
    struct wi_pcg pcg;
    (void)state;
    wi_pcg_seed(&pcg, 5, 5);
    for (unsigned bit = 0; bit < WI_HISTOGRAM_VALUE_BITS; bit++) {
        uint64_t power = UINT64_C(1) << bit;
        uint64_t values[] = {power - 1, power, power + wi_pcg_below(&pcg, power), 2 * power - 1};
        for (size_t i = 0; i < WI_ARRAY_LENGTH(values); i++) {
            wi_histogram_reset(&histogram);
            wi_histogram_record(&histogram, values[i]);
            wi_histogram_record(&histogram, UINT64_MAX);
            uint64_t median = wi_histogram_percentile(&histogram, 50);
            assert_true(median >= values[i]);
            assert_true(median - values[i] <= values[i] / WI_HISTOGRAM_STEPS);
        }
    }
}

static void
finds_percentiles_of_many_values(void **state)
{
    struct wi_histogram histogram;
    (void)state;
    wi_histogram_reset(&histogram);
    for (uint64_t value = 1; value <= 100000; value++) {
        wi_histogram_record(&histogram, value);
    }
    assert_in_range(wi_histogram_percentile(&histogram, 50), 50000, 51563);
    assert_in_range(wi_histogram_percentile(&histogram, 99), 99000, 100000);
    assert_true(wi_histogram_percentile(&histogram, 100) == 100000);
    assert_true(wi_histogram_percentile(&histogram, 1000) == 100000);
    assert_true(wi_histogram_percentile(&histogram, -3) == 1);
}

static void
keeps_huge_values_in_one_bucket_with_an_exact_maximum(void **state)
{
    struct wi_histogram histogram;
    (void)state;
    wi_histogram_reset(&histogram);
    wi_histogram_record(&histogram, UINT64_MAX);
    wi_histogram_record(&histogram, UINT64_MAX - 1);
    assert_true(wi_histogram_percentile(&histogram, 50) == UINT64_MAX);
    assert_true(wi_histogram_max(&histogram) == UINT64_MAX);
    assert_true(wi_histogram_min(&histogram) == UINT64_MAX - 1);
    assert_true(histogram.sum == UINT64_MAX);
}

static void
merges_as_if_recorded_together(void **state)
{
    struct wi_histogram low;
    struct wi_histogram high;
    struct wi_histogram both;
    (void)state;
    wi_histogram_reset(&low);
    wi_histogram_reset(&high);
    wi_histogram_reset(&both);
    for (uint64_t value = 0; value < 1000; value++) {
        wi_histogram_record(&low, value);
        wi_histogram_record(&high, value * 1000000);
        wi_histogram_record(&both, value);
        wi_histogram_record(&both, value * 1000000);
    }
    wi_histogram_merge(&low, &high);
    assert_memory_equal(&low, &both, sizeof both);
}

static void
keeps_its_shape_when_a_bucket_is_full(void **state)
{
    struct wi_histogram histogram;
    struct wi_histogram full;
    (void)state;
    wi_histogram_reset(&histogram);
    wi_histogram_record(&histogram, 10);
    wi_histogram_record(&histogram, 20);
    histogram.bucket[10] = UINT32_MAX;
    full = histogram;

    wi_histogram_record(&histogram, 10);
    assert_int_equal(histogram.bucket[10], (UINT32_C(1) << 31) + 1);
    assert_int_equal(histogram.bucket[20], 1);
    assert_true(wi_histogram_count(&histogram) == 3);

    histogram = full;
    wi_histogram_merge(&histogram, &full);
    assert_true(histogram.bucket[10] >= UINT32_C(1) << 31);
    assert_int_equal(histogram.bucket[20], 2);
    assert_true(wi_histogram_percentile(&histogram, 50) == 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_0_while_it_is_empty),
        cmocka_unit_test(is_exact_for_small_values),
        cmocka_unit_test(is_within_one_step_for_every_magnitude),
        cmocka_unit_test(finds_percentiles_of_many_values),
        cmocka_unit_test(keeps_huge_values_in_one_bucket_with_an_exact_maximum),
        cmocka_unit_test(merges_as_if_recorded_together),
        cmocka_unit_test(keeps_its_shape_when_a_bucket_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
