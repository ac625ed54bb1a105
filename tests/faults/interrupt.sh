#!/bin/bash
# What a rewrite leaves behind when it is stopped at random moments, or when there is no room.
# usage: interrupt.sh ONNXPERT FILL_WEIGHTS ROUNDS
set -u
program=$(realpath "$1") fill=$(realpath "$2") rounds=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
problems=0
problem() {
    echo "WRONG: $*"
    problems=$((problems + 1))
}
out=$work/out
mkdir "$out"
"$fill" fixtures/skeletons/mobilenet_v2/model.onnx "$work/model.onnx" >/dev/null || exit 1
echo "the old file" >"$work/old"
command=("$program" optimize "$work/model.onnx" -o "$out/x.onnx" --passes fold-bn,fp16
    --external-data inline)

# The folder holds x.onnx, the old one or the new one, and nothing else.
look() {
    [ "$(ls -A "$out")" = x.onnx ] || problem "$1: in the folder: $(ls -A "$out" | head -5 | tr '\n' ' ')"
    find "$out" -type f ! -name x.onnx -delete
    cmp -s "$out/x.onnx" "$work/old" || cmp -s "$out/x.onnx" "$work/new" ||
        problem "$1: neither the old file nor the new one"
}

start=$(date +%s%N)
"${command[@]}" >/dev/null || problem "undisturbed: exit $?"
took=$((($(date +%s%N) - start) / 1000)) # microseconds
mv "$out/x.onnx" "$work/new"

RANDOM=8
for signal in INT TERM HUP KILL; do
    for ((i = 0; i < rounds; i++)); do
        cp "$work/old" "$out/x.onnx"
        (trap - INT; exec "${command[@]}") >/dev/null 2>&1 & # a shell's background ignores SIGINT
        pid=$!
        us=$((RANDOM * RANDOM % (took + took / 10)))
        sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
        kill -$signal $pid 2>/dev/null
        wait $pid 2>/dev/null
        look "SIG$signal after $us us"
    done
done

# No room: a limit of the file's size, in steps over the whole of it.
bytes=$(stat -c %s "$work/new")
for ((i = 0; i < rounds; i++)); do
    kib=$((1 + (bytes - 2048) * i / rounds / 1024))
    cp "$work/old" "$out/x.onnx"
    (ulimit -S -f $kib; exec "${command[@]}" >/dev/null 2>"$work/err"); code=$?
    [ $code = 5 ] || problem "limit of $kib KiB: exit $code"
    grep -q '^onnxpert: .*x\.onnx: cannot write: File too large' "$work/err" ||
        problem "limit of $kib KiB: $(head -1 "$work/err")"
    look "limit of $kib KiB"
    cmp -s "$out/x.onnx" "$work/old" || problem "limit of $kib KiB: the old file is gone"
done

# A file system of one megabyte, where this user may mount one in a namespace of its own.
if unshare -rm true 2>/dev/null; then
    unshare -rm bash -c '
        mount -t tmpfs -o size=1m none "$2" || exit 77
        cp "$3" "$2/x.onnx"
        "$0" optimize "$1" -o "$2/x.onnx" --passes fp16 >/dev/null 2>"$4"; code=$?
        [ $code = 5 ] && [ "$(ls -A "$2")" = x.onnx ] && cmp -s "$2/x.onnx" "$3"
    ' "$program" "$work/model.onnx" "$out" "$work/old" "$work/err"
    case $? in
    0) grep -q 'No space left on device' "$work/err" || problem "full file system: $(cat "$work/err")" ;;
    77) echo "skipped: mounting is not allowed" ;;
    *) problem "full file system: a file is left or gone: $(cat "$work/err")" ;;
    esac
else
    echo "skipped: no namespaces here to mount a small file system in"
fi

# Reports that do not reach their reader.
"$program" analyze "$work/model.onnx" >/dev/full 2>"$work/err"
[ $? = 5 ] || problem "standard output full: exit code"
grep -q '^onnxpert: standard output: No space left' "$work/err" || problem "standard output full: $(cat "$work/err")"
"$program" analyze "$work/model.onnx" --format html 2>"$work/err" | true
code=${PIPESTATUS[0]}
[ "$code" = 5 ] || [ "$code" = 0 ] || problem "closed pipe: exit $code"
(trap '' PIPE; "$program" optimize "$work/model.onnx" -o - --passes fp16 2>"$work/err" | true; exit "${PIPESTATUS[0]}")
[ $? = 5 ] || problem "model into a closed pipe: exit code"
grep -q '^onnxpert: standard output: cannot write: Broken pipe' "$work/err" || problem "closed pipe: $(cat "$work/err")"

# The source shrinks while it is read: never a signal, never a torn target.
for ((i = 0; i < rounds; i++)); do
    cp "$work/model.onnx" "$work/shrinks.onnx"
    cp "$work/old" "$out/x.onnx"
    "$program" optimize "$work/shrinks.onnx" -o "$out/x.onnx" --passes fold-bn,fp16 \
        --external-data inline >/dev/null 2>"$work/err" &
    pid=$!
    us=$((RANDOM * RANDOM % took))
    sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
    truncate -s 100000 "$work/shrinks.onnx"
    wait $pid
    code=$?
    case $code in 0 | 3 | 5) ;; *) problem "shrinking source: exit $code: $(cat "$work/err")" ;; esac
    look "shrinking source"
done
echo "$((4 * rounds)) signals, $rounds limits, $rounds shrinking files: $problems problems"
[ $problems = 0 ]
