#!/usr/bin/env bash
# weir bench: a few lines, its words, its end.
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

# Folders that a bench has left behind, or the data directory that it has made.
expect_clean() { [ ! -e data ] || fail "the bench left something: $(ls -R data)"; }

test_names_its_lines() {
    expect_ok bench --list
    expect_out_has consume_100b failover_kill9 start_to_first_record
    expect_ok bench --list --json
    expect_json '.name and .help'
    expect_clean
}

test_an_unknown_line_is_wrong_usage() {
    expect_failure 2 consume_100c consume_100b -- bench consume_100c
    expect_clean
}

test_a_table_for_people() {
    expect_ok bench start_to_first_record --quick
    expect_out_has start_to_first_record budget
    [[ "$out" =~ PASS|FAIL ]] || fail "no verdict"
    expect_clean
}

test_one_object_a_line_for_machines() {
    expect_ok bench start_to_first_record handoff --quick --json
    expect_json '(.value | type) == "number" and (.budget | type) == "number"'
    expect_json '.name and .unit and has("limit") and has("ratio") and (.pass | type) == "boolean"'
    expect_clean
}

test_keeps_what_was_in_the_data_directory() {
    expect_ok stream create mine
    expect_ok bench start_to_first_record --quick
    expect_ok stream ls
    expect_out_has mine
    [ "$(ls data)" = streams ] || fail "something is left: $(ls data)"
}

test_a_peer_that_is_missing_is_said() {
    mkdir none
    status=0
    PATH=$PWD/none "$weir" bench consume_vs_redis --quick --json >out.txt 2>err.txt || status=$?
    expect_status 0
    expect_json '.pass == null and (.note | test("apt-get install"))'
}

test_a_directory_that_cannot_be_used() {
    touch data
    expect_failure 1 "cannot work in" -- bench start_to_first_record --json
}

test_sigint_ends_everything() {
    start bench bench coordination --json
    wait_until test -e data
    wait_until pgrep -P "$pid" >/dev/null
    kill -INT "$pid"
    finish "$pid"
    [ "$status" -eq 1 ] || fail "the exit status is $status"
    grep -q interrupted bench.err || fail "no word about it"
    expect_clean
}

run_tests "$@"
