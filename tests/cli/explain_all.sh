#!/bin/bash
# Every built-in rule explained, in turn as text, Markdown, JSON and HTML.
# usage: explain_all.sh ONNXPERT PROBLEMS      PROBLEMS: made when something is wrong
set -u
program=$1 problems=$2 n=0 formats=(text markdown json html)
while read -r id; do
    format=${formats[n % 4]}
    "$program" rules explain "$id" --format "$format" >"$problems.out" 2>&1 && grep -q -- "$id" "$problems.out" ||
        echo "$id as $format: $(head -1 "$problems.out")" >>"$problems"
    n=$((n + 1))
done < <("$program" rules list --format json | grep -o '"id": *"[^"]*"' | sed 's/.*"\([^"]*\)"$/\1/')
rm -f "$problems.out"
[ $n -ge 30 ] || echo "only $n rules" >>"$problems"
[ ! -e "$problems" ] || cat "$problems"
