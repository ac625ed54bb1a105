#!/bin/bash
# Every pass on every model of some folders (tests/support/check_rewrites.c).  Without ONNX Runtime
# only the structure of the results is checked.  ONNXPERT_ALL=1: all rewrites instead of a sample.
# usage: rewrites.sh CHECK_REWRITES ORT_FOLDER EVERY [ARGUMENT...] FOLDER...
set -u
program=$1 folder=$2 every=$3
shift 3
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
library=${ONNXPERT_ORT:-$(ls "$folder"/node_modules/onnxruntime-node/bin/napi-v*/linux/$arch/libonnxruntime.so.1 2>/dev/null | head -1)}
[ -n "$library" ] || echo "no ONNX Runtime (npm install --ignore-scripts onnxruntime-node): structure only"
[ "${ONNXPERT_ALL:-0}" = 1 ] && every=1
exec "$program" --ort "$library" --every "$every" "$@"
