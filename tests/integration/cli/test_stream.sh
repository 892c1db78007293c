#!/usr/bin/env bash
# weir stream
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/lib.sh"

shard_shape='(.shard_id | type == "string") and (.parent_shard_ids | type == "array")
    and ([.starting_hash_key, .ending_hash_key, .starting_sequence_number]
         | all(.[]; type == "string" and test("^[0-9]+$")))'

# Id of the open shard number $1 of the stream orders.
open_shard() {
    "$weir" stream describe orders --json |
        jq -r "[.shards[] | select(.ending_sequence_number == null)][$1].shard_id"
}

test_create_gives_four_shards_and_a_day_by_default() {
    expect_ok stream create orders
    expect_out_has "created stream orders" "4 open shards"
    expect_ok stream describe orders --json
    expect_json '.stream == "orders" and .retention_ms == 86400000 and (.shards | length) == 4'
    expect_json "all(.shards[]; $shard_shape and (has(\"ending_sequence_number\") | not))"
    expect_json '.shards[0].starting_hash_key == "0"'
    expect_json '.shards[-1].ending_hash_key == "340282366920938463463374607431768211455"'
}

test_create_with_options() {
    expect_ok stream create orders --shards 7 --retention 7d --record-bytes-max 64KiB --json
    expect_json '.retention_ms == 604800000 and (.shards | length) == 7'
    expect_failure 2 "" -- stream create short --retention 1ms
}

test_create_refuses_a_name_that_is_taken() {
    expect_ok stream create orders
    expect_failure 1 "'orders' exists" "weir stream rm orders" -- stream create orders
}

test_ls_is_in_alphabetical_order() {
    local name
    expect_ok stream ls
    expect_out ''
    for name in b c a; do
        expect_ok stream create "$name"
    done
    expect_ok stream ls
    expect_out $'a\nb\nc'
    expect_ok stream ls --json
    expect_json 'keys == ["stream"]'
    [ "$(jq -r .stream out.txt | paste -s -d ' ')" = "a b c" ] || fail "not in order"
}

test_rm() {
    expect_ok stream create orders
    expect_ok stream rm orders
    expect_ok stream ls
    expect_out ''
    expect_ok stream create orders
    expect_ok stream rm orders --json
    expect_json '. == {"stream": "orders", "deleted": true}'
}

# A worker w1 of the application billing reads orders; sets pid.
start_worker() {
    start w1 worker --app billing --stream orders --print --id w1
    wait_until is_member
}

is_member() {
    "$weir" app describe billing --json 2>&1 | grep -q '"worker_id":"w1"'
}

test_rm_is_refused_while_a_worker_reads() {
    expect_ok stream create orders --shards 1
    expect_ok stream create payments --shards 1
    start_worker
    expect_failure 1 "worker 'w1' of application 'billing' reads it" "weir app drain billing w1" \
        "--force" -- stream rm orders
    expect_failure 1 "is not deleted" -- stream rm weir:orders
    expect_ok stream rm payments
    expect_failure 1 "does not exist" -- stream rm payments
    kill -TERM "$pid"
    finish "$pid"
    expect_status 0
    expect_ok stream rm orders
}

test_rm_with_force_does_not_ask_who_reads() {
    expect_ok stream create orders --shards 1
    start_worker
    expect_ok stream rm orders --force
    expect_out "deleted stream orders"
    expect_failure 1 "does not exist" -- stream rm orders
}

# A lease table that cannot be read is no reason to keep a stream.
test_rm_only_warns_of_a_damaged_application() {
    expect_ok stream create orders --shards 1
    start_worker
    kill -TERM "$pid"
    finish "$pid"
    find data/apps -type f -name '*.mdb' ! -name '*lock*' \
        -exec sh -c 'head -c 100000 /dev/urandom >"$1"' sh {} \;
    run stream rm orders
    expect_status 0
    expect_line "warning: whether workers of application 'billing' read the stream is not known"
    expect_out "deleted stream orders"
}

test_commands_on_a_missing_stream_say_how_to_create_it() {
    # shellcheck disable=SC2031 # It was set for this test.
    local hint=("stream 'orders' does not exist in $WEIR_DATA" "weir stream create orders")
    expect_failure 1 "${hint[@]}" -- stream describe orders
    expect_failure 1 "${hint[@]}" -- stream rm orders
    expect_failure 1 "${hint[@]}" -- stream split orders x
    expect_failure 1 "${hint[@]}" -- stream merge orders x y
    expect_failure 1 "${hint[@]}" -- stream scale orders --shards 2
    expect_failure 1 "${hint[@]}" -- stream trim orders
    expect_failure 1 "${hint[@]}" -- put orders
    expect_failure 1 "${hint[@]}" -- get orders
}

test_split_in_the_middle_and_at_a_key() {
    local shard
    expect_ok stream create orders --shards 1
    shard=$(open_shard 0)
    expect_ok stream split orders "$shard"
    expect_out_has "2 open shards"
    expect_ok stream describe orders --json
    expect_json "(.shards | length) == 3 and all(.shards[]; $shard_shape)"
    expect_json '.shards[0].ending_sequence_number | test("^[0-9]+$")'
    expect_json '.shards[1].parent_shard_ids == [.shards[0].shard_id]'
    expect_json '.shards[2].starting_hash_key == "170141183460469231731687303715884105728"'
    expect_ok stream split orders "$(open_shard 0)" --at 42 --json
    expect_json '[.shards[].starting_hash_key] | index("42") != null'
}

test_split_says_what_is_wrong() {
    local shard
    expect_ok stream create orders --shards 1
    shard=$(open_shard 0)
    expect_failure 1 "shard 'nope' does not exist in stream 'orders'" "weir stream describe" -- \
        stream split orders nope
    expect_failure 1 "" -- stream split orders "$shard" --at 0
    expect_ok stream split orders "$shard"
    expect_failure 1 "" -- stream split orders "$shard"
}

test_merge() {
    expect_ok stream create orders --shards 3
    expect_failure 1 "" -- stream merge orders "$(open_shard 0)" "$(open_shard 2)"
    expect_failure 1 "does not exist" -- stream merge orders "$(open_shard 0)" nope
    expect_ok stream merge orders "$(open_shard 0)" "$(open_shard 1)"
    expect_out_has "2 open shards"
    expect_ok stream describe orders --json
    expect_json '.shards[-1].parent_shard_ids == [.shards[0].shard_id, .shards[1].shard_id]'
}

test_scale() {
    local count
    expect_ok stream create orders --shards 1
    for count in 8 3 1; do
        expect_ok stream scale orders --shards "$count" --json
        expect_json "[.shards[] | select(.ending_sequence_number == null)] | length == $count"
    done
    expect_failure 2 "--shards N is missing" -- stream scale orders
}

test_trim_deletes_what_is_older_than_the_retention() {
    expect_ok stream create kept
    expect_ok stream create orders --shards 1 --retention 1s
    seq 3 | "$weir" put kept
    seq 3 | "$weir" put orders

    # shellcheck disable=SC2317 # wait_until calls it.
    trims() { "$weir" stream trim orders --json >out.txt && ! grep -q '"records_deleted":0' out.txt; }
    wait_until trims
    expect_json '. == {"stream": "orders", "records_deleted": 3}'
    expect_ok stream trim orders
    expect_out "trimmed stream orders: 0 records deleted"
    expect_ok stream trim kept
    expect_out "trimmed stream kept: 0 records deleted"
    expect_ok get kept
    [ "$(wc -l <out.txt)" -eq 3 ] || fail "records within the retention are gone"
}

test_describe_is_a_table_for_people() {
    expect_ok stream create orders --shards 2
    expect_ok stream split orders "$(open_shard 0)"
    expect_ok stream describe orders
    expect_out_has "stream orders: 3 open shards, 1 closed, retention 24h" SHARD closed 50.0% 25.0%
}

test_names_with_a_scheme() {
    expect_ok stream create orders
    expect_ok stream describe weir:orders --json
    expect_json '.stream == "orders"'
}

run_tests "$@"
