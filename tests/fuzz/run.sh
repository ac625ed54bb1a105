#!/bin/bash
# Fuzzes one target after the other and says how much was done.      (cmake --preset fuzz first)
# usage: run.sh BUILD_FOLDER EXECUTIONS CORPUS_FOLDER [TARGET...]    the same from run to run: for CI
#        run.sh BUILD_FOLDER SECONDSs CORPUS_FOLDER [TARGET...]      as long as that; goes on after a finding
# Seeds are the fixtures; in a run by time the corpus grows in CORPUS_FOLDER/TARGET.  Exit status 1 when
# something was found: it lies in CORPUS_FOLDER/found-TARGET, to be fixed and kept in
# tests/fuzz/findings/TARGET.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=$1 amount=$2 corpus=$3
shift 3
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for file in tests/fuzz/fuzz_*.c; do
        name=$(basename "$file" .c)
        targets+=("${name#fuzz_}")
    done
fi
# Addresses end up in mutations: the same ones each time, where that is allowed.
fixed=()
setarch -R true 2>/dev/null && fixed=(setarch -R)
found=0
for target in "${targets[@]}"; do
    dictionary=tests/fuzz/onnx.dict
    case $target in
    rules | texts) dictionary=tests/fuzz/rules.dict ;;
    external) dictionary=tests/fuzz/external.dict ;;
    esac
    seeds=$corpus/seeds-$target artifacts=$corpus/found-$target
    rm -rf "$seeds"
    mkdir -p "$corpus/$target" "$seeds" "$artifacts"
    bash tests/fuzz/seeds.sh "$target" | while IFS= read -r file; do
        [ "$(stat -c %s "$file")" -le 16384 ] && cp "$file" "$seeds/$(tr / _ <<<"$file")"
    done
    options=(-max_len=16384 -timeout=60 -rss_limit_mb=2048 -entropic=0 -dict=$dictionary -artifact_prefix="$artifacts/")
    case $amount in
    *s)
        options+=(-max_total_time="${amount%s}" -fork=1 -ignore_crashes=1 -ignore_timeouts=1 -ignore_ooms=1)
        "$build/tests/fuzz_$target" "${options[@]}" "$corpus/$target" "$seeds" >"$corpus/$target.log" 2>&1
        ;;
    *)
        "${fixed[@]}" "$build/tests/fuzz_$target" "${options[@]}" -seed=1 -runs="$amount" "$seeds" >"$corpus/$target.log" 2>&1
        ;;
    esac
    failed=$?
    n=$(find "$artifacts" -type f ! -name "slow-unit-*" | wc -l)
    [ $failed != 0 ] && [ "$n" = 0 ] && n=1 && tail -20 "$corpus/$target.log"
    [ "$n" != 0 ] && grep -aE 'does not hold|ERROR: |runtime error' "$corpus/$target.log" | head -5
    echo "$target: $(grep -aoE '^#[0-9]+' "$corpus/$target.log" | tail -1 | tr -d '#') executions, $n found"
    found=$((found + n))
done
[ $found = 0 ]
