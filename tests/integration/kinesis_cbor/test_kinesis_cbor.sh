#!/usr/bin/env bash
# GetRecords in CBOR, by servers of others: test_kinesis_cbor.sh PROGRAM... runs the tests of streams
# against a kinesis-mock; then records are compared with those in JSON, canned answers are read, and
# the half answers of kinesalite are refused with words.
set -euo pipefail
weir=${WEIR_BINARY:?names the program to test}
peers=${WEIR_SOURCE_DIR:?names the sources}/tests/peers/peers.sh
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
records=2000
patience_s=20

scratch=$(mktemp -d)
servers=()
worker=
finish() {
    [ -z "$worker" ] || kill "$worker" 2>/dev/null || true
    "$peers" stop "${servers[@]}"
    rm -rf "$scratch"
}
trap finish EXIT

fail() {
    echo "FAILED: $*" >&2
    tail -n 5 "$scratch/errors" >&2 || true
    exit 1
}

# start_server NAME ARGUMENT...: sets `endpoint`; 77 if it cannot be had.
start_server() {
    local answer
    answer=$("$peers" start "$1" --for $$ --log "$scratch/$1.log" "${@:2}") || exit $?
    servers+=("${answer##*PID=}")
    answer=${answer%% *}
    endpoint=${answer#ENDPOINT=}
}

# url STREAM ENCODING
url() {
    echo "kinesis:$1?region=us-east-1&endpoint=$endpoint&reads_per_second=100&encoding=$2"
}

# get STREAM ENCODING: its records, on stdout; what is told goes to `errors`.
get() {
    timeout "$patience_s" "$weir" get "$(url "$1" "$2")" --json 2>"$scratch/errors"
}

# work STREAM LINES WORDS: a worker reads in CBOR until it has printed so many records or its log has
# these words; its log goes to `errors`.
work() {
    local tick
    : >"$scratch/out"
    : >"$scratch/errors"
    "$weir" --data "$scratch/data-$1" worker --app "$1" --stream "$(url "$1" cbor)" --print \
        --log-level info >"$scratch/out" 2>"$scratch/errors" &
    worker=$!
    for ((tick = 0; tick < patience_s * 5; tick++)); do
        [ "$(wc -l <"$scratch/out")" -lt "$2" ] || break
        ! grep -q "$3" "$scratch/errors" || break
        sleep 0.2
    done
    kill "$worker"
    wait "$worker" || fail "the worker did not end well"
    worker=
}

start_server kinesis-mock
for program in "$@"; do
    echo "${program##*/}"
    # The programs append their own options to the endpoint.
    WEIR_TEST_KINESIS="$endpoint&encoding=cbor" WEIR_TEST_KINESIS_SERVER=kinesis-mock \
        "$program" || fail "$program"
done

"$weir" stream create "$(url bytes json)" --shards 2 >/dev/null
seq "$records" | awk '{ print "schl\xc3\xbcssel\"\\" $1 % 7, $1, "caf\xc3\xa9" }' |
    "$weir" put "$(url bytes cbor)" --key-field 1 >/dev/null
get bytes json | sort >"$scratch/json" || fail "get in JSON"
get bytes cbor | sort >"$scratch/cbor" || fail "get in CBOR"
[ "$(wc -l <"$scratch/cbor")" -eq "$records" ] || fail "$(wc -l <"$scratch/cbor") records"
cmp "$scratch/json" "$scratch/cbor" || fail "the records in CBOR are others"
work bytes "$records" "asked in JSON"
[ "$(wc -l <"$scratch/out")" -eq "$records" ] || fail "$(wc -l <"$scratch/out") records for a worker"
! grep -q "asked in JSON" "$scratch/errors" || fail "CBOR was given up"

start_server canned -- --shards 2 --records "$records"
get canned json | sort >"$scratch/json" || fail "get of canned answers in JSON"
get canned cbor | sort >"$scratch/cbor" || fail "get of canned answers in CBOR"
[ "$(wc -l <"$scratch/cbor")" -eq $((2 * records)) ] || fail "$(wc -l <"$scratch/cbor") canned"
cmp "$scratch/json" "$scratch/cbor" || fail "the canned records in CBOR are others"

# 100 bytes each, so that they need more than the 16 KiB where it cuts.
start_server kinesalite
"$weir" stream create "$(url cut json)" --shards 1 >/dev/null
seq 300 | awk '{ printf "key %0100d\n", $1 }' | "$weir" put "$(url cut json)" --key-field 1 >/dev/null
work cut 1 "of CBOR: it is cut"
[ ! -s "$scratch/out" ] || fail "records of an answer that was cut"
grep -q "of CBOR: it is cut" "$scratch/errors" || fail "no word of what is wrong"
echo "the same $records records in JSON and CBOR"
