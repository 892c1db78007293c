#!/usr/bin/env bash
# Run a program with WEIR_TEST_KINESIS naming a kinesis-mock of its own.
set -euo pipefail
peers=${WEIR_SOURCE_DIR:?names the sources}/tests/peers/peers.sh
answer=$(bash "$peers" start kinesis-mock --for $$ --log /dev/null) || exit $?
server=${answer##*PID=}
trap 'bash "$peers" stop "$server"' EXIT
answer=${answer%% *}
export WEIR_TEST_KINESIS=${answer#ENDPOINT=} AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret
"$@"
