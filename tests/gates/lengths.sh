#!/bin/bash
# Files of at most 800 lines, functions of at most 80.  Exceptions by name, each with its reason.
# usage: lengths.sh            (in the top folder)
set -u
# schema_table.c is data: one line a fact.
files=$(find src passes include tests -name '*.[ch]' ! -name schema_table.c | sort)
[ -n "$files" ] || { echo "no sources found"; exit 1; }
bad=0
for f in $files; do
    n=$(wc -l <"$f")
    if [ "$n" -gt 800 ]; then echo "$f: $n lines, at most 800"; bad=1; fi
done
# clang-format puts a function's opening brace at the end of its signature and its closing one in
# column 1.
long=$(awk 'FNR == 1 { start = 0 }
    /^[A-Za-z_].*\(/ && !/;$/ && !start { start = FNR; name = $0 }
    /^}/ && start { if (FNR - start + 1 > 80) print FILENAME ": " FNR - start + 1 " lines: " name; start = 0 }
    /;$/ && /^[A-Za-z_]/ { start = 0 }' $files)
if [ -n "$long" ]; then echo "$long"; bad=1; fi
echo "checked $(echo "$files" | wc -l) files"
exit $bad
