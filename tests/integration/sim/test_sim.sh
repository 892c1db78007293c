#!/usr/bin/env bash
# The command line of `weir sim`: replays are equal to the byte, histories are read by the checker,
# faults can be left out, wrong usage is refused.
set -euo pipefail
weir=${WEIR_BINARY:-build/release/weir}
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

# refuses TEXT ARGUMENT...: exit status 2 and one line that says TEXT.
refuses() {
    local text=$1 status=0
    shift
    "$weir" sim "$@" >"$temporary/out" 2>"$temporary/err" || status=$?
    [ $status -eq 2 ] || fail "$*: exit status $status"
    [ "$(wc -l <"$temporary/err")" -eq 1 ] || fail "$*: not one line"
    grep -qF -- "$text" "$temporary/err" || fail "$*: no '$text'"
}

# The same seed, thrice.
for run in 1 2 3; do
    "$weir" sim --seed 7 --trace >"$temporary/trace$run"
done
cmp "$temporary/trace1" "$temporary/trace2"
cmp "$temporary/trace1" "$temporary/trace3"
grep -q 'seed 7 holds: trace [0-9a-f]\{16\}' "$temporary/trace1" || fail "no hash"
[ "$(wc -l <"$temporary/trace1")" -gt 100 ] || fail "a short trace"

# Without faults it is another run, and holds too.
faults=$("$weir" sim --list-faults | paste -sd ,)
"$weir" sim --seed 7 --without "$faults" --trace >"$temporary/calm"
if grep -q '  fault ' "$temporary/calm"; then
    fail "faults although all were left out"
fi
"$weir" sim --seed 7 --skip 0,1,2 >/dev/null

# A smaller run is the same each time, too.
"$weir" sim --seed 7 --workers 2 --shards 1 --chaos 3000 --trace >"$temporary/small1"
"$weir" sim --seed 7 --workers 2 --shards 1 --chaos 3000 --trace >"$temporary/small2"
cmp "$temporary/small1" "$temporary/small2"
grep -q ' 2 workers, 1 shards, .* chaos 3000 ms' "$temporary/small1" || fail "not smaller"

# The checker that knows nothing of the simulator reads its histories.
if [ -x "${WEIR_BUILD_DIR:-}/bin/check_history" ]; then
    "$weir" sim --seed 7 --history >"$temporary/history"
    "$WEIR_BUILD_DIR/bin/check_history" "$temporary/history" >/dev/null || fail "history refused"
fi

# Many seeds, on two processes: the same as on one.
"$weir" sim --seeds 20 --stats >"$temporary/one"
"$weir" sim --seeds 20 --stats --jobs 2 >"$temporary/two"
cmp "$temporary/one" "$temporary/two"
"$weir" sim --seeds 2 --first-seed 5 --json | grep -q '"seeds":2,"failures":0' || fail "no JSON"
"$weir" sim --list-properties | grep -q '^I2 ' || fail "I2 is not listed"

refuses "expected a number" --seeds many
refuses "needs --seed" --trace
refuses "needs --seed" --shrink
refuses "exclude each other" --seed 1 --jobs 2
refuses "names the kinds" --seed 1 --without thunder
refuses "expected a number" --seed 1 --workers 0
refuses "expected a number" --seed 1 --chaos soon
refuses "from 0 to 63" --seed 1 --skip 64
status=0
"$weir" sim --seed 7 --shrink >/dev/null 2>"$temporary/err" || status=$?
[ $status -eq 1 ] || fail "a seed that holds was shrunk"
grep -q "does not fail" "$temporary/err" || fail "shrink does not say why"
echo "ok"
