/* `weir sim --seed 224`: retention took a closed shard as a whole before its worker had read it to
 * the end. The fetch was refused with WEIR_ENOTFOUND and retried for ever; the shard never ended,
 * and its children, with records that were still there, were never read. */
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/error.h>
#include <weir/types.h>

#include "core/mono.h"
#include "tests/support/weir_test.h"
#include "worker/shard_consumer.h"

static const struct wi_consumer_settings settings = {
    .automatic_checkpoints = true, .retry_base_ms = 1, .retry_cap_ms = 1, .idle_poll_ms = 1000};

static struct wi_consumer_action
step(struct wi_consumer *consumer, struct wi_consumer_event event)
{
    event.now = (struct weir_mono){WI_NS_PER_MS};
    event.deadline = WI_MONO_NEVER;
    return wi_consumer_step(consumer, &event);
}

static void
a_shard_that_retention_has_taken_ends(void **state)
{
    const enum weir_position_type checkpoints[] = {
        WEIR_TRIM_HORIZON, WEIR_LATEST, WEIR_AFTER_SEQUENCE_NUMBER};

    (void)state;
    for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++) {
        const struct weir_position checkpoint = {.type = checkpoints[i]};
        struct wi_consumer consumer;

        wi_consumer_init(&consumer, &settings, &checkpoint, 1);
        (void)step(&consumer, (struct wi_consumer_event){.type = WI_CONSUMER_PARENTS_FINISHED});
        (void)step(&consumer, (struct wi_consumer_event){.type = WI_CONSUMER_INITIALIZED});
        assert_int_equal(
            step(
                &consumer,
                (struct wi_consumer_event){
                    .type = WI_CONSUMER_FETCHED, .error = WEIR_ETRIMMED, .at_shard_end = true})
                .type,
            WI_CONSUMER_CALL_SHARD_ENDED);
        assert_int_equal(
            step(&consumer, (struct wi_consumer_event){.type = WI_CONSUMER_CALL_RETURNED}).type,
            WI_CONSUMER_FINISH_SHARD);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shard_that_retention_has_taken_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
