#!/bin/bash
# Installs into a fresh folder and uses what is there: the example of docs/ through pkg-config, shared
# and static; nothing but oxp_ symbols may leave the libraries.
# usage: install.sh BUILD_FOLDER
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$1" --prefix "$work" >/dev/null
lib=$(dirname "$(find "$work" -name libonnxpert.a)")
export PKG_CONFIG_PATH=$lib/pkgconfig
model=fixtures/models/mnist8/model.onnx
# shellcheck disable=SC2046
cc docs/examples/flops.c $(pkg-config --cflags --libs onnxpert) -o "$work/shared"
[ "$(LD_LIBRARY_PATH=$lib "$work/shared" $model)" = "1600522 FLOPs" ]
# shellcheck disable=SC2046
cc docs/examples/flops.c $(pkg-config --cflags onnxpert) "$lib/libonnxpert.a" \
    -lprotobuf-c -lxml2 -lpthread -lm -ldl -o "$work/static"
[ "$("$work/static" $model)" = "1600522 FLOPs" ]
foreign=$({ nm -D --defined-only "$lib/libonnxpert.so"; nm -g --defined-only "$lib/libonnxpert.a"; } |
    awk 'NF == 3 && $3 !~ /^oxp_/ { print $3 }')
[ -z "$foreign" ] || { echo "exported, but not oxp_: $foreign"; exit 1; }
echo "installed tree works"
