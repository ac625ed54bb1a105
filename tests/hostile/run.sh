#!/bin/bash
# Makes the hostile files of one .cases file, with the folders, links and devices around them, and runs
# the program over them.
# usage: run.sh ONNXPERT MAKE_CASES HOSTILE_RUN CASES LIMITS      (in the top folder)
set -eu
program=$(realpath "$1") make=$(realpath "$2") run=$(realpath "$3") cases=$4 limits=$5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/in" "$work/out" "$work/outside"
name=$(basename "$cases" .cases)
kind=model suffix=onnx
[ "$name" = rules ] && kind=rules suffix=xml
"$make" "$cases" "$work/in" "$suffix" >"$work/list"

# What external data and paths lead to: good data, short data, and ways out of the folder.
files_around() {
    cd "$work/in"
    { printf 'HOSTILE-CANARY-7f3a9c\n'; head -c 300 /dev/zero | tr '\0' '@'; } >../outside/secret.bin
    head -c 1024 /dev/zero >../outside/victim.bin
    head -c 4096 /dev/zero | tr '\0' '@' >data_ok.bin
    mkdir sub many
    cp data_ok.bin sub/data_sub.bin
    head -c 10 data_ok.bin >data_short.bin
    : >data_empty.bin
    ln -s ../outside/secret.bin link_file.bin
    ln -s ../outside link_dir
    ln -s data_ok.bin link_in.bin
    ln -s /etc/passwd link_abs.bin
    ln -s link_loop.bin link_loop.bin
    ln -s nothing-here.bin link_gone.bin
    ln -s /dev/zero link_zero.bin
    ln -s link_file.bin link_chain.bin
    ln ../outside/secret.bin hardlink.bin
    mkfifo pipe.bin
    mkfifo sock.bin # a socket needs more than a shell; to open it is as wrong
    for ((i = 0; i < 1500; i++)); do printf '@@@@' >"many/w$i"; done
    # A download cache: model and weights are links into one store.
    mkdir -p cache/blobs cache/snapshots/r1
    mv cache_model.onnx cache/blobs/aa
    mv cache_evil.onnx cache/blobs/cc
    cp data_ok.bin cache/blobs/bb
    ln -s ../../blobs/aa cache/snapshots/r1/model.onnx
    ln -s ../../blobs/bb cache/snapshots/r1/model.onnx_data
    ln -s ../../blobs/cc cache/snapshots/r1/evil.onnx
    ln -s ../../../../outside/secret.bin cache/snapshots/r1/evil.onnx_data
    sed -i '/^cache_/d' ../list
    # The model itself.
    mkfifo path_fifo.onnx
    mkdir path_dir.onnx
    ln -s /dev/zero path_zero.onnx
    ln -s /dev/null path_null.onnx
    ln -s path_loop.onnx path_loop.onnx
    ln -s no-such-model path_gone.onnx
    ln -s ext_ok.onnx path_link.onnx
    cp ext_ok.onnx $'odd \e[31mname\'"; $(id) <b>&.onnx'
    printf '\xff\xff' >$'odd \e[31mERROR forged <b>.onnx'
    {
        printf '%s\taccept\taccept\t-\n' cache/snapshots/r1/model.onnx path_link.onnx $'odd \e[31mname\'"; $(id) <b>&.onnx'
        printf '%s\treject\treject\t-\n' cache/snapshots/r1/evil.onnx path_fifo.onnx path_dir.onnx path_zero.onnx \
            path_null.onnx path_loop.onnx path_gone.onnx path_missing.onnx $'odd \e[31mERROR forged <b>.onnx'
    } >>../list
    cd - >/dev/null
}
rules_around() {
    cp fixtures/models/resnet_mini/model.onnx "$work/in/subject.onnx"
    mkfifo "$work/in/path_fifo.xml"
    ln -s /dev/zero "$work/in/path_zero.xml"
    mkdir "$work/in/path_dir.xml"
    printf '%s\treject\treject\t-\n' path_fifo.xml path_zero.xml path_dir.xml path_missing.xml http:__127.0.0.1:9_rules.xml >>"$work/list"
}
case $name in
external) files_around ;;
rules) rules_around ;;
esac

# Nothing that was there before may change, nor anything appear.
fingerprint() { (cd "$work" && find in outside -printf '%p %y %s %T@ %n\n' | sort); }
fingerprint >"$work/before"
status=0
"$run" "$program" "$work/in" "$work/out" $kind "$limits" <"$work/list" || status=1
fingerprint >"$work/after"
cmp "$work/before" "$work/after" || status=1
exit $status
