# shellcheck shell=bash
# Completion of weir(1) for bash. Commands and options are those of `weir ... --help`; names of streams,
# shards, applications and workers are those of the data directory on the line.

# _weir_ask WORD...: weir's answer, with the program and the --data of the line; nothing on failure.
_weir_ask() {
    "${COMP_WORDS[0]}" "${_weir_data[@]}" "$@" 2>/dev/null </dev/null
}

# Options of a command, one per line, followed by the name of their value.
_weir_options() {
    _weir_ask "$@" --help | sed -nE 's/^  (--[a-z-]+)( ([A-Z]+))?( .*|$|\[.*)/\1 \3/p'
}

# Commands of a group.
_weir_commands() {
    _weir_ask "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_weir_shards_of_stream() {
    _weir_ask stream describe "$1" --json | grep -o '"shard_id":"[^"]*"' | cut -d '"' -f 4
}

_weir_of_application() {
    _weir_ask app describe "$1" --json | grep -o "\"$2\":\"[^\"]*\"" | cut -d '"' -f 4
}

# What the value of an option can be.
_weir_values() {
    case $1 in
    NAME) _weir_ask stream ls ;;
    APP) _weir_ask app ls ;;
    SHARD) [ -z "$2" ] || _weir_shards_of_stream "$2" ;;
    POSITION) printf '%s\n' TRIM_HORIZON LATEST AT_SEQUENCE_NUMBER: AFTER_SEQUENCE_NUMBER: AT_TIMESTAMP: ;;
    KINDS) _weir_ask sim --list-faults ;;
    LEVEL) printf '%s\n' full relaxed none error warn info debug ;;
    esac
}

# _weir_operands COMMAND OPERAND...: what the operand after these can be.
_weir_operands() {
    local command=$1
    shift
    case "$command:$#" in
    'stream create:'* | 'stream ls:'*) ;;
    'stream '*:0 | put:0 | get:0) _weir_ask stream ls ;;
    'stream split:1' | 'stream merge:1' | 'stream merge:2') _weir_shards_of_stream "$1" ;;
    'app ls:'*) ;;
    'app '*:0) _weir_ask app ls ;;
    'app move:1' | 'app release:1') _weir_of_application "$1" shard_id ;;
    'app move:2' | 'app drain:1') _weir_of_application "$1" worker_id ;;
    esac
}

_weir() {
    local current=${COMP_WORDS[COMP_CWORD]} word options value='' i
    local command=() operands=() _weir_data=() candidates=()
    COMPREPLY=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == --data && $((i + 1)) -lt $COMP_CWORD ]]; then
            _weir_data=(--data "${COMP_WORDS[++i]}")
        elif [[ $word == --* ]]; then
            value=$(_weir_options "${command[@]}" | sed -n "s/^$word //p")
            [[ -n $value && $((i + 1)) -lt $COMP_CWORD ]] && ((i++)) && value=
            [[ $word == --data ]] && value=DIR
        elif [[ ${#command[@]} -eq 0 || (${#command[@]} -eq 1 && ${command[0]} =~ ^(stream|app|help)$) ]]; then
            command+=("$word")
        else
            operands+=("$word")
        fi
    done

    if [[ $value == DIR ]]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        return
    elif [[ -n $value ]]; then
        mapfile -t candidates < <(_weir_values "$value" "${operands[0]-}")
    elif [[ $current == -* ]]; then
        options=$(_weir_options "${command[@]}" | cut -d ' ' -f 1)
        mapfile -t candidates <<<"${options:---data}"
    elif [[ ${#command[@]} -eq 0 || ${command[*]} == help ]]; then
        mapfile -t candidates < <(_weir_commands)
    elif [[ ${#command[@]} -eq 1 && ${command[0]} =~ ^(stream|app)$ ]]; then
        mapfile -t candidates < <(_weir_commands "${command[0]}")
    else
        mapfile -t candidates < <(_weir_operands "${command[*]}" "${operands[@]}")
    fi
    mapfile -t COMPREPLY < <(compgen -W "${candidates[*]}" -- "$current")
}

complete -F _weir weir
