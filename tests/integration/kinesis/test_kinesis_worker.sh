#!/usr/bin/env bash
# A worker reads 5,000 records of a Kinesis stream while it is split and merged: nothing is lost, the
# order of each key holds, and the end comes at once. The server is kinesis-mock (tests/peers).
set -euo pipefail
weir=${WEIR_BINARY:?names the program to test}
source_dir=${WEIR_SOURCE_DIR:?names the sources}
records=5000
keys=20
patience_s=60

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

status=0
bash "$source_dir/tests/peers/peers.sh" start kinesis-mock --for $$ --log "$scratch/server.log" \
    >"$scratch/server" || status=$?
[ "$status" -ne 77 ] || exit 77
[ "$status" -eq 0 ] || fail "kinesis-mock does not start"
endpoint=$(sed -nE 's/^ENDPOINT=([^ ]+) .*/\1/p' "$scratch/server")
server=$(sed -nE 's/.* PID=([0-9]+).*/\1/p' "$scratch/server")
export AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret
stream="kinesis:reshard?region=us-east-1&endpoint=$endpoint"

"$weir" stream create "$stream" --shards 2 >/dev/null
: >"$scratch/out"
"$weir" --data "$scratch/data" worker --app reader --stream "$stream" --print --id one \
    --shard-sync-interval 500ms --log-level info >"$scratch/out" 2>"$scratch/worker.log" &
worker=$!
put 1 1500
"$weir" stream split "$stream" shardId-000000000000 >/dev/null
put 1501 3000
"$weir" stream merge "$stream" shardId-000000000002 shardId-000000000003 >/dev/null
put 3001 "$records"

for ((tick = 0; tick < patience_s * 5; tick++)); do
    [ "$(wc -l <"$scratch/out")" -lt "$records" ] || break
    sleep 0.2
done
shards=$("$weir" stream describe "$stream" --json | jq '.shards | length')
[ "$shards" -eq 5 ] || fail "$shards shards instead of 5"

kill "$worker"
wait "$worker" || fail "the worker did not end well"
worker=

jq -r .data "$scratch/out" >"$scratch/data.txt"
[ "$(sort -u "$scratch/data.txt" | wc -l)" -eq "$records" ] ||
    fail "$(sort -u "$scratch/data.txt" | wc -l) of $records records came"
# A planned end of a shard delivers nothing twice.
[ "$(wc -l <"$scratch/data.txt")" -eq "$records" ] || fail "some records came twice"
awk '$2 + 0 <= last[$1] { print "out of order:", $0; bad = 1 } { last[$1] = $2 + 0 } END { exit bad }' \
    "$scratch/data.txt" || fail "the order of a key is broken"
# The next worker begins where this one ended.
put 5001 5010
: >"$scratch/out2"
timeout 20 "$weir" --data "$scratch/data" worker --app reader --stream "$stream" --print --id two \
    --log-level info >"$scratch/out2" 2>"$scratch/worker.log" &
worker=$!
for ((tick = 0; tick < patience_s * 5; tick++)); do
    [ "$(wc -l <"$scratch/out2")" -lt 10 ] || break
    sleep 0.2
done
kill "$worker"
wait "$worker" || fail "the second worker did not end well"
worker=
[ "$(jq -r .data "$scratch/out2" | awk '{ print $2 }' | sort -n | tr '\n' ' ')" = \
    "$(seq 5001 5010 | tr '\n' ' ')" ] || fail "the second worker read something else"
echo "5,010 records over a split and a merge, once each and in order"
