#!/bin/bash
# Documents do not lag behind the tree: each pass that users can name has a section in docs/passes.md,
# each file that a document names is there, and each fact that rules see is in docs/facts.md.
set -eu
bad=0
for file in passes/*.c; do
    grep -q "OXP_PASS_WHAT_IF" "$file" && continue
    name=$(basename "$file" .c | tr _ -)
    grep -qE "^## .*\b$name\b" docs/passes.md || { echo "docs/passes.md: no section for $name"; bad=1; }
done
for document in README.md docs/*.md; do
    for file in $(grep -oE '`(docs|src|tests|rules|fixtures|include|passes)/[A-Za-z0-9_/.-]+\.(md|c|h|json|xml|yml|sh|rng|onnx|py|list)`' "$document" | tr -d '`' | sort -u); do
        [ -e "$file" ] || { echo "$document: there is no $file"; bad=1; }
    done
done
for name in $(grep -oE '<(attribute|element) name="[a-z_]+"' rules/facts.rng | grep -oE '"[a-z_]+"' | tr -d '"' | sort -u); do
    grep -q "\`$name\`" docs/facts.md || [ "$name" = facts ] || [ "$name" = version ] ||
        { echo "docs/facts.md: nothing on $name"; bad=1; }
done
exit $bad
