#!/usr/bin/env python3
"""Rows of the lease table, written by one side and read by the other.

Java KCL works on a stream, splits happen, it ends. `weir app describe` must show every lease row
as it stands in the table. Then weir works on the same table, alone, and ends; then Java KCL goes
on, and must take every lease without a complaint about a row. Nothing is lost on the way, and no
attribute of Java's rows is.

    rows.py --weir PROGRAM [--folder DIR]
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "peers"))
import fleet  # noqa: E402

SHARDS = 2
STREAM = "rows"
PER_STEP = 200
LIMIT_S = 180
JAVA = {"failover_ms": 1000, "reporter_ms": 1000, "shard_sync_ms": 0, "parent_poll_ms": 500}
JAVA.update({"leader_lease_ms": 4000, "leader_heartbeat_ms": 1000})
# What Java KCL logs when it cannot make sense of a row.
COMPLAINTS = (
    "Failed to deserialize",
    "Unable to deserialize",
    "Invalid lease",
    "NullPointerException",
)


class Steps:
    """Puts records into all streams step by step, and knows whether they were processed."""

    def __init__(self, sites):
        self.sites, self.put, self.ledgers = sites, 0, []

    def put_more(self):
        for site in self.sites:
            producer = site.put(f"put-{site.stream}", first=self.put, records=PER_STEP)
            producer.communicate()
            assert producer.returncode == 0
            self.put += PER_STEP

    def unprocessed(self):
        wanted = set()
        for site in self.sites:
            wanted |= {p.index for p in fleet.read_put(site.folder / f"put-{site.stream}")}
        return wanted - {e.index for worker in self.ledgers for e in worker.entries()}

    def work(self, worker):
        """Until the workers so far have processed everything."""
        if worker not in self.ledgers:
            self.ledgers.append(worker)
        took = fleet.wait_until(lambda: not self.unprocessed(), LIMIT_S, 0.2)
        assert took is not None, f"{worker.name} did not process {len(self.unprocessed())} records"
        print(f"{worker.name}: all processed after {took:.1f} s", flush=True)


def describe(site, program):
    command = [program, "app", "describe", site.table, "--json"]
    command += ["--table", fleet.table_url(site)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, env=fleet.environment(), text=True, check=True
    )
    return json.loads(done.stdout)


def compare_with_table(site, program):
    """Every row of Java's, as weir shows it."""
    found = []
    shown = {shard["shard_id"]: shard for shard in describe(site, program)["shards"]}
    for key, row in site.leases().items():
        if key not in shown:
            found.append(f"weir does not show {key}")
            continue
        shard = shown[key]
        checkpoint = json.dumps(shard["checkpoint"])
        if row["checkpoint"] not in checkpoint:
            found.append(f"{key}: checkpoint {row['checkpoint']}, weir shows {checkpoint}")
        if row["checkpoint"] == "SHARD_END":
            continue  # of a finished shard weir shows no owner
        if ((shard["owner"] or "").split("@")[0] or None) != row.get("leaseOwner"):
            found.append(f"{key}: owner {row.get('leaseOwner')}, weir shows {shard['owner']}")
    return found


def lost_attributes(before, after):
    """Rows that both have keep what Java wrote into them, but for what the protocol removes."""
    removable = {"checkpointOwner", "leaseOwner", "throughputKBps"}
    found = []
    for key in set(before) & set(after):
        gone = set(before[key]) - set(after[key]) - removable
        if gone:
            found.append(f"{key} lost {sorted(gone)}")
        if after[key].get("entityType") != "LEASE":
            found.append(f"{key} has entityType {after[key].get('entityType')}")
    return found


def complaints_of(site, worker):
    log = (site.folder / f"{worker.name}.log").read_text()
    return [f"{worker.name} logged {c!r}" for c in COMPLAINTS if c in log]


def run(site, sites, program):
    steps = Steps(sites)
    site.create_stream(SHARDS)
    steps.put_more()
    first = fleet.JavaWorker(site, "java-1", **JAVA)
    steps.work(first)
    site.split()
    steps.put_more()
    steps.work(first)
    found = compare_with_table(site, program)
    first.terminate()
    found += compare_with_table(site, program)

    before = site.leases()
    steps.put_more()
    weir = fleet.WeirWorker(site, "weir-1", program, lease_duration="1000ms")
    steps.work(weir)
    site.split()
    steps.put_more()
    steps.work(weir)
    found += compare_with_table(site, program)
    weir.terminate()
    found += lost_attributes(before, site.leases())

    steps.put_more()
    second = fleet.JavaWorker(site, "java-2", **JAVA)
    steps.work(second)
    second.terminate()
    return found + complaints_of(site, first) + complaints_of(site, second)


def with_servers(what, streams, table, run):
    """The program: run(site with all streams, site of each, path of weir) gives what is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True)
    parser.add_argument("--folder")
    given = parser.parse_args()
    fleet.fetch("dynamodb", "kinesis-mock", "java-kcl")
    with tempfile.TemporaryDirectory() as temporary:
        kinesis, _ = fleet.start_server("kinesis-mock")
        dynamodb, _ = fleet.start_server("dynamodb")
        folder = given.folder or temporary
        sites = [fleet.Site(folder, kinesis, dynamodb, stream, table) for stream in streams]
        site = fleet.Site(folder, kinesis, dynamodb, ",".join(streams), table)
        found = run(site, sites, given.weir)
    for finding in found:
        print("VIOLATION:", finding)
    print(f"{what}:", f"{len(found)} violations" if found else "each side reads the other's rows")
    return 1 if found else 0


if __name__ == "__main__":
    fleet.run_as_test(lambda: with_servers("rows", [STREAM], STREAM, run))
