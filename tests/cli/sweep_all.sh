#!/bin/bash
# A program over all models of libonnx-testdata and fixtures/; a sample of them unless ONNXPERT_ALL=1.
# usage: sweep_all.sh PROGRAM TESTDATA EVERY
set -eu
program=$1 every=$3
[ "${ONNXPERT_ALL:-0}" = 1 ] && every=1
mapfile -t models < <(find "$2" fixtures -name '*.onnx' -size -2000k | LC_ALL=C sort | awk -v n="$every" 'NR % n == 0')
exec "$program" "${models[@]}"
