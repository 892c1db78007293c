#!/usr/bin/env bash
# Every public header stands alone and is clean as C99 and as C++11; so is weir.h.
set -euo pipefail
cd "$(dirname "$0")/../.."
warnings="-Wall -Wextra -Wpedantic -Werror -fsyntax-only -Iinclude"
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

count=0
for header in include/weir/*.h; do
    name=${header#include/}
    # Twice, so that the include guard is tried as well.
    printf '#include <%s>\n#include <%s>\nint weir_header_test;\n' "$name" "$name" \
        >"$temporary/header.c"
    cp "$temporary/header.c" "$temporary/header.cpp"
    # shellcheck disable=SC2086 # One word for each option.
    "${CC:-cc}" -std=c99 $warnings "$temporary/header.c"
    # shellcheck disable=SC2086
    "${CXX:-g++}" -std=c++11 $warnings "$temporary/header.cpp"
    count=$((count + 1))
done

# weir.h brings every other header along.
if [ -e include/weir/weir.h ]; then
    for header in include/weir/*.h; do
        case $header in
        */weir.h) ;;
        *)
            grep -qF "#include <${header#include/}>" include/weir/weir.h || {
                echo "FAILED: weir.h does not include ${header#include/}"
                exit 1
            }
            ;;
        esac
    done
fi
echo "$count headers"
