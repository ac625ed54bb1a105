#!/bin/bash
# Lines and branches of src/ and passes/ that the tests run, and what is left.
# usage: coverage.sh SOURCE BUILD      as `cmake --build --preset coverage --target coverage` calls it
#   BUILD/coverage/summary.txt         percentages of folders (also printed), files.txt those of files
#   BUILD/coverage/left.txt            what no test ran, lines and branches of each file
#   BUILD/coverage/index.html          the same as pages
# ONNXPERT_ORT in the environment names the ONNX Runtime of the comparisons.
# COVERAGE_TESTS=REGEX runs only the tests of that name and adds to what was counted before.
set -eu
source=$(realpath "$1") build=$(realpath "$2")
out=$build/coverage
mkdir -p "$out"
tests=(-R "${COVERAGE_TESTS:-.}")
[ -n "${COVERAGE_TESTS:-}" ] || find "$build" -name '*.gcda' -delete
failed=0
# Not hostile.graphs: its graphs are so large that an unoptimized build misses the time limits.  Not
# cli.calls: it looks at every file that is opened, and the counters of gcov are files.
ctest --test-dir "$build" --output-on-failure -j"$(nproc)" "${tests[@]}" -E '^(hostile.graphs|cli.calls|gate)' >"$out/tests.log" 2>&1 || failed=1
sed -n '/tests passed/,$p' "$out/tests.log"

# Edges of calls that may not return (oxp_raise) are no branches of the source: --exclude-throw-branches,
# --exclude-unreachable-branches.  A line that cannot be reached says why at its GCOVR_EXCL mark.  Counters of
# processes that are killed while they write them can be off; gcovr leaves such a line out with a warning.
gcovr --root "$source" --object-directory "$build" --filter "$source/src/" --filter "$source/passes/" \
    --exclude-unreachable-branches --exclude-throw-branches --json "$out/counts.json" \
    --gcov-ignore-parse-errors --html-details "$out/index.html" "$build/CMakeFiles" >"$out/gcovr.log" 2>&1 ||
    { tail -n 5 "$out/gcovr.log"; exit 1; }
python3 "$source/tests/coverage.py" "$out/counts.json" "$out"
cat "$out/summary.txt"
[ $failed = 0 ]
