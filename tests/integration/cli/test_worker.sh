#!/usr/bin/env bash
# weir worker --print, end to end
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/lib.sh"

line_shape='keys_unsorted == ["stream", "shard_id", "sequence_number", "sub_sequence_number",
    "partition_key", "arrival_ms", "data", "lease_epoch", "attempt", "replay_possible",
    "worker_id"]
    and (.sequence_number | type == "string") and (.lease_epoch | type == "number" and . >= 1)
    and (.attempt | type == "number" and . >= 1) and (.replay_possible | type == "boolean")'

# start_worker ID [ARGUMENT...]: a worker of the application billing; sets pid.
start_worker() {
    local id=$1
    shift
    start "$id" worker --app billing --stream orders --print --id "$id" --lease-duration 1s "$@"
}

# drain ID PID: SIGTERM, and it ends with 0 and without a word.
drain() {
    kill -TERM "$2"
    finish "$2"
    err=$(cat "$1.err")
    expect_status 0
    expect_silent
}

# data_of FILE...: what the whole lines of the files say, each once, in numerical order. A process
# that is killed can leave half a line at the end of its file.
data_of() {
    grep -sh '}$' "$@" | jq -r .data | sort -n | uniq
}

# data_is COUNT FILE...: all of 1 to COUNT have been printed.
data_is() {
    local count=$1
    shift
    [ "$(data_of "$@" | wc -l)" -ge "$count" ]
}

expect_data() {
    local count=$1
    shift
    data_of "$@" | cmp -s - <(seq "$count") || fail "records were lost, or others were printed"
}

# Nothing twice, by sequence number.
expect_no_duplicates() {
    local twice
    twice=$(cat "$@" | jq -r '"\(.shard_id) \(.sequence_number)"' | sort | uniq -d | wc -l)
    [ "$twice" -eq 0 ] || fail "$twice records were printed twice"
}

# In each shard the sequence numbers grow (all are of one length).
expect_order() {
    jq -r '"\(.shard_id) \(.sequence_number)"' "$1" | sort -s -k 1,1 >by_shard
    sort -s -k 1,1 -k 2,2 by_shard | cmp -s - by_shard || fail "a shard is out of order"
}

describe() { "$weir" app describe billing --json 2>/dev/null; }

# is_described FILTER: the application is as the filter says.
is_described() { describe | jq -e "$1" >/dev/null 2>&1; }

test_one_worker_prints_every_record() {
    expect_ok stream create orders
    seq 3000 | "$weir" put orders
    start_worker w1
    wait_until data_is 3000 w1.out
    drain w1 "$pid"
    cp w1.out out.txt
    expect_json "$line_shape"' and .stream == "orders" and .worker_id == "w1" and .attempt == 1
        and .replay_possible == false and .partition_key == .data'
    expect_data 3000 w1.out
    expect_no_duplicates w1.out
    expect_order w1.out
}

test_a_restarted_worker_goes_on_where_it_was() {
    expect_ok stream create orders
    seq 1 500 | "$weir" put orders
    start_worker w1
    wait_until data_is 500 w1.out
    drain w1 "$pid"
    seq 501 1000 | "$weir" put orders
    start_worker w2
    wait_until data_is 1000 w1.out w2.out
    drain w2 "$pid"
    expect_data 1000 w1.out w2.out
    expect_no_duplicates w1.out w2.out
}

test_a_killed_worker_loses_nothing() {
    local first
    expect_ok stream create orders --shards 8
    start_worker w1
    first=$pid
    start_worker w2
    wait_until is_described '.workers | length == 2 and all(.[]; .leases == 4)'
    seq 20000 >in.txt
    "$weir" put orders --durability none <in.txt &
    background+=($!)
    wait_until lines_in w1.out 100
    kill -KILL "$first"
    finish "$first"
    wait_until data_is 20000 w1.out w2.out
    drain w2 "$pid"
    expect_data 20000 w1.out w2.out
    expect_order w2.out
    cp w2.out out.txt
    expect_json '.worker_id == "w2"'
}

# namesake_told FILE
namesake_told() { grep -qs "live worker called w1, too" "$1"; }

test_a_second_worker_of_the_same_name_is_told_so() {
    local first
    expect_ok stream create orders
    start_worker w1
    first=$pid
    wait_until is_described '.workers | length == 1'
    start twin worker --app billing --stream orders --print --id w1 --lease-duration 1s
    wait_until namesake_told twin.err
    drain w1 "$first"
    kill -TERM "$pid"
    finish "$pid"
    expect_status 0
}

test_a_stream_made_anew_after_a_split_is_told_of() {
    expect_ok stream create orders
    start_worker w1
    wait_until is_described '.workers | length == 1'
    expect_ok stream split orders shardId-000000000000
    wait_until is_described '.shards[0].state == "shutdown_complete"'
    drain w1 "$pid"
    expect_ok stream rm orders
    expect_ok stream create orders
    start_worker w2
    wait_until grep -qs "shardId-000000000000 is open, but its lease" w2.err
    kill -TERM "$pid"
    finish "$pid"
    expect_status 0
}

test_a_planned_stop_repeats_nothing() {
    local first
    expect_ok stream create orders --shards 8
    start_worker w1
    first=$pid
    start_worker w2
    wait_until is_described '.workers | length == 2 and all(.[]; .leases == 4)'
    seq 20000 | "$weir" put orders --durability none &
    background+=($!)
    wait_until lines_in w1.out 100
    drain w1 "$first"
    wait_until data_is 20000 w1.out w2.out
    drain w2 "$pid"
    expect_data 20000 w1.out w2.out
    expect_no_duplicates w1.out w2.out
}

test_a_split_while_records_come() {
    local shard
    expect_ok stream create orders --shards 1
    start_worker w1 --shard-sync-interval 100ms
    seq 1 500 | "$weir" put orders --key k
    shard=$("$weir" stream describe orders --json | jq -r '.shards[0].shard_id')
    expect_ok stream split orders "$shard"
    seq 501 1000 | "$weir" put orders --key k
    wait_until data_is 1000 w1.out
    drain w1 "$pid"
    # One key: the order of puts is the order of lines, across the split.
    jq -r .data w1.out | cmp -s - <(seq 1000) || fail "not in order"
}

test_from_latest() {
    expect_ok stream create orders
    seq 100 | "$weir" put orders
    start_worker w1 --from LATEST
    # shellcheck disable=SC2317 # wait_until calls it.
    put_and_look() { echo new | "$weir" put orders && [ -s w1.out ]; }
    wait_until put_and_look
    drain w1 "$pid"
    cp w1.out out.txt
    expect_json '.data == "new"'
}

test_binary_data() {
    expect_ok stream create orders --shards 1
    printf 'text\n\001\002\n\377\n' | "$weir" put orders --key k
    start_worker w1
    wait_until lines_in w1.out 3
    drain w1 "$pid"
    [ "$(jq -r '.data // .data_base64' w1.out | paste -s -d ' ')" = "text AQI= /w==" ] ||
        fail "other data"
}

# The output is a file that may grow by so many KiB only; the last line in it is cut off.
test_only_what_stdout_has_taken_is_checkpointed() {
    local room limit=16384
    expect_ok stream create orders --shards 1
    seq 5000 | "$weir" put orders --key k
    for room in 64 200; do
        truncate -s $(((limit - room) * 1024)) part.out
        status=0
        (
            ulimit -f "$limit"
            "$weir" worker --app billing --stream orders --print --id full \
                --batch-records-max 100 >>part.out 2>err.txt
        ) || status=$?
        err=$(cat err.txt)
        expect_status 1
        expect_line "cannot write to stdout" "File too large" "not checkpointed"
        tail -c +$(((limit - room) * 1024 + 1)) part.out | grep '}$' >>all.out
        rm part.out
    done
    lines_in all.out 500 || fail "hardly anything was printed"
    start_worker w1
    wait_until data_is 5000 all.out w1.out
    drain w1 "$pid"
    expect_data 5000 all.out w1.out
    lines_in w1.out 5000 && fail "nothing was checkpointed"
    return 0
}

test_a_full_disk_checkpoints_nothing() {
    expect_ok stream create orders --shards 1
    seq 100 | "$weir" put orders --key k
    status=0
    "$weir" worker --app billing --stream orders --print >/dev/full 2>err.txt || status=$?
    err=$(cat err.txt)
    expect_status 1
    expect_line "cannot write to stdout" "No space left" "not checkpointed"
    expect_ok app describe billing --json
    expect_json '.shards[0].checkpoint == "TRIM_HORIZON"'
    start_worker w1
    wait_until data_is 100 w1.out
    drain w1 "$pid"
    expect_data 100 w1.out
    cp w1.out out.txt
    expect_json '.replay_possible'
}

test_workers_that_share_a_pipe_do_not_mix_lines() {
    expect_ok stream create orders --shards 8
    mkfifo pipe
    cat pipe >all.out &
    for id in w1 w2 w3; do
        "$weir" worker --app billing --stream orders --print --id $id >pipe 2>$id.err &
        background+=($!)
    done
    seq 20000 | "$weir" put orders --durability none
    wait_until data_is 20000 all.out
    kill "${background[@]}"
    for pid in "${background[@]}"; do
        finish "$pid"
        expect_status 0
    done
    jq -e . all.out >/dev/null || fail "a line is broken"
    expect_data 20000 all.out
}

test_sigint_drains_too() {
    expect_ok stream create orders
    echo 1 | "$weir" put orders
    # Of a background job bash leaves SIGINT ignored; env gives it back.
    env --default-signal=INT "$weir" worker --app billing --stream orders --print >w1.out 2>w1.err &
    pid=$!
    background+=("$pid")
    wait_until data_is 1 w1.out
    kill -INT "$pid"
    finish "$pid"
    expect_status 0
    wait_until is_described '.workers == []'
}

# A reader that keeps the pipe open and does not read must not keep the worker for ever.
test_a_reader_that_does_not_read() {
    expect_ok stream create orders --shards 2
    seq 20000 | "$weir" put orders --durability none
    mkfifo pipe
    exec 3<>pipe
    "$weir" worker --app billing --stream orders --print --id w1 --lease-duration 500ms \
        --drain-timeout 100ms >pipe 2>w1.err &
    pid=$!
    background+=("$pid")
    # One line shows that printing has begun; after some more the pipe is full.
    read -r line <&3
    jq -e . <<<"$line" >/dev/null || fail "not a line: $line"
    kill -TERM "$pid"
    kill -TERM "$pid"
    finish "$pid"
    [ "$status" -eq 1 ] || fail "the exit status is not 1"
    exec 3>&-
    start_worker w2
    wait_until data_is 20000 w2.out
    drain w2 "$pid"
    expect_data 20000 w2.out
}

test_worker_says_what_is_wrong() {
    expect_failure 1 "stream 'orders' does not exist" "weir stream create orders" -- \
        worker --app billing --stream orders --print
    expect_ok stream create orders
    expect_ok stream create other
    expect_failure 2 "--lease-duration '1ms'" -- \
        worker --app billing --stream orders --print --lease-duration 1ms
    expect_failure 2 "--batch-records-max '0'" -- \
        worker --app billing --stream orders --print --batch-records-max 0
    expect_failure 2 "--strict 'perhaps'" -- \
        worker --app billing --stream orders --print --strict=perhaps
    start_worker w1
    wait_until is_described '.workers | length == 1'
    run worker --app billing --stream other --print
    expect_status 1
    expect_line
    drain w1 "$pid"
}

test_every_option_of_the_library_is_a_flag() {
    local name count=0
    expect_ok worker --help
    # Members of the structure, without those that have flags of other names.
    # Members of the structure, without its comments and those that have flags of other names.
    mapfile -t names < <(tr '\n' ' ' <"${WEIR_SOURCE_DIR:?}/include/weir/worker.h" |
        sed -E 's/.*struct weir_worker_options \{([^}]*)\}.*/\1/; s@/\*[^*]*\*/|/\*\*[^*]*\*/@@g' |
        grep -oE '[a-z_]+;' | tr -d ';' |
        grep -vxE 'struct_size|data_directory|application|worker_id|initial_position')
    for name in "${names[@]}"; do
        name=${name%_ms}
        expect_out_has "--${name//_/-}"
        count=$((count + 1))
    done
    [ "$count" -ge 17 ] || fail "only $count options found in the header"
    expect_ok stream create orders
    start_worker w1 --handoff-timeout 5s --drain-timeout 5s --checkpoint-interval 100ms \
        --checkpoint-records 10 --batch-records-max 10 --batch-bytes-max 64KiB \
        --buffer-bytes-max 1MiB --processor-threads-max 2 --leases-max 3 --retry-base 10ms \
        --retry-cap 1s --shard-sync-interval 1s --strict=false --evict-stopped-writers \
        --handle-signals=true --log-level error
    seq 50 | "$weir" put orders
    wait_until lines_in w1.out 1
    wait_until is_described '.workers[0].leases == 3'
    drain w1 "$pid"
}

run_tests "$@"
