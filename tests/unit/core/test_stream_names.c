/* Several streams in one line. */
#include <string.h>

#include <weir/types.h>

#include "core/str.h"
#include "core/stream_names.h"
#include "tests/support/weir_test.h"

static void
separates_names_with_commas(void **state)
{
    struct wi_stream_names names;

    (void)state;
    wi_stream_names_init(&names);
    assert_string_equal(names.text, "0 streams");
    wi_stream_names_add(&names, WI_STR("orders"));
    assert_string_equal(names.text, "orders");
    wi_stream_names_add(&names, WI_STR("payments"));
    assert_string_equal(names.text, "orders,payments");
}

static void
tells_the_number_when_names_have_no_room(void **state)
{
    struct wi_stream_names names;
    char filler[WEIR_NAME_SIZE];

    (void)state;
    memset(filler, 'x', sizeof filler);
    wi_stream_names_init(&names);
    wi_stream_names_add(&names, WI_STR("a"));
    wi_stream_names_add(&names, (struct weir_str){filler, WEIR_NAME_MAX - 2});
    assert_int_equal(strlen(names.text), WEIR_NAME_MAX);
    wi_stream_names_add(&names, WI_STR(""));
    assert_string_equal(names.text, "3 streams");
    wi_stream_names_add(&names, WI_STR("b"));
    assert_string_equal(names.text, "4 streams");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(separates_names_with_commas),
        cmocka_unit_test(tells_the_number_when_names_have_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
