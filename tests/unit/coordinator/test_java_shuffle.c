#include <stdint.h>
#include <stdlib.h>

#include "coordinator/java_shuffle.h"
#include "tests/support/weir_test.h"

#define SEED        1947
#define COUNT_MAX   100003
#define SHORT_COUNT 12

static size_t items[COUNT_MAX];

static void
given_shuffled(size_t count, int64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        items[i] = i;
    }
    wi_java_shuffle(items, count, seed);
}

/* T11. What OpenJDK 17 prints for the list 0, 1, ..., count - 1 after
 *     Collections.shuffle(list, new Random(1947))
 * at the places 0, count / 2 and count - 1. Powers of two take another way through nextInt(). */
static const struct {
    size_t count;
    size_t first;
    size_t middle;
    size_t last;
} of_java[] = {
    {1, 0, 0, 0},
    {2, 0, 1, 1},
    {3, 2, 0, 1},
    {4, 3, 1, 2},
    {5, 4, 2, 3},
    {6, 2, 4, 1},
    {7, 2, 5, 1},
    {8, 2, 4, 5},
    {9, 3, 7, 4},
    {10, 8, 4, 3},
    {11, 6, 0, 8},
    {12, 9, 6, 7},
    {13, 12, 11, 10},
    {16, 11, 7, 10},
    {17, 13, 1, 5},
    {31, 22, 18, 28},
    {32, 19, 22, 20},
    {33, 21, 25, 19},
    {64, 46, 37, 40},
    {100, 95, 80, 63},
    {1000, 748, 353, 363},
    {1947, 1283, 712, 316},
    {65536, 18712, 4738, 41194},
    {100003, 41472, 58059, 16869},
};

/* T11 */
static void
shuffles_as_java_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof of_java / sizeof *of_java; i++) {
        given_shuffled(of_java[i].count, SEED);
        assert_int_equal(items[0], of_java[i].first);
        assert_int_equal(items[of_java[i].count / 2], of_java[i].middle);
        assert_int_equal(items[of_java[i].count - 1], of_java[i].last);
    }
}

/* T11. The whole list, by the same program, with two seeds; one of them is below zero. */
static void
leaves_every_item_where_java_does(void **state)
{
    static const size_t with_1947[SHORT_COUNT] = {9, 4, 8, 2, 0, 11, 6, 10, 1, 5, 3, 7};
    static const size_t with_minus_5[SHORT_COUNT] = {4, 8, 2, 6, 7, 10, 5, 9, 0, 11, 1, 3};

    (void)state;
    given_shuffled(SHORT_COUNT, SEED);
    assert_memory_equal(items, with_1947, sizeof with_1947);
    given_shuffled(SHORT_COUNT, -5);
    assert_memory_equal(items, with_minus_5, sizeof with_minus_5);
}

static void
leaves_an_empty_list_alone(void **state)
{
    (void)state;
    items[0] = 17;
    wi_java_shuffle(items, 0, SEED);
    assert_int_equal(items[0], 17);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shuffles_as_java_does),
        cmocka_unit_test(leaves_every_item_where_java_does),
        cmocka_unit_test(leaves_an_empty_list_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
