#!/bin/bash
# Puts what accuracy.sh kept into docs/accuracy.md, between its marks: the table, the distribution of
# the error, and the error on models that were left out of the fit (tests/bench/fit_latency.py).
# usage: accuracy_doc.sh FOLDER [BUILD_FOLDER]
# With BUILD_FOLDER it measures first (about eight minutes, on a quiet machine), and keeps that in
# FOLDER.  PYTHON names a python3 that has numpy.
set -eu
folder=$1 page=docs/accuracy.md python=${PYTHON:-python3}
here=$(dirname "$0")
if [ $# -gt 1 ]; then
    ACCURACY_KEEP=$folder bash "$here/accuracy.sh" "$2" >/dev/null
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" "$here/fit_latency.py" "$folder" >"$work/fit"
{
    cat "$folder/table.md"
    printf '\nWhat `fit_latency.py` says of this run, medians, before and after of each pair counted:\n\n```\n'
    fold -s -w 110 "$work/fit" | sed 's/ *$//'
    printf '```\n'
} >"$work/new"
awk -v new="$work/new" '
/^<!-- measured -->$/ { print; print ""; while ((getline line < new) > 0) print line; print ""; skip = 1; next }
/^<!-- end -->$/ { skip = 0 }
!skip' "$page" >"$work/page"
cp "$work/page" "$page"
