#!/usr/bin/env python3
"""Workers of weir under the rules of Java KCL 2.x: each takes leases for itself.

    test_taking.py PROGRAM taking|following

taking: the table is as 2.x leaves it: leases, no index, no other row. A first worker takes
everything; a second one joins, the leases even out, one steal after the other, and then stay where
they are; one is killed, the other takes over and nothing is lost. No row of another kind comes into
the table. following: two workers share the leases; then the row Migration3.0 appears, moves on to
3.x, and falls back to 2.x: the workers follow, and no lease changes its owner because of it. Exit
status 77: DynamoDB Local cannot be fetched here.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "peers"))
import fleet  # noqa: E402
from aws_json import Client  # noqa: E402

TABLE = "taking"
SHARDS = 4
DURATION_MS = 4000
LIMIT_S = 60
REST_LIMIT_S = 120
# A follower looks at the row once a minute, under 3.x's rules.
LOOK_S = 60
RECORDS = 200
REST_TRIES = 3


INDEX = {
    "IndexName": "LeaseOwnerToLeaseKeyIndex",
    "KeySchema": [
        {"AttributeName": "leaseOwner", "KeyType": "HASH"},
        {"AttributeName": "leaseKey", "KeyType": "RANGE"},
    ],
    "Projection": {"ProjectionType": "KEYS_ONLY"},
}


class Worker:
    def __init__(self, site, name):
        self.name, self.seen = name, []
        command = [site.program, "worker", "--app", TABLE, "--stream", "s", "--print"]
        command += ["--id", name, "--table", site.url, "--lease-duration", f"{DURATION_MS}ms"]
        self.log = open(site.folder / f"{name}.log", "a")
        self.process = subprocess.Popen(
            [*fleet.BOUND, *command],
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=site.environment,
            text=True,
        )
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.seen.append(line.split('"data":"')[1].split('"')[0])

    def end(self, number):
        os.kill(self.process.pid, number)
        self.process.wait(LIMIT_S)
        return self.process.returncode


class Site:
    def __init__(self, program, folder):
        endpoint, _ = fleet.start_server("dynamodb")
        self.program, self.folder = program, pathlib.Path(folder)
        self.dynamodb = Client("dynamodb", endpoint)
        self.url = f"dynamodb:{TABLE}?region=us-east-1&endpoint={endpoint}"
        self.environment = {**fleet.environment(), "WEIR_DATA": str(self.folder / "data")}
        self.put_count, self.workers = 0, []
        self.moves, self.over = [], threading.Event()
        self.weir("stream", "create", "s", "--shards", str(SHARDS))

    def weir(self, *words, text=None):
        done = subprocess.run(
            [self.program, *words],
            input=text,
            stdout=subprocess.PIPE,
            env=self.environment,
            text=True,
            check=True,
        )
        return done.stdout

    def create_table(self, indexes):
        """As 2.x makes it: no index, no entityType. Java KCL 3.x adds the index when it comes."""
        names = ["leaseKey"] + (["leaseOwner"] if indexes else [])
        self.dynamodb.call(
            "CreateTable",
            TableName=TABLE,
            KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in names],
            BillingMode="PAY_PER_REQUEST",
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        )
        span = 2**128 // SHARDS
        for i in range(SHARDS):
            row = {
                "leaseKey": {"S": f"shardId-{i:012}"},
                "leaseCounter": {"N": "0"},
                "ownerSwitchesSinceCheckpoint": {"N": "0"},
                "checkpoint": {"S": "TRIM_HORIZON"},
                "checkpointSubSequenceNumber": {"N": "0"},
                "startingHashKey": {"S": str(i * span)},
                "endingHashKey": {"S": str((i + 1) * span - 1)},
            }
            self.dynamodb.call("PutItem", TableName=TABLE, Item=row)

    def rows(self):
        return fleet.read_rows(self.dynamodb, TABLE)

    def leases(self):
        return {k: r for k, r in self.rows().items() if k.startswith("shardId-")}

    def owners(self):
        return {k: r.get("leaseOwner", "") for k, r in self.leases().items()}

    def others(self):
        """Rows that a worker of 2.x would take for broken leases."""
        return sorted(k for k in self.rows() if not k.startswith("shardId-"))

    def held(self, name):
        return sum(1 for owner in self.owners().values() if owner == name)

    def start(self, name):
        worker = Worker(self, name)
        self.workers.append(worker)
        return worker

    def put(self, count):
        lines = "".join(f"{self.put_count + i}\n" for i in range(count))
        self.weir("put", "s", text=lines)
        self.put_count += count

    def lost(self):
        seen = {line for worker in self.workers for line in worker.seen}
        return {str(i) for i in range(self.put_count)} - seen

    def rule(self, version):
        self.dynamodb.call(
            "UpdateItem",
            TableName=TABLE,
            Key={"leaseKey": {"S": "Migration3.0"}},
            UpdateExpression="SET cv = :cv, mb = :mb, mts = :mts, entityType = :type",
            ExpressionAttributeValues={
                ":cv": {"S": f"CLIENT_VERSION_{version}"},
                ":mb": {"S": "test"},
                ":mts": {"N": str(time.time_ns() // 10**6)},
                ":type": {"S": "CLIENT_VERSION_MIGRATION"},
            },
        )

    def log_of(self, name):
        return (self.folder / f"{name}.log").read_text()


def wait(what, condition, seconds=LIMIT_S):
    took = fleet.wait_until(condition, seconds)
    assert took is not None, f"{what}: not within {seconds:.0f} s"
    print(f"{what}: {took:.1f} s", flush=True)


def rests(what, site, name, passes):
    """It has half of the leases, and they stay. On a busy machine a worker may lose a lease to the
    clock, so it is tried again; workers that steal in turn never come to rest."""
    renewals = fleet.renewals_in(passes, DURATION_MS)
    for _ in range(REST_TRIES):
        wait(what, lambda: site.held(name) == SHARDS // 2 and "" not in site.owners().values())
        if fleet.leases_stay(site.leases, renewals, REST_LIMIT_S):
            print(f"{what}: for {passes} passes", flush=True)
            return
    raise AssertionError(f"{what}: leases do not come to rest")


def take_and_share(site):
    site.put(RECORDS)
    site.start("w1")
    wait("w1 takes everything", lambda: site.held("w1") == SHARDS)
    wait("w1 reads everything", lambda: not site.lost())
    second = site.start("w2")
    wait("w2 has its share", lambda: site.held("w2") == SHARDS // 2)
    site.put(RECORDS)
    wait("both read", lambda: not site.lost() and second.seen)
    rests("even", site, "w2", 4)
    assert site.others() == [], f"rows of other kinds: {site.others()}"
    found = json.loads(site.weir("app", "describe", TABLE, "--table", site.url, "--json"))
    assert len(found["shards"]) == SHARDS and all(s["owner"] for s in found["shards"]), found
    # Nothing is agreed without a row Migration3.0: the default, four times, and a pass.
    assert found["failover_bound_ms"] == 4 * 10025 + 1000, found
    shard = found["shards"][0]
    move = ["app", "move", TABLE, shard["shard_id"], "w2", "--table", site.url]
    before = site.owners()
    refused = subprocess.run(
        [site.program, *move], env=site.environment, check=False, stderr=subprocess.PIPE
    )
    assert refused.returncode == 1 and refused.stderr, refused
    assert site.owners() == before, "a refused move has moved something"


def kill_one(site):
    """w2, and w3 comes in its place."""
    site.workers[1].end(9)
    site.put(RECORDS)
    wait("w1 takes over", lambda: site.held("w1") == SHARDS)
    wait("nothing is lost", lambda: not site.lost())
    site.start("w3")
    wait("w3 has its share", lambda: site.held("w3") == SHARDS // 2)
    assert site.others() == [], f"rows of other kinds: {site.others()}"


def change_rules(site):
    """The workers have two leases each, and keep them."""
    names = [worker.name for worker in site.workers]
    before = site.owners()
    site.rule("UPGRADE_FROM_2X")
    wait("workers have rows", lambda: len(site.others()) == 3)
    site.rule("3X_WITH_ROLLBACK")
    wait("a leader", lambda: "Leader" in site.rows())
    for name in names:
        wait(f"{name} follows", lambda n=name: "a leader assigns" in site.log_of(n))
    site.put(RECORDS)
    wait("read under 3.x", lambda: not site.lost())
    assert site.owners() == before, "a lease moved with the rules"
    site.rule("2X")
    for name in names:
        wait(
            f"{name} goes back",
            lambda n=name: "of Java KCL 2.x:" in site.log_of(n),
            LOOK_S + LIMIT_S,
        )
    wait("rows of workers go", lambda: site.others() == ["Leader", "Migration3.0"])
    site.put(RECORDS)
    wait("read under 2.x", lambda: not site.lost())
    assert site.owners() == before, "a lease moved with the rules"
    rests("after it", site, "w2", 2)


def leave(site):
    """What one lets go the other one takes; nobody waits for a lease to expire."""
    first, *_, last = site.workers
    assert first.end(15) == 0, f"{first.name} did not end well"
    wait(f"{last.name} takes the rest", lambda: site.held(last.name) == SHARDS)
    site.put(RECORDS)
    wait(f"{last.name} reads it", lambda: not site.lost())
    assert last.end(15) == 0, f"{last.name} did not end well"
    assert set(site.owners().values()) == {""}, "leases of workers that have left"


def main():
    follows = sys.argv[2] == "following"
    steps = (change_rules,) if follows else (kill_one,)
    with tempfile.TemporaryDirectory() as folder:
        site = Site(sys.argv[1], folder)
        site.create_table([INDEX] if follows else [])
        try:
            for step in (take_and_share, *steps, leave):
                step(site)
        except AssertionError:
            for log in sorted(site.folder.glob("*.log")):
                print(f"--- {log.name}\n{log.read_text()}")
            print(site.owners(), site.others())
            raise
    print("OK")
    return 0


if __name__ == "__main__":
    fleet.run_as_test(main)
