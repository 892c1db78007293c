/**
 * The verdict: from what was put, what the journals say, what the ledger of the sink says and when
 * the demo did what, to figures and reasons. Pure: no I/O, no clock.
 */
#ifndef WI_DEMO_AUDIT_H
#define WI_DEMO_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/env.h>
#include <weir/version.h>

#include "demo/history.h"
#include "demo/journal.h"
#include "demo/packages.h"
#include "demo/sink.h"

/** The bounds that the verdict holds weir to, in ms. */
#define DEMO_FAILOVER_MAX_MS 250
#define DEMO_HANDOFF_MAX_MS  50
/** Longest run, in ms. */
#define DEMO_RUN_MAX_MS 45000

/** Most reasons that are kept, and room for one. */
#define DEMO_REASONS_MAX 16
#define DEMO_REASON_SIZE 200

/** Most times of one kind that are reported. */
#define DEMO_TIMES_MAX 128

/** Why the verdict is "fail"; none: it is "pass". */
struct demo_reasons {
    char text[DEMO_REASONS_MAX][DEMO_REASON_SIZE];
    size_t count;
};

/** Add a reason; those above the bound are dropped. */
void demo_reasons_add(struct demo_reasons *reasons, const char *format, ...) WEIR_PRINTF(2, 3);

/** Something that the demo did to a worker. */
struct demo_blow {
    uint32_t worker;
    int64_t at_ns; /**< 0: it was not done */
};

/** Intervals, one for each shard that moved. */
struct demo_times {
    int64_t ns[DEMO_TIMES_MAX];
    size_t count;
};

/** What the demo did, and when. */
struct demo_deeds {
    struct demo_blow kill;     /**< kill -9 */
    struct demo_blow stop;     /**< SIGSTOP */
    int64_t resume_ns;         /**< SIGCONT */
    uint32_t stopped_batches;  /**< batches in the hands of the stopped worker */
    int64_t finish_ns;         /**< everything was processed; what follows is the end of the demo */
    int64_t failover_bound_ms; /**< what weir says; 0: unknown */
};

/** What was found. */
struct demo_verdict {
    uint64_t records_put;
    uint64_t records_processed; /**< applied in the sink */
    uint64_t lost;              /**< put, but not applied */
    uint64_t applied_twice;
    uint64_t redelivered;         /**< deliveries beyond the first of each record */
    uint64_t unmarked;            /**< of them, those that did not say that they may be one */
    uint64_t order_violations;    /**< see demo_audit_order() */
    uint64_t stale_checkpoints;   /**< accepted from an owner that had been replaced */
    uint64_t stale_attempts;      /**< checkpoints that the resumed worker has tried */
    uint64_t handoff_redelivered; /**< redeliveries after an owner that had handed over in order */
    bool totals_match;            /**< filled by the caller */
    struct demo_times failover;   /**< kill -9 until the shard is processed elsewhere */
    struct demo_times hang;       /**< SIGSTOP until the shard is processed elsewhere */
    struct demo_times handoff;    /**< nobody processed the shard, in a planned move */
    int64_t elapsed_ms;           /**< filled by the caller */
    struct demo_reasons reasons;
};

/** What the audit works on. */
struct demo_audit {
    struct demo_history *history;        /**< complete */
    const struct demo_journal *journals; /**< DEMO_WORKERS_MAX of them */
    const struct demo_index *index;
    const struct demo_deeds *deeds;
    struct demo_verdict *verdict;
    uint8_t *applied; /**< per record: how often the ledger has it */
    struct {
        uint64_t lease_epoch;
        struct weir_sequence_number last;
        bool any;
    } ledger[DEMO_SHARDS_MAX]; /**< how far the ledger is, per shard */
};

/** Take memory for an audit whose other members are set. False: there is none. */
bool demo_audit_begin(struct demo_audit *audit);

/** One entry of the ledger, in order; `context` is the audit. */
void demo_audit_ledger(
    void *context, const struct demo_ledger_entry *entry, const uint32_t *put_indices);

/**
 * Count redeliveries and violations of order:
 * - within a lease epoch a sequence number that does not grow,
 * - a first delivery of a key's record after that of a later one,
 * - a delivery by an owner after its successor's first one,
 * - a first delivery in a shard after one in its child,
 * - an entry of the ledger that is older than the one before it,
 * - a record under another sequence number or shard than the producer was told.
 * False: memory ran out.
 */
bool demo_audit_order(struct demo_audit *audit);

/** Failovers, the hang and hand-offs: how long each shard was without an owner that worked. */
void demo_audit_times(struct demo_audit *audit);

/** Checkpoints that were accepted from a stale owner, by the journals. */
void demo_audit_checkpoints(struct demo_audit *audit);

/** Count the records, then turn the figures into reasons. The last call. */
void demo_audit_end(struct demo_audit *audit);

/** The largest of the times, 0 if there is none. */
int64_t demo_times_max(const struct demo_times *times);

#endif
