#!/usr/bin/env python3
"""Names of symbols: weir_ for users, wi_ inside the library, nothing else visible.

usage: symbols.py [--shared libweir.so --headers DIR] ARCHIVE.a...

The global symbols of an archive begin with weir_ or wi_. The shared library exports exactly the
functions that the public headers mark WEIR_API. Prints one line for each other symbol, exits 1 if
there is one.
"""
import argparse
import re
import sys
from pathlib import Path

import nm

COMMENT = re.compile(r"/\*.*?\*/", re.S)
DECLARATION = re.compile(r"^WEIR_API\b[^;{]*?\b(weir_\w+)\s*(?:\(|;|\[)", re.M)


def declared(folder):
    found = set()
    for header in sorted(folder.glob("*.h")):
        found |= set(DECLARATION.findall(COMMENT.sub("", header.read_text())))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared")
    parser.add_argument("--headers", type=Path)
    parser.add_argument("archives", nargs="*")
    arguments = parser.parse_args()
    findings = []
    for archive in arguments.archives:
        for symbol in sorted(nm.defined(archive)):
            if not symbol.startswith(("weir_", "wi_")):
                findings.append(f"{Path(archive).name}: a foreign name: {symbol}")
    if arguments.shared:
        exported, promised = nm.exported(arguments.shared), declared(arguments.headers)
        findings += [f"exported, not in a public header: {name}" for name in exported - promised]
        findings += [f"in a public header, not exported: {name}" for name in promised - exported]
    for finding in sorted(findings):
        print(finding)
    print(f"symbols: {len(arguments.archives)} archives, {len(findings)} findings")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
