"""The verdict about a run of a mixed fleet, from its files alone.

    put              what the producer was acknowledged: `index put_ms shard sequence`
    NAME.ledger      what worker NAME processed: `recv_ms put_ms index shard sequence sub life`
    table.jsonl      the lease table whenever it changed: {"t", "owners", "handing_off", "leader"}
    faults.jsonl     {"t", "fault", "worker"}; faults: start, kill, term, stop, continue, split,
                     merge; after term comes ended, when the process has; died: unasked
    settings.json    {"failover_ms", "kinds": {NAME: "java" or "weir"}}

A stint is one time of ownership of one shard by one worker: what has the same worker, shard and
life.

    judge.py FOLDER      prints the verdict; exit status 0: it holds, 1: it does not
"""

import collections
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "peers"))
import fleet  # noqa: E402

# From the pipe of a weir worker to the line in its ledger, on a busy machine.
LEDGER_LAG_MS = 1000
# Beside the failover time, what a weir worker may take to leave.
LEAVING_MS = 10000

Stint = collections.namedtuple("Stint", "worker kind shard life entries")
Move = collections.namedtuple("Move", "old new reason duplicates gap_ms overlap_ms")


class Run:
    """The files of one run."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        settings = json.loads((folder / "settings.json").read_text())
        self.failover_ms = settings["failover_ms"]
        self.kinds = settings["kinds"]
        self.put = fleet.read_put(folder / "put")
        self.ledgers = {name: fleet.read_ledger(folder / f"{name}.ledger") for name in self.kinds}
        self.table = read_lines(folder / "table.jsonl")
        self.faults = read_lines(folder / "faults.jsonl")

    def stints(self):
        """By shard, in the order in which they began."""
        groups = collections.defaultdict(list)
        for name, entries in self.ledgers.items():
            for entry in entries:
                groups[name, entry.shard, entry.life].append(entry)
        shards = collections.defaultdict(list)
        for (name, shard, life), entries in groups.items():
            shards[shard].append(Stint(name, self.kinds[name], shard, life, entries))
        for stints in shards.values():
            stints.sort(key=lambda s: s.entries[0].recv_ms)
        return shards

    def last(self, worker, faults, until):
        """The last of these faults of a worker up to a time."""
        found = [f for f in self.faults if f.get("worker") == worker and f["fault"] in faults]
        return max((f["t"] for f in found if f["t"] <= until), default=None)


def read_lines(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines if line.endswith("\n")]


def position(entry):
    return (entry.sequence, entry.sub)


def missing_records(run):
    """G1: what was acknowledged and nobody processed."""
    seen = {entry.index for entries in run.ledgers.values() for entry in entries}
    lost = [put for put in run.put if put.index not in seen]
    return [f"record {p.index} of {p.shard} was acknowledged and never processed" for p in lost]


def disorder_in_stints(shards):
    """G2: within one time of ownership a shard is processed in order, nothing twice."""
    found = []
    for stints in shards.values():
        for stint in stints:
            for before, after in zip(stint.entries, stint.entries[1:]):
                if position(after) <= position(before):
                    found.append(
                        f"{stint.worker} processed {after.sequence} of {stint.shard}"
                        f" after {before.sequence} in one time of ownership"
                    )
    return found


def disorder_of_first_deliveries(run, shards):
    """G2: whoever processes, records of a shard come for the first time in their order."""
    found = []
    acknowledged = collections.defaultdict(list)
    for put in run.put:
        acknowledged[put.shard].append(put.sequence)
    for shard, stints in shards.items():
        highest = 0
        processed = set()
        wanted = sorted(set(acknowledged[shard]))
        at = 0
        entries = sorted((e for s in stints for e in s.entries), key=lambda e: e.recv_ms)
        for entry in entries:
            while at < len(wanted) and wanted[at] < entry.sequence:
                if wanted[at] not in processed:
                    found.append(f"{entry.sequence} of {shard} came before {wanted[at]}")
                at += 1
            processed.add(entry.sequence)
            highest = max(highest, entry.sequence)
    return found


def overlap_ms(run, old, new):
    """How long the old owner went on after the new one had begun, not counting a stop."""
    last = old.entries[-1].recv_ms
    begun = new.entries[0].recv_ms
    woke = run.last(old.worker, ("continue",), last) or 0
    return max(0, last - max(begun, woke))


def reason_of(run, old, new):
    """Why a shard moved: `crash`, `stop` or `planned`."""
    begun = new.entries[0].recv_ms
    killed = run.last(old.worker, ("kill",), begun)
    stopped = run.last(old.worker, ("stop",), begun)
    woke = run.last(old.worker, ("continue",), begun) or 0
    if killed is not None:
        return "crash"
    if stopped is not None and (stopped > woke or woke > old.entries[-1].recv_ms):
        return "stop"
    return "planned"


def standstill_ms(old, new):
    """How long the new owner's first record waited for it, at most since the old owner's last."""
    first = new.entries[0]
    before = max(e.recv_ms for e in old.entries if e.recv_ms <= first.recv_ms)
    return first.recv_ms - max(before, first.put_ms)


def moves(run, shards):
    """Each change of owner."""
    found = []
    for stints in shards.values():
        delivered = set()
        for i, new in enumerate(stints):
            if i > 0:
                old = stints[i - 1]
                again = sum(1 for e in new.entries if position(e) in delivered)
                gap = standstill_ms(old, new)
                reason = reason_of(run, old, new)
                found.append(Move(old, new, reason, again, gap, overlap_ms(run, old, new)))
            delivered |= {position(e) for e in new.entries}
    return found


def two_owners(run, found_moves):
    """G3: an old owner goes on no longer than Java KCL's failover time; weir not at all."""
    found = []
    for move in found_moves:
        allowed = LEDGER_LAG_MS if move.old.kind == "weir" else run.failover_ms
        if move.old.worker != move.new.worker and move.overlap_ms > allowed:
            found.append(
                f"{move.old.worker} went on with {move.old.shard} for {move.overlap_ms} ms"
                f" beside {move.new.worker}; allowed: {allowed}"
            )
    return found


def unfinished_moves(run):
    """At the end every lease has a running owner, and no hand-off is under way."""
    last = run.table[-1]
    ended = set()
    for fault in run.faults:
        if fault["fault"] in ("kill", "term"):
            ended.add(fault.get("worker"))
    found = [f"{shard} is being handed over at the end" for shard in last["handing_off"]]
    for shard, owner in last["owners"].items():
        if shard not in last["finished"] and (owner is None or owner in ended):
            found.append(f"{shard} has no running owner at the end: {owner}")
    return found


def died(run):
    """A worker that ended without having been asked to."""
    return [f"{f['worker']} ended by itself" for f in run.faults if f["fault"] == "died"]


def slow_ends(run):
    """A weir worker that is asked to leave does so at once: that needs no successor."""
    found = []
    for fault in run.faults:
        name = fault.get("worker")
        if fault["fault"] == "ended" and run.kinds.get(name) == "weir":
            took = fault["t"] - run.last(name, ("term",), fault["t"])
            if took > run.failover_ms + LEAVING_MS:
                found.append(f"{name} took {took} ms to leave")
    return found


def leader_changes(run):
    """Kinds of the old and the new leader, of each change."""
    names = [t["leader"] for t in run.table if t["leader"]]
    pairs = [(a, b) for a, b in zip(names, names[1:]) if a != b]
    return collections.Counter(
        (run.kinds[a], run.kinds[b]) for a, b in pairs if a in run.kinds and b in run.kinds
    )


def absent_directions(run, counted, what):
    """Each direction must have occurred in a run of both kinds."""
    if set(run.kinds.values()) != {"java", "weir"}:
        return []
    wanted = [("java", "weir"), ("weir", "java")]
    return [f"no {what} from {a} to {b}" for a, b in wanted if not counted[a, b]]


def figures_of(found_moves):
    """Per reason and direction: moves, duplicates, how long the shard stood still."""
    table = collections.defaultdict(list)
    for move in found_moves:
        table[move.reason, move.old.kind, move.new.kind].append(move)
    figures = []
    for (reason, old, new), group in sorted(table.items()):
        gaps = sorted(m.gap_ms for m in group)
        figures.append(
            {
                "reason": reason,
                "from": old,
                "to": new,
                "moves": len(group),
                "duplicates_per_move": round(sum(m.duplicates for m in group) / len(group), 1),
                "standstill_ms_median": gaps[len(gaps) // 2],
                "standstill_ms_max": gaps[-1],
            }
        )
    return figures


def judge(folder):
    """Violations and figures."""
    run = Run(folder)
    shards = run.stints()
    found_moves = [m for m in moves(run, shards) if m.old.worker != m.new.worker]
    leaders = leader_changes(run)
    directions = collections.Counter(
        (m.old.kind, m.new.kind) for m in found_moves if m.reason == "planned"
    )
    violations = (
        missing_records(run)
        + disorder_in_stints(shards)
        + disorder_of_first_deliveries(run, shards)
        + two_owners(run, found_moves)
        + unfinished_moves(run)
        + slow_ends(run)
        + died(run)
        + absent_directions(run, directions, "planned move")
        + absent_directions(run, leaders, "change of leader")
    )
    summary = {
        "acknowledged": len({p.index for p in run.put}),
        "processed": len({e.index for entries in run.ledgers.values() for e in entries}),
        "deliveries": sum(len(entries) for entries in run.ledgers.values()),
        "leader_changes": {f"{a} to {b}": n for (a, b), n in sorted(leaders.items())},
    }
    return violations, summary, figures_of(found_moves)


def print_verdict(folder):
    violations, summary, figures = judge(folder)
    print(json.dumps(summary))
    for line in figures:
        print(json.dumps(line))
    for violation in violations[:50]:
        print("VIOLATION:", violation)
    print("verdict:", f"{len(violations)} violations" if violations else "holds")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(print_verdict(sys.argv[1]))
