#!/usr/bin/env bash
# What check_history prints and returns.
#
#   test_check_history.sh PROGRAM FOLDER
set -euo pipefail

program=$1
folder=$2

fail() {
    echo "failed: $1"
    exit 1
}

# expect STATUS TEXT ARGUMENT...: the program's exit status, and a part of what it prints.
expect() {
    local status=0 output
    output=$("$program" "${@:3}" 2>&1) || status=$?
    [ $status -eq "$1" ] || fail "${*:3}: status $status, not $1: $output"
    [[ $output == *"$2"* ]] || fail "${*:3}: prints $output, not $2"
}

expect 2 "usage: check_history FILE"
expect 2 "there is no such file" "$folder/none.txt"
expect 2 "cannot be read" "$folder"
expect 0 "holds: 18 events" "$folder/good-plain.txt"
expect 1 "broken: I2 belief exclusivity: shard 1: workers 1" "$folder/bad-I2-two-believe.txt"

echo '{"kind":"quiet"}' | expect 0 "holds: 1 events" -
printf '# a remark\n\n{"kind":"quiet","t":x}\n' | expect 2 "line 3: \"t\" has a value" -
printf '{"kind":"quiet"}\n{"kind":"settings"}\n' | expect 2 "settings stand before" -
echo '{"kind":"settings","stop_ms":9223372036854775807}' | expect 2 "out of range" -
head -c 5000 /dev/zero | tr '\0' '#' | expect 2 "too many" -
head -c 5000 /dev/zero | expect 2 "line 1" -
printf '{"kind":"quiet"}\0{"kind":"quiet"}\n' | expect 2 "line 1" -
