#!/usr/bin/env bash
# tidy.py finds each deliberate violation in samples/tidy and nothing in samples/clean.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tidy=$here/../../tools/tidy.py
temporary=$(mktemp -d)
trap 'rm -rf "$temporary"' EXIT

fail() {
    echo "FAILED: $*"
    exit 1
}

# findings TREE: what tidy.py prints about it, without its last line, sorted.
findings() {
    { python3 "$tidy" --root "$1" || true; } | sed '$d' | sort
}

python3 "$tidy" --root "$here/samples/clean" || fail "a clean tree is refused"
if python3 "$tidy" --root "$here/samples/tidy" >"$temporary/output"; then
    fail "violations are accepted"
fi
findings "$here/samples/tidy" | diff - "$here/samples/tidy/expected.txt" || fail "see above"

# What is only bad because it is long, or because it must not stand in this repository.
mkdir -p "$temporary/tree/core" "$temporary/tree/tests" "$temporary/tree/docs"
filler() {
    for ((i = 0; i < $1; i++)); do
        echo "    a++;"
    done
}
{
    printf 'int wi_long(int a);\nint\nwi_long(int a)\n{\n'
    filler 66
    printf '    return a;\n}\n'
} >"$temporary/tree/core/long.c"
{
    printf 'static void\nis_a_sentence(void **state)\n{\n    int a = state == 0;\n'
    filler 36
    printf '}\n'
} >"$temporary/tree/tests/test_long.c"
{
    printf '#ifndef WI_CORE_LONG_H\n#define WI_CORE_LONG_H\n'
    printf '/* %s */\n' "$(printf 'x%.0s' {1..95})"
    for ((i = 0; i < 347; i++)); do
        echo
    done
    echo '#endif'
} >"$temporary/tree/core/long.h"
printf 'see /%s/somebody/notes\n' home >"$temporary/tree/docs/notes.md"
mkdir "$temporary/tree/newfolder"
echo 'int wi_new;' >"$temporary/tree/newfolder/new.c"

findings "$temporary/tree" >"$temporary/found"
diff "$temporary/found" - <<'END' || fail "see above"
core/long.c:3: wi_long: 71 lines, limit 70
core/long.h:350: 351 lines, limit 350
core/long.h:3: 101 columns, limit 100
docs/notes.md:1: an absolute path of some machine
newfolder/new.c:1: this folder is not in tools/layers.txt
tests/test_long.c:2: is_a_sentence: 41 lines, limit 40
END
