#!/usr/bin/env bash
# A worker reads by enhanced fan-out from kinesis-mock (tests/peers), which somebody else wrote: over
# HTTP/1.1, without an initial-response. Its subscriptions never tell of a shard's end, so there is
# no resharding here.
set -euo pipefail
weir=${WEIR_BINARY:?names the program to test}
source_dir=${WEIR_SOURCE_DIR:?names the sources}
records=2000
keys=20
patience_s=30

scratch=$(mktemp -d)
worker=
server=
finish() {
    [ -z "$worker" ] || kill "$worker" 2>/dev/null || true
    [ -z "$server" ] || bash "$source_dir/tests/peers/peers.sh" stop "$server" || true
    rm -rf "$scratch"
}
trap finish EXIT

fail() {
    echo "$*" >&2
    tail -n 20 "$scratch/worker.log" >&2 || true
    exit 1
}

# put FROM TO: records "keyK I", so that each says its key and its place.
put() {
    seq "$1" "$2" | awk -v keys="$keys" '{ print "key" $1 % keys, $1 }' |
        "$weir" put "$stream" --key-field 1 >/dev/null
}

# lines N: wait until so many records came.
lines() {
    for ((tick = 0; tick < patience_s * 5; tick++)); do
        [ "$(wc -l <"$scratch/out")" -lt "$1" ] || return 0
        sleep 0.2
    done
    fail "$(wc -l <"$scratch/out") of $1 records came"
}

status=0
bash "$source_dir/tests/peers/peers.sh" start kinesis-mock --for $$ --log "$scratch/server.log" \
    >"$scratch/server" || status=$?
[ "$status" -ne 77 ] || exit 77
[ "$status" -eq 0 ] || fail "kinesis-mock does not start"
endpoint=$(sed -nE 's/^ENDPOINT=([^ ]+) .*/\1/p' "$scratch/server")
server=$(sed -nE 's/.* PID=([0-9]+).*/\1/p' "$scratch/server")
export AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret
stream="kinesis:fanout?region=us-east-1&endpoint=$endpoint"

"$weir" stream create "$stream" --shards 3 >/dev/null
put 1 $((records / 2))
: >"$scratch/out"
for half in 1 2; do
    "$weir" --data "$scratch/data" worker --app reader --stream "$stream&fan_out=fleet" --print \
        --id "$half" --log-level info >>"$scratch/out" 2>"$scratch/worker.log" &
    worker=$!
    [ "$half" -eq 1 ] || put $((records / 2 + 1)) "$records"
    lines $((records * half / 2))
    kill "$worker"
    wait "$worker" || fail "the worker did not end well"
    worker=
done

jq -r .data "$scratch/out" >"$scratch/data.txt"
[ "$(sort -u "$scratch/data.txt" | wc -l)" -eq "$records" ] || fail "some records did not come"
[ "$(wc -l <"$scratch/data.txt")" -eq "$records" ] || fail "some records came twice"
awk '$2 + 0 <= last[$1] { print "out of order:", $0; bad = 1 } { last[$1] = $2 + 0 } END { exit bad }' \
    "$scratch/data.txt" || fail "the order of a key is broken"
echo "$records records from two workers in turn, once each and in order"
