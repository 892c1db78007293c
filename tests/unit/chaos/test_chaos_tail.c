/* Lines that a user's command writes: anything may stand in them. */
#include <string.h>

#include "chaos/journal.h"
#include "chaos/tail.h"
#include "tests/support/weir_test.h"

static void
reads_shard_sequence_number_and_epoch(void **state)
{
    static const char line[] =
        "{\"x\":[1],\"sequence_number\":\"49000000000000000000000000000042\","
        "\"shard_id\":\"shardId-000000000017\",\"lease_epoch\":9}";
    struct chaos_entry entry;
    (void)state;

    assert_true(chaos_tail_parse(line, strlen(line), &entry));
    assert_int_equal(entry.kind, CHAOS_ENTRY_RECORD);
    assert_int_equal(entry.shard, 17);
    assert_int_equal(entry.epoch, 9);
    assert_true(entry.sequence != 0);
}

static void
needs_no_epoch(void **state)
{
    static const char line[] = "{\"shard_id\":\"shardId-000000000000\",\"sequence_number\":\"1\"}";
    struct chaos_entry entry;
    (void)state;

    assert_true(chaos_tail_parse(line, strlen(line), &entry));
    assert_int_equal(entry.sequence, 1);
    assert_int_equal(entry.epoch, 0);
}

static void
refuses_everything_else(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"shard_id\":\"shardId-000000000001\"}",
        "{\"sequence_number\":\"1\"}",
        "{\"shard_id\":1,\"sequence_number\":\"1\"}",
        "{\"shard_id\":\"\",\"sequence_number\":\"1\"}",
        "{\"shard_id\":\"shardId-000000000001\",\"sequence_number\":1}",
        "{\"shard_id\":\"shardId-000000000001\",\"sequence_number\":\"x\"}",
        "{\"shard_id\":\"shardId-000000999999\",\"sequence_number\":\"1\"}",
        "{\"shard_id\":\"shardId-000000000001\",\"sequence_number\":\"1\",\"lease_epoch\":-1}",
        "{\"shard_id\":\"shardId-000000000001\",\"sequence_number\":\"1\",\"lease_epoch\":\"1\"}",
        "{\"shard_id\":\"shardId-000000000001\",\"sequence_number\":\"1\",\"lease_epoch\":1e300}",
    };
    struct chaos_entry entry;
    (void)state;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(chaos_tail_parse(bad[i], strlen(bad[i]), &entry));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_shard_sequence_number_and_epoch),
        cmocka_unit_test(needs_no_epoch),
        cmocka_unit_test(refuses_everything_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
