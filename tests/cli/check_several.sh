#!/bin/bash
# Several models in one call: in order, one line or section each, bad ones apart, bounded processes.
# usage: check_several.sh ONNXPERT            (in the top folder)
set -u
program=$1 bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complain() { echo "$1"; bad=1; }
models=(fixtures/models/*/model.onnx)
: >"$work/empty.onnx"

# JSON lines: one a model, in the order given; the bad one is an error line and the worst exit code.
"$program" analyze --quiet "${models[@]:0:3}" "$work/empty.onnx" "${models[@]:3}" --format json \
    >"$work/all.jsonl" 2>"$work/err"
[ $? = 3 ] || complain "a bad model among good ones: the exit code is not 3"
[ "$(wc -l <"$work/err")" = 1 ] && grep -q empty.onnx "$work/err" || complain "not one error line for it"
paths=$(sed -E 's/^\{"schema":"[^"]*","model":\{"path":"([^"]*)".*\}$/\1/' "$work/all.jsonl")
[ "$paths" = "$(printf '%s\n' "${models[@]}")" ] || complain "JSON lines are not in the order given: $paths"

# The same data as one by one.
for model in "${models[@]:0:4}"; do
    "$program" analyze --quiet "$model" --format json | tr -d ' \n' >"$work/one"
    grep -F "\"path\":\"$model\"" "$work/all.jsonl" | tr -d ' \n' >"$work/line"
    cmp -s "$work/one" "$work/line" || complain "$model: its line differs from its own report"
done

# CSV: one header; text and Markdown: a section each.
"$program" analyze --quiet "$work/empty.onnx" "${models[@]}" --format csv >"$work/all.csv" 2>/dev/null
[ "$(grep -c '^model,index,' "$work/all.csv")" = 1 ] && head -1 "$work/all.csv" | grep -q '^model,index,' ||
    complain "CSV: not one header"
[ "$(cut -d, -f1 "$work/all.csv" | sort -u | wc -l)" = $((${#models[@]} + 1)) ] ||
    complain "CSV: not a name for each model"
for format in text markdown; do
    n=$("$program" analyze --quiet "${models[@]}" --format $format | grep -cE '^(# )?Analysis of ')
    [ "$n" = ${#models[@]} ] || complain "$format: $n sections"
done

# Pictures hold one model; nothing is written then, and standard input is not one of several.
"$program" analyze "${models[@]}" --format svg -o "$work/m.svg" 2>/dev/null
[ $? = 2 ] && [ ! -e "$work/m.svg" ] || complain "svg of several models is no usage error"
"$program" analyze - "${models[0]}" 2>/dev/null </dev/null
[ $? = 2 ] || complain "standard input as one of several is no usage error"

# 400 models: more than descriptors or processes would allow at once.
many=()
for _ in $(seq 400); do many+=(fixtures/models/mnist8/model.onnx); done
(ulimit -n 40; "$program" analyze "${many[@]}" --format json -o "$work/many.jsonl") ||
    complain "400 models failed"
[ "$(wc -l <"$work/many.jsonl")" = 400 ] || complain "400 models: not 400 lines"

# The report may not replace a data file of a model.
mkdir "$work/ext"
cp fixtures/skeletons/resnet18/model.onnx "$work/ext/"
truncate -s 60000000 "$work/ext/model.weights"
"$program" analyze "$work/ext/model.onnx" "${models[0]}" -o "$work/ext/model.weights" 2>/dev/null
[ $? = 2 ] && [ "$(stat -c %s "$work/ext/model.weights")" = 60000000 ] || complain "a data file was overwritten"
# A full disk is an error.
if [ -w /dev/full ]; then
    "$program" analyze --quiet "${models[@]}" >/dev/full 2>/dev/null
    [ $? = 5 ] || complain "a full disk is no failure"
fi
exit $bad
