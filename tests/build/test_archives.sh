#!/usr/bin/env bash
# purity.py and symbols.py refuse what they are for, and accept the rest.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=$here/../../tools
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

# refuses TEXT COMMAND...: the command fails and says TEXT.
refuses() {
    local text=$1 output
    shift
    if output=$("$@"); then
        fail "accepted by $*"
    fi
    echo "$output"
    case $output in
    *"$text"*) ;;
    *) fail "no '$text'" ;;
    esac
}

for sample in impure_engine pure_engine foreign_symbol; do
    "${CC:-cc}" -c -o "$temporary/$sample.o" "$here/samples/$sample.c"
    ar rcs "$temporary/$sample.a" "$temporary/$sample.o"
done
"${CC:-cc}" -shared -fPIC -o "$temporary/libsample.so" "$here/samples/undeclared_export.c"
mkdir "$temporary/include"
echo 'WEIR_API int weir_promised(int a);' >"$temporary/include/sample.h"

refuses "impure_engine.a: not pure: clock_gettime" \
    python3 "$tools/purity.py" "$temporary/pure_engine.a" "$temporary/impure_engine.a"
python3 "$tools/purity.py" "$temporary/pure_engine.a"

refuses "foreign_symbol.a: a foreign name: helper" \
    python3 "$tools/symbols.py" "$temporary/pure_engine.a" "$temporary/foreign_symbol.a"
python3 "$tools/symbols.py" "$temporary/pure_engine.a"

refuses "exported, not in a public header: weir_secret" \
    python3 "$tools/symbols.py" --shared "$temporary/libsample.so" --headers "$temporary/include"
refuses "in a public header, not exported: weir_promised" \
    python3 "$tools/symbols.py" --shared "$temporary/libsample.so" --headers "$temporary/include"
