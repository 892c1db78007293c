#!/usr/bin/env bash
# weir demo: what it says at the end, what it leaves behind, and what it cannot work with. No time is
# asserted; a verdict of FAIL for the sake of a time alone is no failure of these tests.
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

# packages NUMBER: an index of that many packages.
packages() {
    local i
    for i in $(seq "$1"); do
        printf 'Package: package-%d\nSection: section-%d\nInstalled-Size: %d\n\n' \
            "$i" $((i % 7)) $((i * 3))
    done
}

# The demo's temporary directories are in a folder of the test's own.
own_temporary_folder() {
    mkdir tmp
    export TMPDIR=$PWD/tmp
}

expect_nothing_left() {
    [ -z "$(ls -A tmp)" ] || fail "something is left: $(ls -A tmp)"
    [ ! -e data ] || fail "the data directory was made"
}

# The verdict is pass, or only times speak against it.
expect_no_fault() {
    local reasons
    reasons=$(sed -E 's/^weir: demo: //; s/: the data directory is kept: .*//; s/; /\n/g' err.txt |
        grep -vE 'took [0-9.]+ (ms|s), more than' || true)
    [ -z "$reasons" ] || fail "$reasons"
}

# expect_json_verdict: the last line of stdout is the verdict, and nothing went wrong.
expect_json_verdict() {
    out=$(tail -n 1 out.txt)
    echo "$out" >out.txt
    expect_json '(.verdict == "pass" or .verdict == "fail") and .totals_match'
    expect_json '.lost == 0 and .order_violations == 0 and .stale_checkpoints_accepted == 0'
    expect_json '.handoff_redelivered == 0 and .redelivered >= 0'
    expect_json '.records_put > 0 and .records_put == .records_processed'
    expect_json '(.failover_ms | length) > 0 and all(.failover_ms[]; type == "number")'
    expect_json '(.handoff_ms | length) > 0 and all(.handoff_ms[]; type == "number")'
    expect_json '(.hang_takeover_ms | type) == "number" and (.seconds | type) == "number"'
    expect_no_fault
}

test_a_small_index_is_put_in_rounds() {
    own_temporary_folder
    packages 40 >index
    run demo --json --packages index --lease-duration 1s
    expect_json_verdict
    expect_json '.records_put % 40 == 0 and .records_put > 40'
    [ "$status" -ne 0 ] || expect_nothing_left
}

test_a_single_package_leaves_shards_without_records() {
    own_temporary_folder
    packages 1 >index
    run demo --json --packages index --lease-duration 1s --rate 500
    expect_json_verdict
}

test_a_table_for_people_and_data_to_look_at() {
    packages 300 >index
    run demo --packages index --lease-duration 1s --data kept --keep
    expect_no_fault
    [[ $(tail -n 1 out.txt) =~ ^(PASS|FAIL)$ ]] || fail "no verdict"
    expect_out_has 'all totals equal: yes' section-3 'kill -9' SIGSTOP SIGCONT split merge drain
    expect_ok --data kept stream describe packages
    expect_ok --data kept app describe demo --json
    expect_ok --data kept get packages --limit 1
}

test_files_that_are_no_index() {
    own_temporary_folder
    mkdir folder
    touch empty
    head -c 100000 /dev/zero >zeros
    seq 10000 >numbers
    packages 3 | tr '\n' ' ' >one-line
    for file in missing folder empty zeros numbers one-line; do
        expect_failure 1 "'$file'" -- demo --packages "$file"
    done
    expect_nothing_left
}

test_directories_that_cannot_be_used() {
    own_temporary_folder
    packages 3 >index
    touch file
    mkdir full
    touch full/something
    expect_failure 1 "'file/data'" --data -- demo --packages index --data file/data --rate 5
    expect_failure 1 "'full' is not empty" -- demo --packages index --data full
    [ "$(ls full)" = something ] || fail "something is gone"
    TMPDIR=$PWD/missing
    expect_failure 1 missing -- demo --packages index
}

test_wrong_usage() {
    expect_failure 2 --rate -- demo --rate 0
    expect_failure 2 --rate -- demo --rate x
    expect_failure 2 --lease-duration -- demo --lease-duration 100ms
    expect_failure 2 unexpected -- demo now
    expect_failure 2 --number -- demo worker
    expect_ok demo --help
    expect_out_has --packages --rate --lease-duration --keep
}

has_three_workers() { [ "$(pgrep -c -P "$1")" -ge 3 ]; }

test_sigint_leaves_no_processes_and_no_files() {
    own_temporary_folder
    packages 40 >index
    start demo demo --packages index
    wait_until has_three_workers "$pid"
    wait_until grep -qs 'takes shard' demo.out
    mapfile -t workers < <(pgrep -P "$pid")
    kill -INT "$pid"
    finish "$pid"
    [ "$status" -eq 1 ] || fail "the exit status is $status"
    [ "$(wc -l <demo.err)" -eq 1 ] || fail "not one line on stderr"
    grep -q interrupted demo.err || fail "no word about it"
    for worker in "${workers[@]}"; do
        is_gone "$worker" || fail "a worker lives on"
    done
    expect_nothing_left
}

test_sigterm_while_a_worker_is_stopped() {
    own_temporary_folder
    packages 40 >index
    start demo demo --packages index --lease-duration 10s
    wait_until grep -qs 'SIGSTOP worker' demo.out
    mapfile -t workers < <(pgrep -P "$pid")
    kill -TERM "$pid"
    finish "$pid"
    for worker in "${workers[@]}"; do
        is_gone "$worker" || fail "a worker lives on"
    done
    expect_nothing_left
}

test_ends_when_nobody_reads_any_more() {
    own_temporary_folder
    packages 40 >index
    status=0
    "$weir" demo --packages index 2>err.txt | head -n 3 >out.txt || status=$?
    err=$(cat err.txt)
    expect_status 0
    expect_silent
    expect_nothing_left
    status=0
    "$weir" demo --packages index >/dev/full 2>err.txt || status=$?
    err=$(cat err.txt)
    expect_status 1
    expect_line stdout
    expect_nothing_left
}

test_workers_die_with_the_demo() {
    own_temporary_folder
    packages 40 >index
    start demo demo --packages index
    wait_until has_three_workers "$pid"
    mapfile -t workers < <(pgrep -P "$pid")
    kill -KILL "$pid"
    finish "$pid"
    for worker in "${workers[@]}"; do
        wait_until is_gone "$worker"
    done
}

run_tests "$@"
