#!/usr/bin/env python3
"""Java KCL and weir workers on one stream and one table, under faults.

    mixed_fleet.py --weir PROGRAM [--long] [--folder DIR] [--java-only]

Two workers of each kind start, one without --long; then, one after the other: kill -9, SIGSTOP, a
split and a merge, and a rolling replacement of all Java workers by weir and of all weir workers by
Java. judge.py gives the verdict from the files in the folder. --java-only: with Java in the places
of weir, to see what the peer does alone. Exit status 0: it holds, 1: it does not, 77: a server
cannot be had.
"""

import argparse
import json
import pathlib
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "peers"))
import fleet  # noqa: E402
import judge  # noqa: E402

RECORDS_PER_S = 12
SAMPLE_S = 0.2
HASH_KEYS = 2**128
STREAM = "mixed"
RECORDS_MAX = 1000000

# Failover, metrics reporter, leader lease, its heartbeat; workers of each kind; the quiet time
# between faults.
LONG = {
    "failover_ms": 10000,
    "reporter_ms": 10000,
    "lease_ms": 20000,
    "beat_ms": 5000,
    "each": 2,
    "shards": 8,
    "quiet_s": 20,
}
SHORT = {
    "failover_ms": 3000,
    "reporter_ms": 3000,
    "lease_ms": 8000,
    "beat_ms": 3000,
    "each": 1,
    "shards": 4,
    "quiet_s": 1,
}


class Run:
    """The fleet, what is done to it, and the files that judge.py reads."""

    def __init__(self, site, given):
        self.site, self.given = site, given
        self.times = LONG if given.long else SHORT
        self.kinds, self.workers, self.counts = {}, {}, {"java": 0, "weir": 0}
        self.faults = open(site.folder / "faults.jsonl", "a", buffering=1)
        self.over = threading.Event()
        self.sampler = threading.Thread(target=self.sample, daemon=True)

    def say(self, text):
        print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)

    def note(self, fault, worker=None):
        self.faults.write(
            json.dumps({"t": time.time_ns() // 10**6, "fault": fault, "worker": worker}) + "\n"
        )
        self.say(f"{fault} {worker or ''}")

    def sample(self):
        before = None
        with open(self.site.folder / "table.jsonl", "a", buffering=1) as out:
            while not self.over.wait(SAMPLE_S):
                rows = self.site.rows()
                leases = {k: r for k, r in rows.items() if r.get("entityType", "LEASE") == "LEASE"}
                now = {
                    "owners": {k: r.get("leaseOwner") for k, r in leases.items()},
                    "handing_off": {
                        k: r["checkpointOwner"] for k, r in leases.items() if "checkpointOwner" in r
                    },
                    "finished": sorted(
                        k for k, r in leases.items() if r["checkpoint"] == "SHARD_END"
                    ),
                    "leader": rows.get("Leader", {}).get("ownerName"),
                }
                if now != before:
                    out.write(json.dumps({"t": time.time_ns() // 10**6, **now}) + "\n")
                before = now

    def start(self, kind):
        """A new worker under a new name."""
        self.counts[kind] += 1
        name = f"{kind}-{self.counts[kind]}"
        if kind == "weir" and self.given.java_only:
            kind = "java"
        times = self.times
        if kind == "java":
            worker = fleet.JavaWorker(
                self.site,
                name,
                failover_ms=times["failover_ms"],
                reporter_ms=times["reporter_ms"],
                leader_lease_ms=times["lease_ms"],
                leader_heartbeat_ms=times["beat_ms"],
                handoff_ms=3 * times["failover_ms"],
                parent_poll_ms=1000,
                shard_sync_ms=0,
                idle_ms=500,
            )
        else:
            worker = fleet.WeirWorker(
                self.site,
                name,
                self.given.weir,
                lease_duration=f"{times['failover_ms']}ms",
                **{"from": "TRIM_HORIZON"},
            )
        self.kinds[name] = kind
        self.workers[name] = worker
        (self.site.folder / "settings.json").write_text(
            json.dumps({"failover_ms": times["failover_ms"], "kinds": self.kinds})
        )
        self.note("start", name)
        return name

    def names(self, prefix):
        return [n for n in self.workers if n.startswith(prefix)]

    def held(self, name):
        """Leases of a worker that are not finished."""
        leases = self.site.leases().items()
        return [
            k for k, r in leases if r.get("leaseOwner") == name and r["checkpoint"] != "SHARD_END"
        ]

    def follower(self, prefix):
        """One of this kind that does not lead, if there is one."""
        leader = self.site.leader()
        names = self.names(prefix)
        return next((n for n in names if n != leader and self.held(n)), names[0])

    def wait(self, what, condition, seconds):
        took = fleet.wait_until(condition, seconds, SAMPLE_S)
        self.say(
            f"{what}: " + (f"{took:.1f} s" if took is not None else f"NOT within {seconds:.0f} s")
        )
        return took is not None

    def bound_s(self):
        """Leader lost, leader found, worker silent, leases assigned, discovered: generous."""
        times = self.times
        return (
            2 * times["lease_ms"] + 2 * times["reporter_ms"] + 6 * times["failover_ms"]
        ) / 1000 + 30

    def wait_all_owned(self):
        """Every open lease has an owner that runs and hands nothing over."""

        def owned():
            leases = [r for r in self.site.leases().values() if r["checkpoint"] != "SHARD_END"]
            return leases and all(
                r.get("leaseOwner") in self.workers and "checkpointOwner" not in r for r in leases
            )

        return self.wait("all leases have running owners", owned, self.bound_s())

    def wait_progress(self):
        """Everything that was put before now has been processed."""
        wanted = {p.index for p in fleet.read_put(self.site.folder / "put")}

        def processed():
            seen = set()
            for name in self.kinds:
                seen |= {e.index for e in fleet.read_ledger(self.site.folder / f"{name}.ledger")}
            return wanted <= seen

        return self.wait("all records processed", processed, self.bound_s())

    def note_ended(self):
        """No worker ends unless it is told to."""
        for name in [n for n, worker in self.workers.items() if not worker.is_running()]:
            self.note("died", name)
            del self.workers[name]

    def settle(self):
        self.note_ended()
        self.wait_all_owned()
        self.wait_progress()
        time.sleep(self.times["quiet_s"])

    def kill(self, name):
        self.note("kill", name)
        self.workers.pop(name).kill()

    def terminate(self, name):
        self.note("term", name)
        self.workers.pop(name).terminate()
        self.note("ended", name)

    def stop_and_continue(self, name):
        worker = self.workers[name]
        self.note("stop", name)
        worker.signal(signal.SIGSTOP)
        time.sleep(2.5 * self.times["failover_ms"] / 1000)
        worker.signal(signal.SIGCONT)
        self.note("continue", name)

    def split_and_merge(self):
        self.note("split")
        shard = self.site.split()
        children = [
            s["ShardId"]
            for s in self.site.open_shards()
            if s.get("ParentShardId") == shard["ShardId"]
        ]
        self.wait(
            "leases of the children",
            lambda: set(children) <= set(self.site.leases()),
            self.bound_s(),
        )
        self.settle()
        self.note("merge")
        self.site.kinesis.call(
            "MergeShards",
            StreamName=STREAM,
            ShardToMerge=children[0],
            AdjacentShardToMerge=children[1],
        )
        self.site.wait_active()
        self.settle()

    def begin(self):
        """One Java worker has everything; weir joins, then the others."""
        self.sampler.start()
        first = self.start("java")
        self.wait("Java has the leases", lambda: len(self.held(first)) == self.times["shards"], 180)
        second = self.start("weir")
        self.wait("weir has a lease", lambda: self.held(second), self.bound_s())
        for kind in ("java", "weir") * (self.times["each"] - 1):
            name = self.start(kind)
            self.wait(f"{name} has a lease", lambda n=name: self.held(n), self.bound_s())
        self.settle()

    def faults_one_by_one(self):
        for kind in ("java", "weir"):
            self.kill(self.follower(kind))
            self.settle()
            name = self.start(kind)
            self.wait(f"{name} has a lease", lambda n=name: self.held(n), self.bound_s())
        self.settle()
        for kind in ("java", "weir"):
            self.stop_and_continue(self.follower(kind))
            self.settle()
        self.split_and_merge()
        leader = self.site.leader()
        if leader in self.workers:
            self.kill(leader)
            self.start("java" if leader.startswith("java") else "weir")
        self.settle()

    def replace(self, old, new):
        """Every worker of one kind by one of the other, one after the other."""
        for name in self.names(old):
            added = self.start(new)
            # Java's leader moves no lease for the sake of numbers alone, so it may get none yet.
            join_s = 4 * self.times["failover_ms"] / 1000
            self.wait(f"{added} has a lease", lambda n=added: self.held(n), join_s)
            self.settle()
            self.terminate(name)
            self.settle()
        self.wait(f"{new} leads", lambda: self.site.leader() in self.workers, self.bound_s())

    def end(self, producer):
        producer.terminate()
        producer.wait()
        self.wait_progress()
        self.wait_all_owned()
        time.sleep(1)
        self.over.set()
        self.sampler.join()
        for worker in self.workers.values():
            worker.terminate()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default="weir")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--java-only", action="store_true")
    parser.add_argument("--folder")
    given = parser.parse_args()
    fleet.fetch("dynamodb", "kinesis-mock", "java-kcl")
    with tempfile.TemporaryDirectory() as temporary:
        kinesis, _ = fleet.start_server("kinesis-mock")
        dynamodb, _ = fleet.start_server("dynamodb")
        site = fleet.Site(given.folder or temporary, kinesis, dynamodb, STREAM, STREAM)
        site.create_stream((LONG if given.long else SHORT)["shards"])
        producer = site.put("put", records=RECORDS_MAX, rate=RECORDS_PER_S)
        run = Run(site, given)
        run.begin()
        run.faults_one_by_one()
        run.replace("java", "weir")
        run.replace("weir", "java")
        run.end(producer)
        return judge.print_verdict(site.folder)


if __name__ == "__main__":
    fleet.run_as_test(main)
