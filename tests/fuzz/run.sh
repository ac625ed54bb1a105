#!/bin/bash
# Fuzzes one target after the other and says how much was done.
# usage: run.sh BUILD_FOLDER SECONDS CORPUS_FOLDER [TARGET...]      (cmake --preset fuzz first)
# Seeds are the fixtures; the corpus grows in CORPUS_FOLDER/TARGET.  Exit status 1 when something was
# found: it lies in CORPUS_FOLDER/found-TARGET, to be fixed and kept in tests/fuzz/findings/TARGET.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=$1 seconds=$2 corpus=$3
shift 3
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(load analyze passes rules arrays)
found=0
for target in "${targets[@]}"; do
    case $target in
    rules) dictionary=tests/fuzz/rules.dict longest=16384 ;;
    *) dictionary=tests/fuzz/onnx.dict longest=65536 ;;
    esac
    seeds=$corpus/seeds-$target artifacts=$corpus/found-$target
    mkdir -p "$corpus/$target" "$seeds" "$artifacts"
    bash tests/fuzz/seeds.sh "$target" | while IFS= read -r file; do
        [ "$(stat -c %s "$file")" -le $longest ] && cp "$file" "$seeds/$(tr / _ <<<"$file")"
    done
    "$build/tests/fuzz_$target" -max_total_time="$seconds" -max_len=$longest -timeout=25 -rss_limit_mb=2048 \
        -fork=1 -ignore_crashes=1 -ignore_timeouts=1 -ignore_ooms=1 -dict=$dictionary \
        -artifact_prefix="$artifacts/" "$corpus/$target" "$seeds" >"$corpus/$target.log" 2>&1
    n=$(find "$artifacts" -type f ! -name "slow-unit-*" | wc -l)
    echo "$target: $(grep -oE '^#[0-9]+' "$corpus/$target.log" | tail -1 | tr -d '#') executions in $seconds s, $n found"
    found=$((found + n))
done
[ $found = 0 ]
