#include <stdio.h>

#include <weir/env.h>

#include "core/mono.h"
#include "lease/lease_expiry.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define DURATION_MS 1000

static struct test_env test;

static struct weir_mono
at_ms(int64_t ms)
{
    return (struct weir_mono){ms * WI_NS_PER_MS};
}

static struct wi_lease_expiry *
given_expiry(void)
{
    struct wi_lease_expiry *expiry = NULL;

    test_env_init(&test);
    assert_int_equal(wi_lease_expiry_new(&test.env, &expiry), WEIR_OK);
    return expiry;
}

static void
observe_at(struct wi_lease_expiry *expiry, const char *key, uint64_t counter, int64_t ms)
{
    assert_int_equal(wi_lease_expiry_observe(expiry, key, 7, counter, at_ms(ms)), WEIR_OK);
}

static bool
is_expired_at(struct wi_lease_expiry *expiry, const char *key, int64_t ms)
{
    return wi_lease_expiry_is_expired(expiry, key, at_ms(ms), DURATION_MS);
}

/* C45, R4: after a start, everything counts as renewed now. */
static void
counts_from_the_first_read_that_showed_the_counter(void **state)
{
    struct wi_lease_expiry *expiry = given_expiry();

    (void)state;
    wi_lease_expiry_begin(expiry);
    observe_at(expiry, "shard", 5, 100);
    wi_lease_expiry_begin(expiry);
    observe_at(expiry, "shard", 5, 600);

    assert_false(is_expired_at(expiry, "shard", 1099));
    assert_true(is_expired_at(expiry, "shard", 1100));
    assert_int_equal(wi_lease_expiry_next(expiry, DURATION_MS).ns, at_ms(1100).ns);
    wi_lease_expiry_free(expiry);
}

/* C45 */
static void
starts_anew_when_the_counter_or_the_epoch_changes(void **state)
{
    struct wi_lease_expiry *expiry = given_expiry();

    (void)state;
    observe_at(expiry, "counter", 5, 100);
    observe_at(expiry, "epoch", 5, 100);
    wi_lease_expiry_begin(expiry);
    observe_at(expiry, "counter", 6, 500);
    assert_int_equal(wi_lease_expiry_observe(expiry, "epoch", 8, 5, at_ms(600)), WEIR_OK);

    assert_false(is_expired_at(expiry, "counter", 1499));
    assert_true(is_expired_at(expiry, "counter", 1500));
    assert_false(is_expired_at(expiry, "epoch", 1599));
    assert_true(is_expired_at(expiry, "epoch", 1600));
    wi_lease_expiry_free(expiry);
}

/* C45: a counter that went down (another boot) is a change as well. */
static void
starts_anew_when_the_counter_goes_down(void **state)
{
    struct wi_lease_expiry *expiry = given_expiry();

    (void)state;
    observe_at(expiry, "shard", 5, 100);
    observe_at(expiry, "shard", 1, 900);

    assert_false(is_expired_at(expiry, "shard", 1100));
    wi_lease_expiry_free(expiry);
}

/* C46 */
static void
forgets_a_key_that_a_whole_read_did_not_show(void **state)
{
    struct wi_lease_expiry *expiry = given_expiry();

    (void)state;
    observe_at(expiry, "gone", 5, 100);
    observe_at(expiry, "kept", 5, 100);
    wi_lease_expiry_begin(expiry);
    assert_false(is_expired_at(expiry, "gone", 9000));
    observe_at(expiry, "kept", 5, 200);
    wi_lease_expiry_begin(expiry);
    observe_at(expiry, "gone", 5, 1200);
    observe_at(expiry, "kept", 5, 1200);

    assert_false(is_expired_at(expiry, "gone", 1300));
    assert_true(is_expired_at(expiry, "gone", 2200));
    assert_true(is_expired_at(expiry, "kept", 1300));
    wi_lease_expiry_free(expiry);
    test_env_assert_no_leak(&test);
}

static void
knows_nothing_of_unknown_keys(void **state)
{
    struct wi_lease_expiry *expiry = given_expiry();

    (void)state;
    assert_false(is_expired_at(expiry, "", 9000));
    assert_true(wi_mono_is_never(wi_lease_expiry_next(expiry, DURATION_MS)));
    observe_at(expiry, "b", 1, 0);
    assert_false(is_expired_at(expiry, "a", 9000));
    assert_false(is_expired_at(expiry, "c", 9000));
    wi_lease_expiry_free(expiry);
    wi_lease_expiry_free(NULL);
}

/* Tables come sorted, but nothing depends on it. */
static void
keeps_many_keys_apart_in_any_order(void **state)
{
    struct wi_lease_expiry *expiry = given_expiry();
    char key[16];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        int scattered = i * 617 % 1000;

        (void)snprintf(key, sizeof key, "k%03d", scattered);
        observe_at(expiry, key, (uint64_t)scattered, scattered);
    }
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof key, "k%03d", i);
        assert_false(is_expired_at(expiry, key, i + DURATION_MS - 1));
        assert_true(is_expired_at(expiry, key, i + DURATION_MS));
    }
    assert_int_equal(wi_lease_expiry_next(expiry, DURATION_MS).ns, at_ms(DURATION_MS).ns);
    wi_lease_expiry_free(expiry);
}

static enum weir_error
observe_twenty(struct wi_lease_expiry *expiry)
{
    char key[16];

    for (int i = 0; i < 20; i++) {
        enum weir_error error;

        (void)snprintf(key, sizeof key, "k%02d", i);
        error = wi_lease_expiry_observe(expiry, key, 1, 1, at_ms(0));
        if (error != WEIR_OK) {
            return error;
        }
    }
    return WEIR_OK;
}

static void
lease_expiry_survives_every_allocation_failure(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        struct wi_lease_expiry *expiry = NULL;
        enum weir_error error;

        test_env_init(&test);
        test.fail_at = n;
        error = wi_lease_expiry_new(&test.env, &expiry);
        if (error == WEIR_OK) {
            error = observe_twenty(expiry);
        }
        wi_lease_expiry_free(expiry);
        test_env_assert_no_leak(&test);
        if (!test_env_has_failed(&test)) {
            assert_int_equal(error, WEIR_OK);
            return;
        }
        assert_int_equal(error, WEIR_ENOMEM);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_from_the_first_read_that_showed_the_counter),
        cmocka_unit_test(starts_anew_when_the_counter_or_the_epoch_changes),
        cmocka_unit_test(starts_anew_when_the_counter_goes_down),
        cmocka_unit_test(forgets_a_key_that_a_whole_read_did_not_show),
        cmocka_unit_test(knows_nothing_of_unknown_keys),
        cmocka_unit_test(keeps_many_keys_apart_in_any_order),
        cmocka_unit_test(lease_expiry_survives_every_allocation_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
