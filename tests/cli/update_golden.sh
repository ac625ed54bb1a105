#!/bin/bash
# Writes the expected reports anew.  usage: update_golden.sh ONNXPERT   (in the top folder)
set -eu
grep -v '^#' tests/cli/golden.list | while read -r file arguments; do
    # shellcheck disable=SC2086
    bash tests/cli/golden.sh "$1" "fixtures/expected/$file" --update $arguments
done
