#!/usr/bin/env bash
# The contract of streams on Kinesis: kinesis.sh PROGRAM... runs each test program against a
# kinesis-mock, and against a kinesalite. Exit status 77: neither can be fetched here.
set -euo pipefail
peers=${WEIR_SOURCE_DIR:?names the sources}/tests/peers/peers.sh
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test

servers=()
trap '"$peers" stop "${servers[@]}"' EXIT
failures=0
for name in kinesis-mock kinesalite; do
    status=0
    answer=$("$peers" start "$name" --for $$) || status=$?
    [ "$status" -ne 77 ] || continue
    [ "$status" -eq 0 ] || exit "$status"
    servers+=("${answer##*PID=}")
    answer=${answer%% *}
    export WEIR_TEST_KINESIS=${answer#ENDPOINT=} WEIR_TEST_KINESIS_SERVER=$name
    for program in "$@"; do
        echo "$name: ${program##*/}"
        "$program" || failures=$((failures + 1))
    done
done
[ "${#servers[@]}" -gt 0 ] || exit 77
exit $((failures > 0))
