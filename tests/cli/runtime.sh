#!/bin/bash
# `verify` against the builds of ONNX Runtime that are there (npm, PyPI's wheel, Maven's older jar):
# what they are, a broken rewrite and a float16 overflow named, a rewrite healed, labels.
# usage: runtime.sh ONNXPERT ORT_FOLDER FAKE_LIBRARY
# Exit code 77 (skipped) where no build is found.
set -u
program=$1 folder=$2 fake=$3
case $(uname -m) in aarch64) arch=arm64 jar=aarch64 ;; *) arch=x64 jar=x64 ;; esac
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 data=fixtures/verify
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
printf '0\n1\n7\n1\n' >"$work/class7"
unset VIRTUAL_ENV CONDA_PREFIX

# expect NAME EXIT TEXT ARGUMENTS...: exit code and a text in what it prints
expect() {
    local name=$1 code=$2 text=$3 out got
    shift 3
    out=$("$program" "$@" 2>&1)
    got=$?
    if [ $got = "$code" ] && grep -qE -- "$text" <<<"$out" && [ -z "$(ls "$TMPDIR")" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s: exit %s, wanted %s and "%s"; left behind: %s\n%s\n' "$name" $got "$code" \
            "$text" "$(ls "$TMPDIR")" "$(head -12 <<<"$out")"
    fi
}

# Libraries that are not, or hardly, a runtime: one line, exit 5.
expect "no runtime" 5 "is not ONNX Runtime" verify --runtime-info --ort libm.so.6
expect "no file" 5 "no ONNX Runtime.*npm install" verify --runtime-info --ort "$work/none.so"
FAKE_ORT=old expect "too old" 5 "0.1.0 is too old" verify --runtime-info --ort "$fake"
FAKE_ORT=nothing expect "empty" 5 "is not ONNX Runtime" verify --runtime-info --ort "$fake"
FAKE_ORT=crash expect "crash" 5 "crashed" verify --runtime-info --ort "$fake"
FAKE_ORT=crash expect "crash" 5 "crashed while loading" verify $data/plain.onnx $data/plain.onnx --ort "$fake"
FAKE_ORT=hang expect "hang" 5 "took longer than 1 s" verify $data/plain.onnx $data/plain.onnx \
    --ort "$fake" --time-limit 1

check_build() { # NAME LIBRARY
    expect "$1: info" 0 "^version +1\." verify --runtime-info --ort "$2"
    export ONNXPERT_ORT=$2
    expect "$1: same" 0 "Verified" verify $data/plain.onnx $data/plain.onnx --runs 4
    expect "$1: one weight changed" 4 "^ +- second, tensor 'b'" \
        verify $data/plain.onnx $data/broken.onnx --runs 0 --dim N=3
    expect "$1: float16 overflow" 4 "second, tensor 'b': overflow: .*infinite" \
        verify $data/grow.onnx $data/grow_fp16.onnx --runs 0 --dim N=4
    expect "$1: healed" 0 "fp16, second: left out: tensor 'b'.*overflow" optimize $data/grow.onnx \
        -o "$work/healed.onnx" --passes fp16 --verify --runs 0
    expect "$1: healed is fine" 0 "Verified" verify $data/grow.onnx "$work/healed.onnx" --runs 0 \
        --dim N=1 --dim N=5
    expect "$1: labels" 0 "accuracy +75.00 % +75.00 %" verify $data/plain.onnx $data/plain.onnx \
        --inputs $data/inputs --labels $data/labels.txt --runs 0
    expect "$1: labels of a worse model" 4 "accuracy +75.00 % +25.00 %" verify $data/plain.onnx \
        $data/broken.onnx --inputs $data/inputs --labels $data/labels.txt --runs 0
    expect "$1: too few labels" 3 "has 3 labels, the inputs hold 4 samples" verify $data/plain.onnx \
        $data/plain.onnx --inputs $data/inputs --labels $data/labels_short.txt --runs 0
    expect "$1: a class beyond the scores" 3 "line 3 is class 7, output 'y' has 3 scores" verify \
        $data/plain.onnx $data/plain.onnx --inputs $data/inputs --labels "$work/class7" --runs 0
    expect "$1: NaN throughout" 4 "NaN throughout, before and after: nothing to compare" verify \
        $data/nan.onnx $data/nan_other.onnx --runs 0
    expect "$1: partly NaN" 0 "ok; [0-9]+ of [0-9]+ values are NaN before and after" verify \
        $data/nan_partly.onnx $data/nan_partly.onnx --runs 0
    expect "$1: the sizes of given inputs" 0 "Verified: 2 input sets at N=2," verify $data/plain.onnx \
        $data/plain.onnx --inputs $data/inputs --runs 0
    expect "$1: given inputs in optimize" 0 "accuracy +75.00 % +75.00 %" optimize $data/plain.onnx -o \
        "$work/dead.onnx" --passes eliminate-dead --verify --inputs $data/inputs --runs 0 \
        --labels $data/labels.txt
    expect "$1: other inputs" 3 "input 'x' is not in|input 'z' is not in" verify $data/plain.onnx \
        $data/other_input.onnx --runs 0
    expect "$1: does not run" 4 "NOT VERIFIED" verify $data/plain.onnx $data/unknown_op.onnx --runs 0
    expect "$1: before does not run" 3 "ONNX Runtime" verify $data/unknown_op.onnx $data/plain.onnx \
        --runs 0
    expect "$1: inputs of another shape" 3 "input_0.npy" verify $data/grow.onnx $data/grow.onnx \
        --inputs $data/inputs/set_0 --runs 0
    expect "$1: memory" 5 "needed more than 1 MiB" verify $data/plain.onnx $data/plain.onnx --runs 0 \
        --memory-limit 1
    expect "$1: batches" 0 "at N=1; N=4" verify $data/plain.onnx $data/plain.onnx --runs 0 --batch 1,4
    unset ONNXPERT_ORT
}

found=0
while read -r name library; do
    if [ ! -r "$library" ]; then
        echo "SKIPPED: no build from $name"
        continue
    fi
    found=$((found + 1))
    check_build "$name" "$library"
done <<END
npm $(ls "$folder"/node_modules/onnxruntime-node/bin/napi-v*/linux/$arch/libonnxruntime.so.1 2>/dev/null | head -1)
PyPI $(ls "$folder"/wheel/onnxruntime/capi/libonnxruntime.so* 2>/dev/null | head -1)
Maven $folder/jar/ai/onnxruntime/native/linux-$jar/libonnxruntime.so
END
echo "$passed passed, $failed failed, with $found builds of ONNX Runtime"
[ $failed = 0 ] || exit 1
[ $found -gt 0 ] || exit 77
