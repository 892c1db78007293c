#!/usr/bin/env bash
# A worker reads by enhanced fan-out from kinesis-mock (tests/peers), which somebody else wrote: over
# HTTP/1.1, without an initial-response. Its subscriptions never tell of a shard's end, so there is
# no resharding here.
set -euo pipefail
# shellcheck source=tests/integration/kinesis/lib.sh
. "$(dirname "$0")/../kinesis/lib.sh"
records=2000
keys=20

start_server kinesis-mock
stream="kinesis:fanout?region=us-east-1&endpoint=$endpoint"

"$weir" stream create "$stream" --shards 3 >/dev/null
put_keyed "$stream" "$keys" 1 $((records / 2))
for half in 1 2; do
    start "$half" --app reader --stream "$stream&fan_out=fleet"
    [ "$half" -eq 1 ] || put_keyed "$stream" "$keys" $((records / 2 + 1)) "$records"
    await lines_in "$scratch/$half.out" $((records / 2)) || fail "not all records came"
    stop "$half"
done
check_once "$records" "$scratch/1.out" "$scratch/2.out"
echo "$records records from two workers in turn, once each and in order"
