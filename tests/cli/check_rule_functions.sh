#!/bin/bash
# The functions of rules: what each gives on fixtures/models/mnist8 for a T4, in one file of rules.
# usage: check_rule_functions.sh ONNXPERT
# Lines of the table: what the rule is on (model: in its message; Model: in its detail) | expression | text wanted.  On an operator: of its first node.
set -u
program=$1 model=fixtures/models/mnist8/model.onnx
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cat >"$work/table" <<'END'
model|ox:nth('3 5 7', 1)|3
model|ox:nth('3 5 7', 3)|7
model|ox:nth('3 5 7', -1)|7
model|ox:nth('3 5 7', 4)|unknown
model|ox:nth('3 N 7', 2)|unknown
model|ox:product('3 5 7')|105
model|ox:product('')|1
model|ox:length('3 5 7')|3
model|ox:length('')|0
model|ox:has('one two three', 'two')|true
model|ox:has('one two three', 'tw')|false
model|ox:has('one two three', 'wo')|false
model|ox:has('one', 'one')|true
model|ox:has('one', '')|false
model|ox:words-from('a b c d', 3)|c d
model|ox:opset-for('Conv', 'bfloat16')|22
model|ox:opset-for('MatMul', 'bfloat16')|13
model|ox:opset-for('Conv', 'float32')|1
model|ox:opset-for('Conv', 'string')|unknown
model|ox:opset-for('Nope', 'float32')|unknown
model|ox:min(3, 1, 2)|1
model|ox:max(3, 1, 2)|3
model|ox:human(1500)|1.50 K
model|ox:bytes(2048)|2.05 kB
model|ox:bytes(-1)|unknown
model|ox:seconds(0.0015)|1.50 ms
model|ox:percent(0.25)|25 %
model|ox:short(0.5)|0.5
model|ox:short(1 div 0)|unknown
model|ox:rate(2000)|2,000
model|ox:plural(1, 'node')|1 node
model|ox:plural(3, 'node')|3 nodes
model|ox:plural(0, 'node')|0 nodes
model|ox:plural(2, 'axis', 'axes')|2 axes
model|ox:if(1, 'yes', 'no')|yes
model|ox:if(0, 'yes', 'no')|no
model|ox:if(0, 'yes')|
model|ox:device('id')|t4
model|ox:device('kind')|gpu
model|ox:device('name')|NVIDIA T4
model|ox:device('memory') > 1000000000|true
model|ox:device('bandwidth') > 100000000000|true
model|ox:peak('float16') > ox:peak('float32')|true
model|ox:supports('int8')|true
model|ox:supports('bfloat16')|false
model|ox:model()/@nodes|12
model|2000000|2000000
model|1 div 3|0.3333
Conv|ox:producer()/@op|
Conv|ox:producer(in[1])/@op|
Conv|ox:consumers()/@op|Add
Conv|ox:consumers(out[1])/@op|Add
Conv|ox:consumers(., 1)/@op|Add
Conv|count(ox:consumers(., 0))|0
Conv|ox:chain('Conv', 'Add', 'Relu')|true
Conv|ox:chain('Conv', '*', 'Relu')|true
Conv|ox:chain('Conv', 'Relu')|false
Conv|ox:chain('Gemm', 'Add')|false
Conv|ox:source(in[1])/@role|input
Conv|ox:const(in[1])|false
Conv|ox:const(in[2])|true
Conv|ox:readable(in[2])|true
Conv|ox:readable(in[1])|false
Conv|ox:value(in[1])|unknown
Conv|ox:value(in[2], 0)|unknown
Conv|ox:value(in[2], 999)|unknown
Conv|ox:value(in[2], 1) = ox:value(in[2])|true
Conv|ox:stat(in[2], 'abs_max') > 0|true
Conv|ox:stat(in[2], 'abs_max', 0) > 0|true
Conv|ox:stat(in[2], 'spread', -1) >= 1|true
Conv|ox:stat(in[2], 'spread', 77)|unknown
Conv|ox:stat(in[1], 'abs_max')|unknown
Conv|count(ox:twin(in[2]))|0
Conv|ox:length(in[2]/@dims)|4
Conv|ox:nth(out[1]/@dims, 2)|8
Conv|ox:names(in/@name)|Input3, W1
Conv|ox:names(ancestor-or-self::*)|
Conv|count(ox:layers-behind())|1
Conv|ox:layers-behind()/@op|MaxPool
Conv|ox:lowest(in/@elements)|200
Conv|ox:highest(in/@elements)|784
MatMul|ox:producer(in[1])/@op|Reshape
MatMul|ox:producer(ox:producer(in[1]))/@op|MaxPool
MatMul|ox:source(in[1])/@role|activation
# odd numbers
model|ox:nth('3 5 7', 1 - 1)|unknown
model|ox:nth('3 5 7', -4)|unknown
model|ox:nth('3 5 7', 0 div 0)|unknown
model|ox:nth('3 5 7', 1e30)|unknown
model|ox:nth('3 5 7', -1 div 0)|unknown
model|ox:nth('', 1)|unknown
model|ox:nth('3 5 7', 'two')|unknown
model|ox:nth('3 5 7', 0.9 + 1)|3
model|ox:product('3 N 7')|unknown
model|ox:product('1e200 1e200')|unknown
model|ox:length('  3   5  ')|2
model|ox:words-from('a b c', 0 + 0)|a b c
model|ox:words-from('a b c', -5 + 0)|a b c
model|ox:words-from('a b c', 9)|
model|ox:words-from('a b c', 1e300)|
model|ox:words-from('a b c', 0 div 0)|a b c
model|ox:words-from('', 2)|
model|ox:min(0 div 0, 1)|unknown
model|ox:min(1, 0 div 0)|unknown
model|ox:max(2, 'x', 1)|unknown
model|ox:max(1 div 0, 1)|unknown
model|ox:min(5)|5
model|ox:human(-1)|unknown
model|ox:human(0 div 0)|unknown
model|ox:human(1e30)|unknown
model|ox:human(0)|0
model|ox:bytes('x')|unknown
model|ox:seconds(0 div 0)|unknown
model|ox:seconds(-1)|-1.00 s
model|ox:rate(-5)|unknown
model|ox:rate(1 div 0)|unknown
model|ox:percent(0 div 0)|unknown
model|ox:percent(1 div 0)|unknown
model|ox:percent(-0.5)|-50.0 %
model|ox:short(-0.001)|0
model|ox:short(0 div 0)|unknown
model|ox:short(1e300)|unknown
model|ox:short(-2.5)|-2.5
model|ox:plural(0 div 0, 'node')|an unknown number of nodes
model|ox:plural('x', 'axis', 'axes')|an unknown number of axes
model|ox:plural(1.5, 'node')|2 nodes
model|ox:if(0 div 0, 'a', 'b')|b
model|ox:if('', 'a', 'b')|b
Model|ox:if(ox:producer(), 'a', 'b')|b
# odd words
model|ox:device('arch')|
Model|ox:device(string(@nodes))|NVIDIA T4
model|ox:peak(concat('no', 'such'))|unknown
model|ox:peak(string(1 div 0))|unknown
model|ox:supports(concat('str', 'ing'))|false
Model|ox:supports(string(@nodes))|false
model|ox:has('a b', 'a b')|true
model|ox:has('', '')|false
Conv|ox:stat(in[2], concat('no', 'such'))|unknown
Conv|ox:stat(in[2], 'spread', 0 div 0)|unknown
Conv|ox:stat(in[2], 'spread', 1e30)|unknown
Conv|ox:value(in[2], 0 div 0)|unknown
Conv|ox:value(in[2], -1)|unknown
Conv|ox:value(in[2], 1e30)|unknown
# sets with nothing in them, and with what is no value
Model|count(ox:producer())|0
Model|count(ox:producer(/))|0
Model|count(ox:producer(//@*))|0
Model|count(ox:producer(namespace::*))|0
Model|count(ox:consumers())|0
Model|count(ox:consumers(input[99]))|0
Model|count(ox:source(.))|0
Model|count(ox:twin())|0
Model|count(ox:twin(/))|0
Model|count(ox:members())|0
Model|count(ox:layers-behind())|0
Model|count(ox:layers-behind(//op))|0
Model|ox:const()|false
Model|ox:const(/)|false
Model|ox:readable(op)|false
Model|ox:value(.)|unknown
Model|ox:value(/, 1)|unknown
Model|ox:stat(., 'rank')|unknown
Model|ox:chain('Conv')|false
Model|ox:lowest(op/@domain)|unknown
Model|ox:highest(op[99]/@count)|unknown
Model|ox:names(op/@domain)|
Model|ox:names(namespace::*)|http://www.w3.org/XML/1998/namespace
Conv|count(ox:consumers(., -1))|0
Conv|count(ox:consumers(., 0 div 0))|0
Conv|count(ox:consumers(., 1e30))|1
Conv|count(ox:consumers(*))|2
Conv|count(ox:members())|0
Conv|ox:chain('', 'Add')|false
Conv|ox:chain('*', '*', '*', '*', '*', '*', '*', '*', '*', '*', '*', '*', '*', '*', '*', '*')|false
Conv|ox:chain(1, 2)|false
# one inside the other, and long texts
MatMul|ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(ox:producer(in[1]))))))))))))))))/@op|
MatMul|ox:length(concat(BIG, ' ', BIG))|64
model|string-length(ox:words-from(concat('a ', translate(BIG, ' ', '')), 2))|900
model|ox:has(BIG, 'y')|false
model|ox:product(BIG)|unknown
model|string-length(ox:plural(2, translate(BIG, ' ', '')))|903
Model|string-length(ox:names(op/@name)) < 700|true
END
big=$(printf 'x %.0s' {1..900})
sed -i "/^#/d; s/BIG/'$big'/g" "$work/table"
{
    echo '<rules>'
    n=0
    while IFS='|' read -r on expression _; do
        n=$((n + 1))
        expression=$(sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g' <<<"$expression")
        if [ "$on" = model ]; then
            echo "<rule id=\"t$n\" on=\"model\"><title>t</title><when>1</when><message>[{$expression}]</message></rule>"
        else
            [ "$on" = Model ] && on=model # its element, not the message's matches
            echo "<rule id=\"t$n\" on=\"$on\"><title>t</title><when>1</when><message>m</message><detail>[{$expression}]</detail></rule>"
        fi
    done <"$work/table"
    echo '</rules>'
} >"$work/rules.xml"
"$program" advise $model --rules "$work/rules.xml" --format json >"$work/out" 2>"$work/err" || {
    cat "$work/err"
    exit 1
}
cat "$work/err"
failed=0 n=0
while IFS='|' read -r on expression wanted; do
    n=$((n + 1))
    got=$(awk -v id="\"rule\": \"t$n\"" 'index($0, id) { on = 1 } on && /"\[/ { print; exit }' "$work/out" |
        sed 's/^[^[]*\[//; s/\]"*,*$//')
    [ "$got" = "$wanted" ] && continue
    failed=$((failed + 1))
    echo "FAILED: on $on: $expression is '$got', wanted '$wanted'"
done <"$work/table"
echo "$n expressions, $failed failed"
[ $failed = 0 ] && [ ! -s "$work/err" ]
