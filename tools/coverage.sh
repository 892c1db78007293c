#!/usr/bin/env bash
# Lines that the tests execute: at least 95 % of the engines, 85 % of the rest of the library.
# The report of every line goes to build/coverage/report/index.html.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/coverage
modules="core|storage|wire|aws|lease|stream|producer|coordinator|worker"

cmake --preset coverage
cmake --build --preset coverage -j "$(nproc)"
find $build -name '*.gcda' -delete
ctest --preset coverage -j "$(nproc)"

# report THRESHOLD [gcovr options]
report() {
    local threshold=$1
    shift
    gcovr --root . --object-directory $build --gcov-ignore-parse-errors \
        --exclude '.*\.pb-c\..*' --fail-under-line "$threshold" "$@"
}

engines=()
rest=()
while read -r source; do
    [ -n "$source" ] || continue
    engines+=(--filter "$source")
    rest+=(--exclude "$source")
done <$build/engine_sources.txt

mkdir -p $build/report
report 0 --filter "($modules)/" --html-details $build/report/index.html --print-summary >/dev/null
status=0
echo "engines:"
report 95 "${engines[@]}" || status=1
echo "the rest of the library:"
report 85 --filter "($modules)/" "${rest[@]}" || status=1
exit $status
