#!/usr/bin/env bash
# Plant one bug after the other in a copy of the tree, and let the simulator look for it.
#
#   run.sh [--jobs N] [--cpu-seconds N] [--baseline-seeds N] [NUMBER or NAME of a mutant...]
#
# Prints for each mutant the seed and the property that caught it and the processor time it took, and
# last `mutants: N caught, M missed`. Succeeds if none was missed. The tree itself is not touched.
# docs/mutants.md says what the mutants stand for.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

# Mutants that are looked for at a time; each has a copy of the tree, and a build that is kept.
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
# Processor time to look for one mutant.
cpu_seconds=60
# What the simulator without a mutant has to hold for, before anything it says counts.
baseline_seeds=1000
# Seeds in the first piece of a search; the pieces double up to the last.
piece_first=8
piece_last=400
# A piece that takes longer than this, in seconds, does not end.
piece_patience=600

wanted=()
while [ $# -gt 0 ]; do
    case $1 in
    --jobs | --cpu-seconds | --baseline-seeds)
        name=${1#--}
        printf -v "${name//-/_}" '%d' "${2:?a number is missing after $1}"
        shift 2
        ;;
    -*)
        echo "usage: $0 [--jobs N] [--cpu-seconds N] [--baseline-seeds N] [NUMBER or NAME...]" >&2
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
launcher=()
if command -v ccache >/dev/null; then
    launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/weir-mutants.XXXXXX")
# finish: no search outlives this script.
finish() {
    local running
    running=$(jobs -p)
    # shellcheck disable=SC2086 # one word for each process
    [ -z "$running" ] || kill $running 2>/dev/null || true
    wait
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# Each place has a tree, its build, and a copy of the program without any mutant: `sound`.

# compile PLACE: only what has changed since the last time.
compile() {
    if ! CCACHE_BASEDIR=$1 cmake --build "$1/build" --target weir -j 1 >"$1/build.log" 2>&1; then
        cat "$1/build.log" >&2
        return 1
    fi
}

# prepare PLACE: the sources of library, simulator and program, no tests; quick to compile, and with
# the assertions of the product.
prepare() {
    mkdir -p "$1/tree"
    tar -C "$root" --exclude=./build --exclude=./.git --exclude=./weir-data --exclude=./tests \
        --exclude=./shared -cf - . | tar -C "$1/tree" -xf -
    cmake -G Ninja -S "$1/tree" -B "$1/build" -DCMAKE_C_COMPILER=gcc "${launcher[@]}" \
        -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS_RELEASE=-O1 \
        -DWEIR_WERROR=OFF -DWEIR_HARDENING=OFF -DWEIR_ANALYZER=OFF >"$1/build.log" 2>&1 ||
        {
            cat "$1/build.log" >&2
            return 1
        }
    compile "$1"
    cp "$1/build/weir" "$1/sound"
}

# search PLACE PROGRAM FIRST COUNT: the seeds that fail, as `weir sim` prints them, into PLACE/found;
# the processor time that it took, in seconds, to stdout.
search() {
    local status=0 TIMEFORMAT='%U %S'
    {
        time timeout -k 5 "$piece_patience" "$2" sim --first-seed "$3" --seeds "$4" \
            >"$1/found" 2>"$1/errors" || status=$?
    } 2>"$1/time"
    if [ "$status" -ge 124 ]; then
        echo "seed $3: L7 no wedge: the simulation does not come to an end" >"$1/found"
    fi
    awk '{ printf "%.1f\n", $1 + $2 }' "$1/time"
}

# first_found PLACE: the line of the first seed that failed.
first_found() {
    grep -m 1 '^seed .*: ' "$1/found" || true
}

# is_sound PLACE SEED: the seed holds without a mutant, so it is the mutant that it has found.
is_sound() {
    timeout -k 5 "$piece_patience" "$1/sound" sim --seed "$2" >/dev/null 2>&1 && return
    echo "seed $2 fails without any mutant" >>"$work/unsound"
    return 1
}

# hunt PLACE: look until a seed fails or the time is up. Sets seed, property and spent; fails if none
# does.
hunt() {
    local first=1 count=$piece_first line
    spent=0
    while awk -v a="$spent" -v b="$cpu_seconds" 'BEGIN { exit !(a < b) }'; do
        spent=$(awk -v a="$spent" -v b="$(search "$1" "$1/build/weir" "$first" "$count")" \
            'BEGIN { printf "%.1f", a + b }')
        line=$(first_found "$1")
        first=$((first + count))
        count=$((count < piece_last ? count * 2 : count))
        if [ -n "$line" ]; then
            seed=${line%%:*}
            seed=${seed#seed }
            property=${line#*: }
            if is_sound "$1" "$seed"; then
                return 0
            fi
            first=$((seed + 1))
        fi
    done
    return 1
}

# assertion PLACE: which one it was that ended the simulation, if one did.
assertion() {
    sed -n '/^weir: bug: /{s///p;q}' "$1/errors"
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

# is_ours NAME: nobody else has taken this one.
is_ours() {
    mkdir "$work/taken/$1" 2>/dev/null
}

# judge PLACE NAME: plant it, look for it, and take it out again.
judge() {
    local place=$1 name=$2 mutant=$here/$2.patch detail seed property spent
    patch --force --silent --fuzz=0 -p1 -d "$place/tree" <"$mutant"
    compile "$place"
    if hunt "$place"; then
        detail=$property
        case $property in
        A1*) detail="A1 $(assertion "$place")" ;;
        esac
        echo "$name" >>"$work/caught"
        printf '%-48s %8s %8s  %.90s\n' "$name" "$seed" "$spent" "$detail"
    else
        echo "$name" >>"$work/missed"
        printf '%-48s %8s %8s  %s\n' "$name" - "$spent" MISSED
    fi
    patch --reverse --force --silent --fuzz=0 -p1 -d "$place/tree" <"$mutant"
}

# judge_all PLACE: those that nobody else has taken.
judge_all() {
    local mutant name
    for mutant in "$here"/*.patch; do
        name=$(basename "$mutant" .patch)
        if is_wanted "$name" && is_ours "$name"; then
            judge "$1" "$name"
        fi
    done
}

# in_each_place FUNCTION: all at a time; fails if one does.
in_each_place() {
    local number status=0 processes=() process
    for ((number = 1; number <= jobs; number++)); do
        "$1" "$work/$number" &
        processes+=($!)
    done
    for process in "${processes[@]}"; do
        wait "$process" || status=1
    done
    return "$status"
}

mkdir "$work/taken"
touch "$work/caught" "$work/missed" "$work/unsound"
in_each_place prepare
spent=$(search "$work/1" "$work/1/sound" 1 "$baseline_seeds")
if [ -n "$(first_found "$work/1")" ]; then
    echo "the simulator fails without any mutant:" >&2
    head -n 5 "$work/1/found" >&2
    exit 1
fi
echo "without a mutant: $baseline_seeds seeds hold, $spent s"
printf '%-48s %8s %8s  %s\n' mutant seed 'cpu s' property
in_each_place judge_all
sort -u "$work/unsound" >&2
echo "mutants: $(wc -l <"$work/caught") caught, $(wc -l <"$work/missed") missed"
[ ! -s "$work/missed" ] && [ ! -s "$work/unsound" ]
