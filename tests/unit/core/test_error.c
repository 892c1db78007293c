/* Names, phrases and classes of error codes, and the detail of a failure. */
#include <string.h>

#include <weir/error.h>

#include "core/check.h"
#include "core/detail.h"
#include "tests/support/weir_test.h"

static const enum weir_error errors[] = {
    WEIR_OK,        WEIR_EINVAL,     WEIR_ESTATE,     WEIR_EUNSUPPORTED, WEIR_ENOMEM,
    WEIR_EFULL,     WEIR_ELIMIT,     WEIR_ERANGE,     WEIR_ELEASELOST,   WEIR_ECONFLICT,
    WEIR_EEXISTS,   WEIR_ENOTFOUND,  WEIR_EFENCED,    WEIR_EDUPLICATE,   WEIR_ESESSIONLOST,
    WEIR_ETIMEOUT,  WEIR_EBUSY,      WEIR_ETHROTTLED, WEIR_ECANCELED,    WEIR_EEXPIRED,
    WEIR_ECORRUPT,  WEIR_EVERSION,   WEIR_ETRIMMED,   WEIR_EIO,          WEIR_EACCESS,
    WEIR_EPLATFORM, WEIR_EPROCESSOR, WEIR_EINTERNAL,
};

static void
gives_every_code_a_name_and_a_phrase_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(errors); i++) {
        const char *name = weir_error_name(errors[i]);
        assert_string_not_equal(name, "WEIR_E?");
        assert_int_equal(strncmp(name, "WEIR_", 5), 0);
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(name, weir_error_name(errors[j]));
            assert_string_not_equal(weir_error_text(errors[i]), weir_error_text(errors[j]));
        }
    }
    assert_string_equal(weir_error_name(WEIR_ELEASELOST), "WEIR_ELEASELOST");
    assert_string_equal(weir_error_text(WEIR_ELEASELOST), "the lease is lost");
}

static void
takes_the_class_from_the_hundred(void **state)
{
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(errors); i++) {
        assert_int_equal(weir_error_class(errors[i]), (int)errors[i] / 100);
    }
    assert_int_equal(weir_error_class(WEIR_ETIMEOUT), WEIR_CLASS_TRANSIENT);
}

static void
answers_for_a_number_that_is_no_code(void **state)
{
    static const int numbers[] = {1, 99, 107, 999, 1000000};
    (void)state;
    for (size_t i = 0; i < WI_ARRAY_LENGTH(numbers); i++) {
        enum weir_error error = (enum weir_error)numbers[i];
        assert_string_equal(weir_error_name(error), "WEIR_E?");
        assert_string_equal(weir_error_text(error), "an unknown error");
        assert_int_equal(weir_error_class(error), WEIR_CLASS_INTERNAL);
    }
}

static void
fills_the_detail_and_returns_the_error(void **state)
{
    struct weir_detail detail = {"old"};
    (void)state;
    assert_int_equal(
        wi_detail(&detail, WEIR_EINVAL, "shards: %d is outside [1, %d]", 0, 10000), WEIR_EINVAL);
    assert_string_equal(detail.text, "shards: 0 is outside [1, 10000]");
    assert_int_equal(wi_detail(NULL, WEIR_EIO, "nobody reads %s", "this"), WEIR_EIO);
}

static void
cuts_a_detail_that_is_too_long(void **state)
{
    struct weir_detail detail;
    char text[2 * WEIR_DETAIL_SIZE];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(wi_detail(&detail, WEIR_EIO, "%s", text), WEIR_EIO);
    assert_int_equal(strlen(detail.text), WEIR_DETAIL_SIZE - 1);
    wi_detail_prefix(&detail, "%s", "stream orders");
    assert_int_equal(strlen(detail.text), WEIR_DETAIL_SIZE - 1);
    assert_int_equal(strncmp(detail.text, "stream orders: xxx", 18), 0);
    wi_detail_prefix(&detail, "%s", text);
    assert_int_equal(strlen(detail.text), WEIR_DETAIL_SIZE - 1);
    assert_int_equal(detail.text[0], 'x');
}

static void
puts_context_in_front(void **state)
{
    struct weir_detail detail = {"permission denied"};
    struct weir_detail empty = {""};
    (void)state;
    wi_detail_prefix(&detail, "opening %s", "data");
    wi_detail_prefix(&detail, "worker %s", "w1");
    assert_string_equal(detail.text, "worker w1: opening data: permission denied");
    wi_detail_prefix(&empty, "worker %s", "w1");
    assert_string_equal(empty.text, "worker w1");
    wi_detail_prefix(NULL, "%s", "nobody reads this");
}

static void
may_build_a_detail_from_itself(void **state)
{
    struct weir_detail detail = {"disk is full"};
    (void)state;
    assert_int_equal(
        wi_detail(&detail, WEIR_EFULL, "put: %s (%s)", detail.text, detail.text), WEIR_EFULL);
    assert_string_equal(detail.text, "put: disk is full (disk is full)");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_every_code_a_name_and_a_phrase_of_its_own),
        cmocka_unit_test(takes_the_class_from_the_hundred),
        cmocka_unit_test(answers_for_a_number_that_is_no_code),
        cmocka_unit_test(fills_the_detail_and_returns_the_error),
        cmocka_unit_test(cuts_a_detail_that_is_too_long),
        cmocka_unit_test(puts_context_in_front),
        cmocka_unit_test(may_build_a_detail_from_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
