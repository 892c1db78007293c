#!/usr/bin/env bash
# What goes wrong around the program: pipes, disks, permissions, files that are none of weir's.
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# as_nobody COMMAND...: without the rights of root; skips the test where that cannot be had.
as_nobody() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
    elif command -v setpriv >/dev/null; then
        setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
    else
        echo "    (skipped: needs setpriv)" >&2
        exit 0
    fi
}

# The program where nobody can run it, even if the build folder is private.
public_weir() {
    cp "$weir" "$scratch/weir-copy" 2>/dev/null || true
    chmod 755 "$scratch/weir-copy"
    weir=$scratch/weir-copy
}

test_get_into_a_closed_pipe_is_quiet() {
    expect_ok stream create orders
    seq 50000 | "$weir" put orders --durability none
    "$weir" get orders 2>err.txt | head -n 3 >out.txt
    status=${PIPESTATUS[0]}
    err=$(cat err.txt)
    expect_status 0
    expect_silent
    [ "$(wc -l <out.txt)" -eq 3 ] || fail "head was not fed"
    "$weir" stream describe orders 2>err.txt | true
    err=$(cat err.txt)
    expect_silent
}

test_get_onto_a_full_disk() {
    local options
    expect_ok stream create orders
    seq 1000 | "$weir" put orders
    for options in "" --json --follow; do
        status=0
        # shellcheck disable=SC2086 # No word for no option.
        "$weir" get orders $options >/dev/full 2>err.txt || status=$?
        err=$(cat err.txt)
        expect_status 1
        expect_line "cannot write to stdout" "No space left"
    done
}

test_put_json_onto_a_full_disk() {
    expect_ok stream create orders
    status=0
    echo one | "$weir" put orders --json >/dev/full 2>err.txt || status=$?
    err=$(cat err.txt)
    expect_status 1
    expect_line "cannot write to stdout" "No space left"
    # The record is in the stream: only the report of it is not.
    expect_ok get orders
    expect_out one
}

# The stream may not grow any more: some lines are put, and one line says how many.
test_put_onto_a_full_disk() {
    local put
    expect_ok stream create orders --shards 1
    head -c 100 /dev/zero | tr '\0' x >line
    status=0
    (
        ulimit -f 4096
        yes "$(cat line)" | head -n 200000 | "$weir" put orders --key k --durability none
    ) >out.txt 2>err.txt || status=$?
    err=$(cat err.txt)
    expect_status 1
    expect_line "put so far: "
    put=$(sed -E 's/.*put so far: ([0-9,]+) of.*/\1/; s/,//g' err.txt)
    expect_ok get orders
    [ "$(wc -l <out.txt)" -eq "$put" ] || fail "$put is not what was put"
    # With room again it goes on.
    echo more | "$weir" put orders --key k
    expect_ok get orders
    [ "$(tail -n 1 out.txt)" = more ] || fail "the stream does not take more"
}

test_create_onto_a_full_disk() {
    status=0
    (
        ulimit -f 1
        "$weir" stream create orders
    ) >out.txt 2>err.txt || status=$?
    err=$(cat err.txt)
    expect_status 1
    expect_line
    expect_ok stream ls
    expect_out ''
    expect_ok stream create orders
}

test_a_read_only_directory_can_be_read() {
    public_weir
    expect_ok stream create orders
    echo one | "$weir" put orders
    chmod -R a-w,a+rX data
    chmod a+rx .
    as_nobody "$weir" get orders >out.txt 2>err.txt || fail "get: $(cat err.txt)"
    [ "$(cat out.txt)" = one ] || fail "other records"
    as_nobody "$weir" stream describe orders --json >out.txt 2>err.txt || fail "describe"
    as_nobody "$weir" stream ls >out.txt 2>err.txt || fail "ls"
    status=0
    echo two | as_nobody "$weir" put orders >out.txt 2>err.txt || status=$?
    err=$(cat err.txt)
    expect_status 1
    expect_line
    status=0
    as_nobody "$weir" stream create second >out.txt 2>err.txt || status=$?
    err=$(cat err.txt)
    expect_status 1
    expect_line
    chmod -R u+w data
}

test_a_data_directory_that_is_a_file() {
    echo "not a directory" >data
    expect_failure 1 "" -- stream create orders
    expect_failure 1 "" -- get orders
    expect_failure 1 "" -- put orders
    [ "$(cat data)" = "not a directory" ] || fail "the file was changed"
}

test_a_data_directory_that_cannot_be_made() {
    ln -s "$PWD/nowhere/disk" data
    expect_failure 1 "cannot open directory" "No such file" -- stream create orders
    [[ "$err" != *"weir stream create"* ]] || fail "it says to do what has just failed"
}

test_a_missing_data_directory_has_no_streams() {
    expect_ok stream ls
    expect_out ''
    expect_ok app ls
    expect_out ''
    [ ! -e data ] || fail "looking has created it"
}

test_foreign_files_in_the_data_directory() {
    expect_ok stream create orders
    find data -type f -name '*.mdb' ! -name '*lock*' \
        -exec sh -c 'head -c 100000 /dev/urandom >"$1"' sh {} \;
    run get orders
    expect_status 1
    expect_line
    run stream describe orders
    expect_status 1
    expect_line
    run put orders </dev/null
    expect_status 1
    expect_line
}

test_names_cannot_forge_lines() {
    local name=$'x\nweir: all is well'
    expect_failure 2 "" -- stream create "$name"
    expect_failure 2 "" -- "$name"
    expect_failure 2 "" -- stream "$name"
    expect_failure 2 "" -- put orders "--$name"
    expect_failure 1 "" -- --data "$name" get orders
    expect_ok stream create orders
    expect_failure 1 "" -- get orders --shard "$name"
    expect_failure 1 "" -- stream split orders "$name"
}

test_very_long_arguments() {
    local long
    long=$(head -c 100000 /dev/zero | tr '\0' a)
    expect_failure 2 "" -- "$long"
    expect_failure 2 "" -- stream create "$long"
    expect_failure 2 "" -- put orders "--$long"
    expect_failure 2 "" -- get orders --limit "$long"
    expect_failure 1 "" -- --data "$long" get orders
    expect_ok stream create orders
    expect_failure 1 "" -- get orders --shard "$long"
    expect_failure 1 "" -- stream merge orders "$long" "$long"
}

run_tests "$@"
