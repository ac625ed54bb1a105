#!/bin/bash
# Fetches builds of ONNX Runtime's shared library into a folder: npm's onnxruntime-node, the wheel of
# PyPI and an older jar of Maven.
# usage: fetch_onnxruntime.sh FOLDER
# Where a client or its registry is missing it says so and succeeds: the tests that need it skip.
set -u
folder=$1
mkdir -p "$folder"
have() { ls "$folder"/$1 2>/dev/null | head -1; }
missing() { echo "no build from $1: checks with it are skipped"; }

npm_library='node_modules/onnxruntime-node/bin/napi-v*/linux/*/libonnxruntime.so.1'
if [ -z "$(have "$npm_library")" ] && command -v npm >/dev/null; then
    # --ignore-scripts: the library is in the package; its install script would fetch GPU builds.
    timeout 600 npm install --ignore-scripts --no-audit --no-fund --no-save --prefix "$folder" \
        onnxruntime-node >"$folder/npm.log" 2>&1 || tail -3 "$folder/npm.log"
fi
[ -n "$(have "$npm_library")" ] && echo "have $(have "$npm_library")" || missing npm

wheel_library='wheel/onnxruntime/capi/libonnxruntime.so*'
if [ -z "$(have "$wheel_library")" ] && command -v python3 >/dev/null; then
    timeout 120 python3 -m pip download -q --no-deps --only-binary :all: -d "$folder/pip" \
        onnxruntime >"$folder/pip.log" 2>&1 &&
        python3 -m zipfile -e "$folder"/pip/onnxruntime-*.whl "$folder/wheel"
fi
[ -n "$(have "$wheel_library")" ] && echo "have $(have "$wheel_library")" || missing PyPI

jar_library='jar/ai/onnxruntime/native/linux-*/libonnxruntime.so'
if [ -z "$(have "$jar_library")" ] && command -v mvn >/dev/null && command -v python3 >/dev/null; then
    timeout 300 mvn -q -B dependency:copy -DoutputDirectory="$folder/mvn" \
        -Dartifact=com.microsoft.onnxruntime:onnxruntime:1.16.3 >"$folder/mvn.log" 2>&1 &&
        python3 -m zipfile -e "$folder"/mvn/onnxruntime-*.jar "$folder/jar"
fi
[ -n "$(have "$jar_library")" ] && echo "have $(have "$jar_library")" || missing Maven

# The official header, for the check of our positions: of the runtime's archive for Android.
if [ -z "$(have headers/onnxruntime_c_api.h)" ] && command -v mvn >/dev/null && command -v python3 >/dev/null; then
    timeout 300 mvn -q -B dependency:copy -DoutputDirectory="$folder/mvn" \
        -Dartifact=com.microsoft.onnxruntime:onnxruntime-android:1.16.3:aar >"$folder/mvn_aar.log" 2>&1 &&
        python3 -m zipfile -e "$folder"/mvn/onnxruntime-android-*.aar "$folder/aar" &&
        cp -r "$folder/aar/headers" "$folder/headers"
fi
[ -n "$(have headers/onnxruntime_c_api.h)" ] && echo "have $(have headers/onnxruntime_c_api.h)" || missing "Maven (header)"
exit 0
