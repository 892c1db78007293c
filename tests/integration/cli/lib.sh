# shellcheck shell=bash
# What the tests of the command line share. A test is a function test_...; each gets a folder of its
# own, with WEIR_DATA in it. The last line of a test file is `run_tests "$@"`.

weir=${WEIR_BINARY:?names the program to test}
scratch=$(mktemp -d)
chmod 755 "$scratch"
out=
err=
status=
background=()

# How long a condition may take before the test gives up; a condition that holds ends the wait.
patience_s=50

fail() {
    echo "    $1" >&2
    echo "    status $status, stdout:" >&2
    head -c 2000 <<<"$out" | sed 's/^/      /' >&2
    echo "    stderr:" >&2
    head -c 2000 <<<"$err" | sed 's/^/      /' >&2
    exit 1
}

# run ARGUMENT...: `weir` with these; sets out, err, status. Stdin is the caller's.
run() {
    status=0
    "$weir" "$@" >out.txt 2>err.txt || status=$?
    out=$(tr -d '\0' <out.txt)
    err=$(cat err.txt)
}

expect_status() { [ "$status" -eq "$1" ] || fail "the exit status is not $1"; }
expect_out() { [ "$out" = "$1" ] || fail "stdout is not: $1"; }
expect_silent() { [ -z "$err" ] || fail "stderr is not empty"; }

# expect_out_has TEXT...: stdout contains each of them.
expect_out_has() {
    local text
    for text in "$@"; do
        [[ "$out" == *"$text"* ]] || fail "stdout has no: $text"
    done
}

# expect_line TEXT...: stderr is one line that begins with "weir: " and contains each of them.
expect_line() {
    local text
    [ "$(wc -l <err.txt)" -eq 1 ] || fail "stderr is not one line"
    [[ "$err" == "weir: "* ]] || fail "stderr does not begin with 'weir: '"
    for text in "$@"; do
        [[ "$err" == *"$text"* ]] || fail "stderr has no: $text"
    done
}

# expect_ok ARGUMENT...: it succeeds without a word on stderr.
expect_ok() {
    run "$@"
    expect_status 0
    expect_silent
}

# expect_failure STATUS TEXT... -- ARGUMENT...: it fails with one line that contains the texts, and
# prints nothing.
expect_failure() {
    local wanted=$1 texts=()
    shift
    while [ "$1" != -- ]; do
        texts+=("$1")
        shift
    done
    shift
    run "$@"
    expect_status "$wanted"
    expect_line "${texts[@]}"
    expect_out ''
}

# expect_json FILTER: stdout is JSON, and the filter is true for each value.
expect_json() {
    jq -e -s "length > 0 and all(.[]; $1)" out.txt >/dev/null || fail "stdout is not: $1"
}

# wait_until COMMAND...: until it succeeds.
wait_until() {
    local end=$((SECONDS + patience_s))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "still not true: $*"
        sleep 0.01
    done
}

lines_in() { [ "$({ wc -l <"$1"; } 2>/dev/null || echo 0)" -ge "$2" ]; }
is_gone() { ! kill -0 "$1" 2>/dev/null; }

# start NAME ARGUMENT...: `weir` in the background, NAME.out and NAME.err; sets pid.
start() {
    local name=$1
    shift
    "$weir" "$@" >"$name.out" 2>"$name.err" </dev/null &
    pid=$!
    background+=("$pid")
}

# finish PID: wait for it; sets status.
finish() {
    status=0
    wait "$1" 2>/dev/null || status=$?
}

kill_background() {
    local process
    for process in "${background[@]}"; do
        kill -KILL "$process" 2>/dev/null || true
    done
}

# run_one TEST: in a folder and a shell of its own.
# shellcheck disable=SC2317 # `kill_background` is called at the end.
run_one() (
    set -euo pipefail
    mkdir "$scratch/$1"
    cd "$scratch/$1"
    # shellcheck disable=SC2031 # It is meant for this test only.
    export WEIR_DATA="$PWD/data"
    trap kill_background EXIT
    "$1"
)

# run_tests [NAME...]: those tests, or all.
run_tests() {
    local name failed=0
    [ $# -gt 0 ] || mapfile -t names < <(declare -F | sed -n 's/^declare -f \(test_.*\)/\1/p')
    for name in "${@:-${names[@]}}"; do
        local result=0
        run_one "$name" || result=$?
        if [ $result -eq 0 ]; then
            echo "ok      $name"
        else
            echo "FAILED  $name"
            failed=1
        fi
    done
    rm -rf "$scratch"
    return $failed
}
