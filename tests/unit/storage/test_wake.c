/* The wake page: words that grow, waits that end. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>

#include <weir/error.h>

#include "storage/storage.h"
#include "tests/support/weir_test.h"
#include "tests/unit/storage/storage_fixture.h"

#define HANDSHAKES 10000
#define LONG_MS    50000 /* longer than the test may take: a lost wake-up fails it */

static void
raises_the_slot_and_the_common_word(void **state)
{
    struct fixture fixture;
    uint32_t common;
    uint32_t slot;
    uint32_t other;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    common = wi_storage_wake_word(fixture.storage);
    slot = wi_storage_wake_slot(fixture.storage, 5);
    other = wi_storage_wake_slot(fixture.storage, 6);

    wi_storage_wake(fixture.storage, 5 + WI_WAKE_SLOTS);
    assert_true(wi_storage_wake_word(fixture.storage) == common + 1);
    assert_true(wi_storage_wake_slot(fixture.storage, 5) == slot + 1);
    assert_true(wi_storage_wake_slot(fixture.storage, 6) == other);
    fixture_end(&fixture);
}

static void
does_not_wait_for_what_has_happened_or_without_time(void **state)
{
    struct fixture fixture;
    uint32_t seen;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    seen = wi_storage_wake_word(fixture.storage);

    assert_true(wi_storage_wake_wait(fixture.storage, seen, 0) == seen);
    assert_true(wi_storage_wake_wait(fixture.storage, seen, -1) == seen);
    assert_true(wi_storage_wake_wait(fixture.storage, seen, 1) == seen);
    wi_storage_wake(fixture.storage, 0);
    assert_true(wi_storage_wake_wait(fixture.storage, seen, INT64_MAX) == seen + 1);
    fixture_end(&fixture);
}

static void *
wait_long(void *context)
{
    struct fixture *fixture = context;
    uint32_t seen = wi_storage_wake_word(fixture->storage);

    wi_storage_wake(fixture->storage, 1); /* tells the test that the wait begins */
    if (seen + 1 == wi_storage_wake_word(fixture->storage)) {
        (void)wi_storage_wake_wait(fixture->storage, seen + 1, LONG_MS);
    }
    return NULL;
}

static void
ends_the_wait_of_another_thread(void **state)
{
    struct fixture fixture;
    uint32_t slot;
    (void)state;
    fixture_make(&fixture);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);
    slot = wi_storage_wake_slot(fixture.storage, 1);

    for (uint32_t i = 0; i < 200; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, wait_long, &fixture), 0);
        while (wi_storage_wake_slot(fixture.storage, 1) != slot + i + 1) {
        }
        wi_storage_wake_interrupt(fixture.storage);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    fixture_end(&fixture);
}

/* Wait until the slot's word is `wanted`. False if a wait ended without a change: lost. */
static bool
await(struct wi_storage *storage, uint32_t slot, uint32_t wanted)
{
    for (;;) {
        uint32_t seen = wi_storage_wake_word(storage);

        if (wi_storage_wake_slot(storage, slot) == wanted) {
            return true;
        }
        if (wi_storage_wake_wait(storage, seen, LONG_MS) == seen) {
            return false;
        }
    }
}

/* The answering side of the handshakes. */
static int
answer(struct fixture *fixture, void *context)
{
    (void)context;
    if (fixture_open(fixture) != WEIR_OK) {
        return 1;
    }
    for (uint32_t i = 1; i <= HANDSHAKES; i++) {
        if (!await(fixture->storage, 0, i)) {
            return 2;
        }
        wi_storage_wake(fixture->storage, 1);
    }
    fixture_close(fixture);
    return 0;
}

static void
loses_no_wake_up_between_processes(void **state)
{
    struct fixture fixture;
    pid_t child;
    (void)state;
    fixture_make(&fixture);
    child = fixture_fork(&fixture, answer, NULL);
    assert_int_equal(fixture_open(&fixture), WEIR_OK);

    for (uint32_t i = 1; i <= HANDSHAKES; i++) {
        wi_storage_wake(fixture.storage, 0);
        assert_true(await(fixture.storage, 1, i));
    }
    assert_int_equal(fixture_wait(child), 0);
    fixture_end(&fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raises_the_slot_and_the_common_word),
        cmocka_unit_test(does_not_wait_for_what_has_happened_or_without_time),
        cmocka_unit_test(ends_the_wait_of_another_thread),
        cmocka_unit_test(loses_no_wake_up_between_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
