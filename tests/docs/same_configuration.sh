#!/bin/sh
# Usage: same_configuration.sh PROGRAM FILE. Fails if the file is not what the program prints.
set -eu
if "$1" | diff -u "$2" -; then
    exit 0
fi
echo "docs/configuration.md is out of date: run print_configuration and keep its output" >&2
exit 1
