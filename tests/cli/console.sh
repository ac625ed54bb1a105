#!/bin/bash
# Runs the console blocks of a document and shows whether their output still is what the program
# prints.  In a ```console block a line "$ COMMAND" is run in an empty folder in which `fixtures`
# and `docs` lead to the repository's, with `onnxpert` being the program under test; what follows
# it must be the output of both streams, but for durations of passes, which differ from run to run.
# usage: console.sh PROGRAM FILE.md           compares; exit 1 and a diff where it differs
#        console.sh PROGRAM FILE.md --update  writes the new output into the document
set -eu
program=$(realpath "$1") document=$(realpath "$2") top=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/run"
ln -s "$program" "$work/bin/onnxpert"
ln -s "$top/fixtures" "$top/docs" "$work/run/"
export PATH="$work/bin:$PATH" LC_ALL=C
grep -q '^```console$' "$document" || { echo "$document: no console block"; exit 1; }
cd "$work/run"
awk '
    /^```console$/ { inside = 1; print; next }
    /^```$/        { inside = 0 }
    !inside        { print; next }
    /^\$ /         { print
                     command = "( " substr($0, 3) "\n) 2>&1 </dev/null"
                     while ((command | getline line) > 0) {
                         sub(/[ \t]+$/, "", line)
                         sub(/; [0-9.]+ [mun]?s\)$/, "; ... ms)", line)
                         print line
                     }
                     close(command) }
' "$document" >"$work/now.md"
if [ "${3-}" = --update ]; then
    cp "$work/now.md" "$document"
else
    diff -u "$document" "$work/now.md" || {
        echo "$document is out of date: bash tests/cli/console.sh PROGRAM $2 --update"
        exit 1
    }
fi
