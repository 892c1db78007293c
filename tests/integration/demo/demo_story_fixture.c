#include "tests/integration/demo/demo_story_fixture.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/error.h>
#include <weir/stream.h>
#include <weir/types.h>

#include "demo/audit.h"
#include "demo/history.h"
#include "demo/journal.h"
#include "demo/packages.h"
#include "demo/sink.h"
#include "tests/support/weir_test.h"

/* Enough for every record of a story. */
#define APPLIED_MAX 64

static void
add_packages(struct demo_index *index)
{
    static const char *const lines[] = {"Package: a", "", "Package: b", ""};
    struct demo_stanza stanza = {.has_lines = false};

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const struct weir_bytes line = {lines[i], strlen(lines[i])};
        assert_true(demo_packages_line(index, &stanza, line));
    }
    assert_true(demo_packages_seal(index));
}

int
story_setup(void **state)
{
    struct story *story = calloc(1, sizeof *story);

    assert_non_null(story);
    for (uint32_t i = 0; i < DEMO_WORKERS_MAX; i++) {
        story->journals[i].fd = -1;
        story->journals[i].entries = story->entries[i];
    }
    add_packages(&story->index);
    story->verdict.totals_match = true;
    story->audit = (struct demo_audit){.history = &story->history,
                                       .journals = story->journals,
                                       .index = &story->index,
                                       .deeds = &story->deeds,
                                       .verdict = &story->verdict};
    *state = story;
    return 0;
}

int
story_teardown(void **state)
{
    struct story *story = *state;

    demo_packages_free(&story->index);
    demo_history_free(&story->history);
    free(story->audit.applied);
    free(story);
    return 0;
}

void
story_put(
    struct story *story,
    const char *shard,
    uint64_t sequence_number,
    uint32_t package,
    int64_t acked_ms)
{
    struct weir_put_result result = {.sequence_number = {{0, 0, 0, sequence_number}}};

    (void)snprintf(result.shard_id, sizeof result.shard_id, "%s", shard);
    assert_true(demo_history_put(&story->history, &result, package, acked_ms * STORY_MS));
}

static struct demo_entry
entry_of(const struct story_owner *owner, enum demo_event event, int64_t ms)
{
    struct demo_entry entry = {
        .event = (uint32_t)event,
        .worker = owner->worker,
        .begin_ns = ms * STORY_MS,
        .end_ns = ms * STORY_MS,
        .lease_epoch = owner->epoch,
        .attempt = 1};

    demo_shard_id_copy(entry.shard_id, (struct weir_str){owner->shard, strlen(owner->shard)});
    return entry;
}

static void
add(struct story *story, const struct demo_entry *entry)
{
    struct demo_journal *journal = &story->journals[entry->worker];

    assert_true(journal->count < STORY_ENTRIES_MAX);
    journal->entries[journal->count++] = *entry;
    demo_history_entry(&story->history, entry);
}

void
story_note(
    struct story *story,
    const struct story_owner *owner,
    enum demo_event event,
    enum weir_error error,
    int64_t ms)
{
    struct demo_entry entry = entry_of(owner, event, ms);

    entry.error = (uint32_t)error;
    add(story, &entry);
}

void
story_own(struct story *story, const struct story_owner *owner, int64_t ms)
{
    story_note(story, owner, DEMO_INITIALIZE, WEIR_OK, ms);
}

static void
deliver(
    struct story *story,
    const struct story_owner *owner,
    uint64_t put_index,
    int64_t ms,
    bool replay_possible)
{
    struct demo_entry entry = entry_of(owner, DEMO_RECORD, ms);

    entry.put_index = put_index;
    entry.sequence_number = story->history.puts[put_index].sequence_number;
    entry.replay_possible = replay_possible ? 1 : 0;
    add(story, &entry);
    story_note(story, owner, DEMO_BATCH_END, WEIR_OK, ms + 1);
}

void
story_deliver(struct story *story, const struct story_owner *owner, uint64_t put_index, int64_t ms)
{
    deliver(story, owner, put_index, ms, false);
}

void
story_redeliver(
    struct story *story, const struct story_owner *owner, uint64_t put_index, int64_t ms)
{
    deliver(story, owner, put_index, ms, true);
}

static void
begin(struct story *story)
{
    if (story->audit.applied == NULL) {
        story->audit.applied = calloc(APPLIED_MAX, sizeof *story->audit.applied);
        assert_non_null(story->audit.applied);
    }
}

void
story_apply(struct story *story, const struct story_owner *owner, uint64_t put_index)
{
    const struct demo_put *put = &story->history.puts[put_index];
    struct demo_ledger_entry entry = {
        .lease_epoch = owner->epoch,
        .first = put->sequence_number,
        .last = put->sequence_number,
        .worker = owner->worker,
        .count = 1};
    const uint32_t index = (uint32_t)put_index;

    begin(story);
    demo_shard_id_copy(entry.shard_id, (struct weir_str){owner->shard, strlen(owner->shard)});
    demo_audit_ledger(&story->audit, &entry, &index);
}

void
story_judge_ledger_as_it_is(struct story *story)
{
    begin(story);
    assert_true(demo_audit_order(&story->audit));
    demo_audit_times(&story->audit);
    demo_audit_checkpoints(&story->audit);
    demo_audit_end(&story->audit);
}

void
story_judge(struct story *story)
{
    begin(story);
    for (size_t i = 0; i < story->history.put_count; i++) {
        const struct demo_put *put = &story->history.puts[i];
        const struct story_owner owner = {0, story->history.shards[put->shard].id, 1};
        story_apply(story, &owner, i);
    }
    story_judge_ledger_as_it_is(story);
}

bool
story_has_reason(const struct story *story, const char *text)
{
    for (size_t i = 0; i < story->verdict.reasons.count; i++) {
        if (strstr(story->verdict.reasons.text[i], text) != NULL) {
            return true;
        }
    }
    return false;
}
