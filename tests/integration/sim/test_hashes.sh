#!/usr/bin/env bash
# The same seed is the same run, thrice and in every build: the hashes of some traces are committed.
# A change of engines, models or faults changes them on purpose; then
#   WEIR_BINARY=build/release/weir tests/integration/sim/test_hashes.sh --update
# writes them anew. All builds of one commit have to agree.
set -euo pipefail
weir=${WEIR_BINARY:-build/release/weir}
golden=$(dirname "$0")/hashes.txt

hashes() {
    local seed
    for seed in 1 2 3 4 5 6 7 8 9 10 11 12; do
        "$weir" sim --seed $seed --json | sed -E 's/.*"seed":([0-9]+),"trace_hash":"([0-9a-f]+)".*/\1 \2/'
    done
}

first=$(hashes)
if [ "${1-}" = --update ]; then
    echo "$first" >"$golden"
    exit 0
fi
for again in second third; do
    [ "$(hashes)" = "$first" ] || {
        echo "FAILED: the $again time the same seed was another run"
        exit 1
    }
done
diff "$golden" - <<<"$first" || {
    echo "FAILED: this build runs otherwise than the one that wrote $golden; if the change is meant, see $0"
    exit 1
}
