#!/bin/bash
# Rewrites a model and compares it with the original in ONNX Runtime, on recorded inputs and on
# random ones.  One timed run loads both with the runtime's own optimization, too: what it makes of
# a rewrite must not crash.
# usage: numeric.sh ONNXPERT ORT_FOLDER MODEL_FOLDER PASSES exact|lossy [--dim NAME=VALUE]...
# Exit code 77 (skipped) where no ONNX Runtime is found.
set -u
program=$1 folder=$2 model=$3 passes=$4 tolerance=$5
shift 5
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
library=${ONNXPERT_ORT:-$(ls "$folder"/node_modules/onnxruntime-node/bin/napi-v*/linux/$arch/libonnxruntime.so.1 2>/dev/null | head -1)}
if [ -z "$library" ]; then
    echo "SKIPPED: no ONNX Runtime (npm install --ignore-scripts onnxruntime-node)"
    exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
lossy=()
[ "$tolerance" = lossy ] && lossy=(--lossy)
fail() { echo "FAILED: $1"; exit 1; }
"$program" optimize "$model/model.onnx" -o "$work/new.onnx" --passes "$passes" "$@" || fail "optimize: exit $?"
"$program" verify "$model/model.onnx" "$work/new.onnx" --ort "$library" --inputs "$model" --runs 1 \
    "${lossy[@]}" "$@" || fail "recorded inputs: exit $?"
"$program" verify "$model/model.onnx" "$work/new.onnx" --ort "$library" --sets 3 --seed 7 --runs 0 \
    "${lossy[@]}" "$@" || fail "random inputs: exit $?"
