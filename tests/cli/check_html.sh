#!/bin/bash
# HTML reports load nothing, and open in a browser without errors: headless Chromium where there is
# one (Debian's package), else that part is skipped with a message.
# usage: check_html.sh ONNXPERT            (in the top folder)
set -u
program=$1 bad=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
complain() { echo "$1"; bad=1; }

"$program" analyze --quiet fixtures/skeletons/bert_qa/model.onnx --dim seq=256 --format html -o "$work/bert.html"
"$program" analyze --quiet fixtures/models/lstm_tagger/model.onnx --format html -o "$work/rnn.html"
"$program" analyze --quiet fixtures/models/{mnist8,unet_mini,loop_if}/model.onnx --format html -o "$work/several.html"
"$program" advise --quiet fixtures/skeletons/resnet18/model.onnx --format html -o "$work/advise.html"
"$program" optimize --quiet fixtures/models/resnet_mini/model.onnx --dry-run --passes fold-bn --format html >"$work/optimize.html"

for page in bert rnn several advise optimize; do
    f=$work/$page.html
    [ "$(grep -c '^</main>\|</main>' "$f")" = 1 ] && tail -1 "$f" | grep -q '</html>$' || complain "$page: cut off"
    grep -q "default-src 'none'" "$f" || complain "$page: no security policy"
    grep -qE '(src|action|data|poster|srcset)=|<(link|iframe|object|embed|img|base)\b|@import|url\((["'"'"']?)(http|//|data)' "$f" &&
        complain "$page: loads something"
    grep -oE 'href="[^"]*"' "$f" | grep -qv '^href="#' && complain "$page: refers to something outside"
    grep -qE 'https?:' "$f" && complain "$page: has an address"
    grep -q '<script>' "$f" && complain "$page: a script that is not ours"
    grep -qE ' style=| on[a-z]+=' "$f" && complain "$page: has inline style or handlers, which its policy refuses"
    [ "$(grep -oE 'aria-hidden=true|role=img|role="img"' "$f" | wc -l)" -gt 0 ] || [ $page = optimize ] ||
        complain "$page: drawings without a role"
done
for word in 'What to do first' 'Operations by block' 'Nodes by operator' 'Over the course of a run' \
    'under the roof' 'Throughput by batch' 'Alive at the peak'; do
    grep -q "$word" "$work/bert.html" || complain "bert: no section '$word'"
done

browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ]; then
    [ $bad = 0 ] && echo "skipped: no chromium to open the pages with" && exit 77
    exit $bad
fi
# A profile of its own; no sandbox, as this may run as root or in a container.
open_page() {
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --disable-extensions --no-first-run --hide-scrollbars --user-data-dir="$work/profile" \
        --host-resolver-rules='MAP * ~NOTFOUND' --enable-logging=stderr --window-size=1280,800 "$@" 2>"$work/log"
}
errors() { grep -E 'CONSOLE|Uncaught|Content Security Policy' "$work/log" | head -3; }

for page in bert several; do
    open_page --dump-dom "file://$work/$page.html" >"$work/dom" || complain "$page: the browser failed: $(tail -1 "$work/log")"
    [ -z "$(errors)" ] || complain "$page: $(errors)"
    grep -q 'data-script="ran"' "$work/dom" || complain "$page: the script did not run to its end"
done
grep -q 'type="search"' "$work/dom" || complain "several: tables cannot be searched"
for page in rnn advise; do
    open_page --screenshot="$work/$page.png" "file://$work/$page.html" >/dev/null || complain "$page: no screenshot"
    [ -z "$(errors)" ] || complain "$page: $(errors)"
done
# Not blank: an empty page of this size is a few kilobytes, ours many.
echo '<!doctype html><title>blank</title>' >"$work/blank.html"
open_page --screenshot="$work/blank.png" "file://$work/blank.html" >/dev/null
size() { stat -c %s "$1" 2>/dev/null || echo 0; }
for page in rnn advise; do
    [ "$(size "$work/$page.png")" -gt $((8 * $(size "$work/blank.png") + 10000)) ] || complain "$page: the screenshot is blank"
done
exit $bad
