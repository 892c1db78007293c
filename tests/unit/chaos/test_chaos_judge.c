/* A verdict that cannot be "fail" is worth nothing: each violation is planted once. Times are
 * milliseconds; worker 1 has the shard first, worker 2 takes it over. */
#include <stdint.h>
#include <string.h>

#include "chaos/base.h"
#include "chaos/journal.h"
#include "chaos/judge.h"
#include "chaos/ledger.h"
#include "tests/support/weir_test.h"

#define RECORDS 6U

struct story {
    struct chaos_ledger ledger;
    struct chaos_verdict verdict;
    uint32_t order;
};

static void
given_records(struct story *story)
{
    memset(story, 0, sizeof *story);
    story->ledger.has_callbacks = true;
    story->ledger.lease_duration_ms = 1000;
    story->ledger.healed_ns = 100 * CHAOS_NS_PER_MS;
    story->ledger.end_ns = 100000 * CHAOS_NS_PER_MS;
    for (uint32_t i = 0; i < RECORDS; i++) {
        const struct chaos_entry put = {
            .kind = CHAOS_ENTRY_PUT,
            .count = 1,
            .index = i,
            .sequence = 10 + i,
            .attempt = i % 2, /* key */
            .time_ns = 1};
        chaos_ledger_add(&story->ledger, &put);
    }
}

static void
happens(struct story *story, uint32_t worker, struct chaos_entry entry, int64_t at_ms)
{
    entry.worker = worker;
    entry.epoch = entry.epoch == 0 ? worker : entry.epoch;
    entry.time_ns = at_ms * CHAOS_NS_PER_MS;
    entry.order = story->order++;
    chaos_ledger_add(&story->ledger, &entry);
}

static void
starts(struct story *story, uint32_t worker, uint64_t checkpoint, int64_t at_ms)
{
    happens(
        story,
        worker,
        (struct chaos_entry){.kind = CHAOS_ENTRY_INITIALIZE, .sequence = checkpoint},
        at_ms);
}

/* A batch of records [first, first + count), of which `done` are processed 1 ms later. */
static void
processes(struct story *story, uint32_t worker, const uint32_t range[3], int64_t at_ms)
{
    const uint32_t count = range[1];

    happens(story, worker, (struct chaos_entry){.kind = CHAOS_ENTRY_BEGIN, .count = count}, at_ms);
    for (uint32_t i = 0; i < count; i++) {
        happens(
            story,
            worker,
            (struct chaos_entry){.kind = CHAOS_ENTRY_RECORD,
                                 .count = count,
                                 .index = range[0] + i,
                                 .sequence = 10 + range[0] + i},
            at_ms);
    }
    happens(
        story,
        worker,
        (struct chaos_entry){
            .kind = CHAOS_ENTRY_END, .count = range[2], .begin_ns = at_ms * CHAOS_NS_PER_MS},
        at_ms + 1);
}

static void
is_judged(struct story *story)
{
    chaos_ledger_seal(&story->ledger);
    chaos_judge(&story->ledger, &story->verdict);
}

/* Exactly this property is broken, so often. */
static void
expect(struct story *story, enum chaos_property property, uint64_t count)
{
    for (uint32_t i = 0; i < CHAOS_PROPERTIES; i++) {
        assert_int_equal(story->verdict.counts[i], i == property ? count : 0);
    }
    assert_int_equal(story->verdict.pass, count == 0);
    chaos_verdict_free(&story->verdict);
    chaos_ledger_free(&story->ledger);
}

static void
passes_a_takeover_with_redelivery(void **state)
{
    struct story story;
    (void)state;

    given_records(&story);
    starts(&story, 1, 0, 10);
    processes(&story, 1, (const uint32_t[]){0, 4, 4}, 20);
    starts(&story, 2, 11, 40);
    processes(&story, 2, (const uint32_t[]){2, 4, 4}, 50);
    is_judged(&story);
    assert_int_equal(story.verdict.redelivered, 2);
    assert_int_equal(story.verdict.span_count, 2);
    expect(&story, CHAOS_LOSS, 0);
}

static void
finds_records_that_were_never_processed(void **state)
{
    struct story story;
    (void)state;

    given_records(&story);
    starts(&story, 1, 0, 10);
    processes(&story, 1, (const uint32_t[]){0, 6, 4}, 20);
    is_judged(&story);
    expect(&story, CHAOS_LOSS, 2);
}

static void
finds_a_gap_in_a_shard(void **state)
{
    struct story story;
    (void)state;

    given_records(&story);
    starts(&story, 1, 0, 10);
    processes(&story, 1, (const uint32_t[]){0, 2, 2}, 20);
    processes(&story, 1, (const uint32_t[]){0, 6, 6}, 30);
    is_judged(&story);
    expect(&story, CHAOS_GAP, 6);
}

static void
finds_a_call_under_a_stale_epoch(void **state)
{
    struct story story;
    (void)state;

    given_records(&story);
    starts(&story, 1, 0, 10);
    starts(&story, 2, 0, 20);
    processes(&story, 2, (const uint32_t[]){0, 6, 6}, 30);
    processes(&story, 1, (const uint32_t[]){0, 6, 6}, 40);
    is_judged(&story);
    expect(&story, CHAOS_STALE_CALL, 1);
}

static void
finds_a_stale_checkpoint_that_was_accepted(void **state)
{
    struct story story;
    (void)state;

    given_records(&story);
    starts(&story, 1, 0, 10);
    starts(&story, 2, 0, 20);
    processes(&story, 2, (const uint32_t[]){0, 6, 6}, 30);
    happens(
        &story,
        1,
        (struct chaos_entry){
            .kind = CHAOS_ENTRY_CHECKPOINT, .sequence = 12, .begin_ns = 25 * CHAOS_NS_PER_MS},
        40);
    is_judged(&story);
    expect(&story, CHAOS_STALE_WRITE, 1);
}

static void
finds_redelivery_after_an_orderly_hand_over(void **state)
{
    struct story story;
    (void)state;

    given_records(&story);
    starts(&story, 1, 0, 10);
    processes(&story, 1, (const uint32_t[]){0, 4, 4}, 20);
    happens(&story, 1, (struct chaos_entry){.kind = CHAOS_ENTRY_SHUTDOWN}, 30);
    starts(&story, 2, 12, 40);
    processes(&story, 2, (const uint32_t[]){3, 3, 3}, 50);
    is_judged(&story);
    expect(&story, CHAOS_PLANNED, 1);
}

static void
finds_a_late_takeover(void **state)
{
    struct story story;
    (void)state;

    given_records(&story);
    story.ledger.lives = chaos_zeroed(1, sizeof *story.ledger.lives);
    story.ledger.life_count = 1;
    story.ledger.lives[0] =
        (struct chaos_life){.worker = 1, .seat = 1, .end_ns = 30 * CHAOS_NS_PER_MS, .killed = true};
    starts(&story, 1, 0, 10);
    starts(&story, 2, 0, 9000);
    processes(&story, 2, (const uint32_t[]){0, 6, 6}, 9010);
    is_judged(&story);
    assert_int_equal(story.verdict.failover.count, 1);
    assert_int_equal(story.verdict.gap_count, 1);
    expect(&story, CHAOS_LATE, 1);
}

static void
finds_a_table_that_goes_down(void **state)
{
    struct story story;
    (void)state;

    given_records(&story);
    starts(&story, 1, 0, 10);
    processes(&story, 1, (const uint32_t[]){0, 6, 6}, 20);
    story.ledger.rows = chaos_zeroed(2, sizeof *story.ledger.rows);
    story.ledger.row_count = 2;
    story.ledger.rows[0] = (struct chaos_row){.time_ns = 1, .epoch = 2, .checkpoint = 12};
    story.ledger.rows[1] = (struct chaos_row){.time_ns = 2, .epoch = 2, .checkpoint = 11};
    is_judged(&story);
    expect(&story, CHAOS_TABLE, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_a_takeover_with_redelivery),
        cmocka_unit_test(finds_records_that_were_never_processed),
        cmocka_unit_test(finds_a_gap_in_a_shard),
        cmocka_unit_test(finds_a_call_under_a_stale_epoch),
        cmocka_unit_test(finds_a_stale_checkpoint_that_was_accepted),
        cmocka_unit_test(finds_redelivery_after_an_orderly_hand_over),
        cmocka_unit_test(finds_a_late_takeover),
        cmocka_unit_test(finds_a_table_that_goes_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
