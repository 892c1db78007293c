#!/usr/bin/env python3
"""`weir worker` on subscriptions that end, break, lie and fall silent: nothing is lost, nothing
comes twice, and everything is in order.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
# Whose packages are Debian's, in case that another Python comes first.
DEBIAN_PYTHON = "/usr/bin/python3"
try:
    import fanout_server  # noqa: E402
    from fanout_server import Shard
except ImportError as missing:
    if sys.argv[-1] != "--debian" and os.access(DEBIAN_PYTHON, os.X_OK):
        os.execv(DEBIAN_PYTHON, [DEBIAN_PYTHON, *sys.argv, "--debian"])
    print(f"skipped: needs python3-h2 ({missing})")
    sys.exit(77)

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "peers"))
from fleet import wait_until  # noqa: E402

WEIR = os.environ["WEIR_BINARY"]
PATIENCE_S = 40
# From SIGTERM to the end, with subscriptions that wait for events and one that hangs.
END_S = 5
KEPT = {"PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH", "TMPDIR"}


def shard(number, *arguments, **options):
    return Shard(f"shardId-{number:012d}", *arguments, **options)


def shards():
    parent, child = "shardId-000000000004", "shardId-000000000005"
    return [
        shard(0, 200),
        shard(1, 200, ("short",)),
        shard(2, 150, ("InternalFailureException", "KMSThrottlingException", "refuse", "good")),
        shard(3, 150, ("cut", "half", "good")),
        shard(4, 60, ("short",), children=(child,)),
        shard(5, 60, parents=(parent,)),
        shard(6, 150, ("checksum", "no JSON", "good")),
        shard(7, 150, ("ResourceInUseException", "good")),
        shard(8, 150, ("silent", "good")),
        shard(9, 150, ("no end", "again")),
        shard(10, 0, ("no initial-response",)),
        shard(11, 100, ("mute", "good")),
        shard(12, 60, ("deregistered", "empty", "good")),
    ]


def run_worker(folder, server, name):
    stream = (f"kinesis:{fanout_server.STREAM}?region=us-east-1&fan_out=fleet&fan_out_quiet=1s"
              f"&endpoint=https://127.0.0.1:{server.port}")
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    variables = kept | {"HOME": "/nonexistent", "AWS_EC2_METADATA_DISABLED": "true",
                        "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s",
                        "AWS_CA_BUNDLE": server.certificate}
    with open(os.path.join(folder, name + ".out"), "wb") as out, \
            open(os.path.join(folder, name + ".err"), "wb") as err:
        return subprocess.Popen(
            [WEIR, "--data", os.path.join(folder, "data"), "worker", "--app", "a", "--stream",
             stream, "--print", "--id", name, "--from", "TRIM_HORIZON"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=variables)


def printed(folder, name):
    with open(os.path.join(folder, name + ".out"), encoding="utf-8") as file:
        return [json.loads(line) for line in file.read().splitlines(keepends=True)
                if line.endswith("\n")]


def all_printed(folder, names):
    return [line for name in names for line in printed(folder, name)]


def complaints_of(folder, names):
    """The workers' logs, for who has to find out."""
    for name in names:
        with open(os.path.join(folder, name + ".err"), encoding="utf-8") as file:
            print(f"--- {name}\n{file.read()}")


def judge(server, lines):
    """What is wrong; an empty list: nothing."""
    wrong = list(server.service.complaints)
    for name, known in server.service.shards.items():
        came = [line["data"] for line in lines if line["shard_id"] == name]
        expected = [known.data(place) for place in range(known.count)]
        if came != expected:
            first = next((i for i, pair in enumerate(zip(came, expected)) if pair[0] != pair[1]),
                         min(len(came), len(expected)))
            wrong.append(f"{name} {known.habits}: {len(came)} of {len(expected)} records, the "
                         f"first difference at {first}: {came[first:first + 3]}")
        if known.subscriptions < len(known.habits):
            wrong.append(f"{name}: {known.subscriptions} subscriptions for {known.habits}")
        if "cut" in known.habits and known.refusals == 0:
            wrong.append(f"{name}: nobody was refused a shard that was taken")
    parent = [i for i, line in enumerate(lines) if line["shard_id"].endswith("4")]
    child = [i for i, line in enumerate(lines) if line["shard_id"].endswith("5")]
    if parent and child and parent[-1] > child[0]:
        wrong.append("the child began before its parent had ended")
    if server.service.registered != 2:
        wrong.append(f"registered {server.service.registered} times")
    return wrong


def stop(worker, wrong):
    worker.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    status = worker.wait(PATIENCE_S)
    ended = time.monotonic() - asked
    if status != 0 or ended > END_S:
        wrong.append(f"exit status {status} after {ended:.1f} s")


def wait_for(condition, workers):
    """Until it holds, a worker has ended, or patience has: what came is judged afterwards."""
    return wait_until(
        lambda: condition() or any(worker.poll() is not None for worker in workers), PATIENCE_S)


def wait_for_all(folder, server, workers, names):
    total = sum(known.count for known in server.service.shards.values())
    took = wait_for(lambda: len(all_printed(folder, names)) >= total, workers)
    print(f"{total} records:", "not all of them" if took is None else f"{took:.1f} s")
    time.sleep(0.3)  # for what comes twice


def wait_for_some(folder, workers, name):
    """Until a worker has records: it has a shard, and a subscription to it."""
    wait_for(lambda: printed(folder, name), workers)


def one_worker(folder, server):
    """Everything that a subscription can do wrong, in one run."""
    worker = run_worker(folder, server, "w")
    wrong = []
    try:
        wait_for_all(folder, server, [worker], ["w"])
        stop(worker, wrong)
    finally:
        worker.kill()
    return wrong + judge(server, printed(folder, "w")), ["w"]


def fleet(folder, server):
    """Workers join and go: shards move from one subscription to the other, while the service lets
    nobody take over for five seconds."""
    names = ["one", "two", "three"]
    wrong = []
    workers = [run_worker(folder, server, "one")]
    try:
        wait_for_some(folder, workers, "one")
        workers.append(run_worker(folder, server, "two"))
        wait_for_some(folder, workers, "two")
        stop(workers[0], wrong)
        workers.append(run_worker(folder, server, "three"))
        wait_for_all(folder, server, workers[1:], names)
        for worker in workers[1:]:
            stop(worker, wrong)
    finally:
        for worker in workers:
            worker.kill()
    lines = all_printed(folder, names)
    came = sorted((line["shard_id"], line["data"]) for line in lines)
    expected = sorted((known.name, known.data(place)) for known in server.service.shards.values()
                      for place in range(known.count))
    if came != expected:
        wrong.append(f"{len(came)} records came, {len(set(came))} different ones, "
                     f"instead of {len(expected)}")
    if any(not printed(folder, name) for name in names):
        wrong.append("a worker had nothing to do")
    return wrong + server.service.complaints, names


def main():
    is_fleet = "--fleet" in sys.argv
    if is_fleet:
        fanout_server.TAKE_OVER_S = 5
        known = [shard(i, 500, ("good", "cut", "short"), record_s=0.025) for i in range(8)]
    else:
        known = shards()
    with tempfile.TemporaryDirectory() as folder:
        server = fanout_server.Server(folder, known)
        wrong, names = fleet(folder, server) if is_fleet else one_worker(folder, server)
        server.close()
        for each in known:
            print(f"{each.name} {each.habits}: {each.subscriptions} subscriptions, "
                  f"{each.refusals} refused")
        if wrong:
            complaints_of(folder, names)
            print("\n".join(wrong))
        return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
