#!/usr/bin/env bash
# A worker reads 5,000 records of a Kinesis stream while it is split and merged: nothing is lost, the
# order of each key holds, and the end comes at once. The server is kinesis-mock (tests/peers).
set -euo pipefail
# shellcheck source=tests/integration/kinesis/lib.sh
. "$(dirname "$0")/lib.sh"
records=5000
keys=20

start_server kinesis-mock
stream="kinesis:reshard?region=us-east-1&endpoint=$endpoint"

"$weir" stream create "$stream" --shards 2 >/dev/null
start one --app reader --stream "$stream" --shard-sync-interval 500ms
put_keyed "$stream" "$keys" 1 1500
"$weir" stream split "$stream" shardId-000000000000 >/dev/null
put_keyed "$stream" "$keys" 1501 3000
"$weir" stream merge "$stream" shardId-000000000002 shardId-000000000003 >/dev/null
put_keyed "$stream" "$keys" 3001 "$records"

await lines_in "$scratch/one.out" "$records" || fail "not all records came"
shards=$("$weir" stream describe "$stream" --json | jq '.shards | length')
[ "$shards" -eq 5 ] || fail "$shards shards instead of 5"
stop one
# A planned end of a shard delivers nothing twice.
check_once "$records" "$scratch/one.out"

# The next worker begins where this one ended.
put_keyed "$stream" "$keys" 5001 5010
start two --app reader --stream "$stream"
await lines_in "$scratch/two.out" 10 || fail "not all records came to the second worker"
stop two
[ "$(jq -r .data "$scratch/two.out" | awk '{ print $2 }' | sort -n | tr '\n' ' ')" = \
    "$(seq 5001 5010 | tr '\n' ' ')" ] || fail "the second worker read something else"
echo "5,010 records over a split and a merge, once each and in order"
