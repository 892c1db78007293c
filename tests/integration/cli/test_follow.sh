#!/usr/bin/env bash
# weir get --follow
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/lib.sh"

put() { printf '%s\n' "$@" | "$weir" put orders --key k; }

# Stop the background process `pid` with a signal; it must end with 0 and without a word.
stop_with() {
    kill "-$1" "$pid"
    finish "$pid"
    err=$(cat get.err)
    expect_status 0
    expect_silent
}

test_follow_prints_what_comes_and_ends_on_a_signal() {
    local signal
    expect_ok stream create orders
    put old
    for signal in INT TERM; do
        start get get orders --follow
        wait_until lines_in get.out 1
        put new
        wait_until lines_in get.out 2
        stop_with $signal
        out=$(cat get.out)
        expect_out $'old\nnew'
        expect_ok stream rm orders
        expect_ok stream create orders
        put old
    done
}

test_follow_from_latest_leaves_out_what_is_old() {
    expect_ok stream create orders
    put old
    start get get orders --follow --from LATEST
    # When it has begun to read cannot be seen: put until something arrives.
    # shellcheck disable=SC2317 # wait_until calls it.
    put_and_look() { put new && [ -s get.out ]; }
    wait_until put_and_look
    stop_with TERM
    grep -q old get.out && fail "an old record was printed"
    grep -qx new get.out || fail "no new record"
}

test_follow_ends_at_the_limit() {
    expect_ok stream create orders --shards 1
    start get get orders --follow --limit 3 --json
    put 1 2
    put 3 4
    finish "$pid"
    expect_status 0
    [ "$(jq -r .data get.out | paste -s -d ' ')" = "1 2 3" ] || fail "other records"
}

test_follow_goes_on_with_children() {
    local shard
    expect_ok stream create orders --shards 1
    shard=$("$weir" stream describe orders --json | jq -r '.shards[0].shard_id')
    start all get orders --follow
    local all=$pid
    start one get orders --follow --shard "$shard"
    local one=$pid
    put {1..5}
    expect_ok stream split orders "$shard"
    put {6..10}
    expect_ok stream scale orders --shards 1
    put {11..15}
    expect_ok stream scale orders --shards 4
    put {16..20}
    wait_until lines_in all.out 20
    wait_until lines_in one.out 20
    kill "$all" "$one"
    finish "$all"
    expect_status 0
    finish "$one"
    expect_status 0
    # One key: parents before children is the order of puts.
    [ "$(cat all.out)" = "$(seq 20)" ] || fail "all shards: not in order"
    [ "$(cat one.out)" = "$(seq 20)" ] || fail "one shard: not in order"
}

test_follow_sees_every_record_of_busy_producers() {
    expect_ok stream create orders --shards 4
    start get get orders --follow
    for part in 0 1 2; do
        seq $((part * 2000 + 1)) $((part * 2000 + 2000)) | "$weir" put orders --durability none &
        background+=($!)
    done
    wait_until lines_in get.out 6000
    stop_with TERM
    sort -n get.out | cmp -s - <(seq 6000) || fail "lost or doubled"
}

test_follow_ends_when_nobody_reads() {
    expect_ok stream create orders
    mkfifo pipe
    "$weir" get orders --follow >pipe 2>get.err &
    pid=$!
    background+=("$pid")
    head -n 1 <pipe >head.out &
    put 1
    wait_until lines_in head.out 1
    # The next write finds the pipe closed.
    # shellcheck disable=SC2317 # wait_until calls it.
    put_and_look() { put more && is_gone "$pid"; }
    wait_until put_and_look
    finish "$pid"
    err=$(cat get.err)
    expect_status 0
    expect_silent
}

test_follow_says_that_the_stream_was_deleted() {
    expect_ok stream create orders
    put 1
    start get get orders --follow
    wait_until lines_in get.out 1
    expect_ok stream rm orders
    finish "$pid"
    err=$(cat get.err)
    cp get.err err.txt
    expect_status 1
    expect_line "stream 'orders'" "does not exist"
}

run_tests "$@"
