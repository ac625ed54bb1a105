#!/bin/bash
# Projected against measured latency of every mini model and, with weights made up, of the full-size
# ones: as they are, after fold-bn and after fp16.  Writes docs/accuracy.md's table to standard output.
# usage: accuracy.sh BUILD_FOLDER [MODEL_NAME...]        ONNXPERT_ORT may name the runtime's library
# Wants a quiet machine: ACCURACY_WRAP is put in front of every measurement (nice, taskset, ...).
# ACCURACY_KEEP=FOLDER keeps what fit_latency.py reads: reports, terms of the projections, the host.
set -u
build=$1
shift
program=$build/onnxpert
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
rows=$work/rows
read -ra wrap <<<"${ACCURACY_WRAP:-}"

keep=${ACCURACY_KEEP:-}
if [ -n "$keep" ]; then
    mkdir -p "$keep"
    "${wrap[@]}" "$build/tests/latency_terms" --host >"$keep/host.json" || exit 1
fi

value() { sed -n "s/.*\"$2\": *\([0-9.eE+-]*\).*/\1/p" "$1" | sed -n "${3:-1}p"; }
bindings() { # --dim NAME=VALUE... of a truth.json
    sed -n '/"dims": *{}/d; /"dims"/,/}/p' "$1" | sed -n 's/^ *"\([^"]*\)": *\([0-9][0-9]*\),*$/--dim \1=\2/p' | tr '\n' ' '
}

measure() { # NAME MODEL TRUTH RUNS
    local name=$1 model=$2 dims sizes pass
    read -ra dims <<<"$(bindings "$3")"
    read -ra sizes <<<"${dims[*]//--dim/}"
    for pass in fold-bn fp16; do
        "$program" optimize "$model" -o "$work/after.onnx" --passes $pass --quiet --report /dev/null || continue
        "${wrap[@]}" "$program" verify "$model" "$work/after.onnx" --runs "$4" --sets 1 --format json "${dims[@]}" \
            >"$work/json" 2>"$work/err" || { echo "$name $pass: $(head -c 200 "$work/err")" >&2; continue; }
        if [ -n "$keep" ]; then
            cp "$work/json" "$keep/$name-$pass.json"
            "$build/tests/latency_terms" "$model" "${sizes[@]}" >"$keep/$name-$pass.before"
            "$build/tests/latency_terms" "$work/after.onnx" "${sizes[@]}" >"$keep/$name-$pass.after"
        fi
        # name pass projected-before projected-after, medians before and after, fastest before and
        # after, the interval of the ratio of the medians
        echo "$name $pass $(value "$work/json" before_ms 3) $(value "$work/json" after_ms 3)" \
            "$(value "$work/json" before_ms) $(value "$work/json" after_ms)" \
            "$(value "$work/json" fastest_before_ms) $(value "$work/json" fastest_after_ms)" \
            "$(value "$work/json" ratio_low) $(value "$work/json" ratio_high)" >>"$rows"
    done
}

wanted() { [ ${#names[@]} = 0 ] || [[ " ${names[*]} " == *" $1 "* ]]; }
names=("$@")
for folder in fixtures/models/*/; do
    name=$(basename "$folder")
    wanted "$name" && measure "$name" "$folder/model.onnx" "$folder/truth.json" 200
done
for name in resnet18 cxr_resnet18 mobilenet_v2 bert_qa yolov8l yolov8l_bn; do
    wanted "$name" || continue
    "$build/tests/fill_weights" fixtures/skeletons/$name/model.onnx "$work/full.onnx" --inline || continue
    measure $name "$work/full.onnx" fixtures/skeletons/$name/truth.json 24
done

awk '
function off(p, m) { return p > m ? p / m - 1 : 1 - p / m }
function note(e, f) { errors[++n] = e; fastest[n] = f }
function sort(v, n, i, j, e) {
    for (i = 2; i <= n; i++) { e = v[i]; for (j = i - 1; j && v[j] > e; j--) v[j + 1] = v[j]; v[j + 1] = e }
}
function ms(v) { return sprintf(v < 1 ? "%.3f" : v < 100 ? "%.2f" : "%.0f", v) }
{
    if (!($1 in pb)) { order[++models] = $1; pb[$1] = $3; mb[$1] = $5; fb[$1] = $7 }
    key = $1 " " $2
    p[key] = $4 / $3 - 1; m[key] = $6 / $5 - 1; pa[key] = $4; ma[key] = $6; fa[key] = $8; have[key] = 1
    noise[key] = $9 <= 1 && $10 >= 1
}
END {
    print "| model | variant | projected ms | measured ms | ratio | projected change | measured change | sign |"
    print "|---|---|---:|---:|---:|---:|---:|---|"
    for (i = 1; i <= models; i++) {
        name = order[i]
        printf "| %s | as it is | %s | %s | %.2f | | | |\n", name, ms(pb[name]), ms(mb[name]), pb[name] / mb[name]
        note(off(pb[name], mb[name]), off(pb[name], fb[name]))
        split("fold-bn fp16", passes, " ")
        for (k = 1; k <= 2; k++) {
            key = name " " passes[k]
            if (!(key in have)) continue
            tiny = m[key] < 0.03 && m[key] > -0.03
            small = p[key] < 0.03 && p[key] > -0.03 && (tiny || noise[key])
            right = p[key] * m[key] > 0
            verdict = small ? "both within 3 %" : noise[key] ? "none measured" : right ? "right" : "WRONG"
            wrong += verdict == "WRONG"; none += verdict == "none measured"; signs++
            change = noise[key] ? "no difference" : sprintf("%+.1f %%", 100 * m[key])
            printf "| | %s | %s | %s | %.2f | %+.1f %% | %s | %s |\n", passes[k], ms(pa[key]), ms(ma[key]),
                pa[key] / ma[key], 100 * p[key], change, verdict
            note(off(pa[key], ma[key]), off(pa[key], fa[key]))
        }
    }
    sort(errors, n); sort(fastest, n)
    printf "\nError of the projection over %d models and variants: median %.0f %%, 75th percentile %.0f %%, 90th %.0f %%, largest %.0f %%.\n",
        n, 100 * errors[int((n + 1) / 2)], 100 * errors[int(n * .75 + .5)], 100 * errors[int(n * .9 + .5)], 100 * errors[n]
    printf "Against the fastest runs in place of the medians: median %.0f %%.\n", 100 * fastest[int((n + 1) / 2)]
    printf "Sign of the change: right, or both within 3 %%, in %d of %d; wrong in %d; a change projected where none was measured in %d.\n",
        signs - wrong - none, signs, wrong, none
}' "$rows" | tee ${keep:+"$keep/table.md"}
