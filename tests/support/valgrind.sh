#!/bin/bash
# The main commands under valgrind: no error, nothing lost.
# usage: valgrind.sh ONNXPERT              (in the top folder; exit 77: there is no valgrind)
set -u
command -v valgrind >/dev/null || { echo "skipped: no valgrind here"; exit 77; }
program=$(realpath "$1") work=$(mktemp -d) bad=0
trap 'rm -rf "$work"' EXIT
check() {
    valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite,indirect \
        --errors-for-leak-kinds=definite,indirect --child-silent-after-fork=no \
        "$program" "$@" >"$work/out" 2>"$work/err"
    local code=$?
    [ $code -le 5 ] && ! grep -q '^==[0-9]*== ' "$work/err" && return
    bad=1
    echo "WRONG: onnxpert $* (exit $code)"
    head -20 "$work/err"
}
m=fixtures/models/resnet_mini/model.onnx
check analyze $m --device t4
check analyze fixtures/models/loop_if/model.onnx --format json
check analyze fixtures/models/gpt2_kv_mini/model.onnx --format html
check advise $m
check dump fixtures/models/lstm_tagger/model.onnx
check rules check fixtures/rules/template.xml
check compare $m fixtures/models/mnist8/model.onnx
check optimize $m -o "$work/x.onnx" --passes fold-bn,fp16,fix-shapes
check optimize fixtures/models/bert_mini_op17/model.onnx -o "$work/x.onnx" --auto --external-data x.data
check analyze tests/CMakeLists.txt
exit $bad
