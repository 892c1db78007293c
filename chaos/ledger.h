/** The ledger: every put, delivery, checkpoint, change of ownership and fault of a run. */
#ifndef WI_CHAOS_LEDGER_H
#define WI_CHAOS_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/version.h>

#include "chaos/fault.h"
#include "chaos/journal.h"

/** Most shards, open and closed, that a run keeps apart; numbers of ids go up to it. */
#define CHAOS_LEDGER_SHARDS 8192U
#define CHAOS_NONE          UINT32_MAX
#define CHAOS_TEXT_SIZE     240

/** One record that was put, or may have been. */
struct chaos_put {
    uint32_t key;
    uint32_t shard;
    uint64_t sequence;
    int64_t time_ns; /**< of the acknowledgement; 0: there is none */
};

/** A fault as it was made. */
struct chaos_fault {
    enum chaos_fault_kind kind;
    uint32_t worker; /**< 0: none */
    uint32_t shard;  /**< CHAOS_NONE: none */
    int64_t begin_ns;
    int64_t end_ns; /**< = begin_ns if it does not last */
    char text[CHAOS_TEXT_SIZE];
};

/** One start of a worker. */
struct chaos_life {
    uint32_t worker; /**< number, from 1 */
    uint32_t seat;   /**< from 1 */
    int32_t pid;
    int64_t begin_ns;
    int64_t end_ns; /**< 0: not over */
    bool killed;    /**< it ended by a signal */
};

/** A shard's row as the table shows it, whenever it has changed. */
struct chaos_row {
    int64_t time_ns;
    uint32_t shard;
    uint32_t worker; /**< owner, 0: none */
    uint64_t epoch;
    uint64_t checkpoint; /**< low 64 bits; 0: none; UINT64_MAX: SHARD_END */
};

/** A shard of the stream. */
struct chaos_shard {
    uint32_t number;
    uint32_t parents[2]; /**< CHAOS_NONE: none */
    int64_t seen_ns;     /**< first seen */
    bool closed;
};

/** Something wrong that needs no analysis. */
struct chaos_incident {
    int64_t time_ns;
    const char *property; /**< static */
    char text[CHAOS_TEXT_SIZE];
};

struct chaos_ledger {
    int64_t begin_ns;  /**< the fleet starts */
    int64_t faults_ns; /**< the faults begin */
    int64_t healed_ns; /**< the faults are over; 0: they never were */
    int64_t quiet_ns;  /**< everything is worked off; 0: it was not */
    int64_t end_ns;
    int64_t lease_duration_ms;
    bool has_callbacks; /**< the built-in processor; else lines about records only */

    struct chaos_put *puts; /**< by index */
    size_t put_count;
    struct chaos_entry *entries; /**< of workers; by time after chaos_ledger_seal() */
    size_t entry_count;
    struct chaos_fault *faults;
    size_t fault_count;
    struct chaos_life *lives;
    size_t life_count;
    struct chaos_row *rows;
    size_t row_count;
    struct chaos_shard *shards;
    size_t shard_count;
    struct chaos_incident *incidents;
    size_t incident_count;
    uint64_t puts_refused; /**< calls that failed */
};

/** Add an entry of a worker's or the producer's journal. */
void chaos_ledger_add(struct chaos_ledger *ledger, const struct chaos_entry *entry);

/** Add a fault that begins now; its index. */
size_t chaos_ledger_fault(
    struct chaos_ledger *ledger, enum chaos_fault_kind kind, uint32_t worker, uint32_t shard);

void chaos_ledger_incident(
    struct chaos_ledger *ledger, const char *property, const char *format, ...) WEIR_PRINTF(3, 4);

/** Nothing more is added: bring everything into the order of time. */
void chaos_ledger_seal(struct chaos_ledger *ledger);

/** Of a sealed one: the BEGIN that this END reports about, or NULL. */
const struct chaos_entry *chaos_ledger_batch(
    const struct chaos_ledger *ledger, const struct chaos_entry *end);

/** Before it is sealed: every record that was acknowledged has been processed. */
bool chaos_ledger_is_processed(const struct chaos_ledger *ledger);

void chaos_ledger_free(struct chaos_ledger *ledger);

/** The life of a worker, or NULL. */
const struct chaos_life *chaos_ledger_life(const struct chaos_ledger *ledger, uint32_t worker);

#endif
