#!/bin/bash
# Our positions of ONNX Runtime's calls (src/verify/ort_calls.h) against the official header.
# usage: ort_header.sh CC FOLDER     FOLDER: where fetch_onnxruntime.sh put what it could get
# ONNXPERT_ORT_HEADER names a header; else that of the system or of the fetched archive.  77: none.
set -u
cc=$1
folder=$2
header=
for candidate in "${ONNXPERT_ORT_HEADER:-}" "$folder"/headers/onnxruntime_c_api.h \
    /usr/include/onnxruntime/onnxruntime_c_api.h \
    /usr/include/onnxruntime/core/session/onnxruntime_c_api.h \
    /usr/local/include/onnxruntime/onnxruntime_c_api.h /usr/include/onnxruntime_c_api.h; do
    if [ -n "$candidate" ] && [ -f "$candidate" ]; then
        header=$candidate
        break
    fi
done
if [ -z "$header" ]; then
    echo "no onnxruntime_c_api.h (Debian's libonnxruntime-dev, Maven's onnxruntime-android, or" \
        "ONNXPERT_ORT_HEADER=FILE): positions not checked"
    exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cp "$(dirname "$header")"/onnxruntime*.h "$work/"
compile() { "$cc" -std=gnu11 -w -I"$work" "$@" -Iinclude -Isrc tests/runtime/header.c -o "$work/check"; }
compile || exit 1
# The check itself must notice a position that is wrong.
mkdir -p "$work/wrong/verify"
sed 's/\(SessionGetInputName, \)36/\135/' src/verify/ort_calls.h >"$work/wrong/verify/ort_calls.h"
if compile -I"$work/wrong" 2>/dev/null; then
    echo "a wrong position is not noticed"
    exit 1
fi
echo "all positions are those of $header (API $(sed -n 's/^#define ORT_API_VERSION //p' "$header"))"
