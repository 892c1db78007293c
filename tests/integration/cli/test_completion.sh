#!/usr/bin/env bash
# What shells propose. zsh and fish are tried where they are installed.
# shellcheck source=tests/integration/cli/lib.sh
. "$(dirname "$0")/lib.sh"

completion=${WEIR_SOURCE_DIR:?}/cli/completion

given_streams() {
    expect_ok stream create orders --shards 2
    expect_ok stream create payments --shards 1
    mkdir bin
    ln -s "$weir" bin/weir
    export PATH=$PWD/bin:$PATH
}

# bash_proposes WORD...: the last word is the one that is being typed.
bash_proposes() {
    # shellcheck source=cli/completion/weir.bash
    . "$completion/weir.bash"
    # shellcheck disable=SC2034 # Variables of bash's completion.
    COMP_WORDS=(weir "$@") COMP_CWORD=$#
    _weir
    out=$(printf '%s\n' "${COMPREPLY[@]}" | sort | paste -s -d ' ')
}

# fish_proposes LINE, without what stands behind a tab.
fish_proposes() {
    out=$(HOME=$PWD fish --no-config -c "source '$completion/weir.fish'; complete -C '$1'" |
        cut -f 1 | sort | paste -s -d ' ')
}

test_bash() {
    given_streams
    bash_proposes pu
    expect_out put
    bash_proposes stream ''
    expect_out "create describe ls merge rm scale split trim"
    bash_proposes stream de
    expect_out describe
    bash_proposes put ''
    expect_out "orders payments"
    bash_proposes stream create ''
    expect_out ''
    bash_proposes put --k
    expect_out "--key --key-field"
    bash_proposes put --durability r
    expect_out relaxed
    bash_proposes sim --without crash
    expect_out "crash crash-leader"
    bash_proposes sim --wo
    expect_out "--workers"
    bash_proposes --data "$PWD/data" get o
    expect_out orders
    bash_proposes --data "$PWD/elsewhere" get ''
    expect_out ''
    bash_proposes get --limit 3 pay
    expect_out payments
    bash_proposes get orders --json --from L
    expect_out LATEST
    bash_proposes get orders --shard ''
    expect_out "shardId-000000000000 shardId-000000000001"
    bash_proposes stream split orders ''
    expect_out "shardId-000000000000 shardId-000000000001"
    bash_proposes worker --stream ''
    expect_out "orders payments"
    bash_proposes help str
    expect_out stream
}

test_bash_of_applications() {
    given_streams
    start w1 worker --app billing --stream payments --print --id w1

    # shellcheck disable=SC2317 # wait_until calls it.
    is_owner() { "$weir" app describe billing --json 2>&1 | grep -q '"owner":"w1"'; }
    wait_until is_owner
    bash_proposes app describe ''
    expect_out billing
    bash_proposes app drain billing ''
    expect_out w1
    bash_proposes app move billing ''
    expect_out shardId-000000000000
    bash_proposes app move billing shardId-000000000000 ''
    expect_out w1
    bash_proposes worker --app b
    expect_out billing
    kill "$pid"
    finish "$pid"
}

test_fish() {
    command -v fish >/dev/null || return 0
    fish --no-execute "$completion/weir.fish" || fail "syntax"
    given_streams
    fish_proposes 'weir pu'
    expect_out put
    fish_proposes 'weir stream de'
    expect_out describe
    fish_proposes 'weir put '
    expect_out "orders payments"
    fish_proposes 'weir put --key-'
    expect_out --key-field
    fish_proposes 'weir put --durability r'
    expect_out relaxed
    fish_proposes "weir --data $PWD/elsewhere get "
    expect_out ''
    fish_proposes 'weir get orders --json --from L'
    expect_out LATEST
    fish_proposes 'weir stream split orders '
    expect_out "shardId-000000000000 shardId-000000000001"
}

test_zsh() {
    command -v zsh >/dev/null || return 0
    zsh -n "$completion/_weir" || fail "syntax"
}

run_tests "$@"
