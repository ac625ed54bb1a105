#!/bin/bash
# What the program asks of the kernel (strace): no socket but local ones, no other program, no file but the
# model, the target's folder, libraries and what /proc, /sys and /dev say of this machine; a new file is synced
# before it gets its name, and its folder after that.
# usage: check_calls.sh ONNXPERT
set -u
program=$1
export ASAN_OPTIONS=detect_leaks=0 # LeakSanitizer is a tracer itself
strace -o /dev/null true 2>/dev/null || { echo "no strace, or it is not allowed: skipped"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp fixtures/models/mnist8/model.onnx "$work/in.onnx"
wrong=0
bad() {
    echo "$*"
    wrong=1
}
check() { # the calls of one command
    strace -f -qq -e trace=network,open,openat,openat2,execve,fsync,linkat,rename,renameat,renameat2 -o "$work/calls" \
        "$program" "$@" >/dev/null 2>&1 || bad "$*: fails under strace"
    grep -E 'socket\(' "$work/calls" | grep -v AF_UNIX && bad "$*: a socket"
    [ "$(grep -c 'execve(' "$work/calls")" = 1 ] || bad "$*: starts a program"
    grep -oE 'open(at2?)?\([^"]*"[^"]*"' "$work/calls" | sed 's/^[^"]*"//; s/"$//' | sort -u |
        grep -vE "^($work(/.*)?|\.|/proc/.*|/sys/.*|/dev/.*|/etc/ld\.so.*|/etc/localtime|/(usr/)?lib[^ ]*|/usr/share/(locale|zoneinfo).*)$" >"$work/other"
    [ ! -s "$work/other" ] || bad "$*: opens $(tr '\n' ' ' <"$work/other")"
}
check analyze "$work/in.onnx"
check analyze "$work/in.onnx" --format html --output "$work/report.html"
check advise "$work/in.onnx" --target latency=3ms
check optimize "$work/in.onnx" -o "$work/out.onnx" --passes fp16
check optimize "$work/in.onnx" -o "$work/out.onnx" --passes fp16 # over the old one
order=$(grep -oE 'fsync|linkat|rename' "$work/calls" | tr '\n' ' ')
case $order in
*"fsync linkat linkat rename fsync "* | *"fsync linkat rename fsync "* | *"fsync rename fsync "*) ;;
*) bad "order of calls: $order" ;;
esac
exit $wrong
