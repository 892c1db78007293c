"""Servers and workers as child processes, and their ledgers, for tests and measurements."""

import collections
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

from aws_json import Client, ServiceError

HERE = pathlib.Path(__file__).resolve().parent
PEERS = str(HERE / "peers.sh")
SKIPPED = 77
# A child ends with us, whatever ends us.
BOUND = ["setpriv", "--pdeathsig", "KILL", "--"]
REGION = "us-east-1"
# In a pid namespace of its own, so that for weir it is on another host: nobody sees it end.
ELSEWHERE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Unavailable(Exception):
    """A peer cannot be fetched here; the reason has been printed."""


def fetch(*names):
    """Bring peers into the cache."""
    done = subprocess.run([PEERS, "fetch", *names], check=False)
    if done.returncode == SKIPPED:
        raise Unavailable
    done.check_returncode()


def start_server(name, *arguments):
    """Start one; gives its URL and process id."""
    done = subprocess.run(
        [PEERS, "start", name, "--for", str(os.getpid()), "--", *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == SKIPPED:
        raise Unavailable
    done.check_returncode()
    words = dict(word.split("=", 1) for word in done.stdout.split())
    if name == "dynamodb":
        warm_up(Client("dynamodb", words["ENDPOINT"]))
    return words["ENDPOINT"], int(words["PID"])


def warm_up(dynamodb):
    """Its first answers take seconds on a busy machine; no lease waits so long."""
    table = {"TableName": "warm-up"}
    key = {"leaseKey": {"S": "a"}}
    dynamodb.call(
        "CreateTable",
        **table,
        KeySchema=[{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "leaseKey", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    for i in range(20):
        dynamodb.call("PutItem", **table, Item={**key, "n": {"N": str(i)}})
        dynamodb.call(
            "UpdateItem",
            **table,
            Key=key,
            UpdateExpression="SET n = n + :one",
            ConditionExpression="n = :seen",
            ExpressionAttributeValues={":one": {"N": "1"}, ":seen": {"N": str(i)}},
        )
        dynamodb.call("GetItem", **table, Key=key)
        dynamodb.call("Scan", **table)
    dynamodb.call("DeleteTable", **table)


def stop_server(pid):
    subprocess.run([PEERS, "stop", str(pid)], check=True)


def run_as_test(main):
    """Exit with what main() returns, or as skipped."""
    try:
        sys.exit(main())
    except Unavailable:
        sys.exit(SKIPPED)


def wait_until(condition, seconds, poll=0.1):
    """Seconds until condition() is true; None if it takes longer than that."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            return None
        time.sleep(poll)
    return time.monotonic() - start


def read_rows(dynamodb, table):
    """Rows of a lease table by key, plain values. weir makes a worker's name unique for each start
    by what follows an @; here the name is enough."""
    rows = [{k: next(iter(v.values())) for k, v in r.items()} for r in dynamodb.scan(table)]
    for row in rows:
        for name in {"leaseOwner", "checkpointOwner", "ownerName"} & set(row):
            row[name] = row[name].split("@")[0]
    return {row["leaseKey"]: row for row in rows}


# What a renewal writes.
RENEWED = {"leaseCounter", "weirCounter", "throughputKBps"}


def count_renewals(before, after):
    """Of a lease, between two looks at it; at least so many. What else is written raises the
    counter as well, nobody knows how often."""
    rest = [{k: v for k, v in row.items() if k not in RENEWED} for row in (before, after)]
    if rest[0] != rest[1]:
        return 0
    return int(after["leaseCounter"]) - int(before["leaseCounter"])


def renewals_in(passes, duration_ms):
    """As many as a worker needs for so many passes of its taker, or more: a pass comes every
    2 (D + 25 ms), a renewal every D / 4 at weir, every D / 3 - 25 ms at Java KCL."""
    return math.ceil(passes * 2 * (duration_ms + 25) / (duration_ms / 4))


class Rest:
    """Looks at leases until each of their owners has made so many renewals, or one of them has
    another owner. Not for seconds: in them a worker that does not come to run takes nothing."""

    def __init__(self, read_leases, renewals):
        self.read, self.wanted = read_leases, renewals
        self.seen = read_leases()
        self.before = self.after = self.owners()
        self.made = dict.fromkeys(self.seen, 0)

    def owners(self):
        return {key: row.get("leaseOwner") for key, row in self.seen.items()}

    def renewals(self):
        """Of each owner: what was seen of one lease of its, for all are renewed together."""
        made = {}
        for key, owner in self.before.items():
            made[owner] = max(made.get(owner, 0), self.made[key])
        return made

    def is_decided(self):
        last, self.seen = self.seen, self.read()
        self.after = self.owners()
        if self.after != self.before:
            return True
        for key, row in self.seen.items():
            self.made[key] += count_renewals(last[key], row)
        return min(self.renewals().values()) >= self.wanted


def leases_stay(read_leases, renewals, seconds):
    """Whether they stay with their owners for so many renewals of each; that takes no longer than
    `seconds`."""
    rest = Rest(read_leases, renewals)
    took = wait_until(rest.is_decided, seconds)
    assert took is not None, f"of {renewals} renewals in {seconds} s: {rest.renewals()}"
    if rest.after != rest.before:
        print(f"{rest.before} became {rest.after}", flush=True)
        return False
    print(f"leases stay for {rest.renewals()} renewals: {took:.1f} s", flush=True)
    return True


class Site:
    """A stream and a lease table: where they are, and how to look at them."""

    def __init__(self, folder, kinesis, dynamodb, stream, table):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kinesis_url, self.dynamodb_url = kinesis, dynamodb
        self.kinesis = Client("kinesis", kinesis)
        self.dynamodb = Client("dynamodb", dynamodb)
        self.stream, self.table = stream, table

    def create_stream(self, shards):
        self.kinesis.call("CreateStream", StreamName=self.stream, ShardCount=shards)
        self.wait_active()

    def wait_active(self):
        def active():
            answer = self.kinesis.call("DescribeStreamSummary", StreamName=self.stream)
            return answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE"

        wait_until(active, 30, 0.05)

    def open_shards(self):
        return [
            s
            for s in self.kinesis.list_shards(self.stream)
            if not s["SequenceNumberRange"].get("EndingSequenceNumber")
        ]

    def rows(self):
        """As read_rows() gives them; {} while there is no table."""
        try:
            return read_rows(self.dynamodb, self.table)
        except ServiceError as error:
            if error.name == "ResourceNotFoundException":
                return {}
            raise

    def leases(self):
        return {k: r for k, r in self.rows().items() if r.get("entityType", "LEASE") == "LEASE"}

    def owners(self):
        return {key: row.get("leaseOwner") for key, row in self.leases().items()}

    def leader(self):
        return self.rows().get("Leader", {}).get("ownerName")

    def split(self):
        """Halve the first open shard; gives what it was."""
        shard = self.open_shards()[0]
        bounds = shard["HashKeyRange"]
        middle = (int(bounds["StartingHashKey"]) + int(bounds["EndingHashKey"])) // 2
        self.kinesis.call(
            "SplitShard",
            StreamName=self.stream,
            ShardToSplit=shard["ShardId"],
            NewStartingHashKey=str(middle),
        )
        self.wait_active()
        return shard

    def put(self, ledger, **options):
        """The producer, as a child process."""
        words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        words = [part for word in words for part in word.split("=", 1)]
        command = ["node", str(HERE / "put_records.js"), "--kinesis", self.kinesis_url]
        command += ["--stream", self.stream, "--ledger", str(self.folder / ledger), *words]
        return subprocess.Popen([*BOUND, *command], stdout=subprocess.PIPE, text=True)


class Worker:
    """What both kinds have in common: a process, a name, a ledger."""

    kind = ""

    def __init__(self, site, name):
        self.site, self.name = site, name
        self.ledger = site.folder / f"{name}.ledger"
        self.process = None

    def signal(self, number):
        os.kill(self.process.pid, number)

    def is_running(self):
        return self.process.poll() is None

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self, seconds=60):
        """SIGTERM; True if it ended in time."""
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        return True

    def usage(self):
        """CPU seconds and resident KiB so far."""
        fields = (
            pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        )
        ticks = os.sysconf("SC_CLK_TCK")
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return (int(fields[11]) + int(fields[12])) / ticks, int(resident.split()[1])

    def has_logged(self, words):
        return words in (self.site.folder / f"{self.name}.log").read_text()

    def entries(self):
        """Its ledger so far."""
        return read_ledger(self.ledger)


class JavaWorker(Worker):
    kind = "java"

    def __init__(
        self, site, name, ledger=True, version="java-kcl", level="WARN", encoding="json", **options
    ):
        super().__init__(site, name)
        settings = {"level": level, "JAVA_KCL_CBOR": "true" if encoding == "cbor" else "false"}
        options = {
            "stream": site.stream,
            "table": site.table,
            "kinesis": site.kinesis_url,
            "dynamodb": site.dynamodb_url,
            "worker_id": name,
            **({"ledger": self.ledger} if ledger else {}),
            **options,
        }
        words = [w for k, v in options.items() for w in ("--" + k.replace("_", "-"), str(v))]
        self.events = site.folder / f"{name}.events"
        with open(self.events, "a") as out, open(site.folder / f"{name}.log", "a") as log:
            self.process = subprocess.Popen(
                [*BOUND, PEERS, "exec", version, *words],
                stdout=out,
                stderr=log,
                env={**os.environ, **settings},
            )


def stream_url(site):
    return f"kinesis:{site.stream}?region={REGION}&endpoint={site.kinesis_url}"


def table_url(site):
    return f"dynamodb:{site.table}?region={REGION}&endpoint={site.dynamodb_url}&create=if-missing"


def environment():
    """With keys that servers accept which check none."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIDFAKE", "AWS_SECRET_ACCESS_KEY": "fake"}
    return {**os.environ, **keys, "AWS_EC2_METADATA_DISABLED": "true"}


class WeirWorker(Worker):
    """A `weir worker --print` whose lines become a ledger. Lines are in the pipe, and so in the
    ledger, before weir checkpoints them."""

    kind = "weir"

    def __init__(self, site, name, program, elsewhere=False, **options):
        super().__init__(site, name)
        words = [w for k, v in options.items() for w in ("--" + k.replace("_", "-"), str(v))]
        command = [program, "worker", "--app", site.table, "--stream", stream_url(site)]
        command += ["--table", table_url(site), "--id", name, "--print", *words]
        if elsewhere:
            command = [*ELSEWHERE, *command]
        with open(site.folder / f"{name}.log", "a") as log:
            self.process = subprocess.Popen(
                [*BOUND, *command],
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment(),
            )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with open(self.ledger, "a", buffering=1) as ledger:
            for line in self.process.stdout:
                now = time.time_ns() // 1000000
                record = json.loads(line)
                put_ms, index = record["data"].split(":", 2)[:2]
                ledger.write(
                    f"{now} {put_ms} {index} {record['shard_id']} {record['sequence_number']}"
                    f" {record['sub_sequence_number']} {record['lease_epoch']}\n"
                )


Entry = collections.namedtuple("Entry", "recv_ms put_ms index shard sequence sub life")


def read_ledger(path):
    """Entries of a consumer's ledger; a torn last line is none."""
    entries = []
    if not pathlib.Path(path).exists():
        return entries
    with open(path) as lines:
        for line in lines:
            words = line.split()
            if line.endswith("\n") and len(words) == len(Entry._fields):
                numbers = [int(word) for word in words[:3] + words[4:]]
                entries.append(Entry(*numbers[:3], words[3], *numbers[3:]))
    return entries


Put = collections.namedtuple("Put", "index put_ms shard sequence")


def read_put(path):
    """What the producer's ledger has of each acknowledged record."""
    with open(path) as lines:
        rows = [line.split() for line in lines if line.endswith("\n")]
    return [Put(int(r[0]), int(r[1]), r[2], int(r[3])) for r in rows]
