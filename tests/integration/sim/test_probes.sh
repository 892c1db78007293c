#!/usr/bin/env bash
# Every rare path that the simulator counts is taken by some seed, but those that cannot be.
#
#   test_probes.sh WEIR [SEEDS]
set -euo pipefail

weir=$1
seeds=${2:-20000}

# Transitions that an engine allows and that no run can show, and why.
known=(
    # The final call ends in SHUTTING_DOWN, also when the lease is lost meanwhile.
    "consumer: SHUTDOWN_REQUESTED -> SHUTDOWN_COMPLETE"
)

stats=$("$weir" sim --seeds "$seeds" --stats)
never=$(sed -n -E 's/^ +0  (.*)$/\1/p' <<<"$stats")
for probe in "${known[@]}"; do
    never=$(grep -vxF "$probe" <<<"$never" || true)
done
if [ -n "$never" ]; then
    printf 'never taken by %s seeds:\n%s\n' "$seeds" "$never"
    exit 1
fi
echo "$(grep -cE '^ +[0-9]+  ' <<<"$stats") probes, each taken by one of $seeds seeds"
