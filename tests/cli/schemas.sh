#!/bin/bash
# Every JSON that the commands print meets its schema in docs/.
# usage: schemas.sh ONNXPERT CHECK_SCHEMA    (in the top folder)
set -u
program=$1 check=$2 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

try() { # SCHEMA ARGUMENTS...
    local schema=$1
    shift
    "$program" "$@" --quiet --format json >"$work/out.json" 2>"$work/err" ||
        { echo "FAILED: $*"; cat "$work/err"; failed=1; }
    "$check" "$schema" "$work/out.json" || { echo "FAILED: $*"; failed=1; }
}

models=fixtures/models
for m in resnet_mini yolov8_mini gpt2_kv_mini loop_if lstm_tagger mnist8; do
    try docs/comparison.schema.json optimize $models/$m/model.onnx --auto --dry-run --device t4
    try docs/roadmap.schema.json advise $models/$m/model.onnx --target latency=1us --target size=1kB \
        --target accuracy=0.9 --batch 4
done
try docs/comparison.schema.json optimize $models/unet_mini/model.onnx --auto -o "$work/a.onnx" --report -
try docs/comparison.schema.json optimize $models/resnet_mini/model.onnx --passes fold-bn,fp16 \
    -o "$work/b.onnx" --device x86-server
try docs/comparison.schema.json compare $models/resnet_mini/model.onnx "$work/b.onnx"
echo '{"schema":"onnxpert.comparison/1"}' >"$work/bad.json"
"$check" docs/comparison.schema.json "$work/bad.json" 2>/dev/null &&
    { echo "FAILED: the checker takes anything"; failed=1; }
exit $failed
