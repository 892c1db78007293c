#!/usr/bin/env bash
# Plant one bug after the other in a copy of the tree, and let the simulator look for it.
#
#   run.sh [--cpu-seconds N] [--baseline-seeds N] [NUMBER or NAME of a mutant...]
#
# Prints for each mutant the seed and the property that caught it and the processor time it took, and
# last `mutants: N caught, M missed`. Succeeds if none was missed. The tree itself is not touched.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
jobs=$(nproc 2>/dev/null || echo 2)

# Processor time to look for one mutant.
cpu_seconds=60
# What the simulator without a mutant has to hold for, before anything it says counts.
baseline_seeds=3000
# Seeds in the first piece of a search; the pieces double up to the last.
piece_first=50
piece_last=800
# A piece that takes longer than this, in seconds, does not end.
piece_patience=600

wanted=()
while [ $# -gt 0 ]; do
    case $1 in
    --cpu-seconds)
        cpu_seconds=$2
        shift 2
        ;;
    --baseline-seeds)
        baseline_seeds=$2
        shift 2
        ;;
    -*)
        echo "usage: $0 [--cpu-seconds N] [--baseline-seeds N] [NUMBER or NAME...]" >&2
        exit 2
        ;;
    *)
        wanted+=("$1")
        shift
        ;;
    esac
done

for tool in cmake ninja gcc patch tar; do
    if ! command -v "$tool" >/dev/null; then
        echo "$0: $tool is missing" >&2
        exit 77
    fi
done

work=$(mktemp -d "${TMPDIR:-/tmp}/weir-mutants.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/tree"

# copy_tree: the sources of library, simulator and program; no tests.
copy_tree() {
    tar -C "$root" --exclude=./build --exclude=./.git --exclude=./weir-data --exclude=./tests \
        --exclude=./shared -cf - . | tar -C "$work/tree" -xf -
}

# build: quick to compile, and with the assertions of the product.
build() {
    if ! cmake --build "$work/build" --target weir -j "$jobs" >"$work/build.log" 2>&1; then
        cat "$work/build.log" >&2
        return 1
    fi
}

configure() {
    cmake -G Ninja -S "$work/tree" -B "$work/build" -DCMAKE_C_COMPILER=gcc \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE=-O1 \
        -DWEIR_WERROR=OFF -DWEIR_HARDENING=OFF -DWEIR_ANALYZER=OFF >"$work/build.log" 2>&1 ||
        {
            cat "$work/build.log" >&2
            return 1
        }
}

# search FIRST COUNT: the first seed that fails, as `weir sim` prints it, into $work/found; the
# processor time that it took, in seconds, to stdout.
search() {
    local status=0 TIMEFORMAT='%U %S'
    {
        time timeout -k 5 "$piece_patience" \
            "$work/build/weir" sim --first-seed "$1" --seeds "$2" \
            >"$work/found" 2>"$work/errors" || status=$?
    } 2>"$work/time"
    if [ "$status" -ge 124 ]; then
        echo "seed $1+: L7 no wedge: the simulation does not come to an end" >"$work/found"
    fi
    awk '{ printf "%.1f\n", $1 + $2 }' "$work/time"
}

# assertion: which one it was that ended the simulation, if one did.
assertion() {
    sed -n '/^weir: bug: /{s///p;q}' "$work/errors"
}

# hunt: look until a seed fails or the time is up. Sets seed, property and spent; fails if none does.
hunt() {
    local first=1 count=$piece_first line
    spent=0
    while awk -v a="$spent" -v b="$cpu_seconds" 'BEGIN { exit !(a < b) }'; do
        spent=$(awk -v a="$spent" -v b="$(search "$first" "$count")" 'BEGIN { printf "%.1f", a + b }')
        line=$(grep -m 1 '^seed .*: ' "$work/found" || true)
        if [ -n "$line" ]; then
            seed=${line%%:*}
            seed=${seed#seed }
            property=${line#*: }
            return 0
        fi
        first=$((first + count))
        count=$((count < piece_last ? count * 2 : count))
    done
    return 1
}

is_wanted() {
    local name=$1 word
    [ ${#wanted[@]} -gt 0 ] || return 0
    for word in "${wanted[@]}"; do
        if [ "$name" = "$word" ] || [ "${name%%-*}" = "$word" ] || [ "${name#*-}" = "$word" ]; then
            return 0
        fi
    done
    return 1
}

copy_tree
configure
build
spent=$(search 1 "$baseline_seeds")
if grep -q '^seed ' "$work/found"; then
    echo "the simulator fails without any mutant:" >&2
    grep '^seed ' "$work/found" | head -n 5 >&2
    exit 1
fi
echo "without a mutant: $baseline_seeds seeds hold, $spent s"

caught=0
missed=0
printf '%-48s %8s %8s  %s\n' mutant seed 'cpu s' property
for mutant in "$here"/*.patch; do
    name=$(basename "$mutant" .patch)
    is_wanted "$name" || continue
    patch --force --silent --fuzz=0 -p1 -d "$work/tree" <"$mutant"
    build
    if hunt; then
        caught=$((caught + 1))
        detail=$property
        case $property in
        A1*) detail="A1 $(assertion)" ;;
        esac
        printf '%-48s %8s %8s  %.90s\n' "$name" "$seed" "$spent" "$detail"
    else
        missed=$((missed + 1))
        printf '%-48s %8s %8s  %s\n' "$name" - "$spent" MISSED
    fi
    patch --reverse --force --silent --fuzz=0 -p1 -d "$work/tree" <"$mutant"
done
echo "mutants: $caught caught, $missed missed"
[ "$missed" -eq 0 ]
