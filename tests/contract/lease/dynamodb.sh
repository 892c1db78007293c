#!/usr/bin/env bash
# The lease table's contract on DynamoDB: dynamodb.sh PROGRAM... runs each test program against one
# DynamoDB Local. Exit status 77: it cannot be fetched here.
set -euo pipefail
peers=${WEIR_SOURCE_DIR:?}/tests/peers/peers.sh

server=$("$peers" start dynamodb --for $$) || exit
eval "$server" # ENDPOINT, PID
trap '"$peers" stop "$PID"' EXIT
export WEIR_TEST_DYNAMODB=$ENDPOINT AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
failures=0
for program in "$@"; do
    "$program" || failures=$((failures + 1))
    # R10: nobody can tell that each request's first answer was lost.
    WEIR_TEST_LOSSY=1 "$program" || failures=$((failures + 1))
done
exit $((failures > 0))
