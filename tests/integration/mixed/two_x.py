#!/usr/bin/env python3
"""Java KCL under the rules of 2.x and weir on one stream and one table: everyone takes leases.

    two_x.py --weir PROGRAM --peer java-kcl2|java-kcl [--change] [--folder DIR]

java-kcl2 is Java KCL 2.x itself: no row but leases may come into its table. java-kcl is 3.x with
CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X, which says by the row Migration3.0 that it is on its way:
then weir has a row among those of the workers. Java works alone; weir joins and takes its share;
a second worker of either kind comes and goes; each kind is killed once. Every acknowledged record
is processed, and leases stay where they are once they are even. --change, with java-kcl: instead of
crashes the rules change under the workers, to 3.x and back. Exit status 77: a server cannot be had.
"""

import argparse
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "peers"))
import fleet  # noqa: E402

STREAM = "twox"
SHARDS = 4
FAILOVER_MS = 4000
SETTLE_TRIES = 3
# For so many passes of the taker leases stay.
PASSES = 3
# Java's workers look at the row of the rules every 60 to 90 s.
LIMIT_S = 120
COMPATIBLE = "CLIENT_VERSION_CONFIG_COMPATIBLE_WITH_2X"
# What each logs, at the level INFO, when it works by other rules.
JAVA_FOLLOWED = "Successfully transitioned to CLIENT_VERSION_"
WEIR_ON_3X, WEIR_ON_2X = "rules to those of Java KCL 3.x", "rules to those of Java KCL 2.x"
RECORDS_PER_S = 12
RECORDS_MAX = 100000
# What Java KCL logs when it cannot make sense of a row.
COMPLAINTS = (
    "Failed to deserialize",
    "Unable to deserialize",
    "Invalid lease",
    "NullPointerException",
)


class Fleet:
    def __init__(self, site, given):
        self.site, self.given, self.started = site, given, []

    def start(self, kind, name):
        if kind == "weir":
            worker = fleet.WeirWorker(
                self.site,
                name,
                self.given.weir,
                lease_duration=f"{FAILOVER_MS}ms",
                **{"from": "TRIM_HORIZON"},
            )
        else:
            new = {"reporter_ms": 3000, "client_version": COMPATIBLE}
            worker = fleet.JavaWorker(
                self.site,
                name,
                version=self.given.peer,
                failover_ms=FAILOVER_MS,
                parent_poll_ms=1000,
                shard_sync_ms=0,
                idle_ms=500,
                level="INFO" if self.given.change else "WARN",
                **(new if self.given.peer == "java-kcl" else {}),
            )
        self.started.append(worker)
        return worker

    def held(self, worker):
        leases = self.site.leases().values()
        return sum(1 for row in leases if row.get("leaseOwner") == worker.name)

    def others(self):
        return sorted(k for k in self.site.rows() if not k.startswith("shardId-"))

    def share(self, counts):
        """Until each of these workers has so many leases ..."""
        what = ", ".join(f"{w.name} {n}" for w, n in counts.items())
        self.wait(what, lambda: all(self.held(w) == n for w, n in counts.items()))

    def wait(self, what, condition):
        took = fleet.wait_until(condition, LIMIT_S, 0.2)
        assert took is not None, f"{what}: not within {LIMIT_S} s; {self.site.owners()}"
        print(f"{time.strftime('%H:%M:%S')} {what}: {took:.1f} s", flush=True)

    def settle(self, counts):
        """... and then they stay. On a busy machine a worker may lose a lease to the clock, so it
        is tried again; workers that steal from each other in turn never come to rest."""
        renewals = fleet.renewals_in(PASSES, FAILOVER_MS)
        for _ in range(SETTLE_TRIES):
            self.share(counts)
            if fleet.leases_stay(self.site.leases, renewals, LIMIT_S):
                return
        raise AssertionError(f"leases do not come to rest: {self.site.owners()}")

    def lost(self):
        wanted = {put.index for put in fleet.read_put(self.site.folder / "put")}
        return wanted - {e.index for worker in self.started for e in worker.entries()}


def run(site, given):
    us = Fleet(site, given)
    java = us.start("java", "java-1")
    us.share({java: SHARDS})
    before = us.others()
    weir = us.start("weir", "weir-1")
    us.settle({java: SHARDS // 2, weir: SHARDS // 2})
    us.wait("both process", lambda: java.entries() and weir.entries())
    if given.peer == "java-kcl2":
        assert us.others() == [], f"rows of other kinds: {us.others()}"
    else:
        us.wait("weir has a row, as Java has", lambda: len(us.others()) == len(before) + 1)
    java.kill()
    us.share({weir: SHARDS})
    java = us.start("java", "java-2")
    us.settle({java: SHARDS // 2, weir: SHARDS // 2})
    weir.kill()
    us.share({java: SHARDS})
    weir = us.start("weir", "weir-2")
    us.share({java: SHARDS // 2, weir: SHARDS // 2})
    assert weir.terminate(), "weir did not leave"
    us.share({java: SHARDS})
    return us


def rule(site, version):
    """As Java KCL's shuffle leader writes it after ten minutes, and the tool that rolls back."""
    site.dynamodb.call(
        "UpdateItem",
        TableName=STREAM,
        Key={"leaseKey": {"S": "Migration3.0"}},
        UpdateExpression="SET cv = :cv, mts = :mts",
        ConditionExpression="attribute_exists(cv)",
        ExpressionAttributeValues={
            ":cv": {"S": f"CLIENT_VERSION_{version}"},
            ":mts": {"N": str(time.time_ns() // 10**6)},
        },
    )
    print(f"{time.strftime('%H:%M:%S')} {version}", flush=True)


def change(site, given):
    """Java's workers look at the row now and then; until then each side has its own rules."""
    us = Fleet(site, given)
    java = us.start("java", "java-1")
    us.share({java: SHARDS})
    weir = us.start("weir", "weir-1")
    us.share({java: SHARDS // 2, weir: SHARDS // 2})
    rule(site, "3X_WITH_ROLLBACK")
    us.wait("a leader", lambda: us.site.leader() in ("java-1", "weir-1"))
    us.wait("weir has followed", lambda: weir.has_logged(WEIR_ON_3X))
    us.wait("Java has followed", lambda: java.has_logged(JAVA_FOLLOWED + "3X_WITH_ROLLBACK"))
    us.wait("all are owned", lambda: us.held(java) + us.held(weir) == SHARDS)
    us.wait("all is processed", lambda: len(us.lost()) < RECORDS_PER_S)
    rule(site, "2X")
    us.wait("weir has gone back", lambda: weir.has_logged(WEIR_ON_2X))
    us.wait("Java has gone back", lambda: java.has_logged(JAVA_FOLLOWED + "2X"))
    us.settle({java: SHARDS // 2, weir: SHARDS // 2})
    us.wait("no row of weir's", lambda: not [k for k in us.others() if k.startswith("weir")])
    assert weir.terminate(), "weir did not leave"
    us.share({java: SHARDS})
    return us


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", default="weir")
    parser.add_argument("--peer", choices=("java-kcl", "java-kcl2"), required=True)
    parser.add_argument("--change", action="store_true")
    parser.add_argument("--folder")
    given = parser.parse_args()
    fleet.fetch("dynamodb", "kinesis-mock", given.peer)
    with tempfile.TemporaryDirectory() as temporary:
        kinesis, _ = fleet.start_server("kinesis-mock")
        dynamodb, _ = fleet.start_server("dynamodb")
        site = fleet.Site(given.folder or temporary, kinesis, dynamodb, STREAM, STREAM)
        site.create_stream(SHARDS)
        producer = site.put("put", records=RECORDS_MAX, rate=RECORDS_PER_S)
        us = (change if given.change else run)(site, given)
        producer.terminate()
        producer.wait()
        us.wait("everything is processed", lambda: not us.lost())
        for worker in us.started:
            log = (site.folder / f"{worker.name}.log").read_text()
            found = [words for words in COMPLAINTS if words in log]
            assert worker.kind != "java" or not found, f"{worker.name} complains: {found}"
            if worker.is_running():
                worker.terminate()
    print("OK")
    return 0


if __name__ == "__main__":
    fleet.run_as_test(main)
