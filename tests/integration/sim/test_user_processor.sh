#!/usr/bin/env bash
# A user's own processor in the simulator: the planted bug is found, the sound one holds, and both
# say the same each time.
set -euo pipefail
processor=$WEIR_BUILD_DIR/examples/05_simulated_processor/simulated_processor

fail() {
    echo "FAILED: $*"
    exit 1
}

status=0
found=$("$processor" careless) || status=$?
[ $status -eq 1 ] || fail "the planted bug was not found: $found"
echo "$found" | grep -q '^seed [0-9]*: U3 total ' || fail "not by the check: $found"
[ "$("$processor" careless)" = "$found" ] || fail "another seed or another text the second time"

"$processor" sound || fail "the sound one fails"
