# Completion of weir(1) for fish. Commands and options are those of `weir ... --help`; names of streams,
# shards, applications and workers are those of the data directory on the line.

# The words before the cursor: sets weir_name (the command), weir_operands, weir_data and weir_value
# (what the option before the cursor wants, or nothing).
function __weir_read --no-scope-shadowing
    set weir_words (commandline -opc)
    set weir_program $weir_words[1]
    set weir_name
    set weir_operands
    set weir_data
    set weir_value
    set weir_last
    for word in $weir_words[2..-1]
        if test -n "$weir_value"
            test "$weir_last" = --data; and set weir_data --data $word
            set weir_value
        else if string match -q -- '--*' $word
            set weir_last $word
            set weir_value ($weir_program $weir_name --help 2>/dev/null | string replace -rf -- "^  $word ([A-Z]+) .*" '$1')
            test $word = --data; and set weir_value DIR
        else if test (count $weir_name) -eq 0; or contains -- "$weir_name" stream app help
            set weir_name $weir_name $word
        else
            set weir_operands $weir_operands $word
        end
    end
end

function __weir_ask --no-scope-shadowing
    $weir_program $weir_data $argv 2>/dev/null </dev/null
end

function __weir_shards_of_stream --no-scope-shadowing
    $weir_program $weir_data stream describe $argv[1] --json 2>/dev/null | string match -ar '"shard_id":"[^"]*"' | string split -f 4 '"'
end

function __weir_of_application --no-scope-shadowing
    $weir_program $weir_data app describe $argv[1] --json 2>/dev/null | string match -ar "\"$argv[2]\":\"[^\"]*\"" | string split -f 4 '"'
end

function __weir_commands --no-scope-shadowing
    $weir_program $argv --help 2>/dev/null | string replace -rf '^  ([a-z]+)  +(.*)' '$1\t$2'
end

function __weir_options --no-scope-shadowing
    $weir_program $weir_name --help 2>/dev/null | string replace -rf '^  (--[a-z-]+)( [A-Z]+|\[=BOOL\])?  +(.*)' '$1\t$3'
end

function __weir_complete
    __weir_read
    switch "$weir_value"
        case NAME
            __weir_ask stream ls
            return
        case APP
            __weir_ask app ls
            return
        case SHARD
            test -n "$weir_operands[1]"; and __weir_shards_of_stream $weir_operands[1]
            return
        case POSITION
            printf '%s\n' TRIM_HORIZON LATEST AT_SEQUENCE_NUMBER: AFTER_SEQUENCE_NUMBER: AT_TIMESTAMP:
            return
        case KINDS
            __weir_ask sim --list-faults
            return
        case LEVEL
            printf '%s\n' full relaxed none error warn info debug
            return
        case DIR
            __fish_complete_directories (commandline -ct)
            return
        case '?*'
            return
    end
    if string match -q -- '-*' (commandline -ct)
        __weir_options
        return
    end
    switch "$weir_name:"(count $weir_operands)
        case ':*' 'help:*'
            __weir_commands
        case 'stream:*' 'app:*'
            __weir_commands $weir_name
        case 'stream create:*' 'stream ls:*' 'app ls:*'
        case 'stream *:0' 'put:0' 'get:0'
            __weir_ask stream ls
        case 'stream split:1' 'stream merge:1' 'stream merge:2'
            __weir_shards_of_stream $weir_operands[1]
        case 'app *:0'
            __weir_ask app ls
        case 'app move:1' 'app release:1'
            __weir_of_application $weir_operands[1] shard_id
        case 'app move:2' 'app drain:1'
            __weir_of_application $weir_operands[1] worker_id
    end
end

complete -c weir -f -a '(__weir_complete)'
