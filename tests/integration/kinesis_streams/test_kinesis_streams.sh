#!/usr/bin/env bash
# Two workers read two Kinesis streams as one application; a shard of one stream is split, a worker is
# killed: every record of both comes, in order within its shard. Then the list grows by a restart, and
# shrinks by another: the stream that left is worked off. The server is kinesis-mock (tests/peers).
set -euo pipefail
# shellcheck source=tests/integration/kinesis/lib.sh
. "$(dirname "$0")/../kinesis/lib.sh"
keys=20

url() {
    echo "kinesis:$1?region=us-east-1&endpoint=$endpoint"
}

# put STREAM FROM TO: records "STREAM.keyK I", so that each says its stream, its key and its place.
put() {
    seq "$2" "$3" | awk -v stream="$1" -v keys="$keys" '{ print stream ".key" $1 % keys, $1 }' |
        "$weir" put "$(url "$1")" --key-field 1 >/dev/null
}

# work NAME STREAMS
work() {
    start "$1" --app reader --stream "$(url "$2")" --shard-sync-interval 500ms \
        --lease-duration 3s
}

# Different records that came, of one stream.
came() {
    cat "$scratch"/*.out | jq -r 'select(.stream == "'"$1"'") | .data' | sort -u | wc -l
}

# has STREAM RECORDS: so many came, or more.
has() { [ "$(came "$1")" -ge "$2" ]; }

# expect STREAM RECORDS
expect() {
    await has "$@" || fail "$(came "$1") of $2 records of $1 came"
}

# What one owner was handed of one shard grows, whatever it saw before.
check_order() {
    cat "$scratch"/*.out | jq -r '"\(.worker_id) \(.lease_epoch) \(.shard_id) \(.data)"' |
        awk '{ k = $1 " " $2 " " $3 " " $4 } $5 + 0 <= last[k] { print "out of order:", $0; bad = 1 }
            { last[k] = $5 + 0 } END { exit bad }' || fail "the order of a key is broken"
    cat "$scratch"/*.out | jq -r '"\(.stream) \(.shard_id) \(.data)"' |
        awk '{ split($3, d, "."); split($2, id, ":")
               if (d[1] != $1 || id[2] != $1) { print; bad = 1 } } END { exit bad }' ||
        fail "a record has the name of another stream"
}

start_server kinesis-mock

"$weir" stream create "$(url orders)" --shards 2 >/dev/null
"$weir" stream create "$(url payments)" --shards 2 >/dev/null
"$weir" stream create "$(url refunds)" --shards 1 >/dev/null

work one orders,payments
work two orders,payments
put orders 1 300
put payments 1 300
"$weir" stream split "$(url orders)" shardId-000000000000 >/dev/null
put orders 301 600
expect orders 400
kill -9 "${workers[one]}"
{ wait "${workers[one]}" || true; } 2>/dev/null
unset "workers[one]"
put orders 601 900
put payments 301 600
expect orders 900
expect payments 600
check_order

# One stream alone is another kind of application, and so is a list that nobody wrote.
if "$weir" --data "$scratch/data" worker --app reader --stream "$(url orders)" --print \
    >/dev/null 2>"$scratch/refused.log"; then
    fail "a worker of one stream joined"
fi
grep -q "or several: choose another application name" "$scratch/refused.log" ||
    fail "the refusal does not say why"
if "$weir" --data "$scratch/data" worker --app reader --stream "$(url '*')" --print \
    >/dev/null 2>"$scratch/any.log"; then
    fail "a worker of no stream joined"
fi
# A put goes to one stream.
if echo x | "$weir" put "$(url orders,payments)" >/dev/null 2>"$scratch/put.log"; then
    fail "a put went to two streams"
fi

# The list grows while a worker with the old one goes on.
work three orders,payments,refunds
put refunds 1 100
put orders 901 950
expect orders 950
stop two
expect refunds 100

# The application shows all of it, and how far it is.
AWS_ENDPOINT_URL_KINESIS=$endpoint "$weir" --data "$scratch/data" app describe reader --json \
    >"$scratch/app.json"
jq -e '.stream == "orders,payments,refunds" and ([.shards[].shard_id | split(":")[1]] | unique ==
    ["orders", "payments", "refunds"]) and ([.shards[].millis_behind_latest] | all(. != null and . >= 0))' "$scratch/app.json" >/dev/null ||
    fail "app describe: $(cat "$scratch/app.json")"

# The list shrinks: what has leases is worked off, the children of its shards too.
stop three
"$weir" stream split "$(url payments)" shardId-000000000000 >/dev/null
put payments 601 700
work four orders,refunds
put orders 951 1000
expect orders 1000
expect payments 700
stop four
check_order
echo "1,800 records of three streams over two splits, a kill, a longer and a shorter list, in order"
