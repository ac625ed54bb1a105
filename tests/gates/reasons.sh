#!/bin/bash
# Every reason for which a pass refuses a node, given as a literal text in passes/, is wanted by some test.
set -u
missing=0
while IFS= read -r reason; do
    if ! grep -rqF --include='*.cases' --include='*.test' --include='*.c' --include='*.sh' -- "$reason" tests; then
        echo "no test wants the reason: $reason"
        missing=1
    fi
done < <(grep -hoE '\*?why = "[^"%]{12,}"' passes/*.c | sed 's/^[^"]*"//; s/"$//' | sort -u)
exit $missing
