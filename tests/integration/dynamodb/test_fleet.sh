#!/usr/bin/env bash
# Workers of an embedded stream whose lease table is in DynamoDB: records flow, a killed worker's
# shards go on elsewhere, one that leaves hands over; nothing is lost, and nothing comes twice
# without a crash. Exit status 77: DynamoDB Local cannot be fetched here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/dynamodb/lib.sh
. "$here/lib.sh"
begin
table=$(url fleet)

work() {
    exec "$weir" worker --app fleet --stream s --print --id "$1" --table "$table" \
        --lease-duration 4s --shard-sync-interval 1s
}

# holds WORKER COUNT: it has so many leases.
holds() {
    "$weir" app describe fleet --table "$table" --workers --json |
        grep -q "\"worker_id\":\"$1\",\"pid\":[0-9]*,\"leases\":$2[,}]"
}

# printed COUNT: so many different records have come out.
printed() {
    [ "$(cat "$place"/out.* | grep -o '"data":"[^"]*"' | sort -u | wc -l)" -eq "$1" ]
}

# balanced: the rows say how busy their leases are, for a leader of Java KCL.
balanced() {
    request Scan '{"TableName":"fleet"}' | grep -qE '"throughputKBps":\{"N":"[0-9]*\.[0-9]*[1-9]'
}

put() {
    seq "$1" "$2" | "$weir" put s >/dev/null
}

"$weir" stream create s --shards 4 >/dev/null
put 1 400
work w1 >"$place/out.1" &
first=$!
await "w1 has all leases" holds w1 4
await "w1 prints what there was" printed 400
await "renewals tell the throughput" balanced

work w2 >"$place/out.2" &
second=$!
await "w2 has its share" holds w2 2
put 401 800
await "both print" printed 800
[ -s "$place/out.2" ] || fail "w2 printed nothing"
duplicates=$(cat "$place"/out.* | grep -o '"data":"[^"]*"' | sort | uniq -d | wc -l)
[ "$duplicates" -eq 0 ] || fail "$duplicates records came twice in planned moves"

kill -9 "$second"
put 801 1200
await "w1 goes on with w2's shards" printed 1200
await "w1 has all leases again" holds w1 4

work w3 >"$place/out.3" &
third=$!
await "w3 has its share" holds w3 2
put 1201 1600
kill "$first"
await "w1 leaves" eval "! kill -0 $first"
wait "$first" || fail "w1 ended with $?"
await "w3 has everything" holds w3 4
put 1601 2000
await "w3 prints the rest" printed 2000

# A split: the children's leases come before the parent's end.
shard=$("$weir" stream describe s --json | grep -o 'shardId-[0-9]*' | head -1)
"$weir" stream split s "$shard" >/dev/null
put 2001 2400
await "children are read" printed 2400
kill "$third"
wait "$third" || fail "w3 ended with $?"
rows=$(request Scan '{"TableName":"fleet"}')
grep -q '"SHARD_END"' <<<"$rows" || fail "no SHARD_END in the table"
grep -q '"WORKER_METRIC_STATS"' <<<"$rows" && fail "rows of workers that have left"
echo "OK"
