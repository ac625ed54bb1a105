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

# The manual has a page for each command; the shells complete commands, options, values and lists.
for command in $("$work/bin/onnxpert" --help | awk '/^commands:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'); do
    page=$work/share/man/man1/onnxpert-$command.1
    grep -q "^.SH SYNOPSIS" "$page" || { echo "$page: no page"; exit 1; }
    if command -v mandoc >/dev/null; then mandoc -T lint -W warning "$page"; fi
done
# shellcheck disable=SC1091
source "$work/share/bash-completion/completions/onnxpert"
completes() { # LAST WORDS...: completing the words must offer LAST
    local wanted=$1
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _onnxpert
    printf '%s\n' "${COMPREPLY[@]}" | grep -qxF -e "$wanted" ||
        { echo "completing '$*' offers '${COMPREPLY[*]}', not $wanted"; exit 1; }
}
completes analyze onnxpert an
completes --passes onnxpert optimize model.onnx --pa
completes json onnxpert analyze --format js
completes json onnxpert analyze --format = js
completes t4 onnxpert advise --device t
completes fold-bn,fp16 onnxpert optimize --passes fold-bn,fp1
completes explain onnxpert rules ex
completes LICENSE onnxpert analyze LICEN
zsh=$work/share/zsh/vendor-completions/_onnxpert fish=$work/share/fish/vendor_completions.d/onnxpert.fish
[ -s "$zsh" ] && [ -s "$fish" ]
if command -v zsh >/dev/null; then zsh -n "$zsh"; fi
if command -v fish >/dev/null; then fish -n "$fish"; fi
echo "installed tree works"
