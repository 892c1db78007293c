#!/usr/bin/env bash
# Branches and MC/DC of the engines of lease, stream, coordinator and worker, as the tests of single
# parts (unit, contract, regress) and `weir sim` reach them: docs/coverage.md. Prints the table, then
# each gap.
#
#   tools/mcdc.sh [SEEDS]
#
# Fails if a file has a gap that tools/mcdc.txt does not allow.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
require_packages build test coverage
build=build/mcdc
seeds=${1:-1000}

cmake --preset mcdc >&2
# shellcheck disable=SC2154 # jobs is set in lib.sh.
cmake --build --preset mcdc -j "$jobs" >&2
rm -rf $build/profile
mkdir -p $build/profile/tests $build/profile/sim
chosen=(-L 'unit|contract|regress' -LE 'long|alone' -R '^(test_|regress_)')

LLVM_PROFILE_FILE=$PWD/$build/profile/tests/%p-%m.profraw \
    ctest --test-dir $build "${chosen[@]}" -j "$jobs" --output-on-failure >&2
LLVM_PROFILE_FILE=$PWD/$build/profile/sim/%p-%m.profraw \
    $build/weir sim --seeds "$seeds" >&2

mapfile -t sources < <(sed "s#^$PWD/##" $build/engine_sources.txt |
    grep -E '^(lease|stream|coordinator|worker)/')
sources+=(lease/lease_row.c)
mapfile -t programs < <(ctest --test-dir $build "${chosen[@]}" --show-only=json-v1 |
    jq -r '.tests[].command[0]')

llvm-profdata-19 merge -sparse -o $build/profile/tests.profdata $build/profile/tests/*.profraw
llvm-profdata-19 merge -sparse -o $build/profile/sim.profdata $build/profile/sim/*.profraw
llvm-profdata-19 merge -sparse -o $build/profile/both.profdata $build/profile/tests.profdata \
    $build/profile/sim.profdata
arguments=()
for profile in tests sim both; do
    llvm-cov-19 export -instr-profile=$build/profile/$profile.profdata $build/weir \
        "${programs[@]/#/-object=}" -sources "${sources[@]}" >$build/profile/$profile.json
    arguments+=(--profile "$profile=$build/profile/$profile.json")
done
python3 tools/mcdc.py --gaps --at-most tools/mcdc.txt "${arguments[@]}" "${sources[@]}"
