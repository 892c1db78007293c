#!/usr/bin/env bash
# Which tables a worker joins: it makes one only if it is told to, and refuses, with a reason, those
# whose rules it does not follow. Exit status 77: DynamoDB Local cannot be fetched here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/dynamodb/lib.sh
. "$here/lib.sh"
begin
"$weir" stream create s --shards 1 >/dev/null

# refused WORD URL: the worker ends at once, with one line that has the word in it.
refused() {
    local line
    line=$(timeout 60 "$weir" worker --app a --stream s --print --id w --table "$2" 2>&1) &&
        fail "$2 was accepted"
    [ "$(wc -l <<<"$line")" -eq 1 ] || fail "more than one line: $line"
    grep -q -- "$1" <<<"$line" || fail "no '$1' in: $line"
}

# table NAME KEY: a table like Java KCL's, without its index.
table() {
    request CreateTable "{\"TableName\":\"$1\",\"BillingMode\":\"PAY_PER_REQUEST\",
        \"KeySchema\":[{\"AttributeName\":\"$2\",\"KeyType\":\"HASH\"}],
        \"AttributeDefinitions\":[{\"AttributeName\":\"$2\",\"AttributeType\":\"S\"}]}" >/dev/null
}

put() {
    request PutItem "{\"TableName\":\"$1\",\"Item\":$2}" >/dev/null
}

place_of() {
    echo "dynamodb:$1?region=us-east-1&endpoint=$ENDPOINT"
}

lease='"leaseCounter":{"N":"1"},"checkpoint":{"S":"TRIM_HORIZON"}'

refused 'create=if-missing' "$(place_of missing)"
refused 'unknown option' "$(place_of missing)&creat=x"
refused 'dynamodb:' 'nonsense:x'
table other id
refused 'no lease table' "$(url other)"
table no-index leaseKey
refused 'no index' "$(place_of no-index)"

# Leases of several streams, and a worker of one.
table streams leaseKey
id=111122223333:s:1700000000
put streams "{\"leaseKey\":{\"S\":\"$id:shardId-0\"},\"streamName\":{\"S\":\"$id\"},
    \"shardId\":{\"S\":\"shardId-0\"},$lease}"
refused 'or several' "$(url streams)"
# On its way from three tables into one.
table moving leaseKey
table moving-CoordinatorState key
put moving-CoordinatorState '{"key":{"S":"TableMigration3.5"},
    "tm":{"S":"TABLE_MIGRATION_STATUS_PENDING"}}'
refused 'moved' "$(url moving)"

# Three tables, as Java KCL 3.0 to 3.4 has them: rows of workers and the lock go where they belong.
table three leaseKey
table three-CoordinatorState key
table three-WorkerMetricStats wid
put three-CoordinatorState '{"key":{"S":"Migration3.0"},"cv":{"S":"CLIENT_VERSION_3X"},
    "mb":{"S":"w"},"mts":{"N":"1"}}'
seq 1 100 | "$weir" put s >/dev/null
"$weir" worker --app three --stream s --print --id w --table "$(url three)" >"$place/out" &
worker=$!
await "records flow" eval "[ \$(wc -l <'$place/out') -eq 100 ]"
request Scan '{"TableName":"three-CoordinatorState"}' | grep -q '"ownerName"' || fail "no lock"
request Scan '{"TableName":"three-WorkerMetricStats"}' | grep -q '"wid"' || fail "no worker row"
request Scan '{"TableName":"three"}' | grep -q 'WORKER_METRIC' && fail "rows in the wrong table"
kill "$worker"
wait "$worker" || fail "the worker ended with $?"
echo "OK"
