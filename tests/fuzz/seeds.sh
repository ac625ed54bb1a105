#!/bin/bash
# The seeds of a fuzz target and what it found before: prints them, or runs a program on them.
# usage: seeds.sh TARGET [PROGRAM [ARGUMENTS...]]
set -eu
target=$1
shift
case $target in
load | analyze) seeds=(fixtures/models/*/model.onnx fixtures/blocks/*/model.onnx fixtures/battery/*/*/model.onnx) ;;
passes) seeds=(fixtures/models/*/model.onnx fixtures/battery/*/*/model.onnx) ;;
rules) seeds=(fixtures/rules/*.xml rules/*/*.xml) ;;
arrays) seeds=(fixtures/models/*/*.npy tests/fuzz/seeds/*.pb tests/fuzz/seeds/labels) ;;
texts | external) seeds=(tests/fuzz/seeds/"$target"/*) ;;
*) echo "seeds.sh: no target '$target'" >&2; exit 2 ;;
esac
shopt -s nullglob
files=()
for file in "${seeds[@]}" tests/fuzz/findings/"$target"/*; do
    [ -f "$file" ] && files+=("$file")
done
[ ${#files[@]} -gt 0 ]
if [ $# -gt 0 ]; then exec "$@" "${files[@]}"; fi
printf '%s\n' "${files[@]}"
