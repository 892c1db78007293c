/**
 * The sink of the demo: one LMDB environment that all worker processes write. In it: totals per
 * section, weir's own rows (weir_sink_*), and a ledger of what was applied, written in the same
 * transaction as the totals, so that it tells the truth about them.
 *
 * It is opened with MDB_NOSYNC: the demo kills processes, not the machine, and what a process has
 * committed outlives it.
 */
#ifndef WI_DEMO_SINK_H
#define WI_DEMO_SINK_H

#include <lmdb.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/dedupe.h>
#include <weir/error.h>
#include <weir/processor.h>
#include <weir/types.h>

#include "demo/journal.h"

/** Most records of one batch. */
#define DEMO_BATCH_MAX 500

/** An open sink; once per process. */
struct demo_sink {
    MDB_env *mdb;
    MDB_dbi totals;
    MDB_dbi ledger;
    struct weir_sink sink;
};

/** Open, and create if need be. The directory exists. */
WEIR_MUST_CHECK enum weir_error demo_sink_open(const char *directory, struct demo_sink *ret);

/** Close; a sink of zeros is none. */
void demo_sink_close(struct demo_sink *sink);

/** To be called from initialize: plant the token. WEIR_EFENCED if a newer owner was here. */
WEIR_MUST_CHECK enum weir_error demo_sink_acquire(
    struct demo_sink *sink, const struct weir_shard_context *shard);

/**
 * Add up what the sink has not seen yet, in one transaction with the position and a ledger entry.
 * @param worker number of the process, for the ledger
 * @return WEIR_EFENCED: a newer owner was here, nothing was written
 */
WEIR_MUST_CHECK enum weir_error demo_sink_apply(
    struct demo_sink *sink, const struct weir_process_input *input, uint32_t worker);

/** What the sink knows of a section. */
struct demo_total {
    uint64_t packages;
    uint64_t installed_kib;
};

/** The total of a section; zeros if there is none. */
WEIR_MUST_CHECK enum weir_error demo_sink_total(
    struct demo_sink *sink, const char *section, struct demo_total *ret);

/** Number of sections that have a total. */
WEIR_MUST_CHECK enum weir_error demo_sink_sections(struct demo_sink *sink, size_t *ret);

/** One entry of the ledger; the put indices of the records that were applied follow it. */
struct demo_ledger_entry {
    char shard_id[DEMO_SHARD_ID_SIZE];
    uint64_t lease_epoch;
    struct weir_sequence_number first; /**< of the records applied */
    struct weir_sequence_number last;
    uint32_t worker;
    uint32_t count;
};

/** Called for each entry in the order of their transactions. `put_indices` has entry->count. */
typedef void (*demo_ledger_fn)(
    void *context, const struct demo_ledger_entry *entry, const uint32_t *put_indices);

/** Read the whole ledger. WEIR_ECORRUPT: an entry is not what it should be. */
WEIR_MUST_CHECK enum weir_error demo_sink_ledger(
    struct demo_sink *sink, demo_ledger_fn each, void *context);

#endif
