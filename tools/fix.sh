#!/usr/bin/env bash
# Mend what a program can mend: every file includes what it uses and nothing else, formatted.
#
#   tools/fix.sh [--build DIR] [FOLDER...]      DIR is a configured and built folder
#
# Look at the change before you commit it.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/release
if [ "${1-}" = --build ]; then
    build=$2
    shift 2
fi
[ $# -gt 0 ] || set -- core storage wire aws lease stream producer coordinator worker sim cli \
    examples bench chaos
places=$(IFS='|' && echo "$*")

# As system folders the public headers are written <weir/...>.
mkdir -p "$build/fix"
sed -E '/"command"/{s/ -[Wf][^ "]*//g; s# -I([^ ]*/include) # -isystem \1 #}' \
    "$build/compile_commands.json" >"$build/fix/compile_commands.json"
run-clang-tidy-19 -quiet -fix -j "$(nproc)" -checks='-*,misc-include-cleaner' -p "$build/fix" \
    "$PWD/($places)/.*" >/dev/null 2>&1 || true

# In C the names of its headers are others than in C++; the right ones stand beside them.
find "$@" -name '*.[ch]' -print0 2>/dev/null |
    xargs -0 -r sed -i -E '/^#include <c(stddef|stdint|stdlib|string|limits|time)>$/d'
find "$@" -name '*.[ch]' -print0 2>/dev/null | xargs -0 -r clang-format-19 -i
