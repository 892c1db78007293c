#!/usr/bin/env bash
# weir app
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/lib.sh"

description_shape='([.app, .stream, .leader] | all(.[]; type == "string"))
    and ([.lease_duration_ms, .failover_bound_ms] | all(.[]; type == "number" and . > 0))
    and all(.workers[]; (.worker_id | type == "string") and (.pid | type == "number")
        and (.leases | type == "number"))
    and all(.shards[]; (.shard_id | type == "string") and (.owner | type == "string")
        and (.state | IN("unassigned", "waiting_on_parent_shards", "processing",
            "shutdown_requested", "shutdown_complete"))
        and (.lease_epoch | type == "number") and (.checkpoint | type == "string")
        and has("millis_behind_latest"))'

is_described() {
    "$weir" app describe billing --json 2>/dev/null | jq -e "$1" >/dev/null 2>&1
}

start_worker() {
    start "$1" worker --app billing --stream orders --print --id "$1" --lease-duration 1s
}

drain() {
    kill -TERM "$1"
    finish "$1"
    expect_status 0
}

# An application that has printed 1 to 10 of a stream with two shards, and has no worker.
given_an_application_at_rest() {
    expect_ok stream create orders --shards 2
    seq 10 | "$weir" put orders
    start_worker w1
    wait_until lines_in w1.out 10
    drain "$pid"
}

test_an_application_that_does_not_exist() {
    expect_ok app ls
    expect_out ''
    expect_failure 1 billing -- app describe billing
    expect_failure 1 billing -- app reset billing --to LATEST
    expect_failure 1 billing -- app reset billing --to LATEST --execute
    expect_failure 1 billing -- app move billing shard worker
    expect_failure 1 billing -- app drain billing worker
    expect_failure 1 billing -- app release billing shard
    expect_failure 2 "--to POSITION is missing" -- app reset billing
}

test_ls_and_describe() {
    local worker
    expect_ok stream create orders --shards 3
    seq 100 | "$weir" put orders
    start_worker w1
    worker=$pid
    wait_until is_described \
        '.workers[0].leases == 3 and all(.shards[]; .millis_behind_latest == 0)'
    expect_ok app ls
    expect_out billing
    expect_ok app ls --json
    expect_json '. == {"app": "billing"}'
    expect_ok app describe billing --json
    expect_json "$description_shape"' and .app == "billing" and .stream == "orders"
        and .leader == "w1" and .lease_duration_ms == 1000 and .failover_bound_ms >= 1000'
    expect_json ".workers | length == 1 and .[0].worker_id == \"w1\" and .[0].pid == $worker"
    expect_json '.shards | length == 3 and all(.[]; .owner == "w1" and .state == "processing"
        and .lease_epoch >= 1 and (.checkpoint | test("^[0-9]+$|^TRIM_HORIZON$")))'
    expect_ok app describe billing
    expect_out_has "application billing reads stream orders" "leader w1" "lease duration 1s" \
        "failover bound" WORKER SHARD processing
    expect_ok app describe billing --workers
    expect_out_has WORKER w1
    [[ "$out" != *SHARD* ]] || fail "shards, although only workers were asked for"
    expect_ok app describe billing --shards
    expect_out_has SHARD processing
    [[ "$out" != *WORKER* ]] || fail "workers, although only shards were asked for"
    drain "$worker"
    expect_ok app describe billing --json
    expect_json "$description_shape"' and .workers == [] and .leader == ""
        and all(.shards[]; .owner == "")'
}

test_move_and_release() {
    local first shard
    expect_ok stream create orders --shards 2
    start_worker w1
    first=$pid
    start_worker w2
    wait_until is_described '.workers | length == 2 and all(.[]; .leases == 1)'
    shard=$("$weir" app describe billing --json |
        jq -r '.shards[] | select(.owner == "w1").shard_id')
    expect_ok app move billing "$shard" w2 --json
    expect_json ".app == \"billing\" and .shard_id == \"$shard\" and .worker_id == \"w2\""
    wait_until is_described "any(.shards[]; .shard_id == \"$shard\" and .owner == \"w2\")"
    expect_ok app move billing "$shard" w1
    expect_out_has "$shard" w1
    wait_until is_described "any(.shards[]; .shard_id == \"$shard\" and .owner == \"w1\")"
    expect_ok app release billing "$shard"
    expect_out_has "$shard"
    expect_failure 1 "" -- app move billing nope w2
    expect_failure 1 "" -- app move billing "$shard" nobody
    expect_failure 1 "" -- app release billing nope
    drain "$first"
    drain "$pid"
}

test_drain() {
    local first
    expect_ok stream create orders --shards 4
    start_worker w1
    first=$pid
    start_worker w2
    wait_until is_described '.workers | length == 2 and all(.[]; .leases == 2)'
    expect_failure 1 "" -- app drain billing nobody
    expect_ok app drain billing w1
    expect_out_has w1
    finish "$first"
    expect_status 0
    wait_until is_described '.workers | length == 1 and .[0].leases == 4'
    expect_ok app drain billing w2 --json
    expect_json '. == {"app": "billing", "worker_id": "w2", "requested": true}'
    finish "$pid"
    expect_status 0
}

test_reset_is_a_dry_run_by_default() {
    given_an_application_at_rest
    "$weir" app describe billing --json >before.json
    expect_ok app reset billing --to TRIM_HORIZON
    expect_out_has "would be reset" "--execute" TRIM_HORIZON
    expect_ok app reset billing --to TRIM_HORIZON --json
    expect_json '.app == "billing" and .to == "TRIM_HORIZON" and .executed == false
        and (.shards | length) == 2'
    "$weir" app describe billing --json >after.json
    [ "$(jq -c '[.shards[] | {shard_id, checkpoint, lease_epoch}]' before.json)" = \
        "$(jq -c '[.shards[] | {shard_id, checkpoint, lease_epoch}]' after.json)" ] ||
        fail "the dry run has changed something"
}

test_reset_begins_again() {
    given_an_application_at_rest
    expect_ok app reset billing --to TRIM_HORIZON --execute --json
    expect_json '.executed == true'
    start_worker w2
    wait_until lines_in w2.out 10
    drain "$pid"
    jq -r .data w2.out | sort -n | cmp -s - <(seq 10) || fail "other records"
    expect_ok app reset billing --to LATEST --execute
    expect_out_has "has been reset"
    start_worker w3
    # shellcheck disable=SC2317 # wait_until calls it.
    put_and_look() { echo new | "$weir" put orders && [ -s w3.out ]; }
    wait_until put_and_look
    drain "$pid"
    cp w3.out out.txt
    expect_json '.data == "new"'
}

test_reset_is_refused_while_a_worker_lives() {
    expect_ok stream create orders
    start_worker w1
    wait_until is_described '.workers | length == 1'
    expect_failure 1 "worker 'w1' is alive" "weir app drain billing w1" -- \
        app reset billing --to LATEST
    expect_failure 1 "worker 'w1' is alive" -- app reset billing --to LATEST --execute
    drain "$pid"
}

run_tests "$@"
