/* When numbers of a stream may be given in this boot, and from where on. */
#include <stdbool.h>
#include <stdint.h>

#include <weir/error.h>

#include "stream/stream_format.h"
#include "stream/stream_lmdb.h"
#include "tests/support/weir_test.h"

#define OLD_BOOT 7U
#define BOOT     8U
#define NEXT     ((uint64_t)1000)

static const struct stream_lmdb stream = {.boot = BOOT};

static void
gives_numbers_of_the_boot_without_further_ado(void **state)
{
    struct wi_stream_meta meta = {.boot = BOOT, .next_sequence = NEXT};
    (void)state;
    assert_true(wi_boot_enter(&stream, 0, &meta));
    assert_true(meta.next_sequence == NEXT);
    /* Another process was quicker to begin the boot: its numbers have been given. */
    assert_true(wi_boot_enter(&stream, NEXT - 100, &meta));
    assert_true(meta.next_sequence == NEXT);
}

static void
gives_none_before_the_gap_is_on_the_disk(void **state)
{
    struct wi_stream_meta meta = {.boot = OLD_BOOT, .next_sequence = NEXT};
    (void)state;
    assert_false(wi_boot_enter(&stream, 0, &meta));
    assert_false(wi_boot_enter(&stream, NEXT + 1, &meta));
    assert_true(meta.boot == OLD_BOOT && meta.next_sequence == NEXT);
}

/* The other's gap may not have been synced; if it were counted from, the power could take it back
 * together with the numbers behind it. */
static void
counts_from_its_own_gap_whatever_others_have_added(void **state)
{
    struct wi_stream_meta meta = {
        .boot = OLD_BOOT,
        .next_sequence = NEXT + WI_SEQUENCE_BOOT_GAP,
    };
    (void)state;
    assert_true(wi_boot_enter(&stream, NEXT, &meta));
    assert_true(meta.boot == BOOT);
    assert_true(meta.next_sequence == NEXT);
}

static void
expects_the_gap_of_a_boot_that_has_not_begun(void **state)
{
    const struct wi_stream_meta meta = {.boot = 0, .next_sequence = NEXT};
    (void)state;
    assert_true(wi_next_sequence(&meta, BOOT) == NEXT + WI_SEQUENCE_BOOT_GAP);
}

static void
knows_the_boot(void **state)
{
    struct weir_detail detail;
    uint64_t boot = 0;
    uint64_t again = 0;
    (void)state;
    assert_int_equal(wi_boot_find(&boot, &detail), WEIR_OK);
    assert_int_equal(wi_boot_find(&again, &detail), WEIR_OK);
    assert_true(boot != 0 && boot == again);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_numbers_of_the_boot_without_further_ado),
        cmocka_unit_test(gives_none_before_the_gap_is_on_the_disk),
        cmocka_unit_test(counts_from_its_own_gap_whatever_others_have_added),
        cmocka_unit_test(expects_the_gap_of_a_boot_that_has_not_begun),
        cmocka_unit_test(knows_the_boot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
