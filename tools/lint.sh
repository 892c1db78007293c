#!/usr/bin/env bash
# Checks by the tools of others, and our own.
#
#   tools/lint.sh [--build DIR] [CHECK...]
#
# Checks: format tidy spelling shell cppcheck manual clang-tidy; without a name all of them.
# DIR is a configured build folder, build/release unless given: clang-tidy and manual look there.
# Exits 1 after findings, 77 if a tool for one check is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/release
folders="include core storage wire aws lease stream producer coordinator worker"
folders="$folders sim cli examples bench chaos tests"

# c_files SUFFIX...: our C files, without the deliberate violations and without empty folders.
c_files() {
    local suffix
    for suffix in "$@"; do
        # shellcheck disable=SC2086 # One word for each folder.
        find $folders -path tests/build/samples -prune -o -type f -name "*.$suffix" -print \
            2>/dev/null || true
    done | sort
}

need() {
    if ! command -v "$1" >/dev/null; then
        echo "skipped: $1 is not installed"
        exit 77
    fi
}

check_format() {
    need clang-format-19
    local findings
    findings=$(c_files c h | xargs -r clang-format-19 --dry-run -Werror 2>&1 |
        sed -nE 's/^([^:]+:[0-9]+):[0-9]+: error.*/\1: as clang-format-19 would not write it/p' |
        sort -u)
    [ -z "$findings" ] || { echo "$findings"; return 1; }
}

check_tidy() {
    need pmccabe
    python3 tools/tidy.py
}

check_spelling() {
    need codespell
    find . -path ./build -prune -o -path ./.git -prune -o -name __pycache__ -prune \
        -o -type f ! -name LICENSE -print0 |
        xargs -0 codespell --ignore-words tools/words.txt
}

check_shell() {
    need shellcheck
    local files
    files=$(grep -rlE '^#!.*\b(ba)?sh$|^# shellcheck shell=' \
        scripts tools .ci tests examples bench cli 2>/dev/null || true)
    # shellcheck disable=SC2086 # One word for each file.
    shellcheck -x $files
}

# Null pointers are left to gcc's and clang's analyzers: cppcheck does not see that a failed
# WEIR_ASSERT ends the process. Some compound literals are beyond its grammar.
check_cppcheck() {
    need cppcheck
    c_files c | cppcheck --std=c11 --quiet --inline-suppr --error-exitcode=1 -j "$(nproc)" \
        --enable=warning,performance,portability --suppress=missingIncludeSystem \
        --suppress=nullPointer --suppress=internalAstError \
        -I . -I include --file-list=-
}

check_manual() {
    need mandoc
    local findings
    # scdoc begins every section with a needless paragraph.
    findings=$(find "$build/man" -type f -print0 2>/dev/null |
        xargs -0 -r mandoc -T lint -W warning | grep -v 'skipping paragraph macro' || true)
    [ -z "$findings" ] || { echo "$findings"; return 1; }
}

# clang does not know some of gcc's options; no check needs them. Of what is printed only the findings
# are kept: ctest cuts long output, and what it cuts would be them.
check_clang_tidy() {
    need run-clang-tidy-19
    local lint=$build/clang-tidy
    mkdir -p "$lint"
    sed -E '/"command"/s/ -[Wf][^ "]*//g' "$build/compile_commands.json" \
        >"$lint/compile_commands.json"
    run-clang-tidy-19 -quiet -j "$(nproc)" -p "$lint" "$PWD/($(echo "$folders" | tr ' ' '|'))/.*" |
        { grep -vE '^(\[ *[0-9]+/[0-9]+\].*|[0-9]+ warnings? generated\.|)$' || true; }
}

if [ "${1-}" = --build ]; then
    build=$2
    shift 2
fi
[ $# -gt 0 ] || set -- format tidy spelling shell cppcheck manual clang-tidy

failed=
for check in "$@"; do
    echo "lint: $check"
    # In a shell of its own, so that a missing tool ends the check, not the run.
    status=0
    ("check_${check//-/_}") || status=$?
    [ $status -eq 0 ] || failed="$failed $check"
    if [ $status -eq 77 ] && [ $# -eq 1 ]; then
        exit 77
    fi
done
if [ -n "$failed" ]; then
    echo "lint: failed or skipped:$failed"
    exit 1
fi
