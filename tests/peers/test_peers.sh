#!/usr/bin/env bash
# peers.sh: a server answers, ends when asked to, and never outlives who started it. With the one
# server that is ours, so nothing is fetched but Node, if it is not there.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
peers=$here/peers.sh
XDG_CACHE_HOME=$(mktemp -d)
export XDG_CACHE_HOME
trap 'rm -rf "$XDG_CACHE_HOME"' EXIT
ends_within=100 # tenths of a second

fail() {
    echo "FAILED: $*"
    exit 1
}

# gone PID: it has ended, or does so soon.
gone() {
    for _ in $(seq "$ends_within"); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.1
    done
    return 1
}

# started ARGUMENT...: start the canned server; sets ENDPOINT and PID.
started() {
    local line
    line=$("$peers" start canned "$@" -- --records 10 --shards 2) || exit
    eval "$line"
}

"$peers" fetch canned
started --for $$
grep -q '^ENDPOINT=http://127.0.0.1:' <<<"ENDPOINT=$ENDPOINT" || fail "endpoint $ENDPOINT"
answer=$(exec 3<>"/dev/tcp/127.0.0.1/${ENDPOINT##*:}" &&
    printf 'POST / HTTP/1.0\r\nX-Amz-Target: Kinesis_20131202.ListShards\r\n\r\n' >&3 && cat <&3)
grep -q shardId-000000000001 <<<"$answer" || fail "no list of shards: $answer"
"$peers" stop "$PID"
gone "$PID" || fail "it goes on after stop"

sleep 100 &
bystander=$!
"$peers" stop "$bystander"
kill -0 "$bystander" || fail "stop ended a process that start did not start"

started --for "$bystander"
kill "$bystander"
gone "$PID" || fail "it outlives its owner"

started --for $$
supervisor=$(ps -o ppid= -p "$PID" | tr -d " ")
kill -KILL "$supervisor"
gone "$PID" || fail "it outlives its supervisor"
