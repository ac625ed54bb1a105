#!/bin/bash
# Fails one call after another of the main commands; see loop.c.
# usage: commands.sh ONNXPERT FAULT_LOOP SHIM POINTS KIND
# SHIM is - for a program that knows ONNXPERT_FAULT itself; POINTS the calls to fail of each command.
set -u
program=$(realpath "$1") loop=$2 shim=$3 points=$4 kind=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=$work/out
mkdir "$out"
cp fixtures/models/resnet_mini/model.onnx "$work/model.onnx"
cp fixtures/models/loop_if/model.onnx "$work/loop.onnx"
wrong=0
try() {
    echo "onnxpert $*"
    "$loop" "$kind" "$shim" "$points" "$out" "$program" "$@" || wrong=$((wrong + 1))
}
m=$work/model.onnx
case $kind in
alloc)
    try analyze "$m"
    try analyze "$work/loop.onnx" --format json --device t4
    try analyze "$m" --format html --output "$out/report.html"
    try advise "$m" --target latency=3ms
    try dump "$m"
    try compare "$m" "$work/loop.onnx"
    try rules check fixtures/rules/template.xml
    try devices t4
    try optimize "$m" -o "$out/new.onnx" --passes fold-bn,fp16,fix-shapes
    try optimize "$m" -o "$out/new.onnx" --auto --external-data new.data
    try optimize "$work/loop.onnx" --dry-run --auto
    ;;
write)
    try analyze "$m" --format html --output "$out/report.html"
    try optimize "$m" -o "$out/new.onnx" --passes fold-bn,fp16
    try optimize "$m" -o "$out/new.onnx" --auto --external-data new.data
    try optimize "$work/loop.onnx" -o "$out/new.onnx" --auto
    ;;
read) # as if the file were shortened while it is read: bad input, or a failure to read
    export DECLINE=1
    try analyze "$m"
    try optimize "$m" -o "$out/new.onnx" --passes fold-bn,fp16
    try advise "$m"
    try rules check fixtures/rules/template.xml
    ;;
esac
[ $wrong = 0 ]
