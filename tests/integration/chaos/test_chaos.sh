#!/usr/bin/env bash
# weir chaos: verdicts, files, wrong usage, and what is left behind.
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/../cli/lib.sh"

# The runs' folders are in one of the test's own.
own_temporary_folder() {
    mkdir tmp
    export TMPDIR=$PWD/tmp
}

expect_nothing_left() {
    [ -z "$(ls -A tmp)" ] || fail "something is left: $(ls -A tmp)"
    [ ! -e data ] || fail "the data directory was made"
}

test_a_sound_fleet_passes_under_all_faults() {
    own_temporary_folder
    expect_ok chaos --seconds 15 --workers 3 --seed 1 --json --history history
    expect_json '.verdict == "pass" and .seed == "1" and .lost == 0 and .violations == []'
    expect_json '.records_put > 0 and .deliveries == .records_put + .records_unknown + .redelivered'
    expect_json '([.faults[]] | add) > 0 and .ownerships > 6 and .workers_started >= 3'
    expect_json '.failover_ms.p50 <= .failover_ms.max and .handoff_ms.count > 0'
    expect_json '.history_events_checked > 0 and .report == null'
    [ "$(grep -c '"kind":"initialize"' history)" -ge "$(jq .ownerships out.txt)" ] ||
        fail "owners are missing in the history"
    expect_nothing_left
}

test_without_faults_nothing_comes_twice() {
    own_temporary_folder
    expect_ok chaos --seconds 3 --workers 2 --seed 2 --faults none --json --rate 300
    expect_json '.verdict == "pass" and .faults == {} and .failover_ms.count == 0'
    expect_nothing_left
}

test_a_processor_that_acknowledges_before_it_writes_fails() {
    own_temporary_folder
    run chaos --seconds 12 --workers 3 --seed 3 --json --faults kill,crash \
        --broken acknowledge-before-write --report report.html
    expect_status 1
    expect_line 'the verdict is fail' '--seed 3'
    expect_json '.verdict == "fail" and .lost > 0'
    expect_json '.violations[0].property == "G1" and (.violations[0].text | test("^record [0-9]+ "))'
    grep -q 'class="verdict fail"' report.html || fail "the report does not say it"
    grep -q '<path class="lost"' report.html || fail "the report does not show where"
    expect_nothing_left
}

# shellcheck disable=SC2016 # The shell that chaos starts expands it.
worker='exec "$WEIR_BINARY" worker --app "$WEIR_CHAOS_APP" --stream "$WEIR_CHAOS_STREAM" --id
    "$WEIR_CHAOS_WORKER" --lease-duration "$WEIR_CHAOS_LEASE_DURATION" --print --json'
worker=${worker//$'\n'/ }

test_a_command_of_the_users() {
    own_temporary_folder
    expect_ok chaos --seconds 8 --workers 3 --seed 4 --json \
        --processor "$worker >>\"\$WEIR_CHAOS_JOURNAL\""
    expect_json '.verdict == "pass" and .records_put > 0 and .lines_bad == 0 and .lost == 0'
    expect_json '.faults.crash == null and .faults.hang == null'
    expect_nothing_left
}

test_a_command_that_throws_records_away_fails() {
    own_temporary_folder
    run chaos --seconds 4 --workers 2 --seed 5 --json --faults none --rate 100 \
        --processor "$worker | sed -u '3~7d' >>\"\$WEIR_CHAOS_JOURNAL\""
    expect_status 1
    expect_json '.verdict == "fail" and .lost > 0 and .violations[0].property == "G1"'
}

test_a_command_that_writes_nonsense() {
    own_temporary_folder
    run chaos --seconds 2 --workers 2 --seed 6 --json --faults none --rate 50 --report report.html \
        --processor "$worker | sed -u 's/.*/<script>alert(1)<\\/script>/' >>\"\$WEIR_CHAOS_JOURNAL\""
    expect_status 1
    expect_json '.verdict == "fail" and .lines_bad > 0 and .lost == .records_put'
    [ "$(grep -c '<script>' report.html)" -eq 1 ] || fail "something was not escaped"
    expect_nothing_left
}

test_a_command_that_is_none() {
    own_temporary_folder
    expect_failure 1 'ended by itself' -- chaos --seconds 2 --processor 'exit 3' --json
    expect_nothing_left
}

test_wrong_usage() {
    expect_failure 2 --seconds -- chaos --seconds 0
    expect_failure 2 --seconds -- chaos --seconds 1 --minutes 1
    expect_failure 2 --minutes -- chaos --minutes 99999999999
    expect_failure 2 --workers -- chaos --workers 1
    expect_failure 2 --workers -- chaos --workers -3
    expect_failure 2 --shards -- chaos --shards 0
    expect_failure 2 --rate -- chaos --rate 1e9
    expect_failure 2 --seed -- chaos --seed x
    expect_failure 2 --lease-duration -- chaos --lease-duration 100ms
    expect_failure 2 "'kil'" 'did you mean kill' -- chaos --faults kil
    expect_failure 2 "''" -- chaos --faults kill,
    expect_failure 2 --broken -- chaos --broken other
    expect_failure 2 --broken -- chaos --broken acknowledge-before-write --processor true
    expect_failure 2 --processor -- chaos --processor ''
    expect_failure 2 unexpected -- chaos now
    expect_ok chaos --help
    expect_out_has --faults --report --processor full-disk
}

test_places_that_cannot_be_used() {
    own_temporary_folder
    touch file
    expect_failure 1 "'file'" -- chaos --data file --seconds 1
    expect_failure 1 missing/report.html -- chaos --report missing/report.html --seconds 1
    expect_failure 1 missing/history -- chaos --history missing/history --seconds 1
    expect_nothing_left
}

test_roles_that_nobody_gave() {
    run chaos @worker
    expect_status 2
    run chaos @worker . 1 1 1000 1 0
    expect_status 2
    run chaos @producer x
    expect_status 2
}

test_data_to_look_at() {
    own_temporary_folder
    run chaos --seconds 2 --workers 2 --seed 7 --json --keep
    expect_status 0
    expect_line 'chaos: kept'
    mapfile -t kept < <(ls -d tmp/weir-chaos-*)
    [ -s "${kept[0]}/journal-1" ] || fail "no journal was kept"
    expect_ok --data "${kept[0]}/data" app describe chaos --json
}

has_three_processes() { [ "$(pgrep -c -P "$1")" -ge 3 ]; }

test_sigint_leaves_no_processes_and_no_files() {
    own_temporary_folder
    start chaos chaos --seconds 60 --workers 3 --json --report report.html
    wait_until has_three_processes "$pid"
    sleep 1
    mapfile -t processes < <(pgrep -P "$pid")
    kill -INT "$pid"
    finish "$pid"
    [ "$status" -eq 1 ] || fail "the exit status is $status"
    grep -q interrupted chaos.err || fail "no word about it"
    for process in "${processes[@]}"; do
        is_gone "$process" || fail "a process lives on"
    done
    [ "$(tail -n 1 chaos.out | jq -r .verdict)" = interrupted ] || fail "no verdict"
    grep -q 'class="verdict interrupted"' report.html || fail "no report"
    expect_nothing_left
}

test_processes_die_with_the_run() {
    own_temporary_folder
    start chaos chaos --seconds 60 --workers 3 --json
    wait_until has_three_processes "$pid"
    mapfile -t processes < <(pgrep -P "$pid")
    kill -KILL "$pid"
    finish "$pid"
    for process in "${processes[@]}"; do
        wait_until is_gone "$process"
    done
}

run_tests "$@"
