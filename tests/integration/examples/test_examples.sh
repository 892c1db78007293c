#!/usr/bin/env bash
# Each example with a real stream in ./weir-data, where examples look for it.
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

examples=${WEIR_BUILD_DIR:?}/examples

given_a_stream() {
    unset WEIR_DATA
    expect_ok stream create orders --shards "${1:-4}"
}

# start_example NAME PATH ARGUMENT...: in the background, NAME.out and NAME.err; sets pid.
start_example() {
    local name=$1 program=$examples/$2
    shift 2
    "$program" "$@" >"$name.out" 2>"$name.err" </dev/null &
    pid=$!
    background+=("$pid")
}

# stop NAME: SIGTERM to `pid`; it ends with 0.
stop() {
    kill -TERM "$pid"
    finish "$pid"
    err=$(cat "$1.err")
    expect_status 0
}

# is_caught_up APPLICATION: everything that was put is processed and checkpointed.
is_caught_up() {
    "$weir" app describe "$1" --json 2>/dev/null |
        jq -e '.shards | length > 0 and all(.[]; .millis_behind_latest == 0)' >/dev/null
}

test_hello_processor() {
    given_a_stream
    start_example hello 01_hello_processor/hello_processor orders
    seq 1000 | "$weir" put orders
    wait_until lines_in hello.out 1000
    stop hello
    expect_silent
    sort -n hello.out | cmp -s - <(seq 1000) || fail "other records"
}

test_hello_processor_says_what_is_wrong() {
    unset WEIR_DATA
    status=0
    "$examples/01_hello_processor/hello_processor" nope >out.txt 2>err.txt || status=$?
    err=$(cat err.txt)
    expect_status 1
    [ "$(wc -l <err.txt)" -eq 1 ] || fail "not one line"
}

# Everything in the files, in any order.
exported() { cat shardId-*.txt 2>/dev/null; }
is_exported() { [ "$(exported | wc -l)" -ge "$1" ]; }

# Each process finds records that none before it can have exported: to see one of them is to know that
# it is at work, and no longer at its start, where SIGTERM would still end it.
test_checkpointing_survives_kill() {
    local seen
    given_a_stream 2
    for seen in 0 10000 20000; do
        seq $((seen + 1)) $((seen + 10000)) | "$weir" put orders --durability none
        start_example export 02_checkpointing/checkpointing orders
        wait_until is_exported $((seen + 1))
        kill -KILL "$pid"
        finish "$pid"
    done
    echo 30001 | "$weir" put orders
    start_example export 02_checkpointing/checkpointing orders
    wait_until is_exported 30001
    stop export
    exported | sort -n | cmp -s - <(seq 30001) || fail "lost or doubled"
}

# An owner that was stopped and replaced still has the file: the next one must not begin before it ends.
test_checkpointing_waits_for_the_lock_of_the_file() {
    given_a_stream 1
    seq 100 | "$weir" put orders
    exec 9>>shardId-000000000000.txt
    flock 9
    start_example export 02_checkpointing/checkpointing orders 9>&-
    wait_until grep -q "initialize failed" export.err
    [ -z "$(exported)" ] || fail "wrote to a file that another has locked"
    exec 9>&-
    wait_until is_exported 100
    stop export
    exported | cmp -s - <(seq 100) || fail "lost or doubled"
}

test_dedupe_sink_survives_kill() {
    given_a_stream 2
    seq 20000 | "$weir" put orders --durability none
    start_example sink 03_dedupe/dedupe_sink orders
    wait_until test -e count.mdb
    kill -KILL "$pid"
    finish "$pid"
    echo last | "$weir" put orders
    start_example sink 03_dedupe/dedupe_sink orders
    # The counts are printed when the process ends; that it has them all is seen from outside.
    wait_until is_caught_up count
    stop sink
    [ "$(sort -n sink.out | tail -n 1)" = 20001 ] || fail "not 20001"
}

test_dedupe_window_prints_once() {
    given_a_stream 2
    for _ in 1 2 3; do seq 1000; done | "$weir" put orders
    start_example window 03_dedupe/dedupe_window orders
    wait_until lines_in window.out 1000
    wait_until is_caught_up window
    stop window
    sort -n window.out | cmp -s - <(seq 1000) || fail "not each once"
    grep -q "2000 duplicates" window.err || fail "other duplicates"
}

test_fleet() {
    given_a_stream 6
    start_example fleet 04_fleet/fleet orders 3
    wait_until grep -sqE '^w[123]: shardId-[0-9]+ shardId-[0-9]+$' fleet.out
    for worker in w1 w2 w3; do
        expect_ok app drain fleet "$worker"
    done
    finish "$pid"
    expect_status 0
}

run_tests "$@"
