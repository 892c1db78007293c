#!/usr/bin/env python3
"""What becomes of aggregated records around a split.

KPL packs user records by its map of the shards. After a split the map is old, and an aggregate for
the parent lands in one of the children. By the first such answer KPL reads the map anew. Of the
aggregates that it had packed by then, it counts the user records that belong to the child as
acknowledged and puts the others again (its Retrier::succeed_if_correct_shard). Java KCL drops an
aggregate in which it finds a record of another shard, acknowledged ones too. weir takes what
belongs to the shard.

The input is always the same: 1,000 user records in aggregates of 20, with the map of one shard,
into a stream that was split a moment ago.

    kpl_loss.py [--weir PROGRAM] [--java] [--folder DIR]

Exit status 0: weir, if asked for, lost none; 77: a server cannot be had.
"""

import argparse
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "peers"))
import fleet  # noqa: E402

RECORDS = 1000
PER_AGGREGATE = 20
TIME_LIMIT_S = 120
# After the last record nothing more comes for so long: the rest will not come.
QUIET_S = 10


def split_and_put(site):
    """What the producer acknowledged."""
    site.kinesis.call(
        "SplitShard",
        StreamName=site.stream,
        ShardToSplit=site.open_shards()[0]["ShardId"],
        NewStartingHashKey=str(2**127),
    )
    site.wait_active()
    producer = site.put("put", records=RECORDS, aggregate=PER_AGGREGATE, map=1)
    print("producer:", producer.communicate()[0].strip())
    assert producer.returncode == 0
    return {index for index, *_ in fleet.read_put(site.folder / "put")}


def processed_by(worker, wanted):
    """Distinct records it processed, once all came or no more come."""
    before, quiet = -1, 0

    def finished():
        nonlocal before, quiet
        now = len(worker.entries())
        quiet = quiet + 1 if now == before and now > 0 else 0
        before = now
        return quiet >= QUIET_S or {e[2] for e in worker.entries()} >= wanted

    fleet.wait_until(finished, TIME_LIMIT_S, 1)
    worker.terminate()
    return {entry[2] for entry in worker.entries()}


def start(site, kind, program):
    site.table = f"kpl-{kind}"
    if kind == "java":
        worker = fleet.JavaWorker(site, kind, failover_ms=1000, reporter_ms=1000, shard_sync_ms=0)
    else:
        worker = fleet.WeirWorker(site, kind, program, **{"from": "TRIM_HORIZON"})
    worker.table = site.table
    return worker


def report(name, wanted, processed):
    lost = wanted - processed
    result = {"consumer": name, "acknowledged": len(wanted), "processed": len(processed & wanted)}
    print(json.dumps({**result, "lost": len(lost)}), flush=True)
    return len(lost)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", help="the program `weir`")
    parser.add_argument("--java", action="store_true")
    parser.add_argument("--folder", default=None)
    given = parser.parse_args()
    fleet.fetch("dynamodb", "kinesis-mock", *(["java-kcl"] if given.java else []))
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or temporary
        kinesis, _ = fleet.start_server("kinesis-mock")
        dynamodb, _ = fleet.start_server("dynamodb")
        site = fleet.Site(folder, kinesis, dynamodb, "kpl", "")
        site.create_stream(1)
        workers = [
            start(site, kind, given.weir) for kind in ("java", "weir") if getattr(given, kind)
        ]
        for worker in workers:
            site.table = worker.table
            assert fleet.wait_until(
                lambda: any(site.owners().values()), TIME_LIMIT_S
            ), "not started"
        wanted = split_and_put(site)
        lost = {w.kind: report(w.kind, wanted, processed_by(w, wanted)) for w in workers}
    return 1 if lost.get("weir") else 0


if __name__ == "__main__":
    fleet.run_as_test(main)
