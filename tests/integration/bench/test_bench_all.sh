#!/usr/bin/env bash
# Every line of weir bench can be measured here. What it measures is not looked at.
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

test_every_line_has_an_object() {
    local name
    expect_ok bench --quick --json
    expect_json '.name and .unit and has("value") and has("limit") and has("ratio")'
    expect_json '(.budget | type) == "number" and has("pass")'
    expect_json '(.value | type) == "number"'
    for name in $("$weir" bench --list | cut -d' ' -f1); do
        jq -e -s --arg name "$name" 'any(.[]; .name == $name)' out.txt >/dev/null ||
            fail "no object for $name"
    done
    [ ! -e data ] || fail "the bench left something"
}

run_tests "$@"
