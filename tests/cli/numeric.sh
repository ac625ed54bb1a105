#!/bin/bash
# Every mini model through every pass, then original and rewrite in ONNX Runtime on the recorded
# inputs and on random ones, with the runtime's own optimization and without it.
# usage: numeric.sh ONNXPERT ORT_FOLDER LIST      LIST: lines "MODEL_FOLDER [--dim NAME=VALUE]..."
# Exit code 77 (skipped) where no ONNX Runtime is found.
set -u
program=$1 folder=$2 list=$3
case $(uname -m) in aarch64) arch=arm64 ;; *) arch=x64 ;; esac
library=${ONNXPERT_ORT:-$(ls "$folder"/node_modules/onnxruntime-node/bin/napi-v*/linux/$arch/libonnxruntime.so.1 2>/dev/null | head -1)}
if [ -z "$library" ]; then
    echo "SKIPPED: no ONNX Runtime (npm install --ignore-scripts onnxruntime-node)"
    exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# Passes after which the model must be trained again compute something else on purpose.
passes=$("$program" passes | awk '/^[a-z]/ && $2 != "retraining" { print $1 }')
passed=0 failed=0

check() { # MODEL_FOLDER PASSES DIMS...
    local model=$1 pass=$2
    shift 2
    local how=()
    [ "$pass" = fp16-calibrated ] && pass=fp16 how=(--calibrate "$model" --ort "$library")
    rm -rf "${work:?}"/*
    "$program" optimize "$model/model.onnx" -o "$work/new.onnx" --passes "$pass" --quiet \
        --report "$work/report" "${how[@]}" "$@" 2>"$work/err"
    case $? in
    0) ;;
    3) echo "refused: $(head -c 160 "$work/err")" && return 0 ;; # no request that can be met
    *) cat "$work/err" && return 1 ;;
    esac
    cmp -s "$model/model.onnx" "$work/new.onnx" && echo "unchanged" && return 0
    if ! "$program" verify "$model/model.onnx" "$work/new.onnx" --ort "$library" --inputs "$model" \
        --runs 0 "$@" >"$work/out" 2>&1; then
        cat "$work/out"
        return 1
    fi
    if ! "$program" verify "$model/model.onnx" "$work/new.onnx" --ort "$library" --seed 7 --runs 0 \
        "$@" >"$work/out" 2>&1; then
        cat "$work/out"
        return 1
    fi
    echo "ok"
}

while read -r model dims; do
    for pass in $passes fp16-calibrated fold-bn,fp16,fix-shapes; do
        # shellcheck disable=SC2086
        if result=$(check "$model" "$pass" $dims); then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            result="FAILED: $result"
        fi
        printf '%-24s %-26s %s\n' "$(basename "$model")" "$pass" "$result"
    done
done <"$list"
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
