#!/usr/bin/env bash
# A thousand seeds hold, and reach at least 95 % of the transitions that the state machines allow.
set -euo pipefail
weir=${WEIR_BINARY:-build/release/weir}
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

status=0
"$weir" sim --seeds 1000 --stats >"$temporary/out" || status=$?
grep -E '^seed |^  replay|^transitions|^ +0 | seeds, ' "$temporary/out"
[ $status -eq 0 ] || exit 1
share=$(sed -nE 's/^transitions: ([0-9]+).*/\1/p' "$temporary/out")
[ "${share:-0}" -ge 95 ] || {
    echo "FAILED: only $share % of the transitions were reached"
    exit 1
}
