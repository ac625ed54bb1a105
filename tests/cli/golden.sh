#!/bin/bash
# Compares a report with the expected one; --update writes it instead.
# usage: golden.sh ONNXPERT EXPECTED_FILE [--update] ARGUMENTS...
# What differs from machine to machine or from run to run is masked: timings of passes, this machine.
set -u
program=$1 expected=$2
shift 2
update=0
[ "${1:-}" = --update ] && { update=1; shift; }
got=$("$program" "$@" 2>&1 | sed -E 's/; [0-9.]+ (ns|us|ms|s)\)/; TIME)/; s/(This machine +).*/\1MASKED/; s/"seconds": [0-9.e-]+/"seconds": TIME/; /"machine": \{/,/\}/d')
if [ $update = 1 ]; then
    printf '%s\n' "$got" >"$expected"
    exit 0
fi
diff -u "$expected" <(printf '%s\n' "$got") && echo "as expected: $expected"
