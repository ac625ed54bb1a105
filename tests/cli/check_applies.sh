#!/bin/bash
# What an item of the roadmap projects is what its command does: each is run, the model that it writes
# analysed, and its figures compared with the projected ones.
# usage: check_applies.sh ONNXPERT            (in the top folder)
set -u
program=$1 bad=0 commands=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complain() { echo "$1"; bad=1; }

# For each item with a command: "rule nodes flops params weights peak|command".
items() {
    awk '
        /^     "rule": /  { rule = $2; gsub(/[",]/, "", rule); delete now }
        /^      "(nodes|flops|params|weight_bytes|peak_activation_bytes)": \[$/ {
            key = $1; gsub(/[":]/, "", key); getline; getline after; gsub(/[ ,]/, "", after)
            now[key] = after
        }
        /^     "command": "/ {
            command = $0
            sub(/^     "command": "/, "", command); sub(/",?$/, "", command)
            gsub(/\\"/, "\"", command); gsub(/\\\\/, "\\", command)
            if (now["flops"] != "")
                print rule, now["nodes"], now["flops"], now["params"], now["weight_bytes"],
                      now["peak_activation_bytes"] "|" command
        }' "$1"
}

totals() {
    awk '
        /^ "after": \{$/ { inside = 1 }
        inside && /^  "(nodes|flops|params|weight_bytes|peak_activation_bytes)": / {
            key = $1; gsub(/[":]/, "", key); gsub(/,/, "", $2); now[key] = $2
        }
        inside && /^ \}/ { exit }
        END { print now["nodes"], now["flops"], now["params"], now["weight_bytes"],
                    now["peak_activation_bytes"] }' "$1"
}

check() { # model device [advise options]
    "$program" advise "$1" --device "$2" "${@:3}" --format json --quiet >"$work/roadmap.json"
    items "$work/roadmap.json" >"$work/items"
    while IFS='|' read -r wanted command; do
        case $command in *=SIZE*) continue ;; esac
        commands=$((commands + 1))
        command=${command/onnxpert/\"$program\"}
        eval "${command/-o optimized.onnx/-o \"$work/out.onnx\"} --format json --quiet" >"$work/report.json" 2>"$work/err" ||
            complain "$1 on $2: $command: $(cat "$work/err")"
        [ "${wanted#* }" = "$(totals "$work/report.json")" ] ||
            complain "$1 on $2: ${wanted%% *} projects ${wanted#* }, and has $(totals "$work/report.json") ($command)"
    done <"$work/items"
}

for model in fixtures/models/*/model.onnx; do
    check "$model" t4
done
for name in resnet_mini yolov8_mini bert_tf2onnx_mini vit_mini; do
    check "fixtures/models/$name/model.onnx" x86-server
    check "fixtures/models/$name/model.onnx" raspberry-pi-5 --batch 8
done
[ $commands -ge 60 ] || complain "only $commands commands"
exit $bad
