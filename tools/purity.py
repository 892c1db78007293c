#!/usr/bin/env python3
"""Engines are pure: their archives import nothing of I/O, time, threads, heap or environment.

usage: purity.py ENGINE.a...

Every symbol that an engine's archive leaves undefined must be defined in an engine's archive or
match a line of tools/purity.txt. Prints one line for each other symbol, exits 1 if there is one.
"""
import fnmatch
import sys
from pathlib import Path

import nm


def allowed_patterns():
    lines = (Path(__file__).resolve().parent / "purity.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def main():
    archives = sys.argv[1:]
    patterns = allowed_patterns()
    known = set()
    for archive in archives:
        known |= nm.defined(archive)
    findings = 0
    for archive in archives:
        for symbol in sorted(nm.undefined(archive) - known):
            if not any(fnmatch.fnmatchcase(symbol, pattern) for pattern in patterns):
                print(f"{Path(archive).name}: not pure: {symbol}")
                findings += 1
    print(f"purity: {len(archives)} engines, {findings} findings")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
