#!/usr/bin/env bash
# Check the models of the lease protocol (docs/model) with Spin, one row of rows.txt after another.
#
#   tests/model/run_model.sh [--all] [WORD]    quick rows, or all; only rows with WORD in them
#
# Prints a table. Exits 1 if a row that must hold has an error, if a row that must fail has none, or
# another one, or if a search was not complete; 77 if Spin or gcc is missing.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
models=$here/../../docs/model

all=
if [ "${1-}" = --all ]; then
    all=yes
    shift
fi
word=${1-}

for tool in spin gcc; do
    if ! command -v "$tool" >/dev/null; then
        echo "skipped: $tool is not installed"
        exit 77
    fi
done

temp=$(mktemp -d)
TIMEFORMAT=%U # seconds of the processor: other jobs of the machine do not count
trap 'rm -rf "$temp"' EXIT

# Limits of one search: megabytes, seconds. Depth counts for searches by depth only; those by breadth have none.
quick_limits=(1400 120)
long_limits=(3900 900)
depth_max=4000000

# explore EXPECTED MODEL VARIANT MEGABYTES SECONDS: write Spin's report to $temp/report.
explore() {
    local expected=$1 model=$2 macros=() compile=(-w -DNOREDUCE "-DMEMLIM=$4") search=(-w22)
    local macro
    # A search that is to fail is short; there the compiler counts.
    case $expected in
    holds | ends | live) compile+=(-O2) ;;
    *) compile+=(-O0) ;;
    esac
    for macro in $3; do
        macros+=("-D$macro")
    done
    # By breadth: the first error has the shortest trace. Ends are looked at only where a run has
    # one; elsewhere time goes on for ever.
    case $expected:$3 in
    live:* | 'not live':*) search+=(-a "-m$depth_max") ;;
    ends:*) compile+=(-DSAFETY -DBFS) ;;
    *DEPTH=*) # Only so deep, with hashes for states: enough where an error is to be found.
        compile+=(-DSAFETY -DHC4 -DRANDOMIZE=1)
        search+=(-E "-m${3##*DEPTH=}")
        ;;
    *)
        compile+=(-DSAFETY -DBFS)
        search+=(-E)
        ;;
    esac
    cd "$temp" || return
    rm -f pan pan.* report
    spin "${macros[@]}" -a "$models/$model.pml" >report 2>&1 &&
        gcc "${compile[@]}" -o pan pan.c >report 2>&1 &&
        timeout "$5" ./pan "${search[@]}" >report 2>&1
}

# number PATTERN: the number in front of, or behind, what the pattern says; 0 if it is not there.
number() {
    sed -nE "s/$1/\\1/p" "$temp/report" | head -n 1 | grep . || echo 0
}

# found: what the search said, in the words of rows.txt.
found() {
    local broken
    broken=$(sed -nE 's/^pan:1: assertion violated +!\(+([a-z_]+)\)+.*/\1/p' "$temp/report")
    if [ -n "$broken" ]; then
        echo "$broken"
    elif grep -q 'acceptance cycle (' "$temp/report"; then
        echo 'not live'
    elif grep -q '^pan:1: ' "$temp/report"; then
        sed -nE 's/^pan:1: (.*) \(at depth.*/\1/p' "$temp/report"
    elif ! grep -q 'errors: 0$' "$temp/report"; then
        echo 'no result'
    elif grep -qE 'not completed|too small|out of memory|MEMLIM' "$temp/report"; then
        echo 'incomplete'
    else
        echo 'no error'
    fi
}

# check_row WHEN MODEL EXPECTED VARIANT WHAT
check_row() {
    local when=$1 model=$2 expected=$3 variant=$4 what=$5
    local limits=("${long_limits[@]}") result verdict=ok trace=-
    if [ "$when" = quick ]; then
        limits=("${quick_limits[@]}")
    fi
    { time explore "$expected" "$model" "$variant" "${limits[@]}" || true; } 2>"$temp/seconds"
    result=$(found)
    case $expected:$result in
    'holds:no error' | 'ends:no error' | 'live:no error') result=$expected ;;
    'not live:not live') ;;
    "$result:$result") # The first step is at depth 0.
        trace=$(($(number '^pan:1: .*\(at depth ([0-9]+)\).*') + 1))
        ;;
    *)
        verdict=FAILED
        failed=yes
        ;;
    esac
    awk -v seconds="$(cat "$temp/seconds")" \
        -v states="$(number '^ *([0-9.e+]+) states, stored.*')" \
        -v memory="$(number '^ *([0-9.]+)\ttotal actual memory usage.*')" \
        -v verdict="$verdict" -v model="$model" -v result="$result" -v trace="$trace" \
        -v what="$what" -v variant="$variant" 'BEGIN {
            printf "%-6s %-11s %-20s %5s %9d %5d %5.1f  %s [%s]\n",
                verdict, model, result, trace, states, memory, seconds, what, variant }'
    if [ $verdict = FAILED ]; then
        echo "expected: $expected; the end of the search said:"
        tail -n 20 "$temp/report" | sed 's/^/  /'
    fi
}

failed=
count=0
printf '%-6s %-11s %-20s %5s %9s %5s %5s  %s\n' \
    '' model result trace states MB s 'what [variant]'
while IFS='|' read -r when model expected variant what; do
    read -r when <<<"$when"
    read -r model <<<"$model"
    read -r expected <<<"$expected"
    read -r variant <<<"$variant"
    read -r what <<<"$what"
    if [ "$when" != quick ] && [ -z "$all" ]; then
        continue
    fi
    case "$model $expected $variant $what" in
    *"$word"*) ;;
    *) continue ;;
    esac
    check_row "$when" "$model" "$expected" "$variant" "$what"
    count=$((count + 1))
done < <(grep -vE '^(#|$)' "$here/rows.txt")

echo "$count rows, $SECONDS s"
if [ -n "$failed" ] || [ $count -eq 0 ]; then
    exit 1
fi
