/* The history of a torture run: what was put, what the journals say, which faults were made. */
#ifndef WI_TESTS_TORTURE_LEDGER_H
#define WI_TESTS_TORTURE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/torture/journal.h"

#define KEYS       61U
#define SHARDS_MAX 4096U

enum fault_kind {
    FAULT_KILL,
    FAULT_STOP,
    FAULT_CONTINUE,
    FAULT_JOIN,
    FAULT_DRAIN,
    FAULT_SPLIT,
    FAULT_MERGE
};

struct fault {
    enum fault_kind kind;
    uint32_t worker;
    int64_t time_ns;
};

/* One acknowledged put. */
struct put {
    uint32_t key;
    uint32_t shard;
    uint64_t sequence;
};

struct ledger {
    struct put *puts;
    size_t put_count;
    struct fault *faults;
    size_t fault_count;
    struct entry *entries; /* of all journals, by time */
    size_t entry_count;
    uint32_t parents[SHARDS_MAX][2]; /* UINT32_MAX: none */
    int64_t lease_duration_ms;
};

/* What the checker found. All but the figures at the end must be 0. */
struct verdict {
    uint64_t lost;
    uint64_t order_violations;
    uint64_t gap_violations;   /* a batch that does not follow the one before, or the checkpoint */
    uint64_t child_violations; /* a child began before its parents were through */
    uint64_t stale_checkpoints_accepted;
    uint64_t stale_starts;        /* process_records begun under an epoch that was over */
    uint64_t table_violations;    /* epoch or checkpoint went down (sampled) */
    uint64_t takeover_violations; /* a shard without owner for longer than its bound */
    uint64_t handoff_redelivered; /* records that came twice across an orderly hand-over */
    uint64_t deliveries;
    uint64_t redelivered;
    uint64_t takeovers;
    int64_t kill_takeover_max_ms;
    int64_t stop_takeover_max_ms;
};

/* Read every journal in the directory; sorts by time. False if one is not whole. */
bool ledger_load(struct ledger *ledger, const char *directory);

/* Judge. Prints the first violations of each kind on stderr. */
void ledger_check(const struct ledger *ledger, struct verdict *ret);

/* Add to the history; the caller serialises. */
void ledger_fault(struct ledger *ledger, enum fault_kind kind, uint32_t worker);

#endif
