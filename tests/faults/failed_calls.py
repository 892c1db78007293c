#!/usr/bin/env python3
"""Every call of `weir` to the system, or every allocation, failed once, and from then on.

    failed_calls.py [--every N] [--first N] [--last N] [--memory] [--worker] [--only NAME]

Scenarios: create, put, get, and with --worker a worker that prints and drains. --memory fails
allocations instead of calls. For each call n of a
scenario the program runs with fault number n (tests/faults/fail_plan.c). It must end by itself, or
after a SIGTERM, with status 0 or with status 1 and one line, behind what was logged, that says why; afterwards, without a
fault, everything that it acknowledged is there, and the directory works. --every N takes one call of
N, from --first to --last.
"""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

RECORDS = 20
PATIENCE_S = 20
WEIR = os.environ["WEIR_BINARY"]
SHIM = os.environ["WEIR_FAIL_SHIM"]


class Broken(Exception):
    """The program did not keep a promise."""


class Place:
    """A folder for one run: data directory, report of the fault, output."""

    def __init__(self, root):
        self.root = root
        self.data = os.path.join(root, "data")
        self.report = os.path.join(root, "report")

    def begin(self, template):
        for path in (self.data, self.report):
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif os.path.exists(path):
                os.unlink(path)
        if template is not None:
            shutil.copytree(template, self.data)

    def environment(self, fault):
        env = dict(os.environ, WEIR_DATA=self.data)
        if fault is not None:
            env.update(LD_PRELOAD=SHIM, WEIR_FAIL_REPORT=self.report, **fault)
        return env

    def reported(self):
        try:
            with open(self.report, encoding="ascii") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []


def finish(process, text):
    """Wait for the end; a program that is told to stop, twice, stops."""
    try:
        return process.communicate(text, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Broken("it hangs") from None


def run(place, words, fault=None, text=None):
    with subprocess.Popen(
        [WEIR] + words,
        env=place.environment(fault),
        stdin=subprocess.PIPE if text is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        out, err = finish(process, text)
    return process.returncode, out, err


def expect_clear_end(status, err):
    if status not in (0, 1):
        raise Broken(f"it ended with status {status}: {err.strip()}")
    if status == 1 and not any(line.startswith("weir: ") for line in err.splitlines()):
        raise Broken(f"it failed without a word: {err.strip()!r}")


def expect_success(result, what):
    status, out, err = result
    if status != 0:
        raise Broken(f"afterwards {what} does not work: {err.strip()}")
    return out


def records_in(place):
    out = expect_success(run(place, ["get", "s", "--json"]), "get")
    return [json.loads(line)["data"] for line in out.splitlines()]


def lines(first):
    return [str(first + i) for i in range(RECORDS)]


def expect_all(acknowledged, there, possible):
    missing = [line for line in acknowledged if there.count(line) != 1]
    if missing:
        raise Broken(f"acknowledged, but not there once: {missing}")
    if any(line not in possible for line in there):
        raise Broken("there are records that nobody put")


def put(place, first, fault=None):
    """The lines that were acknowledged, and how it ended."""
    wanted = lines(first)
    text = "".join(line + "\n" for line in wanted)
    status, out, err = run(place, ["put", "s", "--json"], fault, text)
    acknowledged = []
    for number, line in enumerate(out.splitlines()):
        try:
            if "sequence_number" in json.loads(line):
                acknowledged.append(wanted[number])
        except json.JSONDecodeError:
            break  # cut off by the fault
    return acknowledged, status, err


class Create:
    name = "create"

    def prepare(self, place):
        place.begin(None)

    def run(self, place, fault):
        status, _, err = run(place, ["stream", "create", "s", "--shards", "2"], fault)
        expect_clear_end(status, err)
        if status == 0:
            if records_in(place):
                raise Broken("a new stream holds records")
        else:
            again, _, err = run(place, ["stream", "create", "s", "--shards", "2"])
            if again != 0 and "exists" not in err:
                raise Broken(f"afterwards create does not work: {err.strip()}")
        expect_success(put_result(place), "put")


def put_result(place):
    acknowledged, status, err = put(place, 1000)
    if status == 0 and len(acknowledged) != RECORDS:
        return 1, "", "put has not acknowledged everything"
    return status, "", err


class WithStream:
    """A scenario on a stream that has records already."""

    template = None

    def prepare(self, place):
        if self.template is None:
            place.begin(None)
            expect_success(run(place, ["stream", "create", "s", "--shards", "2"]), "create")
            if put(place, 0)[1] != 0:
                raise Broken("put does not work")
            WithStream.template = place.data + ".template"
            shutil.copytree(place.data, self.template)
        place.begin(self.template)


class Put(WithStream):
    name = "put"

    def run(self, place, fault):
        acknowledged, status, err = put(place, 100, fault)
        expect_clear_end(status, err)
        if status == 0 and len(acknowledged) != RECORDS:
            raise Broken("it succeeded without acknowledging everything")
        there = records_in(place)
        expect_all(lines(0) + acknowledged, there, lines(0) + lines(100))
        expect_success(put_result(place), "put")


class Get(WithStream):
    name = "get"

    def run(self, place, fault):
        status, out, err = run(place, ["get", "s", "--json"], fault)
        expect_clear_end(status, err)
        if status == 0 and len(out.splitlines()) != RECORDS:
            raise Broken("it succeeded without printing everything")
        expect_all(lines(0), records_in(place), lines(0))


WORK = "worker --app a --stream s --print --id w --lease-duration 1s --drain-timeout 1s".split()


def work(place, fault, wanted):
    """A worker until it has printed what is wanted, then SIGTERM; one that fails ends by itself."""
    out_name = os.path.join(place.root, "out")
    with open(out_name, "w+b") as out, open(os.path.join(place.root, "err"), "w+b") as err:
        with subprocess.Popen(
            WORK_COMMAND, env=place.environment(fault), stdin=subprocess.DEVNULL, stdout=out,
            stderr=err,
        ) as process:
            wait_for(process, out_name, wanted, 1.5 if fault else PATIENCE_S)
            stop(process)
        out.seek(0)
        err.seek(0)
        printed = [line for line in out.read().decode().splitlines() if line.endswith("}")]
        return process.returncode, printed, err.read().decode()


WORK_COMMAND = [WEIR] + WORK


def wait_for(process, out_name, wanted, patience_s):
    tries = int(patience_s / 0.02)
    while tries > 0 and process.poll() is None:
        with open(out_name, "rb") as file:
            found = {json.loads(line)["data"] for line in file.read().splitlines() if line[-1:] == b"}"}
        if found and found >= wanted:
            return
        tries -= 1
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            pass


def stop(process):
    """The second signal is the user's last word: it ends the process whatever fails."""
    for _ in range(2):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE_S / 4)
            except subprocess.TimeoutExpired:
                continue
    if process.poll() is None:
        process.kill()
        process.wait()
        raise Broken("it does not stop")


class Worker(WithStream):
    name = "worker"

    def run(self, place, fault):
        wanted = set(lines(0))
        status, printed, err = work(place, fault, wanted)
        expect_clear_end(status, err)
        first = [json.loads(line)["data"] for line in printed]
        if put(place, 100)[1] != 0:
            raise Broken("afterwards put does not work")
        wanted |= set(lines(100))
        status, printed, err = work(place, None, wanted - set(first))
        if status != 0:
            raise Broken(f"afterwards a worker does not work: {err.strip()}")
        missing = wanted - set(first) - {json.loads(line)["data"] for line in printed}
        if missing:
            raise Broken(f"lost: {sorted(missing)}")


def count_calls(scenario, place, memory):
    scenario.prepare(place)
    fault = {"WEIR_FAIL_MEMORY": "1"} if memory else {}
    scenario.run(place, fault)
    return max(int(line.split()[0]) for line in place.reported() if line.endswith("calls"))


def try_fault(scenario, place, fault, tally):
    scenario.prepare(place)
    try:
        scenario.run(place, fault)
    except Broken as broken:
        said = [line for line in place.reported() if not line.endswith("calls")]
        print(f"FAILED {scenario.name} {fault}: {broken} (failed: {'; '.join(said)})", flush=True)
        tally["broken"] += 1
    if any(not line.endswith("calls") for line in place.reported()):
        tally["faults"] += 1


def try_scenario(scenario, place, options, tally):
    count = count_calls(scenario, place, options.memory)
    for number in range(options.first, min(count, options.last) + 1, options.every):
        for sticky in (False, True):
            fault = {"WEIR_FAIL_AT": str(number)}
            if sticky:
                fault["WEIR_FAIL_STICKY"] = "1"
            if options.memory:
                fault["WEIR_FAIL_MEMORY"] = "1"
            try_fault(scenario, place, fault, tally)
    print(f"{scenario.name}: {count} {'allocations' if options.memory else 'calls'}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=1000000)
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--only")
    options = parser.parse_args()
    tally = {"faults": 0, "broken": 0}
    scenarios = [Create(), Put(), Get()] + ([Worker()] if options.worker else [])
    with tempfile.TemporaryDirectory(prefix="weir-test-") as root:
        for scenario in scenarios:
            if options.only in (None, scenario.name):
                try_scenario(scenario, Place(root), options, tally)
    print(f"{tally['faults']} faults, {tally['broken']} promises broken")
    return 1 if tally["broken"] or not tally["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
