#!/bin/bash
# csv, dot and svg are well-formed on all fixtures; names cannot break out of them.
# usage: check_formats.sh ONNXPERT            (in the top folder)
set -u
program=$1 bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complain() { echo "$1"; bad=1; }
command -v xmllint >/dev/null || { echo "skipped: no xmllint"; exit 77; }

# One row a node, as many cells in each row as in the header, CRLF.
check_csv() {
    awk -v want="$2" 'BEGIN { RS = "\r\n" }
        { n = 1; quoted = 0
          for (i = 1; i <= length($0); i++) {
              c = substr($0, i, 1)
              if (c == "\"") quoted = !quoted
              if (c == "," && !quoted) n++
              if (c == "\n") exit 1 }
          if (NR == 1) columns = n
          if (n != columns || quoted) exit 1 }
        END { if (NR != want + 1) exit 1 }' "$1"
}

for model in fixtures/models/*/model.onnx fixtures/skeletons/*/model.onnx; do
    "$program" analyze --quiet "$model" --format svg -o "$work/m.svg" || complain "$model: svg failed"
    xmllint --noout "$work/m.svg" || complain "$model: the SVG is not well-formed"
    boxes=$(grep -c 'class="tt"' "$work/m.svg")
    [ "$boxes" -ge 3 ] && [ "$boxes" -le 60 ] || complain "$model: $boxes boxes are not readable"
    "$program" analyze --quiet "$model" --format csv -o "$work/m.csv" || complain "$model: csv failed"
    nodes=$("$program" analyze --quiet "$model" --format json | grep -c '^   "index": ')
    check_csv "$work/m.csv" "$nodes" || complain "$model: the CSV has not $nodes rows of equal length"
    "$program" analyze --quiet "$model" --format dot -o "$work/m.dot" || complain "$model: dot failed"
    if command -v dot >/dev/null; then
        dot -Tsvg "$work/m.dot" >"$work/d.svg" 2>"$work/err" && [ ! -s "$work/err" ] ||
            complain "$model: Graphviz complains: $(head -1 "$work/err")"
    fi
done

# What the networks are known to be made of, once and not twelve times.
for line in 'bert_qa attention 12' 'llama3_8b gated.MLP 32'; do
    read -r name block times <<<"$line"
    "$program" analyze --quiet "fixtures/skeletons/$name/model.onnx" --format svg >"$work/m.svg"
    [ "$(grep -c ">$block<" "$work/m.svg")" = 1 ] && grep -q "× $times<" "$work/m.svg" ||
        complain "$name: '$block' is not drawn once, × $times"
done
exit $bad
