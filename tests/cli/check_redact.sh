#!/bin/bash
# --redact-names: no name of the model is in any format; the figures are the same.
# usage: check_redact.sh ONNXPERT            (in the top folder)
set -u
program=$1 bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complain() { echo "$1"; bad=1; }

# The model's own names, from its report: what is long enough, or odd enough, to be nobody's word.
names_of() {
    sed -nE 's/^ +"(name|path|node|producer_version)": "(.*)",?$/\2/p; s/^ {3,4}"([^"]+)",?$/\1/p' "$1" |
        sed -E 's/^[A-Za-z]+\(out: (.*)\)$/\1/' | grep -E '^.{7,}$|[/_.]' | grep -vE '^(NVIDIA|Raspberry|x86)' |
        grep -E '[/_.0-9]' | sort -u
    sed -n '/"metadata": {$/,/}/p' "$1" | sed -nE 's/^ +"(.{4,})": "(.{4,})",?$/\1\n\2/p'
}

for model in fixtures/models/{bert_tf2onnx_mini,gpt2_kv_mini,loop_if,lstm_tagger,unet_mini}/model.onnx \
    fixtures/skeletons/bert_qa/model.onnx; do
    "$program" analyze --quiet "$model" --format json >"$work/open.json"
    names_of "$work/open.json" >"$work/names"
    [ -s "$work/names" ] || complain "$model: no names to look for"
    for format in text json csv dot svg markdown html; do
        "$program" analyze "$model" --redact-names --format $format >"$work/out.$format" 2>"$work/err" ||
            complain "$model: $format failed"
        found=$(cat "$work/out.$format" "$work/err" | sed 's/&#40;/(/g; s/&#41;/)/g; s/\\_/_/g' |
            grep -oFf "$work/names" | head -3)
        [ -z "$found" ] || complain "$model: $format still has: $found"
    done
    # Dimensions have short names: as they stand in JSON and text.
    for dim in $(sed -n '/"assumed_dims": {$/,/}/p' "$work/open.json" |
        sed -nE 's/^ +"([^"]+)": [0-9]+,?$/\1/p'); do
        grep -vE "^ +\"batch\": [0-9]+,$" "$work/out.json" | grep -qE "\"$dim\"|[\"(*+]$dim[+*/)]" && complain "$model: dimension $dim is in the JSON"
        grep -qE " $dim = |\[$dim[],]" "$work/out.text" && complain "$model: dimension $dim is in the text"
    done
    for key in totals by_op batch_sweep; do
        for f in open.json out.json; do
            sed -n "/^ \"$key\": [[{]/,/^ []}]/p" "$work/$f" | grep -v file_bytes >"$work/$f.$key"
        done
        cmp -s "$work/open.json.$key" "$work/out.json.$key" ||
            complain "$model: $key changes when names are redacted"
    done
done

# Bindings are still given in the model's own words; a roadmap is redacted as well.
"$program" analyze --quiet --redact-names fixtures/models/bert_mini_op17/model.onnx --dim batch=2 \
    >"$work/out" || complain "a binding by the old name is not understood"
grep -q ' = 2' "$work/out" || complain "the binding has no effect"
"$program" advise --quiet --redact-names fixtures/skeletons/resnet18/model.onnx >"$work/out"
grep -qE 'layer[1-4]|resnet18' "$work/out" && complain "the roadmap has names"

# Several models: each its own neutral name.
n=$("$program" analyze --quiet --redact-names fixtures/models/{mnist8,unet_mini}/model.onnx \
    --format json | grep -cE '"path":"model_[12].onnx"')
[ "$n" = 2 ] || complain "several models: not a neutral name each"
exit $bad
