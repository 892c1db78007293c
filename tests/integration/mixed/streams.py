#!/usr/bin/env python3
"""Rows of an application of several streams, written by one side and read by the other.

Java KCL with a MultiStreamTracker works on two streams, one of which is split; weir goes on with its
table, the other one is split; Java KCL goes on with weir's. Every record comes, every row has Java's
form whoever wrote it, Java complains about none, and weir shows them all.

    streams.py --weir PROGRAM [--folder DIR]
"""

import pathlib
import subprocess
import sys

import rows

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "peers"))
import fleet  # noqa: E402

STREAMS = ("orders", "payments")
TABLE = "streams"
SHARDS = 2


def identifier(site):
    """As Java serializes it."""
    answer = site.kinesis.call("DescribeStreamSummary", StreamName=site.stream)
    summary = answer["StreamDescriptionSummary"]
    account = summary["StreamARN"].split(":")[4]
    return f"{account}:{site.stream}:{int(summary['StreamCreationTimestamp'])}"


def check_form(site, identifiers, names):
    """Every row has what Java's have, and `names` shards have one."""
    found = []
    for key, row in site.leases().items():
        stream, _, shard = key.rpartition(":")
        if stream not in identifiers:
            found.append(f"{key} is of no stream that is read")
        if row.get("streamName") != stream or row.get("shardId") != shard:
            found.append(f"{key}: streamName {row.get('streamName')}, shardId {row.get('shardId')}")
        for ids in (row.get("parentShardId", []), row.get("childShardIds", [])):
            if any(":" in one for one in ids):
                found.append(f"{key} names {ids}")
    if len(site.leases()) != names:
        found.append(f"{len(site.leases())} leases instead of {names}")
    return found


def refused(site, one, program):
    """A worker of one of the streams alone: the rows have another form than its own would have."""
    command = [program, "worker", "--app", site.table, "--stream", fleet.stream_url(one)]
    command += ["--table", fleet.table_url(site), "--print"]
    done = subprocess.run(
        command, capture_output=True, env=fleet.environment(), text=True, check=False, timeout=60
    )
    if done.returncode == 0 or "or several" not in done.stderr:
        return [f"a worker of one stream joined, or does not say why not: {done.stderr}"]
    return []


def run(site, sites, program):
    steps = rows.Steps(sites)
    for one in sites:
        one.create_stream(SHARDS)
    identifiers = [identifier(one) for one in sites]
    listed = ",".join(identifiers)
    steps.put_more()
    first = fleet.JavaWorker(site, "java-1", stream=listed, **rows.JAVA)
    steps.work(first)
    sites[0].split()
    steps.put_more()
    steps.work(first)
    found = rows.compare_with_table(site, program)
    first.terminate()
    found += refused(site, sites[0], program)
    found += check_form(site, identifiers, 2 * SHARDS + 2)

    before = site.leases()
    steps.put_more()
    weir = fleet.WeirWorker(
        site, "weir-1", program, lease_duration="1000ms", shard_sync_interval="1s"
    )
    steps.work(weir)
    sites[1].split()
    steps.put_more()
    steps.work(weir)
    found += rows.compare_with_table(site, program)
    weir.terminate()
    found += rows.lost_attributes(before, site.leases())
    found += check_form(site, identifiers, 2 * SHARDS + 4)

    steps.put_more()
    second = fleet.JavaWorker(site, "java-2", stream=listed, **rows.JAVA)
    steps.work(second)
    second.terminate()
    found += check_form(site, identifiers, 2 * SHARDS + 4)
    return found + rows.complaints_of(site, first) + rows.complaints_of(site, second)


if __name__ == "__main__":
    fleet.run_as_test(lambda: rows.with_servers("streams", STREAMS, TABLE, run))
