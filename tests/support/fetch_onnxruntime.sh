#!/bin/bash
# Fetches ONNX Runtime's shared library (npm's onnxruntime-node) into a folder.
# usage: fetch_onnxruntime.sh FOLDER
# Without npm or without a registry it says so and succeeds: the tests that need the library skip.
set -u
folder=$1
found() { ls "$folder"/node_modules/onnxruntime-node/bin/napi-v*/linux/*/libonnxruntime.so.1 2>/dev/null | head -1; }
if [ -n "$(found)" ]; then
    echo "have $(found)"
    exit 0
fi
if ! command -v npm >/dev/null; then
    echo "no npm: checks that run models in ONNX Runtime are skipped"
    exit 0
fi
mkdir -p "$folder"
# --ignore-scripts: the library is in the package; its install script would fetch GPU builds.
npm install --ignore-scripts --no-audit --no-fund --no-save --prefix "$folder" onnxruntime-node \
    >"$folder/npm.log" 2>&1 || { tail -3 "$folder/npm.log"; echo "npm could not fetch onnxruntime-node: checks that run models are skipped"; exit 0; }
echo "fetched $(found)"
