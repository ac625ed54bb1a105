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
given_ort=${ONNXPERT_ORT:-}
unset ONNXPERT_ORT

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

# However it is ended while the runtime works, its folder goes with it (a process of its own sees to
# that, a moment later).
for signal in TERM INT HUP KILL; do
    (trap - INT; FAKE_ORT=hang exec "$program" verify $data/plain.onnx $data/plain.onnx --ort "$fake") \
        >/dev/null 2>&1 &
    for ((i = 0; i < 500; i++)); do
        [ -n "$(ls "$TMPDIR")" ] && break
        sleep 0.02
    done
    [ -n "$(ls "$TMPDIR")" ] || { echo "FAILED: SIG$signal: no folder to remove"; failed=$((failed + 1)); }
    kill -$signal $!
    wait $! 2>/dev/null
    for ((i = 0; i < 500; i++)); do
        [ -z "$(ls "$TMPDIR")" ] && break
        sleep 0.02
    done
    if [ -z "$(ls "$TMPDIR")" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED: SIG$signal leaves $(ls "$TMPDIR")"
        rm -rf "${TMPDIR:?}"/*
    fi
done

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

# What does not depend on the build.
check_one() { # LIBRARY
    local f sites
    export ONNXPERT_ORT=$1
    local same="verify $data/plain.onnx $data/plain.onnx --runs 0"
    # Outputs, inputs and their kinds.
    expect "no numbers" 4 "y .*no tensor of numbers: nothing to compare" verify $data/words.onnx \
        $data/words.onnx --runs 0
    expect "empty output" 0 "ok, but it is empty" verify $data/empty.onnx $data/empty.onnx --runs 0
    expect "every role" 0 "call_ids_out .*ok" verify $data/roles.onnx $data/roles.onnx --runs 0
    expect "underflow" 4 "'b': underflow: 8 of 8 values became 0" verify $data/shrink.onnx \
        $data/shrunk.onnx --runs 0
    expect "output missing" 4 "^ +z .*is missing" verify $data/two_outputs.onnx $data/one_output.onnx --runs 0
    expect "output of another type" 4 "y .*float32 became int64" verify $data/one_output.onnx \
        $data/int_output.onnx --runs 0
    expect "inner shapes that clash" 4 "ShapeInferenceError.*Incompatible" verify $data/plain.onnx $data/bad_shape.onnx --runs 0
    expect "input of another type" 3 "int_input.onnx: input 'x' is int64, in .*one_output.onnx it is float32" \
        verify $data/one_output.onnx $data/int_input.onnx --runs 0
    expect "another number of inputs" 3 "has 2 inputs, .*one_output.onnx has 1" verify $data/one_output.onnx \
        $data/two_inputs.onnx --runs 0
    # Reports for programs.
    expect "json" 0 '"ratio_high": ' verify $data/plain.onnx $data/plain.onnx --runs 2 --format json
    expect "json of one that fails" 4 '"what": "' verify $data/plain.onnx $data/broken.onnx --runs 0 --format json
    expect "json of labels" 0 '"accuracy": 0.75' $same --inputs $data/inputs --labels $data/labels.txt --format json
    expect "json of optimize" 0 '"verified": \{' optimize $data/plain.onnx -o "$work/new.onnx" \
        --passes eliminate-dead --verify --runs 0 --format json
    expect "json of half precision" 4 '"half_emulated": \{' verify $data/grow.onnx $data/grow_fp16.onnx --runs 0 \
        --format json
    expect "info" 0 "CPUExecutionProvider|does not tell" verify --runtime-info
    # Options.
    expect "optimization level" 0 "basic|Verified" verify $data/plain.onnx $data/plain.onnx --runs 2 --opt-level basic
    expect "no optimization" 0 "Verified" verify $data/plain.onnx $data/plain.onnx --runs 2 --opt-level none --threads 1
    expect "a given tolerance" 0 "relative tolerance 10" verify $data/plain.onnx $data/broken.onnx --runs 0 --tolerance 10
    expect "lossy" 0 "relative tolerance 0.02" $same --lossy
    expect "sets and seed" 0 "Verified: 5 input sets" $same --sets 5 --seed 3
    expect "provider cpu" 0 "Verified" $same --provider cpu
    expect "unknown provider" 5 "has no 'magic'|magic" $same --provider magic
    expect "absent provider" 5 "onnxpert: .*(cuda|Cuda)" $same --provider cuda
    # Ranges measured for float16.
    local mnist=fixtures/models/mnist8
    local half="optimize $mnist/model.onnx -o $work/half.onnx --passes fp16"
    expect "calibrated" 0 "ranges of 13 values were measured on 1 set of inputs" $half --calibrate $mnist
    expect "calibrated, other inputs" 3 "calibrate: .*is not that of input 'Input3'" $half --calibrate $data/inputs
    expect "calibrated, no inputs" 3 "fixtures/rules: no input_0.npy or input_0.pb" $half --calibrate fixtures/rules
    expect "calibrated, no runtime" 5 "calibrate: libm.so.6: is not ONNX Runtime" $half --calibrate $mnist \
        --ort libm.so.6
    # Labels.
    for f in "0,no labels" "cat,line 1 is no class number: 'cat'" "-1,line 1 is no class number" \
        "1 2,line 1 is no class number" "99999999999,line 1 is no class number"; do
        printf '# classes\n%s\n' "${f%%,*}" | sed 's/^0$/#/; 1d' >"$work/labels"
        expect "labels: ${f%%,*}" 3 "${f#*,}" $same --inputs $data/inputs --labels "$work/labels"
    done
    printf '0\n1\n1\n0\n' >"$work/two"
    printf '0\n0\n0\n0\n' >"$work/none"
    expect "labels of a sigmoid" 0 "4 labelled samples, output 'y', two classes" verify $data/binary.onnx \
        $data/binary.onnx --runs 0 --inputs $data/inputs --labels "$work/two"
    expect "labels of one logit" 0 "specificity" verify $data/logits.onnx $data/logits.onnx --runs 0 \
        --inputs $data/inputs --labels "$work/two"
    expect "no positive sample" 0 "sensitivity +- +-" verify $data/binary.onnx $data/binary.onnx --runs 0 \
        --inputs $data/inputs --labels "$work/none"
    expect "labels beyond a sigmoid" 3 "line 3 is class 2, output 'y' has 1 score a sample: classes 0 to 1" \
        verify $data/binary.onnx $data/binary.onnx --runs 0 --inputs $data/inputs --labels $data/labels.txt
    expect "labels of classes" 0 "output 'y', 3 classes" verify $data/classes.onnx $data/classes.onnx --runs 0 \
        --inputs $data/inputs --labels $data/labels.txt
    for f in words cube; do
        expect "labels without scores: $f" 3 "labels" verify $data/$f.onnx $data/$f.onnx --runs 0 \
            --inputs $data/inputs --labels "$work/two"
    done
    # Where the library is found without being named.
    unset ONNXPERT_ORT
    sites=lib/python3.9/site-packages/onnxruntime/capi
    mkdir -p "$work/env/$sites" "$work/env/bin" "$work/empty"
    ln -s "$1" "$work/env/$sites/libonnxruntime.so.1.99.0"
    printf '#!/bin/sh\n' >"$work/env/bin/python3"
    chmod +x "$work/env/bin/python3"
    VIRTUAL_ENV=$work/env PATH=/usr/bin:/bin expect "of a virtual environment" 0 "env/lib/python3.9" verify --runtime-info
    CONDA_PREFIX=$work/env PATH=/usr/bin:/bin expect "of conda" 0 "env/lib/python3.9" verify --runtime-info
    PATH=relative:$work/empty:$work/env/bin:/usr/bin:/bin expect "beside python3" 0 "env/bin/../lib" verify --runtime-info
    VIRTUAL_ENV=$work/empty PATH=$work/env/bin:/usr/bin:/bin expect "not in an empty one" 0 "env/bin/../lib" \
        verify --runtime-info
    mkdir -p "$work/project/node_modules/onnxruntime-node/bin/napi-v6/linux/$arch" "$work/project/a/b"
    ln -s "$1" "$work/project/node_modules/onnxruntime-node/bin/napi-v6/linux/$arch/libonnxruntime.so.1"
    program=$(realpath "$program")
    (cd "$work/project/a/b" && PATH=/usr/bin:/bin expect "of npm, above" 0 "project/node_modules" \
        verify --runtime-info && [ $failed = 0 ]) || failed=$((failed + 1))
}

found=0
while read -r name library; do
    if [ "$name" = ONNXPERT_ORT ] && [ -z "$library" ]; then continue; fi
    if [ ! -r "$library" ]; then
        echo "SKIPPED: no build from $name"
        continue
    fi
    found=$((found + 1))
    check_build "$name" "$library"
    [ $found = 1 ] && check_one "$library"
done <<END
npm $(ls "$folder"/node_modules/onnxruntime-node/bin/napi-v*/linux/$arch/libonnxruntime.so.1 2>/dev/null | head -1)
PyPI $(ls "$folder"/wheel/onnxruntime/capi/libonnxruntime.so* 2>/dev/null | head -1)
ONNXPERT_ORT ${given_ort:-}
Maven $folder/jar/ai/onnxruntime/native/linux-$jar/libonnxruntime.so
END
echo "$passed passed, $failed failed, with $found builds of ONNX Runtime"
[ $failed = 0 ] || exit 1
[ $found -gt 0 ] || exit 77
