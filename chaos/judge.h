/**
 * The verdict: reads the sealed ledger and says which guarantee it breaks, and what the run was
 * like. Pure. Properties as in docs/properties.md: G1 no loss, G2 order, G3 one owner, G4 monotone
 * checkpoints, G5 planned moves are free, G6 bounded failover.
 */
#ifndef WI_CHAOS_JUDGE_H
#define WI_CHAOS_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chaos/ledger.h"

/** Most violations of one property that are kept with their text; all are counted. */
#define CHAOS_EXAMPLES 40

/** What a violation broke. */
enum chaos_property {
    CHAOS_LOSS,        /**< G1: acknowledged, never processed */
    CHAOS_ORDER,       /**< G2: a record before its predecessor of the same key */
    CHAOS_GAP,         /**< G2: a batch that does not follow the one before, or the checkpoint */
    CHAOS_CHILD,       /**< G2: a child began before its parents were through */
    CHAOS_STALE_CALL,  /**< G3: a callback under an epoch that was over */
    CHAOS_STALE_WRITE, /**< G3: a checkpoint under such an epoch was accepted */
    CHAOS_TABLE,       /**< G4: epoch or checkpoint in the table went down */
    CHAOS_PLANNED,     /**< G5: a record came again across an orderly hand-over */
    CHAOS_LATE,        /**< G6: a shard stood still for longer than its bound */
    CHAOS_INCIDENT,    /**< a process ended by itself, the fleet did not finish, ... */
    CHAOS_CHECKER,     /**< the checker of histories found something */
    CHAOS_PROPERTIES
};

/** "G1", "lost". Static. */
const char *chaos_property_code(enum chaos_property property);
const char *chaos_property_name(enum chaos_property property);

struct chaos_violation {
    enum chaos_property property;
    int64_t time_ns;
    uint32_t shard; /**< CHAOS_NONE: none */
    char code[16];  /**< of CHAOS_INCIDENT and CHAOS_CHECKER: the property's own; else "" */
    char text[CHAOS_TEXT_SIZE];
};

/** How the ownership of a span ended. */
enum chaos_span_end {
    CHAOS_SPAN_OPEN,     /**< it did not: the run is over */
    CHAOS_SPAN_HANDED,   /**< shutdown_requested */
    CHAOS_SPAN_FINISHED, /**< shard_ended */
    CHAOS_SPAN_LOST,     /**< lease_lost, or a newer epoch began */
    CHAOS_SPAN_DIED      /**< its process ended */
};

/** One owner of one shard, from initialize on. */
struct chaos_span {
    uint32_t shard;
    uint32_t worker;
    uint64_t epoch;
    int64_t begin_ns;
    int64_t first_ns; /**< first batch; 0: none */
    int64_t end_ns;
    enum chaos_span_end end;
    uint32_t records;
    uint32_t redelivered;
};

/** Records of one batch that had been handed over before. */
struct chaos_again {
    int64_t time_ns;
    uint32_t shard;
    uint32_t worker;
    uint32_t count;
};

/** A time without an owner that could work. */
struct chaos_gap {
    uint32_t shard;
    int64_t begin_ns;
    int64_t end_ns;
};

/** A record that was acknowledged and never processed. */
struct chaos_lost {
    uint32_t shard;
    uint64_t index;
    int64_t put_ns;
    int64_t passed_ns; /**< when it was handed over and not finished; 0: never */
};

/** Milliseconds. */
struct chaos_times {
    double *ms;
    size_t count;
};

struct chaos_verdict {
    bool pass;
    uint64_t counts[CHAOS_PROPERTIES];
    struct chaos_violation *violations;
    size_t violation_count;

    uint64_t records_put;     /**< acknowledged */
    uint64_t records_unknown; /**< put without acknowledgement, but delivered */
    uint64_t deliveries;
    uint64_t redelivered;
    uint64_t checkpoints;
    uint64_t checkpoints_refused;
    uint64_t late_calls_excused; /**< a stop came between the check of the deadline and the call */

    uint64_t checked_events; /**< that the checker of histories took; 0: it was not asked */

    struct chaos_span *spans;
    size_t span_count;
    struct chaos_again *again;
    size_t again_count;
    struct chaos_gap *gaps;
    size_t gap_count;
    struct chaos_lost *lost;
    size_t lost_count;
    struct chaos_times failover; /**< death of the process to initialize at the next owner */
    struct chaos_times hang;     /**< SIGSTOP to initialize at the next owner */
    struct chaos_times handoff;  /**< shutdown_requested to initialize at the next owner */
    int64_t *done_ns;            /**< by index of the put: first processed; 0: never */
};

/** Judge. Free the result with chaos_verdict_free(). */
void chaos_judge(const struct chaos_ledger *ledger, struct chaos_verdict *ret);

void chaos_verdict_free(struct chaos_verdict *verdict);

/** Violations in order of property, then time. */
void chaos_verdict_sort(struct chaos_verdict *verdict);

/** Count a violation, and keep its text while there is room. */
void chaos_violate(
    struct chaos_verdict *verdict,
    enum chaos_property property,
    int64_t time_ns,
    uint32_t shard,
    const char *format,
    ...) WEIR_PRINTF(5, 6);

/** What the table showed; what the run noted about itself. */
void chaos_judge_rows(const struct chaos_ledger *ledger, struct chaos_verdict *verdict);
void chaos_judge_incidents(const struct chaos_ledger *ledger, struct chaos_verdict *verdict);

/** Spans, gaps and times of takeover, of which judge_times.c decides whether they are late. */
void chaos_judge_spans(const struct chaos_ledger *ledger, struct chaos_verdict *verdict);
void chaos_judge_times(const struct chaos_ledger *ledger, struct chaos_verdict *verdict);

/** The p-th quantile, 0 if there is none. Sorts. */
double chaos_times_quantile(struct chaos_times *times, double p);

#endif
