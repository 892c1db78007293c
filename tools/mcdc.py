#!/usr/bin/env python3
"""Lines, branches and MC/DC of files, from `llvm-cov export` of one or more profiles.

    mcdc.py [--gaps] [--at-most FILE] --profile NAME=EXPORT.json... SOURCE...

Prints a table with three columns for each profile. Left out are conditions inside WEIR_ASSERT(...),
whose false branch ends the process, and the branch past all cases of a switch over an enum, which
has no default. --gaps names what the union, the last profile, has not taken.
--at-most FILE: fails when a source has more gaps than `source branches conditions` in FILE allows.
"""
import argparse
import bisect
import json
import re
import sys

ASSERTION = re.compile(r"\bWEIR_ASSERT\s*\(")


SWITCH = re.compile(r"\bswitch \(")


def ignored_ranges(text):
    """Ranges of positions (line, column) of the assertions and switches of a source."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def position(offset):
        line = bisect.bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    found = []
    for match in ASSERTION.finditer(text):
        depth, end = 1, match.end()
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            end += 1
        found.append((position(match.start()), position(end)))
    for match in SWITCH.finditer(text):
        found.append((position(match.start()), position(match.end())))
    return found


class Source:
    """What one profile says of one source."""

    def __init__(self, file, ignored):
        lines = file["summary"]["lines"]
        self.lines = (lines["covered"], lines["count"])
        self.branches = {}
        self.conditions = {}
        self.note(file, ignored)

    def note(self, file, ignored):
        def is_ignored(region):
            return any(start <= (region[0], region[1]) <= end for start, end in ignored)

        for region in file.get("branches", []):
            if not is_ignored(region):
                for side, count in (("true", region[4]), ("false", region[5])):
                    key = (region[0], region[1], side)
                    self.branches[key] = self.branches.get(key, 0) + count
        for record in file.get("mcdc_records", []):
            if not is_ignored(record):
                for index, shown in enumerate(record[-1]):
                    key = (record[0], record[1], index + 1)
                    self.conditions[key] = self.conditions.get(key, False) or shown

    def counts(self):
        return (
            self.lines,
            (sum(1 for count in self.branches.values() if count), len(self.branches)),
            (sum(1 for shown in self.conditions.values() if shown), len(self.conditions)),
        )

    def gaps(self):
        for key, count in sorted(self.branches.items()):
            if not count:
                yield key, f"never {key[2]}"
        for key, shown in sorted(self.conditions.items()):
            if not shown:
                yield key, f"condition {key[2]} of the decision never decides alone"


def read_profile(name, wanted):
    with open(name, encoding="utf-8") as file:
        files = json.load(file)["data"][0]["files"]
    found = {}
    for file in files:
        for source in wanted:
            if file["filename"].endswith("/" + source):
                with open(source, encoding="utf-8") as text:
                    found[source] = Source(file, ignored_ranges(text.read()))
    return found


def percent(part):
    covered, total = part
    return "-" if total == 0 else f"{int(1000 * covered / total) / 10:.1f}"


def print_table(profiles, sources):
    print("| file | " + " | ".join(f"{name}: lines | branches | MC/DC" for name, _ in profiles), "|")
    print("|---" * (1 + 3 * len(profiles)) + "|")
    totals = [[[0, 0] for _ in range(3)] for _ in profiles]
    for source in sources:
        cells = []
        for number, (_, found) in enumerate(profiles):
            for kind, part in enumerate(found[source].counts() if source in found else []):
                totals[number][kind][0] += part[0]
                totals[number][kind][1] += part[1]
                cells.append(percent(part))
            cells += ["-"] * (3 * (number + 1) - len(cells))
        print("| " + " | ".join([source] + cells) + " |")
    cells = [f"{percent(part)} ({part[0]}/{part[1]})" for total in totals for part in total]
    print("| " + " | ".join(["all"] + cells) + " |")


def print_gaps(found, sources):
    for source in sources:
        if source not in found:
            continue
        with open(source, encoding="utf-8") as file:
            text = file.read().splitlines()
        for (line, column, _), what in found[source].gaps():
            print(f"{source}:{line}:{column}: {what}: {text[line - 1].strip()}")


def is_within(found, sources, allowed_name):
    allowed = {}
    with open(allowed_name, encoding="utf-8") as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                source, branches, conditions = line.split()
                allowed[source] = (int(branches), int(conditions))
    good = True
    for source in sources:
        _, branches, conditions = found[source].counts()
        missing = (branches[1] - branches[0], conditions[1] - conditions[0])
        most = allowed.get(source, (0, 0))
        if missing[0] > most[0] or missing[1] > most[1]:
            print(
                f"{source}: {missing[0]} branches and {missing[1]} conditions are not taken; "
                f"{allowed_name} allows {most[0]} and {most[1]}",
                file=sys.stderr,
            )
            good = False
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gaps", action="store_true")
    parser.add_argument("--at-most", metavar="FILE")
    parser.add_argument("--profile", action="append", metavar="NAME=EXPORT", required=True)
    parser.add_argument("sources", nargs="+")
    arguments = parser.parse_args()
    profiles = []
    for profile in arguments.profile:
        name, file = profile.split("=", 1)
        profiles.append((name, read_profile(file, arguments.sources)))
    print_table(profiles, arguments.sources)
    last = profiles[-1][1]
    if arguments.gaps:
        print_gaps(last, arguments.sources)
    if arguments.at_most and not is_within(last, arguments.sources, arguments.at_most):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
