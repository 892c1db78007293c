#!/usr/bin/env bash
# weir put, weir get
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/lib.sh"

record_shape='keys_unsorted == ["stream", "shard_id", "sequence_number", "sub_sequence_number",
    "partition_key", "arrival_ms", "data"]
    and (.sequence_number | type == "string" and test("^[0-9]+$"))
    and (.sub_sequence_number | type == "number") and (.arrival_ms | type == "number")'

# put TEXT [ARGUMENT...]: printf TEXT | weir put orders ARGUMENT...
put() {
    local text=$1
    shift
    # shellcheck disable=SC2059 # The text has escapes.
    run put orders "$@" < <(printf "$text")
}

test_every_line_comes_back() {
    expect_ok stream create orders
    put 'one\ntwo\nthree\n'
    expect_status 0
    expect_silent
    expect_out ''
    expect_ok get orders
    [ "$(sort out.txt)" = $'one\nthree\ntwo' ] || fail "not what was put"
    expect_ok get orders --json
    expect_json "$record_shape"' and .stream == "orders" and .partition_key == .data'
}

test_the_last_line_needs_no_newline() {
    expect_ok stream create orders --shards 1
    put 'one\ntwo'
    expect_ok get orders
    expect_out $'one\ntwo'
}

test_no_input_is_fine() {
    expect_ok stream create orders
    put ''
    expect_status 0
    expect_silent
    expect_ok get orders
    expect_out ''
}

test_one_key_keeps_the_order() {
    expect_ok stream create orders
    seq 5000 >in.txt
    run put orders --key same <in.txt
    expect_status 0
    expect_ok get orders
    cmp -s in.txt out.txt || fail "not in order"
    expect_ok get orders --json
    expect_json '.partition_key == "same"'
    [ "$(jq -r .shard_id out.txt | sort -u | wc -l)" -eq 1 ] || fail "more than one shard"
}

test_keys_from_fields() {
    expect_ok stream create orders --shards 1
    put '  alpha\tx y\n' --key-field 1
    put 'x beta  y\n' --key-field 2
    put 'x,gamma,y\n' --key-field 2 --delimiter ,
    put 'x\ty\tdelta\n' --key-field 3 --delimiter '\t'
    put 'x→epsilon→y\n' --key-field 2 --delimiter →
    expect_ok get orders --json
    [ "$(jq -r .partition_key out.txt | paste -s -d ' ')" = "alpha beta gamma delta epsilon" ] ||
        fail "other keys"
    expect_json '.data | test("x")'
}

test_put_json_reports_every_line_in_order() {
    expect_ok stream create orders
    put 'one\n\ntwo\n' --json
    expect_status 1
    expect_line "1 of 3 records were refused"
    expect_json 'keys_unsorted == ["shard_id", "sequence_number"]
        or keys_unsorted == ["error", "message"]'
    [ "$(jq -r '.error // "ok"' out.txt | paste -s -d ' ')" = "ok WEIR_EINVAL ok" ] ||
        fail "not in order"
    # What was reported is what is there.
    jq -r '.sequence_number // empty' out.txt | sort >reported.txt
    expect_ok get orders --json
    jq -r .sequence_number out.txt | sort | cmp -s - reported.txt || fail "other numbers"
}

test_an_empty_line_needs_a_key() {
    expect_ok stream create orders --shards 1
    put 'one\n\ntwo\n'
    expect_status 1
    expect_line "line 2 was not put" "--key"
    put '\n\n' --key k
    expect_status 0
    expect_ok get orders --json
    [ "$(jq -r .data out.txt | paste -s -d ,)" = "one,two,," ] || fail "other records"
    put 'a b\na\n' --key-field 2
    expect_status 1
    expect_line "line 2 was not put" "--key-field"
    put 'a,b\n,x\n' --key-field 1 --delimiter ,
    expect_status 1
    expect_line "line 2 was not put"
}

test_binary_lines_come_back() {
    expect_ok stream create orders --shards 1
    # Every byte but the newline, and lines of one byte.
    for byte in {0..255}; do
        [ "$byte" -eq 10 ] || printf '%b' "\\x$(printf %02x "$byte")"
    done >in.txt
    printf '\n\0\n\377\n\r\n' >>in.txt
    run put orders --key k <in.txt
    expect_status 0
    expect_silent
    expect_ok get orders
    cmp -s in.txt out.txt || fail "other bytes"
    expect_ok get orders --json
    jq -r 'if has("data") then .data | @base64 else .data_base64 end' out.txt |
        while read -r line; do
            base64 -d <<<"$line"
            echo
        done | cmp -s - in.txt || fail "other bytes in JSON"
    # Bytes that are no text are also good keys.
    put '\377\376\n'
    expect_status 0
}

test_unicode_lines_are_text() {
    expect_ok stream create orders --shards 1
    printf '%s\n' 'Grüße, 世界 🌍' '"quoted" \backslash' $'tab\there' $'\u2028' '{"a":1}' >in.txt
    run put orders --key k <in.txt
    expect_ok get orders --json
    expect_json 'has("data")'
    jq -r .data out.txt | cmp -s - in.txt || fail "other text"
    # Not UTF-8: overlong, surrogate, too high, cut off.
    printf '%b\n' '\xc0\x80' '\xed\xa0\x80' '\xf4\x90\x80\x80' '\xe2\x82' '\x80' >bad.txt
    expect_ok stream create bad --shards 1
    run put bad --key k <bad.txt
    expect_status 0
    expect_ok get bad --json
    expect_json 'has("data_base64")'
}

test_long_lines() {
    expect_ok stream create orders --shards 1
    # Just small enough, and one byte more.
    {
        head -c $((1048576 - 1)) /dev/zero | tr '\0' x
        echo
        head -c 1048576 /dev/zero | tr '\0' y
        printf '\nshort\n'
    } >in.txt
    run put orders --key k <in.txt
    expect_status 1
    expect_line "line 2 was not put" "larger than the stream allows"
    expect_ok get orders
    [ "$(awk '{ print length }' out.txt | paste -s -d ' ')" = "1048575 5" ] || fail "other lines"
}

test_a_line_longer_than_memory_is_skipped() {
    expect_ok stream create orders --shards 1
    {
        echo first
        head -c $((40 << 20)) /dev/zero | tr '\0' z
        printf '\nlast\n'
    } >in.txt
    run put orders --key k <in.txt
    expect_status 1
    expect_line "line 2 was not put" "16 MiB"
    expect_ok get orders
    expect_out $'first\nlast'
    # Also as the last line, without a newline.
    head -c $((20 << 20)) /dev/zero | tr '\0' z >in.txt
    run put orders --key k <in.txt
    expect_status 1
    expect_line "line 1 was not put"
}

test_a_long_line_is_its_own_key_as_far_as_a_key_goes() {
    expect_ok stream create orders --shards 1
    head -c 5000 /dev/zero | tr '\0' k >in.txt
    run put orders <in.txt
    expect_status 0
    printf 'ä%.0s' {1..600} | sed 's/^/x/' >in.txt
    run put orders <in.txt
    expect_status 0
    expect_ok get orders --json
    expect_json '(.data | length) > 600 and (.partition_key | utf8bytelength) <= 1024
        and (.partition_key | utf8bytelength) >= 1021'
    expect_failure 2 "--key needs" -- put orders --key "$(printf 'k%.0s' {1..1025})"
}

test_a_hundred_thousand_lines() {
    expect_ok stream create orders --shards 8
    seq 100000 >in.txt
    run put orders --durability none <in.txt
    expect_status 0
    expect_silent
    expect_ok get orders
    sort -n out.txt | cmp -s - in.txt || fail "other lines"
    expect_ok get orders --limit 12345
    [ "$(wc -l <out.txt)" -eq 12345 ] || fail "--limit is not kept"
}

test_two_puts_at_once() {
    expect_ok stream create orders
    seq 1 20000 | "$weir" put orders &
    local first=$!
    seq 20001 40000 | "$weir" put orders || fail "the second put"
    wait "$first" || fail "the first put"
    expect_ok get orders
    sort -n out.txt | cmp -s - <(seq 40000) || fail "other lines"
}

test_a_record_is_there_while_the_input_pauses() {
    expect_ok stream create orders --shards 1
    mkfifo pipe
    "$weir" put orders --json <pipe >put.out &
    background+=($!)
    local put=$!
    exec 3>pipe
    for line in 1 2 3; do
        echo "$line" >&3
        wait_until lines_in put.out "$line"
        expect_ok get orders
        expect_out "$(seq "$line")"
    done
    printf 'no newline yet' >&3
    exec 3>&-
    finish "$put"
    expect_status 0
    expect_ok get orders
    expect_out_has "no newline yet"
}

test_a_stream_deleted_under_a_put_leaves_the_count() {
    expect_ok stream create orders --shards 1
    mkfifo pipe
    "$weir" put orders --json <pipe >put.out 2>err.txt &
    local put=$!
    background+=("$put")
    exec 3>pipe
    seq 3 >&3
    wait_until lines_in put.out 3
    expect_ok stream rm orders
    seq 2 >&3
    exec 3>&-
    finish "$put"
    err=$(cat err.txt)
    expect_status 1
    expect_line "stream 'orders' was deleted" "put so far: 3 of 5 lines"
}

test_from() {
    local number
    expect_ok stream create orders --shards 1
    put 'one\ntwo\nthree\n' --json
    number=$(jq -r .sequence_number out.txt | sed -n 2p)
    expect_ok get orders --from "AT_SEQUENCE_NUMBER:$number"
    expect_out $'two\nthree'
    expect_ok get orders --from "AFTER_SEQUENCE_NUMBER:$number"
    expect_out three
    expect_ok get orders --from LATEST
    expect_out ''
    expect_ok get orders --from TRIM_HORIZON --limit 1
    expect_out one
    expect_ok get orders --from AT_TIMESTAMP:0
    expect_out $'one\ntwo\nthree'
    expect_ok get orders --from AT_TIMESTAMP:1970-01-01T00:00:00Z
    expect_out $'one\ntwo\nthree'
    expect_ok get orders --from "AT_TIMESTAMP:$(($(date +%s) + 30))"
    expect_out ''
    expect_ok get orders --limit 0
    expect_out ''
}

test_one_shard() {
    local shard
    expect_ok stream create orders
    seq 100 | "$weir" put orders
    for shard in $("$weir" stream describe orders --json | jq -r '.shards[].shard_id'); do
        expect_ok get orders --shard "$shard" --json
        expect_json ".shard_id == \"$shard\""
        cat out.txt >>all.txt
    done
    [ "$(wc -l <all.txt)" -eq 100 ] || fail "the shards are not the stream"
    expect_failure 1 "shard 'nope' does not exist in stream 'orders'" -- get orders --shard nope
}

test_parents_come_before_children() {
    expect_ok stream create orders --shards 1
    seq 1 10 | "$weir" put orders --key k
    expect_ok stream scale orders --shards 3
    seq 11 20 | "$weir" put orders --key k
    expect_ok stream scale orders --shards 1
    seq 21 30 | "$weir" put orders --key k
    expect_ok get orders
    expect_out "$(seq 30)"
}

test_throttled_records_are_put_again() {
    expect_ok stream create orders --shards 1 --kinesis-limits
    seq 1500 >in.txt
    run put orders --key k <in.txt
    expect_status 0
    expect_silent
    expect_ok get orders
    cmp -s in.txt out.txt || fail "lost, doubled or out of order"
}

test_a_directory_is_no_input() {
    expect_ok stream create orders
    run put orders <.
    expect_status 1
    expect_line "cannot read stdin" "directory"
}

run_tests "$@"
