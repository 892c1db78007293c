/*
 * A history: what happened in a run, one event after another in true time. The simulator produces
 * one, the journals of real fleets another; one checker reads both. Format of the text form:
 * docs/history.md.
 */
#ifndef WI_SIM_HISTORY_H
#define WI_SIM_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/error.h>

enum wi_history_kind {
    WI_HISTORY_PUT,   /* a record can be read from now on: shard, first = its sequence number, key;
                         before any BEGIN that holds it, also if the answer to the put was lost */
    WI_HISTORY_SHARD, /* a shard exists from now on: shard, parents; first, last = its hash keys,
                         upper 64 bits (both 0: not stated) */
    WI_HISTORY_CLOSE, /* a shard takes no more records */
    WI_HISTORY_TRIM,  /* records of shard up to `last` are gone (retention) */
    WI_HISTORY_ROW,   /* the table accepted a write to the shard's row; the row after it: worker =
                         owner (0: none), epoch, last = checkpoint, unresolved, shard_end,
                         operation; who wrote it: writer, under, term */
    WI_HISTORY_ROW_DELETED, /* the row is gone; operation RESET: by an operator; writer, term */
    WI_HISTORY_REFUSED, /* the table refused a write of `worker` under `epoch`: operation, error */
    WI_HISTORY_LEADER,  /* the leader row changed: worker, epoch = term */
    WI_HISTORY_HOLD, /* `worker` may believe in shard under `epoch` until `until_ns` (true time) */
    WI_HISTORY_DROP, /* it has stopped believing */
    WI_HISTORY_INITIALIZE, /* callback began; last = checkpoint it starts at; error = what it
                              returns (not OK: it comes again) */
    WI_HISTORY_BEGIN,      /* process_records began: first, last, count, attempt */
    WI_HISTORY_END,        /* it returned: last = processed through, count, error */
    WI_HISTORY_LEASE_LOST,
    WI_HISTORY_SHARD_ENDED, /* callback began; error = what it returns (not OK: it comes again) */
    WI_HISTORY_SHUTDOWN,    /* shutdown_requested began */
    WI_HISTORY_DESTROY,
    WI_HISTORY_CHECKPOINT, /* the processor's own call returned: last, error; until_ns = when it
                              began */
    WI_HISTORY_EFFECT,     /* a sink applied a record: first, epoch; fenced says which kind of sink;
                              first 0: it took the epoch as its fence (planted in initialize) */
    WI_HISTORY_DEAD_LETTER, /* first stands with its payload in the failure destination */
    WI_HISTORY_WORKER,      /* `worker` joined (a new identity per process start) */
    WI_HISTORY_FAULT,       /* fault, on; worker if it hits one */
    WI_HISTORY_HEALED,      /* no faults from now on: liveness is demanded */
    WI_HISTORY_QUIET,       /* end of the run: everything must be covered */
    WI_HISTORY_UNLISTED,    /* the stream lists shard no more (retention) */
    WI_HISTORY_LEAVING,     /* `worker` was asked to stop in an orderly way */
    WI_HISTORY_GONE, /* the process of `worker` has ended, by a crash or not: no callback follows;
                        writes that were on their way may still be accepted */
    WI_HISTORY_HANG, /* on: `worker` stands still from now on (SIGSTOP); else it goes on */
    WI_HISTORY_PROCESSED, /* inside process_records the processor said, by a checkpoint of its own,
                             that everything through `last` is processed */
    WI_HISTORY_KINDS
};

enum wi_history_operation {
    WI_OPERATION_NONE,
    WI_OPERATION_CREATE,
    WI_OPERATION_ASSIGN,
    WI_OPERATION_CHECKPOINT,
    WI_OPERATION_RELEASE,
    WI_OPERATION_FINISH,
    WI_OPERATION_HANDOFF, /* a wish */
    WI_OPERATION_REVOKE,
    WI_OPERATION_RENEW,
    WI_OPERATION_RESET
};

/* Bounds of the small numbers below. */
#define WI_HISTORY_WORKERS_MAX (1U << 20U)
#define WI_HISTORY_SHARDS_MAX  (1U << 20U)
#define WI_HISTORY_KEYS_MAX    (1U << 22U)

/* Members that a kind does not name are 0. Workers, shards and keys are small numbers from 1; 0 is
 * none. */
struct wi_history_event {
    enum wi_history_kind kind;
    int64_t time_ns; /* true time of the run */
    uint32_t worker;
    uint32_t shard;
    uint32_t parents[2];
    uint32_t key;
    uint64_t epoch;
    uint64_t first; /* sequence numbers; 0: none */
    uint64_t last;
    uint32_t count;
    uint32_t attempt;
    int64_t until_ns;
    enum wi_history_operation operation;
    enum weir_error error;
    uint32_t fault;  /* enum of whoever makes the faults */
    uint32_t writer; /* of an accepted write: the worker that sent it; 0: an operator, unknown */
    uint64_t under;  /* the epoch that an owner's write named; 0: not an owner's */
    uint64_t term;   /* the term that a leader's write named; 0: not a leader's */
    bool unresolved; /* the checkpoint is LATEST or AT_TIMESTAMP; `last` is 0 */
    bool shard_end;
    bool fenced;
    bool on;
};

#endif
