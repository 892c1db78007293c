#!/usr/bin/env python3
"""weir and Java KCL side by side, on the same servers, in one run.

    compare.py --build BUILD_FOLDER [--only NAME,...] [--java-only | --weir-only] [--quick]
               [--encoding json,cbor]

Prints a line per figure: {"figure", "weir", "java", "ratio"}; ratio is weir/Java, below 1 is less.
Figures: cpu (CPU seconds per million records of 100 B and 1 KiB, no-op processor, from a stream that
gives whatever is asked for and from one with Kinesis' limits, which weir keeps by itself), memory
(resident, idle), start (process start to first record), failover (kill -9 to first record
elsewhere, failover 10 s), cost (requests and capacity units of the lease table per worker-hour and
shard-hour). --encoding says how cpu asks for records. Servers do not check signatures, but weir and
Java sign. Exit status 77: a server cannot be had.
"""

import argparse
import concurrent.futures
import itertools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "peers"))
import fleet  # noqa: E402

SHARDS = 4
STREAM = "compare"
# Bytes of a record, records.
CPU_SIZES = ((100, 1000000), (1024, 400000))
START_LIMIT_S = 300
FAILOVER_LIMIT_S = 240
FAILOVER_MS = 10000
LOAD_RECORDS_PER_S = 20
POLL_S = 0.05
SETTLE_S = 20


class CountWorker(fleet.Worker):
    """weir without the cost of printing: bench/javakcl/count_worker.c."""

    kind = "weir"

    def __init__(self, site, name, program, stop_after=0, encoding="json", **options):
        super().__init__(site, name)
        self.events = site.folder / f"{name}.events"
        words = {
            "application": site.table,
            "stream": f"{fleet.stream_url(site)}&encoding={encoding}",
            "table": fleet.table_url(site),
            "worker_id": name,
            "lease_duration_ms": f"{FAILOVER_MS}ms",
            **options,
        }
        command = [program, str(stop_after), *(f"{k}={v}" for k, v in words.items())]
        with open(self.events, "a") as out, open(site.folder / f"{name}.log", "a") as log:
            self.process = subprocess.Popen(
                [*fleet.BOUND, *command], stdout=out, stderr=log, env=fleet.environment()
            )


class Sides:
    """Starts a worker of either kind, counting or with a ledger."""

    def __init__(self, given):
        self.given = given
        self.kinds = ["java"] * (not given.weir_only) + ["weir"] * (not given.java_only)
        self.build = pathlib.Path(given.build)

    def count(self, kind, site, name, stop_after=0, encoding="json", **java):
        if kind == "weir":
            return CountWorker(site, name, str(self.count_program()), stop_after, encoding)
        options = {"idle_ms": 200, "failover_ms": FAILOVER_MS, "encoding": encoding, **java}
        return fleet.JavaWorker(site, name, ledger=False, stop_after=stop_after, **options)

    def count_program(self):
        return self.build / "bench" / "javakcl" / "count_worker"

    def ledger(self, kind, site, name, elsewhere):
        if kind == "weir":
            options = {"from": "TRIM_HORIZON", "lease_duration": f"{FAILOVER_MS}ms"}
            options["elsewhere"] = elsewhere
            return fleet.WeirWorker(site, name, str(self.build / "weir"), **options)
        return fleet.JavaWorker(site, name, idle_ms=200, failover_ms=FAILOVER_MS, shard_sync_ms=0)


def read_events(worker):
    """Events so far: (epoch ms, name, {key: number})."""
    events = []
    for line in worker.events.read_text().splitlines():
        words = line.split()
        if len(words) >= 3 and words[0] == "EV":
            numbers = dict(w.split("=") for w in words[3:] if "=" in w)
            events.append((int(words[1]), words[2], {k: float(v) for k, v in numbers.items()}))
    return events


def event(worker, name, seconds=START_LIMIT_S):
    """The first event of this name, once it is there."""

    def found():
        return any(e[1] == name for e in read_events(worker)) or not worker.is_running()

    fleet.wait_until(found, seconds, POLL_S)
    return next(e for e in read_events(worker) if e[1] == name)


def report(figure, values):
    line = {"figure": figure, "weir": values.get("weir"), "java": values.get("java")}
    if line["weir"] is not None and line["java"]:
        line["ratio"] = float(f"{line['weir'] / line['java']:.3g}")
    print(json.dumps(line), flush=True)


class Bench:
    def __init__(self, folder, given):
        self.folder, self.given = pathlib.Path(folder), given
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sides = Sides(given)
        self.dynamodb, _ = fleet.start_server("dynamodb")
        self.numbers = itertools.count(1)

    @staticmethod
    def side_by_side(work, cases):
        """Results by case. What mostly waits may as well wait together."""
        with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
            running = {case: pool.submit(work, *case) for case in cases}
            return {case: future.result() for case, future in running.items()}

    def site(self, kinesis, dynamodb=None):
        """A table of its own on this stream."""
        name = f"compare-{next(self.numbers)}"
        return fleet.Site(self.folder / name, kinesis, dynamodb or self.dynamodb, STREAM, name)

    def cpu(self):
        """As fast as a side asks, and from shards that give 2 MB/s each as those of Kinesis do."""
        limits = {"no limits of the stream": 0, "limits of Kinesis": 1}
        for (size, records), words in itertools.product(CPU_SIZES, limits):
            records //= 5 if self.given.quick else 1
            stream = {"shards": SHARDS, "records": records // SHARDS, "size": size}
            stream["limits"] = limits[words]
            arguments = [text for k, v in stream.items() for text in (f"--{k}", v)]
            url, pid = fleet.start_server("canned", *arguments)
            for encoding in self.given.encoding.split(","):
                costs = {k: self.cpu_of(k, url, records, encoding) for k in self.sides.kinds}
                name = f"CPU seconds per million records of {size} B in {encoding}, {words}"
                report(name, costs)
            fleet.stop_server(pid)

    def cpu_of(self, kind, url, records, encoding):
        site = self.site(url)
        worker = self.sides.count(kind, site, kind, records, encoding, shard_sync_ms=0)
        first, done = event(worker, "first")[2], event(worker, "done")[2]
        worker.process.wait()
        return round((done["cpu_s"] - first["cpu_s"]) / records * 1e6, 3)

    def start(self):
        results = self.side_by_side(self.start_of, [(kind,) for kind in self.sides.kinds])
        for figure in ("empty table", "table left by a worker that was asked to end", "memory"):
            values = {kind: result[figure] for (kind,), result in results.items()}
            if figure == "memory":
                report(f"resident KiB, idle, {SHARDS} shards", values)
            else:
                report(f"seconds from start to first record, {figure}", values)

    def start_of(self, kind):
        """On an empty table, then again on the table it left; memory once all is read."""
        url, pid = fleet.start_server("canned", "--shards", SHARDS, "--records", 1000)
        site = self.site(url)
        values = {}
        for case in ("empty table", "table left by a worker that was asked to end"):
            begun = time.time()
            worker = self.sides.count(kind, site, f"{kind}-{len(values)}")
            values[case] = round(event(worker, "first")[0] / 1000 - begun, 2)
            time.sleep(SETTLE_S)
            values["memory"] = worker.usage()[1]
            worker.terminate()
            for lease in site.leases():
                self.rewind(site, lease)
        fleet.stop_server(pid)
        return values

    @staticmethod
    def rewind(site, lease):
        """So that there is a record to come."""
        site.dynamodb.call(
            "UpdateItem",
            TableName=site.table,
            Key={"leaseKey": {"S": lease}},
            UpdateExpression="SET checkpoint = :c",
            ExpressionAttributeValues={":c": {"S": "TRIM_HORIZON"}},
        )

    def failover(self):
        """kill -9 of one of two workers, the one that leads and the other; a record each 50 ms.
        Java KCL does not care where a process was; weir, on one host, sees it end."""
        hosts = (False, True) if can_be_elsewhere() else (False,)
        for victim in ("follower", "leader"):
            cases = [("weir", victim, host) for host in hosts if "weir" in self.sides.kinds]
            if "java" in self.sides.kinds:
                cases = [("java", victim, False), *cases]
            found = self.side_by_side(self.failover_of, cases)
            for host in hosts:
                place = "elsewhere, on another host" if host else "elsewhere, on the same host"
                name = f"seconds from kill -9 of the {victim} to its shards' first record {place}"
                java = found.get(("java", victim, False))
                report(name, {"java": java, "weir": found.get(("weir", victim, host))})

    def failover_of(self, kind, victim, elsewhere):
        url, pid = fleet.start_server("kinesalite")
        site = self.site(url)
        site.create_stream(SHARDS)
        producer = site.put("put", records=10**6, rate=LOAD_RECORDS_PER_S)
        workers = {}
        for i in (1, 2):
            name = f"{kind}-{i}"
            workers[name] = self.sides.ledger(kind, site, name, elsewhere)
            fleet.wait_until(lambda n=name: n in site.owners().values(), START_LIMIT_S, 0.2)

        def quiet():
            rows = site.leases().values()
            return len({r.get("leaseOwner") for r in rows}) == 2 and not any(
                "checkpointOwner" in r for r in rows
            )

        fleet.wait_until(quiet, START_LIMIT_S, 0.2)
        time.sleep(FAILOVER_MS / 1000)
        leads = site.leader()
        name = next(n for n in workers if (n == leads) == (victim == "leader"))
        shards = {k for k, owner in site.owners().items() if owner == name}
        other = next(n for n in workers if n != name)
        killed_ms = time.time() * 1000
        workers[name].kill()

        def first():
            return next(
                (
                    e
                    for e in workers[other].entries()
                    if e.recv_ms > killed_ms and e.shard in shards
                ),
                None,
            )

        fleet.wait_until(lambda: first() is not None, FAILOVER_LIMIT_S, 0.2)
        found = first()
        producer.kill()
        producer.wait()
        workers[other].kill()
        fleet.stop_server(pid)
        return round((found.recv_ms - killed_ms) / 1000, 2) if found else None

    def cost(self):
        """Idle, two sizes of fleet and stream give the share of a worker and of a shard."""
        fleets = {"few": (SHARDS, 1), "many shards": (4 * SHARDS, 1), "more workers": (SHARDS, 2)}
        cases = [(k, *size, 0) for k in self.sides.kinds for size in fleets.values()]
        cases += [(k, SHARDS, 1, LOAD_RECORDS_PER_S) for k in self.sides.kinds]
        found = self.side_by_side(self.traffic, cases)
        for unit in ("requests", "write units", "read units"):
            per_shard, per_worker, loaded = {}, {}, {}
            for kind in self.sides.kinds:
                few, many, more = (found[kind, *s, 0][unit] for s in fleets.values())
                per_shard[kind] = round((many - few) / (3 * SHARDS), 1)
                per_worker[kind] = round(more - few, 1)
                loaded[kind] = round(found[kind, SHARDS, 1, LOAD_RECORDS_PER_S][unit], 1)
            report(f"{unit} of the table per shard-hour, idle", per_shard)
            report(f"{unit} of the table per worker-hour beyond the first, idle", per_worker)
            load = f"{LOAD_RECORDS_PER_S} records/s"
            report(f"{unit} of the table per hour, {SHARDS} shards, 1 worker, {load}", loaded)

    def traffic(self, kind, shards, workers, load):
        """Per hour, of a fleet that has settled: requests, write and read units."""
        window_s = 30 if self.given.quick else 90
        source = "kinesalite" if load else "canned"
        arguments = [] if load else ["--shards", shards, "--records", 10]
        url, pid = fleet.start_server(source, *arguments)
        log = self.folder / f"requests-{next(self.numbers)}.jsonl"
        proxy, proxy_pid = fleet.start_server("ddb-proxy", "--to", self.dynamodb, "--log", log)
        site = self.site(url, proxy)
        if load:
            site.create_stream(shards)
            producer = site.put("put", records=10**6, rate=load)
        running = [
            self.sides.count(kind, site, f"{kind}-{i}", shard_sync_ms=0) for i in range(workers)
        ]
        look = fleet.Site(site.folder, url, self.dynamodb, STREAM, site.table)

        def settled():
            owners = look.owners().values()
            return len(owners) == shards and set(owners) == {w.name for w in running}

        fleet.wait_until(settled, START_LIMIT_S, 0.5)
        time.sleep(2 * FAILOVER_MS / 1000)
        begun = time.time()
        time.sleep(window_s)
        ended = time.time()
        if load:
            producer.kill()
            producer.wait()
        for worker in running:
            worker.kill()
        fleet.stop_server(proxy_pid)
        fleet.stop_server(pid)
        return per_hour(log, site.table, begun, ended)


def can_be_elsewhere():
    return (
        subprocess.run([*fleet.ELSEWHERE, "true"], check=False, capture_output=True).returncode == 0
    )


def per_hour(log, table, begun, ended):
    writes = {"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem"}
    sums = {"requests": 0, "write units": 0.0, "read units": 0.0}
    for line in log.read_text().splitlines():
        request = json.loads(line)
        if begun <= request["t"] / 1000 < ended and request.get("table", table) == table:
            sums["requests"] += 1
            sums["write units" if request["operation"] in writes else "read units"] += request[
                "units"
            ]
    return {unit: value * 3600 / (ended - begun) for unit, value in sums.items()}


def main():
    names = ("start", "cpu", "failover", "cost")
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--only", default=",".join(names))
    parser.add_argument("--java-only", action="store_true")
    parser.add_argument("--weir-only", action="store_true")
    parser.add_argument("--encoding", default="json", help="of cpu: json, cbor, or json,cbor")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder")
    given = parser.parse_args()
    fleet.fetch("dynamodb", *[] if given.weir_only else ["java-kcl"], "kinesalite", "canned")
    os.environ.setdefault("JAVA_KCL_OPTIONS", "-Xmx512m")
    with tempfile.TemporaryDirectory() as temporary:
        bench = Bench(given.folder or temporary, given)
        for name in given.only.split(","):
            getattr(bench, name)()
    return 0


if __name__ == "__main__":
    fleet.run_as_test(main)
