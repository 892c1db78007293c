# Sourced: a DynamoDB Local of this test, a data directory, and workers that end with it.
weir=${WEIR_BINARY:?}
peers=${WEIR_SOURCE_DIR:?}/tests/peers/peers.sh
wait_tenths_max=300

fail() {
    echo "FAILED: $*"
    exit 1
}

# begin: sets ENDPOINT, PID and `place`, a folder of its own.
begin() {
    local server
    server=$("$peers" start dynamodb --for $$) || exit
    eval "$server"
    place=$(mktemp -d)
    export WEIR_DATA=$place/data AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    trap finish EXIT
}

finish() {
    local jobs
    mapfile -t jobs < <(jobs -p)
    [ "${#jobs[@]}" -eq 0 ] || kill -9 "${jobs[@]}" 2>/dev/null || true
    "$peers" stop "$PID"
    rm -rf "$place"
}

# url TABLE: where it is.
url() {
    echo "dynamodb:$1?region=us-east-1&endpoint=$ENDPOINT&create=if-missing"
}

# await WHAT COMMAND...: until the command succeeds.
await() {
    local what=$1
    shift
    for _ in $(seq "$wait_tenths_max"); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "$what: not within $((wait_tenths_max / 10)) s"
}

# request OPERATION BODY: as DynamoDB Local answers it.
request() {
    curl -s -m 10 "$ENDPOINT/" -H "X-Amz-Target: DynamoDB_20120810.$1" \
        -H 'Content-Type: application/x-amz-json-1.0' \
        -H 'Authorization: AWS4-HMAC-SHA256 Credential=test/20200101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0' \
        -d "$2"
}
