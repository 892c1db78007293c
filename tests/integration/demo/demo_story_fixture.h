/* A run of the demo that never happened: puts, journals and a ledger, entry by entry. */
#ifndef WI_TESTS_INTEGRATION_DEMO_DEMO_STORY_FIXTURE_H
#define WI_TESTS_INTEGRATION_DEMO_DEMO_STORY_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

#include "demo/audit.h"
#include "demo/history.h"
#include "demo/journal.h"
#include "demo/packages.h"
#include "demo/sink.h"

#define STORY_ENTRIES_MAX 64
#define STORY_MS          INT64_C(1000000)

struct story {
    struct demo_history history;
    struct demo_journal journals[DEMO_WORKERS_MAX];
    struct demo_entry entries[DEMO_WORKERS_MAX][STORY_ENTRIES_MAX];
    struct demo_index index;
    struct demo_deeds deeds;
    struct demo_verdict verdict;
    struct demo_audit audit;
};

/* cmocka setup and teardown: *state is an empty story with the packages "a" and "b". */
int story_setup(void **state);
int story_teardown(void **state);

/* The stream has accepted record number history.put_count. Times are in milliseconds. */
void story_put(
    struct story *story,
    const char *shard,
    uint64_t sequence_number,
    uint32_t package,
    int64_t acked_ms);

/* Who an entry is about. */
struct story_owner {
    uint32_t worker;
    const char *shard;
    uint64_t epoch;
};

/* initialize was called and has returned. */
void story_own(struct story *story, const struct story_owner *owner, int64_t ms);

/* process_records was called with one record at `ms`, and returned one millisecond later. */
void story_deliver(
    struct story *story, const struct story_owner *owner, uint64_t put_index, int64_t ms);

/* The same, with replay_possible set. */
void story_redeliver(
    struct story *story, const struct story_owner *owner, uint64_t put_index, int64_t ms);

/* Any other entry. */
void story_note(
    struct story *story,
    const struct story_owner *owner,
    enum demo_event event,
    enum weir_error error,
    int64_t ms);

/* The ledger gets one record of an owner. */
void story_apply(struct story *story, const struct story_owner *owner, uint64_t put_index);

/* The ledger gets every record once, in order; then the verdict is found. */
void story_judge(struct story *story);

/* The verdict alone. */
void story_judge_ledger_as_it_is(struct story *story);

/* Whether a reason contains the text. */
bool story_has_reason(const struct story *story, const char *text);

#endif
