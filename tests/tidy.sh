#!/bin/bash
# clang-tidy with the checks of .clang-tidy; what it is wrong about is said above the line (NOLINT).
# usage: tidy.sh BUILD [FILE...]        BUILD has compile_commands.json; without FILE all of src/ and passes/
set -u
build=$1
shift
[ $# -gt 0 ] || mapfile -t files < <(find src passes -name '*.c' ! -name schema_table.c | LC_ALL=C sort)
[ $# -gt 0 ] && files=("$@")
printf '%s\n' "${files[@]}" |
    xargs -P "$(nproc)" -n 4 nice -n 19 clang-tidy --quiet --warnings-as-errors='*' -p "$build" 2>/dev/null
code=$?
[ $code = 0 ] && echo "${#files[@]} files, no warning"
exit $code
