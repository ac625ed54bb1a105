#!/bin/bash
# Runs the cases of one .test file.
# usage: run_cases.sh ONNXPERT FILE.test
#
# A case is a paragraph; lines that start with # are comments:
#   $ ARGUMENTS         run as `onnxpert ARGUMENTS` by bash, in the top folder; $work is a fresh folder
#   refuse RULE...      the next command's system calls fail as tests/support/refuse.c says
#   ! COMMAND           run before, by bash
#   exit N              wanted exit code (default 0)
#   out TEXT            standard output must hold TEXT       (!out: must not)
#   err TEXT            standard error must hold TEXT        (!err: must not)
#   err-lines N         standard error must have exactly N lines
#   absent FILE         FILE must not exist afterwards
#   present FILE        FILE must exist
#   same A B            the two files must hold the same bytes
set -u
program=$(realpath "$1") file=$2
passed=0 failed=0
refusing=$(dirname "$program")/tests/refuse
onnxpert() {
    # shellcheck disable=SC2086
    if [ -n "$rules" ]; then "$refusing" $rules -- "$program" "$@"; else "$program" "$@"; fi
}
export -f onnxpert
export program refusing

check_case() { # reads the case's lines from standard input
    local want=0 ran=0 code=0 line problem=""
    work=$(mktemp -d) rules=""
    export work rules
    while IFS= read -r line; do
        local rest=${line#"${line%% *}"}
        rest=${rest# }
        case $line in
        '$' | '$ '*) bash -c "onnxpert $rest" >"$work/.out" 2>"$work/.err" </dev/null; code=$? ran=1 shown=$rest ;;
        'refuse '*) rules=$rest; export ASAN_OPTIONS=detect_leaks=0 ;; # LeakSanitizer starts a process
        '! '*) bash -c "$rest" || problem+="  setup failed: $rest"$'\n' ;;
        'exit '*) want=$rest ;;
        'out '*) grep -qF -- "$(eval echo "\"${rest//\"/\\\"}\"")" "$work/.out" || problem+="  stdout lacks: $rest"$'\n' ;;
        '!out '*) grep -qF -- "$rest" "$work/.out" && problem+="  stdout has: $rest"$'\n' ;;
        'err '*) grep -qF -- "$(eval echo "\"${rest//\"/\\\"}\"")" "$work/.err" || problem+="  stderr lacks: $rest"$'\n' ;;
        '!err '*) grep -qF -- "$rest" "$work/.err" && problem+="  stderr has: $rest"$'\n' ;;
        'err-lines '*) [ "$(wc -l <"$work/.err")" = "$rest" ] || problem+="  stderr has $(wc -l <"$work/.err") lines"$'\n' ;;
        'present '*) [ -e "$(eval echo "$rest")" ] || problem+="  is missing: $rest"$'\n' ;;
        'absent '*) [ ! -e "$(eval echo "$rest")" ] || problem+="  exists: $rest"$'\n' ;;
        'same '*) eval cmp -s $rest || problem+="  differ: $rest"$'\n' ;;
        *) problem+="  bad line: $line"$'\n' ;;
        esac
    done
    if [ $ran = 1 ] && [ "$code" != "$want" ]; then problem+="  exit $code, wanted $want"$'\n'; fi
    if [ $ran = 0 ]; then problem+="  no command"$'\n'; fi
    if [ -n "$problem" ]; then
        echo "FAILED: onnxpert ${shown:-}"
        printf '%s' "$problem"
        sed 's/^/    stderr: /' "$work/.err" | head -5
        rm -rf "$work"
        return 1
    fi
    rm -rf "$work"
}

case_text=""
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    '#'*) ;;
    '')
        if [ -n "$case_text" ]; then
            if printf '%s' "$case_text" | check_case; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
        fi
        case_text=""
        ;;
    *) case_text+=$line$'\n' ;;
    esac
done < <(cat "$file"; echo)
echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
