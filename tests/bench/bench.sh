#!/bin/bash
# How long rewriting takes, next to copying the file and waiting for the disk.
#
#     tests/bench/bench.sh [BUILD [FOLDER]]
#
# Makes the models from the skeletons (BERT base, 435 MB; YOLOv8-l, 175 MB), then prints for each rewrite
# the median of five runs, that of five `cp A B && sync B`, their ratio, and the peak resident
# memory.  The goal: fp16 of the 435 MB model within 1.2 times, below 64 MB.
# ONNXPERT_BENCH_VENV names a Python environment with onnxconverter-common, onnxsim, onnxslim: they
# are then run on the same files, once each, in the same run (tests/bench/others.py).
set -eu
build=${1:-build}
folder=${2:-$(mktemp -d)}
program=$build/onnxpert
fill=$build/tests/fill_weights

median() { # of the wall times of five runs, in seconds
    i=0
    while [ $i -lt 5 ]; do
        rm -f "$folder/out" "$folder/out.data"
        start=$(date +%s%N)
        "$@" >/dev/null 2>&1
        end=$(date +%s%N)
        echo $((end - start))
        i=$((i + 1))
    done | sort -n | sed -n 3p | awk '{printf "%.3f", $1 / 1e9}'
}

copy() {
    cp "$1" "$folder/out"
    sync "$folder/out"
}

peak() { # KiB
    /usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -1
}

row() { # model, passes
    sync
    c=$(median copy "$1")
    r=$(median "$program" optimize "$1" -o "$folder/out" --passes "$2" --quiet)
    rm -f "$folder/out"
    k=$(peak "$program" optimize "$1" -o "$folder/out" --passes "$2" --quiet)
    awk -v m="${1##*/}" -v p="$2" -v c="$c" -v r="$r" -v k="$k" 'BEGIN {
        printf "%-12s %-16s %8.3f s   cp %8.3f s   ratio %5.2f   peak %4d MB\n",
               m, p, r, c, r / c, k / 1024 }'
}

other() { # model, passes of ours, tool
    [ -n "${ONNXPERT_BENCH_VENV:-}" ] || return 0
    for who in "$3" onnxpert; do
        rm -f "$folder/out" "$folder/out.onnx"
        case $who in
        onnxpert) set -- "$1" "$2" "$3" "$program" optimize "$1" -o "$folder/out.onnx" --passes "$2" --quiet ;;
        *) set -- "$1" "$2" "$3" "$ONNXPERT_BENCH_VENV/bin/python" tests/bench/others.py "$who" "$1" "$folder/out.onnx" ;;
        esac
        /usr/bin/time -f "%e %M" -o "$folder/time" "${@:4}" >/dev/null 2>&1 || { echo "$who failed on $1"; return 0; }
        awk -v m="${1##*/}" -v w="$who" '{ printf "%-12s %-22s %8.2f s   peak %5d MB\n", m, w, $1, $2 / 1024 }' "$folder/time"
    done
    rm -f "$folder/out.onnx" "$folder/time"
}

"$fill" fixtures/skeletons/bert_qa/model.onnx "$folder/bert.onnx" --inline
"$fill" fixtures/skeletons/yolov8l_bn/model.onnx "$folder/yolo.onnx" --inline
row "$folder/bert.onnx" fp16
row "$folder/bert.onnx" fold-bn
row "$folder/yolo.onnx" fold-bn
row "$folder/yolo.onnx" fold-bn,fp16
other "$folder/bert.onnx" fp16 onnxconverter-common
other "$folder/yolo.onnx" fold-bn onnxsim
other "$folder/yolo.onnx" fold-bn onnxslim
rm -f "$folder/bert.onnx" "$folder/yolo.onnx" "$folder/out"
[ $# -ge 2 ] || rmdir "$folder"
