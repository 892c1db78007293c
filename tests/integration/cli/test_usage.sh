#!/usr/bin/env bash
# Words on the command line: help, exit status, and lines about what is wrong.
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/lib.sh"

commands=(
    "stream create" "stream ls" "stream describe" "stream rm" "stream split" "stream merge"
    "stream scale" "stream trim" put get worker "app ls" "app describe" "app reset" "app move" "app drain"
    "app release" version
)

test_help_of_every_command_is_on_stdout() {
    local command
    for command in "${commands[@]}" stream app; do
        # shellcheck disable=SC2086 # Two words.
        expect_ok $command --help
        expect_out_has "Usage: weir $command"
        # shellcheck disable=SC2086
        expect_ok help $command
        expect_out_has "Usage: weir $command"
        # shellcheck disable=SC2086
        expect_ok $command -h
        expect_out_has "Usage: weir $command"
    done
    for command in demo bench; do
        # They join the program as they come to exist.
        "$weir" help | grep -q "^  $command " || continue
        expect_ok "$command" --help
        expect_out_has "Usage: weir $command"
    done
    expect_ok --help
    expect_out_has "Usage: weir" stream put get worker app version
    expect_ok help
    expect_out_has "Usage: weir"
}

test_help_comes_before_complaints_about_what_is_missing() {
    expect_ok stream create --help
    expect_ok worker --app x --help
    expect_ok put orders --key k --help
}

test_every_command_refuses_unknown_options() {
    local command
    for command in "${commands[@]}"; do
        # shellcheck disable=SC2086
        expect_failure 2 "unknown option '--nonsense'" "weir $command --help" -- \
            $command --nonsense
    done
}

test_a_command_is_needed() {
    expect_failure 2 "command is missing" "weir --help" --
    expect_failure 2 "command is missing" "weir stream --help" -- stream
    expect_failure 2 "command is missing" "weir app --help" -- app
}

test_unknown_commands_suggest_the_nearest() {
    expect_failure 2 "unknown command 'strxam'" "did you mean \`weir stream\`" -- strxam ls
    expect_failure 2 "did you mean \`weir put\`" -- putt
    expect_failure 2 "did you mean \`weir stream describe\`" -- stream decsribe x
    expect_failure 2 "did you mean \`weir app release\`" -- app relxase
    expect_failure 2 "did you mean '--shards'" -- stream create x --shard 3
    run xyzzy-plugh
    expect_status 2
    expect_line "unknown command 'xyzzy-plugh'"
    [[ "$err" != *"did you mean"* ]] || fail "suggests something far away"
}

test_version() {
    expect_ok version
    expect_out_has "weir "
    expect_ok --version
    expect_ok version --json
    expect_json '.version | test("^[0-9]+[.][0-9]+[.][0-9]+$")'
}

test_options_may_stand_anywhere() {
    expect_ok --data "$PWD/other" stream create orders
    expect_ok stream create --shards 2 --data="$PWD/other" second
    expect_ok stream --json --data "$PWD/other" ls
    expect_json '.stream == "orders" or .stream == "second"'
    expect_ok stream ls --data "$PWD/other" --json
    expect_ok stream describe second --json --data "$PWD/other"
    expect_json '.shards | length == 2'
    POSIXLY_CORRECT=1 expect_ok stream describe second --json --data "$PWD/other"
    [ ! -e data ] || fail "--data was not followed"
}

test_data_directory_of_the_environment_and_by_default() {
    expect_ok stream create orders
    [ -d data ] || fail "WEIR_DATA was not followed"
    unset WEIR_DATA
    expect_ok stream create orders
    [ -d weir-data ] || fail "the default directory was not used"
    WEIR_DATA='' expect_ok stream ls
    expect_out orders
    expect_failure 2 "--data needs" -- stream ls --data ''
    expect_failure 2 "--data needs" -- --data '' stream ls
    expect_failure 2 "--data needs" -- --data
}

test_two_dashes_end_options() {
    expect_ok stream create -- -orders
    expect_ok stream ls
    expect_out -orders
    expect_ok stream describe --json -- -orders
    expect_failure 2 "unexpected '--json'" -- stream describe -- -orders --json
    expect_failure 2 "unknown option '-orders'" "stands after" -- stream describe -orders
}

test_wrong_numbers_of_words() {
    expect_failure 2 "it needs NAME" -- stream create
    expect_failure 2 "unexpected 'b'" -- stream create a b
    expect_failure 2 "it needs NAME SHARD" -- stream split orders
    expect_failure 2 "it needs NAME SHARD SHARD" -- stream merge orders a
    expect_failure 2 "unexpected 'x'" -- stream ls x
    expect_failure 2 "unexpected 'x'" -- worker x
    expect_failure 2 "it needs APP SHARD WORKER" -- app move a b
    expect_failure 2 "it needs APP WORKER" -- app drain a
    expect_failure 2 "--shards needs a value" -- stream create x --shards
    expect_failure 2 "--json takes no value" -- stream ls --json=yes
}

test_values_that_are_none() {
    local bad
    for bad in 0 -1 10001 many '' 1x 99999999999999999999; do
        expect_failure 2 "--shards" -- stream create x --shards "$bad"
        expect_failure 2 "--shards" -- stream scale x --shards "$bad"
    done
    for bad in 24 -1h h 1w '' 1.5h 99999999999999999999h 9999999999999999h 10sec; do
        expect_failure 2 "--retention" -- stream create x --retention "$bad"
    done
    for bad in -1 1MB MiB '' 99999999999999999999 16777216TiB 5GiB; do
        expect_failure 2 "--record-bytes-max" -- stream create x --record-bytes-max "$bad"
    done
    for bad in x -1 '' 0x10 18446744073709551616; do
        expect_failure 2 "--limit" -- get x --limit "$bad"
    done
    for bad in newest '' TRIM_HORIZON:1 AT_SEQUENCE_NUMBER AT_SEQUENCE_NUMBER:x \
        AT_TIMESTAMP:yesterday SHARD_END trim_horizon; do
        expect_failure 2 "--from" -- get x --from "$bad"
        expect_failure 2 "--from" -- worker --app a --stream x --print --from "$bad"
        expect_failure 2 "--to" -- app reset a --to "$bad"
    done
    for bad in -1 x '' 340282366920938463463374607431768211456; do
        expect_failure 2 "--at" -- stream split x s --at "$bad"
    done
    for bad in fsync '' FULL; do
        expect_failure 2 "--durability" -- put x --durability "$bad"
    done
    for bad in 0 -1 x ''; do
        expect_failure 2 "--key-field" -- put x --key-field "$bad"
    done
    for bad in '' ab '\n'; do
        expect_failure 2 "--delimiter" -- put x --key-field 1 --delimiter "$bad"
    done
    expect_failure 2 "--key needs" -- put x --key ''
    expect_failure 2 "exclude each other" -- put x --key a --key-field 1
    expect_failure 2 "--key-field" -- put x --delimiter ,
    [ ! -e data ] || fail "a wrong command line has created something"
}

# Records that arrive before it would be skipped.
test_a_position_in_the_future_is_refused() {
    local text ms soon
    soon=$(($(date +%s) + 7200))
    for text in 2999-01-01T01:00:00+01:00 "$soon" "$((soon * 1000))" 253402300800; do
        expect_failure 2 "--from 'AT_TIMESTAMP:$text' is in the future" -- \
            get x --from "AT_TIMESTAMP:$text"
        expect_failure 2 "--from 'AT_TIMESTAMP:$text' is in the future" -- \
            worker --app a --stream x --print --from "AT_TIMESTAMP:$text"
        expect_failure 2 "--to 'AT_TIMESTAMP:$text' is in the future" -- \
            app reset a --to "AT_TIMESTAMP:$text"
    done
    expect_failure 2 "it is 2999-01-01T00:00:00.000Z, and now is 2" -- \
        get x --from AT_TIMESTAMP:2999-01-01T01:00:00+01:00
    ms=$(date +%s%3N)
    expect_failure 2 "milliseconds? epoch seconds are meant: ${ms%???}.${ms: -3} " -- \
        app reset a --to "AT_TIMESTAMP:$ms"
}

test_names_that_are_none() {
    local bad long
    long=$(printf 'a%.0s' {1..129})
    for bad in '' . .. a/b ../etc 'a b' $'a\nb' $'\e[31m' 'ä' 'a*' "$long" "weir:" "weir:a/b"; do
        expect_failure 2 "no stream name" -- stream create "$bad"
        expect_failure 2 "no stream name" -- stream describe "$bad"
        expect_failure 2 "no stream name" -- stream rm "$bad"
        expect_failure 2 "no stream name" -- put "$bad"
        expect_failure 2 "no stream name" -- get "$bad"
        expect_failure 2 "no stream name" -- worker --app a --print --stream "$bad"
    done
    for bad in '' . .. a/b 'a b' "$long"; do
        expect_failure 2 "no application" -- app describe "$bad"
        expect_failure 2 "no shard" -- app move a "$bad" w
        expect_failure 2 "no worker" -- app drain a "$bad"
        expect_failure 2 "no name" -- worker --app "$bad" --stream s --print
        expect_failure 2 "no name" -- worker --app a --stream s --print --id "$bad"
    done
}

test_a_worker_says_what_is_missing() {
    expect_failure 2 "--app APP is missing" -- worker
    expect_failure 2 "--stream NAME is missing" -- worker --app a
    expect_failure 2 "--print is missing" -- worker --app a --stream s
    expect_failure 2 "--log-level 'loud'" -- worker --app a --stream s --print --log-level loud
}

test_a_full_stdout_is_a_failure() {
    local command
    for command in --help version "stream create --help"; do
        status=0
        # shellcheck disable=SC2086
        "$weir" $command >/dev/full 2>err.txt || status=$?
        err=$(cat err.txt)
        expect_status 1
        expect_line "cannot write to stdout" "No space left"
    done
}

test_closed_standard_files_do_no_harm() {
    expect_ok stream create orders
    echo one | "$weir" put orders --json >&- 2>err.txt && fail "put --json without stdout"
    echo two | "$weir" put orders 2>&- || fail "put without stderr"
    "$weir" get orders >&- 2>err.txt && fail "get without stdout"
    err=$(cat err.txt)
    expect_line "cannot write to stdout"
    "$weir" put orders <&- || fail "put without stdin is an empty input"
    expect_ok get orders
    [ "$(sort out.txt | paste -s -d ' ')" = "one two" ] || fail "the stream was damaged"
}

run_tests "$@"
