/* Throughput of a lease: samples, smoothing, what comes too soon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>

#include <cmocka.h>

#include "core/mono.h"
#include "worker/throughput.h"

static struct weir_mono
at_ms(int64_t ms)
{
    return wi_mono_add_ms((struct weir_mono){1000000000}, ms);
}

static void
is_unknown_before_the_first_sample(void **state)
{
    struct wi_throughput throughput = {0};

    (void)state;
    wi_throughput_note(&throughput, 500, at_ms(0));
    assert_false(throughput.is_known);
    wi_throughput_note(&throughput, 900, at_ms(WI_THROUGHPUT_SAMPLE_MS - 1));
    assert_false(throughput.is_known);
}

/* What was processed before the first note is none of the first sample. */
static void
counts_bytes_a_second(void **state)
{
    struct wi_throughput throughput = {0};

    (void)state;
    wi_throughput_note(&throughput, 500, at_ms(0));
    wi_throughput_note(&throughput, 10500, at_ms(2500));
    assert_true(throughput.is_known);
    assert_int_equal(throughput.bytes_per_second, 4000);
}

static void
a_sample_counts_as_much_as_all_before(void **state)
{
    struct wi_throughput throughput = {0};

    (void)state;
    wi_throughput_note(&throughput, 0, at_ms(0));
    wi_throughput_note(&throughput, 8000, at_ms(1000));
    wi_throughput_note(&throughput, 8000, at_ms(2000));
    assert_int_equal(throughput.bytes_per_second, 4000);
    wi_throughput_note(&throughput, 8000, at_ms(3000));
    assert_int_equal(throughput.bytes_per_second, 2000);
}

/* Notes that follow each other closely belong to one sample: none of their bytes is lost. */
static void
bytes_of_a_short_time_stay_in_the_sample(void **state)
{
    struct wi_throughput throughput = {0};

    (void)state;
    wi_throughput_note(&throughput, 0, at_ms(0));
    for (int64_t ms = 100; ms <= 1000; ms += 100) {
        wi_throughput_note(&throughput, (uint64_t)ms, at_ms(ms));
    }
    assert_int_equal(throughput.bytes_per_second, 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_unknown_before_the_first_sample),
        cmocka_unit_test(counts_bytes_a_second),
        cmocka_unit_test(a_sample_counts_as_much_as_all_before),
        cmocka_unit_test(bytes_of_a_short_time_stay_in_the_sample),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
