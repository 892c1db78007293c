/* `weir sim --seed 83885`: with the disk full every write was refused, and a draining worker read
 * the table over and over, to give its leases back. Each picture of the table reached the
 * coordinator, which took it for a reason to try for the lead again at once: hundreds of refused
 * writes a second, where it should have waited 10 ms, 20 ms, 40 ms, ... (C29). */
#include <weir/env.h>
#include <weir/error.h>

#include "coordinator/coordinator_step.h"
#include "core/mono.h"
#include "lease/lease.h"
#include "tests/support/test_env.h"
#include "tests/support/weir_test.h"

#define D_MS       INT64_C(10000)
#define PICTURE_MS 1
#define RUN_MS     INT64_C(2000)

static void
a_refused_write_is_not_repeated_with_each_picture(void **state)
{
    struct wi_worker self = {.owner = "me", .state = WI_OWNER_ALIVE};
    struct wi_lease_table table = {.workers = &self, .worker_count = 1};
    struct wi_coordinator_settings settings = {
        .owner = "me",
        .lease_duration_ms = D_MS,
        .handoff_timeout_ms = D_MS,
        .shard_sync_interval_ms = D_MS};
    struct wi_coordinator *coordinator = NULL;
    struct test_env test;
    unsigned takes = 0;

    (void)state;
    test_env_init(&test);
    assert_int_equal(wi_coordinator_new(&test.env, &settings, &coordinator), WEIR_OK);
    for (int64_t ms = 0; ms < RUN_MS; ms += PICTURE_MS) {
        struct wi_coordinator_event event = {
            .type = WI_COORDINATOR_TABLE, .now = {ms * WI_NS_PER_MS}, .table = &table};
        struct wi_coordinator_action action = wi_coordinator_step(coordinator, &event);

        if (action.type == WI_COORDINATOR_TAKE_LEADER) {
            takes++;
            event =
                (struct wi_coordinator_event){.type = WI_COORDINATOR_RESULT, .error = WEIR_EFULL};
            event.now.ns = ms * WI_NS_PER_MS;
            action = wi_coordinator_step(coordinator, &event);
            assert_int_equal(action.type, WI_COORDINATOR_WAIT);
        }
    }
    /* At 0, 10, 30, 70, 150, 310, 630 and 1270 ms. */
    assert_int_equal(takes, 8);
    wi_coordinator_free(coordinator);
    test_env_assert_no_leak(&test);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_write_is_not_repeated_with_each_picture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
