#!/usr/bin/env bash
# Does every mutant still apply to the sources? They are not changed. Prints those that do not.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
command -v patch >/dev/null || exit 77

failed=0
for mutant in "$here"/*.patch; do
    name=$(basename "$mutant" .patch)
    if ! patch --dry-run --force --silent --fuzz=0 -p1 -d "$root" <"$mutant" >/dev/null; then
        echo "mutant $name does not apply any more: see docs/mutants.md" >&2
        failed=1
    elif ! grep -q '^Class: .' "$mutant" || ! grep -q '^Breaks: .' "$mutant"; then
        echo "mutant $name does not say which bug it stands for" >&2
        failed=1
    fi
done
exit "$failed"
