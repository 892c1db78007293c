/* Every property by name. docs/properties.md says more of each. */
#include <stddef.h>

#include "sim/checker.h"

static const struct wi_property properties[] = {
    {"G1", "no loss", "at QUIET: all r: processed, dead-lettered, trimmed or not asked for; I6"},
    {"G2", "order", "I7 and I8 and I9"},
    {"G3", "one owner", "I1 and I2 and I3 and I4"},
    {"G4", "monotone checkpoints", "I5; ckpt(w') <= delivered(owner, epoch), or where it started"},
    {"G5", "planned moves are free", "SHUTDOWN, then RELEASE at v => processed(epoch) <= v"},
    {"G6", "bounded failover", "L1"},
    {"G7", "bounded resources", "not seen in a history"},
    {"G8", "durable by default", "I14, I5 and G1 over a restart of the store"},
    {"I1", "row chain", "e(w') = e(w) + 1 if w' assigns or releases, else e(w') = e(w)"},
    {"I2", "belief exclusivity", "x != y => hold(x, s) and hold(y, s) have no instant in common"},
    {"I3", "start gating", "every call of (w, s, e) but lease_lost starts within hold(w, s, e)"},
    {"I4", "fenced table", "w' of an owner accepted => writer = owner(w), epoch named = e(w)"},
    {"I5", "monotone checkpoint", "ckpt(w) <= ckpt(w'), but for an operator's reset"},
    {"I6", "no loss below a checkpoint", "ckpt = v accepted => all r <= v: covered"},
    {"I7", "order per epoch", "batches are contiguous from the checkpoint on; attempt counts"},
    {"I8", "order per key", "r1 < r2 of a key => first END of r1 < first BEGIN with r2"},
    {"I9", "parent before child", "INITIALIZE of a child => every parent has ended"},
    {"I10", "fenced sink", "applied epochs never fall; a parent's effects before its child's"},
    {"I11", "exactly-once effect", "each r applied once, in order, without gap"},
    {"I12", "bounded duplicates", "processed records that one epoch repeats <= redelivered_max"},
    {"I13", "callback protocol", "initialize, batches one by one, one final call, destroy"},
    {"I14", "no stale success", "checkpoint(v) = OK => a row >= v was accepted under the epoch"},
    {"I15", "reshard", "children have one row each before SHARD_END; no row goes too early"},
    {"I16", "conservation", "at QUIET: hash keys of unfinished leases = all hash keys, once"},
    {"L1", "takeover", "owner crashed or hung at t => INITIALIZE by another one <= t + bound"},
    {"L2", "balance", "balance_ms after the last change: max leases - min leases <= 1"},
    {"L3", "quiet", "balance_ms after the last change: no change of owner"},
    {"L4", "progress", "a shard with records to process: a batch at least every progress_ms"},
    {"L5", "drain", "G1 at QUIET, which the run promises to reach"},
    {"L6", "reshard", "parents ended at t => INITIALIZE of the child <= t + reshard_ms"},
    {"L7", "no wedge", "QUIET is reached, and L4 until then"},
    {"P1", "one valid epoch", "I1, I2; the leader's term + 1 with each new leader"},
    {"P2", "no stale checkpoint", "I4 and I5 and G4"},
    {"P3", "renewal in time", "no hold of a worker in good health runs out while the row names it"},
    {"P4", "no unowned shard", "owner = none at t => an owner <= t + lease duration"},
    {"P5", "shards end in order", "I9; SHARD_END after close, last record and shard_ended"},
    {"P6", "no needless moves", "a move follows a wish; none twice while nothing changed"},
    {"P7", "graceful stop", "LEAVING at t => owns nothing <= t + stop_ms"},
    {"P8", "blocked shards block no others", "L4 of the others"},
    {"P9", "at least once", "G1 and I6"},
    {"P10", "order per key over reshard", "I8"},
    {"P11", "no fall back", "I5 and I7: nobody starts at another place than the row's checkpoint"},
    {"P12", "heartbeats", "not seen in a history"},
    {"P13", "bounded memory", "not seen in a history"},
    {"P14", "durable puts", "G1 over a restart of the store"},
    {"R12", "leader's term", "w' of a leader accepted => the leader row names its term"},
    {"H1", "history", "the history itself is one: docs/history.md"},
    {NULL, NULL, NULL},
};

const struct wi_property *
wi_checker_properties(void)
{
    return properties;
}
