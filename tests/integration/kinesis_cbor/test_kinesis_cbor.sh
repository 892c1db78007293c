#!/usr/bin/env bash
# GetRecords in CBOR, by servers of others: test_kinesis_cbor.sh PROGRAM... runs the tests of streams
# against a kinesis-mock; then records are compared with those in JSON, canned answers are read, and
# the half answers of kinesalite are refused with words.
set -euo pipefail
# shellcheck source=tests/integration/kinesis/lib.sh
. "$(dirname "$0")/../kinesis/lib.sh"
records=2000
get_s_max=20

# url STREAM ENCODING
url() {
    echo "kinesis:$1?region=us-east-1&endpoint=$endpoint&reads_per_second=100&encoding=$2"
}

# get STREAM ENCODING: its records, on stdout; what is told goes to errors.log.
get() {
    timeout "$get_s_max" "$weir" get "$(url "$1" "$2")" --json 2>"$scratch/errors.log"
}

# is_read NAME LINES WORDS: its worker has printed so many records, or its log has these words.
is_read() {
    lines_in "$scratch/$1.out" "$2" || grep -q "$3" "$scratch/$1.log"
}

# work STREAM LINES WORDS: a worker named as the stream reads it in CBOR until is_read.
work() {
    start "$1" --app "$1" --stream "$(url "$1" cbor)"
    await is_read "$@" || fail "the worker neither read $2 records nor said: $3"
    stop "$1"
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
[ "$(wc -l <"$scratch/bytes.out")" -eq "$records" ] || fail "other records for a worker"
! grep -q "asked in JSON" "$scratch/bytes.log" || fail "CBOR was given up"

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
[ ! -s "$scratch/cut.out" ] || fail "records of an answer that was cut"
grep -q "of CBOR: it is cut" "$scratch/cut.log" || fail "no word of what is wrong"
echo "the same $records records in JSON and CBOR"
