/** One run: its parts. Shared by the files that make it; the ledger outlives it. */
#ifndef WI_CHAOS_RUN_H
#define WI_CHAOS_RUN_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <weir/error.h>
#include <weir/stream.h>

#include "chaos/chaos.h"
#include "chaos/control.h"
#include "chaos/ledger.h"
#include "chaos/place.h"
#include "chaos/schedule.h"
#include "chaos/tail.h"

/** Seats beyond the number of workers, for those that join. */
#define CHAOS_SEATS_SPARE 2

enum chaos_member_state {
    CHAOS_EMPTY,
    CHAOS_RUNNING,
    CHAOS_STOPPED,
    CHAOS_DRAINING
};

/** What a fault that lasts does to a seat until `end_ns`; 0: nothing. */
struct chaos_effect {
    int64_t end_ns;
    size_t fault;
};

/** A seat of the fleet and who sits there. Seat 0 is the producer's. */
struct chaos_member {
    enum chaos_member_state state;
    pid_t pid;
    uint32_t number;
    size_t life; /**< index in the ledger; not of the producer */
    bool may_end;
    bool was_stopped;   /**< ever: others may end it if it blocks the table */
    int64_t restart_ns; /**< of an empty seat: somebody comes then; 0: nobody */
    struct chaos_effect stop;
    struct chaos_effect hang;
    struct chaos_effect crash; /**< waits for the next record */
    struct chaos_effect slow;
    struct chaos_effect clock;
    struct chaos_tail tail;
};

struct chaos_run {
    const struct chaos_options *options;
    const char *program; /**< of the built-in processes */
    char *failure;
    struct chaos_place place;
    struct chaos_control *control;
    char preload[CHAOS_PATH_SIZE]; /**< "" if there is none */
    uint64_t random;
    struct weir_stream *stream;
    struct chaos_ledger ledger;
    struct chaos_plan *plans;
    size_t plan_count;
    size_t plans_done;
    struct chaos_member members[CHAOS_SEATS_MAX];
    uint32_t seats;   /**< of workers: 1 to this */
    uint32_t started; /**< workers so far: the number of the last one */
    uint32_t producers;
    struct chaos_effect full;

    pthread_t sampler;
    bool has_sampler;
    atomic_bool sampling;
    atomic_uint open_shards; /**< by the sampler */
    atomic_uint unowned;
    bool interrupted;
    bool preloaded;       /**< the library works in some process */
    uint64_t lines_bad;   /**< of a user's command */
    uint64_t clock_reads; /**< of changed clocks */
    uint64_t syncs_delayed;
    bool terminal;
    int64_t shown_ns;
};

/** Note why the run cannot be made. Returns false. */
bool chaos_impossible(struct chaos_run *run, const char *format, ...) WEIR_PRINTF(2, 3);

/* ---- processes.c -------------------------------------------------------------------------- */

/** Start a worker in an empty seat; the producer. False: impossible. */
bool chaos_start_worker(struct chaos_run *run, uint32_t seat);
bool chaos_start_producer(struct chaos_run *run);

/** Note who has ended; call often. */
void chaos_reap(struct chaos_run *run);

/** End all that are left, at once. */
void chaos_end_processes(struct chaos_run *run);

/** Workers in a state. */
uint32_t chaos_count(const struct chaos_run *run, enum chaos_member_state state);

/** Signal a process that runs. */
void chaos_signal(const struct chaos_member *member, int signal_number);

/* ---- inject.c, inject_shards.c ------------------------------------------------------------ */

/** Make the fault of a plan, or another one if nothing can be done for it. */
void chaos_inject(struct chaos_run *run, const struct chaos_plan *plan);

/** End what lasts and is over by now; INT64_MAX: everything. Restart who is to be restarted. */
void chaos_effects(struct chaos_run *run, int64_t now_ns);

/** Split, merge or scale; what was done goes to `text`. False: it was not possible. */
bool chaos_reshard(
    struct chaos_run *run,
    enum chaos_fault_kind kind,
    uint64_t random,
    uint32_t *ret_shard,
    char text[CHAOS_TEXT_SIZE]);

/* ---- sampler.c ---------------------------------------------------------------------------- */

/** Watch the table until chaos_sampler_stop(). */
bool chaos_sampler_start(struct chaos_run *run);
void chaos_sampler_stop(struct chaos_run *run);

/** Everything that was put is processed and checkpointed, and every shard is at its tip; else `why`
 * says what is not. */
bool chaos_is_worked_off(struct chaos_run *run, char why[CHAOS_TEXT_SIZE]);

/** Read the shards of the stream into the ledger. */
void chaos_note_shards(struct chaos_run *run);

/* ---- progress.c --------------------------------------------------------------------------- */

void chaos_progress_open(struct chaos_run *run);
void chaos_progress(struct chaos_run *run, const char *doing);
void chaos_progress_close(struct chaos_run *run);

#endif
