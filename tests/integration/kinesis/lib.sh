# shellcheck shell=bash
# Sourced by the tests of `weir` on servers of others that speak Kinesis: servers, workers and a folder,
# which all end with the test.

weir=${WEIR_BINARY:?names the program to test}
peers=${WEIR_SOURCE_DIR:?names the sources}/tests/peers/peers.sh
export AWS_ACCESS_KEY_ID=id AWS_SECRET_ACCESS_KEY=secret

# How long a condition may take before the test gives up; a condition that holds ends the wait.
patience_s=60
poll_s=0.2

scratch=$(mktemp -d)
servers=()
declare -A workers=() # process ids by name
trap finish EXIT

finish() {
    local pid
    for pid in "${workers[@]}"; do
        kill "$pid" 2>/dev/null || true
    done
    [ "${#servers[@]}" -eq 0 ] || bash "$peers" stop "${servers[@]}" || true
    rm -rf "$scratch"
}

fail() {
    echo "FAILED: $*" >&2
    tail -n 12 "$scratch"/*.log >&2 || true
    exit 1
}

# start_server NAME ARGUMENT...: sets `endpoint`; the test ends with 77 if it cannot be had.
start_server() {
    local answer
    answer=$(bash "$peers" start "$1" --for $$ --log "$scratch/$1.server" "${@:2}") || exit $?
    servers+=("${answer##*PID=}")
    answer=${answer%% *}
    # shellcheck disable=SC2034 # The tests use it.
    endpoint=${answer#ENDPOINT=}
}

# start NAME ARGUMENT...: a worker with these; its records go to NAME.out, its log to NAME.log.
start() {
    : >"$scratch/$1.out"
    "$weir" --data "$scratch/data" worker --print --id "$1" --log-level info "${@:2}" \
        >"$scratch/$1.out" 2>"$scratch/$1.log" &
    workers[$1]=$!
}

stop() {
    kill "${workers[$1]}"
    wait "${workers[$1]}" || fail "worker $1 did not end well"
    unset "workers[$1]"
}

# await COMMAND...: true once it succeeds; false if it does not in time.
await() {
    local end=$((SECONDS + patience_s))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep "$poll_s"
    done
}

# lines_in FILE COUNT: it has so many, or more.
lines_in() { [ "$(wc -l <"$1")" -ge "$2" ]; }

# put_keyed URL KEYS FROM TO: records "keyK I", so that each says its key and its place.
put_keyed() {
    seq "$3" "$4" | awk -v keys="$2" '{ print "key" $1 % keys, $1 }' |
        "$weir" put "$1" --key-field 1 >/dev/null
}

# check_once COUNT FILE...: of put_keyed, so many records came, none twice, each key in order.
check_once() {
    local data=$scratch/data.txt different
    jq -r .data "${@:2}" >"$data"
    different=$(sort -u "$data" | wc -l)
    [ "$different" -eq "$1" ] || fail "$different of $1 records came"
    [ "$(wc -l <"$data")" -eq "$1" ] || fail "some records came twice"
    awk '$2 + 0 <= last[$1] { print "out of order:", $0; bad = 1 } { last[$1] = $2 + 0 } END { exit bad }' \
        "$data" || fail "the order of a key is broken"
}
