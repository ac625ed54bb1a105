#!/bin/bash
# Rules that mean nothing: each is refused by `rules check` with one line that names file and line,
# and with exit code 3; what only looks odd is taken.
# usage: check_rule_sense.sh ONNXPERT
# Lines of the table: line in the file (0: it is accepted) | text of the message | what is put into a
# rule, by place: attributes; T title, W conditions, M message, R what follows.  \n is a new line.
set -u
program=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0 n=0

# judge LINE WANTED NAME: the file $work/r.xml
judge() {
    local code wanted=3
    [ "$1" = 0 ] && wanted=0
    n=$((n + 1))
    "$program" rules check "$work/r.xml" >"$work/out" 2>"$work/err"
    code=$?
    if [ "$code" != $wanted ] || { [ $wanted = 3 ] && {
        [ "$(wc -l <"$work/err")" != 1 ] || ! grep -qF "r.xml:$1: " "$work/err" ||
            ! grep -qF -- "$2" "$work/err"; }; }; then
        failed=$((failed + 1))
        echo "FAILED: $3: exit $code, wanted $wanted, line $1, \"$2\":"
        sed 's/^/    /' "$work/err"
    fi
}

# what is put in place of a rule's parts
while IFS='|' read -r line wanted attributes place text; do
    [ -n "$line" ] && [ "${line#\#}" = "$line" ] || continue
    title='<title>t</title>' conditions='<when>1</when>' message='<message>m</message>' rest=''
    case $place in
    T) title=$text ;;
    W) conditions=$text ;;
    M) message=$text ;;
    R) rest=$text ;;
    esac
    printf '<rules version="1">\n<rule %s>\n%s\n%s\n%s\n%b</rule>\n</rules>\n' "${attributes:-id=\"a\"}" \
        "$title" "$conditions" "$message" "$rest" >"$work/r.xml"
    judge "$line" "$wanted" "$attributes $text"
done <<'END'
0||||
# texts
3|no text in this element: "title"||T|<title/>
3|no text in this element: "title"||T|<title>  </title>
5|no text in this element: "message"||M|<message/>
5|no text in this element: "message"||M|<message>&#xa0;&#x2003;&#x3000;</message>
6|no text in this element: "detail"||R|<detail/>
6|no text in this element: "why"||R|<why> </why>
6|no text in this element: "how"||R|<how/>
3|no text in this element: "needs"||T|<title>t</title><needs/>
3|not "retrainig"||T|<title>t</title><needs>retrainig</needs>
0|||T|<title>t</title><needs>retraining calibration validation re-export</needs>
6|no text in this element: "reference"||R|<reference/>
6|not "javascript:alert(1)"||R|<reference href="javascript:alert(1)">x</reference>
6|names no host: "https://"||R|<reference href="https://">x</reference>
6|names no host: "http:///etc/passwd"||R|<reference href="http:///etc/passwd">x</reference>
6|names no host: "https://?q"||R|<reference href="https://?q">x</reference>
6|names no host: "https://a b/"||R|<reference href="https://a b/">x</reference>
6|names no host: "https://.com/"||R|<reference href="https://.com/">x</reference>
0|||R|<reference href="http://docs.example.org:8080/a?b#c">x</reference>
0|||R|<reference href="https://arxiv.org/abs/1503.02531">x</reference>
0|||R|<reference>A book of 1999</reference>
# attributes of a rule
2|a rule without an id|on="node"||
2|not "A b"|id="A b"||
2|phase is quick or extra, not "soon"|id="a" phase="soon"||
2|effort is low, medium or high, not "tiny"|id="a" effort="tiny"||
2|risk is low, medium or high, not ""|id="a" risk=""||
2|Invalid attribute confidence|id="a" confidence="NaN"||
2|a confidence is above 0|id="a" confidence="0"||
2|a confidence is above 0|id="a" confidence="-0.5"||
2|a confidence is above 0|id="a" confidence="1.01"||
2|Invalid attribute priority|id="a" priority="1"||
2|Invalid attribute q|id="a" xmlns:z="urn:z" z:q="1"||
2|Invalid attribute base|id="a" xml:base="http://127.0.0.1/"||
2|Attribute id redefined|id="a" id="b"||
# what it is about
2|no operator of this name (others are written domain:Name): "Cnov"|id="a" on="Cnov"||
2|no operator of this name|id="a" on="Conv,Gemm"||
2|is one of node, model, tensor and block|id="a" on="model Conv"||
2|not ""|id="a" on=""||
2|written without their domain: "ai.onnx:Conv"|id="a" on="ai.onnx:Conv"||
0||id="a" on="Conv Gemm com.acme:Conv"||
# conditions and variables
4|Did not expect element b||W|<when><b/>1</when>
4|an empty expression||W|<when> </when>
4|an empty expression||W|<let name="v"/><when>1</when>
4|the variable "v" is there already||W|<let name="v" select="1"/><let name="v" select="2"/><when>1</when>
4|Invalid attribute select||W|<let name="v" select="1">2</let><when>1</when>
4|Element let||W|<let select="1"/><when>1</when>
4|is a text, which is no condition||W|<when>"no"</when>
4|Invalid expression||W|<when>1 +</when>
4|unknown function "ox:foo"||W|<when>ox:foo()</when>
4|unknown variable "$x"||W|<when>$x</when>
4|unknown variable "$v"||W|<when>$v</when><let name="v" select="1"/>
4|unknown prefix "foo"||W|<when>foo:bar</when>
4|facts have no attribute "opp"|id="a" on="Conv"|W|<when>@opp = "Conv"</when>
4|facts have no attribute "opp"|id="a" on="Conv"|W|<when>attribute::opp</when>
4|facts have no element "inn"|id="a" on="Conv"|W|<when>inn/@name</when>
4|facts have no element "producer"|id="a" on="Conv"|W|<when>ox:producer/@op</when>
0||id="a" on="Conv"|W|<when>attr/@no_such_attribute or ox:producer()/attr[1]/@alpha</when>
0||id="a" on="Conv"|W|<let name="v" select="attr"/><let name="w" select="$v"/><when>$w/@kernel_shape = "3 3" or attr /@pads</when>
0||id="a" on="Conv"|W|<when>*/@kernel_shape or .//@pads or node()/@dilations</when>
4|facts have no attribute "opp"|id="a" on="Conv"|W|<let name="v" select="ox:producer()"/><when>$v/@opp</when>
0||id="a" on="Conv"|W|<when>child::in/attribute::name and //node/@op and ox:source(in)/self::value</when>
# of the element that the rule is about
4|the model, which the rule is about, has no attribute "op"|id="a" on="model"|W|<when>@op = "Conv"</when>
4|the model, which the rule is about, has no attribute "count"|id="a" on="model"|W|<when>attribute::count > 1</when>
4|the model, which the rule is about, has no element "attr"|id="a" on="model"|W|<when>attr/@pads</when>
4|the model, which the rule is about, has no element "node"|id="a" on="model"|W|<when>count(node[@op = "Conv"]) > 1</when>
4|a tensor, which the rule is about, has no attribute "op"|id="a" on="tensor"|W|<when>@bytes > 1 and not(@op)</when>
4|a block, which the rule is about, has no attribute "op"|id="a" on="block"|W|<when>@op</when>
4|a node, which the rule is about, has no attribute "opset"||W|<when>@opset > 11</when>
4|facts have no attribute "kernel_shape"||W|<when>attr/@pads and @kernel_shape</when>
5|the model, which the rule is about, has no attribute "op"|id="a" on="model"|M|<message>{match/@op}</message>
6|a block, which the rule is about, has no attribute "op"|id="a" on="block"|R|<detail>{@op}</detail>
0||id="a" on="model"|W|<when>op[@name = "Conv"]/@count > 1 and input/@dims and kv_cache/@layers and sweep/point/@batch and @ opset</when>
0||id="a" on="tensor"|W|<when>@role = "initializer" and @bytes > 1 and ox:consumers()/@op</when>
0||id="a" on="block"|W|<when>@kind = "residual" and member[1]/@op and ox:members()/@flops</when>
# that never holds: how a rule is put aside
0|||W|<when>false()</when>
0|||W|<when>1 &lt; 2 and not(false())</when>
# places are counted from 1
4|elements are counted from 1: no element has the place in []||W|<when>in[0]/@name</when>
4|elements are counted from 1||W|<when>in[-1]/@name</when>
4|elements are counted from 1||W|<when>in[1.5]/@name</when>
0|||W|<when>in[last()]/@name and in[position() > 0]/@name and in[@rank = 0] and out[1]</when>
4|ox:nth counts from 1||W|<when>ox:nth(in[1]/@dims, 0) = 1</when>
4|ox:nth counts from 1||W|<when>ox:nth(in[1]/@dims, 0.5) = 1</when>
4|ox:words-from counts from 1||W|<when>ox:words-from(in[1]/@dims, -2)</when>
0|||W|<when>ox:nth(in[1]/@dims, -1) = 1 and ox:nth("1 2", 1 - 0) and ox:words-from(in[1]/@dims, 2)</when>
# elements have no text
5|ox:names takes attributes, as in match/@name||M|<message>{ox:names(match)}</message>
5|ox:names takes attributes||M|<message>{ox:names(match[@macs > 1])}</message>
4|ox:names takes attributes||W|<when>ox:names(ox:consumers())</when>
4|ox:highest takes attributes||W|<when>ox:highest(in) > 1</when>
4|sum takes attributes||W|<when>sum(ox:consumers(out)) > 1</when>
0|||W|<when>ox:names(ox:consumers()/@name) and ox:highest(in/@rank) > 1 and ox:names(in[@rank = 1]/@name) and sum(in/@rank | out/@rank)</when>
# of the wrong type
4|sum takes a set of elements or attributes, not a number||W|<when>sum(1)</when>
4|count takes a set of elements or attributes, not a text||W|<when>count("a") = 1</when>
4|count takes a set of elements or attributes, not a truth value||W|<when>count(ox:has("a", "a"))</when>
4|ox:names takes a set of elements or attributes, not a number||W|<when>ox:names(ox:nth("1", 1))</when>
4|a / behind a number||W|<let name="v" select="1"/><when>$v/@op</when>
4|a / behind a text||W|<when>ox:device("name")/@op or ox:human(1)/@op</when>
4|a [ behind a number||W|<when>1[in]</when>
4|a [ behind a number||W|<when>(1)[1]</when>
0||id="a" on="model"|W|<when>@nodes >= 1e9 and 1.5E-3 or 2e+1</when>
# messages
5|"value" means nothing here||M|<message>{value}</message>
5|"title" means nothing here||M|<message>it is {concat("a", title)}</message>
5|facts have no attribute "nope"||M|<message>{match/@nope}</message>
5|unknown variable "$v"||M|<message>{$v}</message>
5|an empty expression||M|<message>{}</message>
5|a } without its {||M|<message>{a{b}}</message>
5|Did not expect element b||M|<message>a <b>c</b></message>
5|Entity 'foo' not defined||M|<message>&foo;</message>
5|invalid xmlChar value||M|<message>&#27;[31m</message>
5|a second <message> in a rule||M|<message>a</message><message>b</message>
# what is mandatory, and the order
2|a rule without <when>: title, when and message are mandatory||W|
2|a rule without <when>||W|<let name="v" select="1"/>
2|a rule without <title>||T|
2|a rule without <message>||M|
4|<title> comes before <when>: the order is title, needs, let and when, message,||W|<when>1</when><title>u</title>
5|<when> comes before <message>||M|<message>m</message><when>1</when>
6|<needs> comes before <message>||R|<needs>validation</needs>
6|<why> comes before <how>||R|<how>h</how><why>w</why>
7|<fix> comes before <reference>||R|<reference>a</reference>\n<fix pass="fp16"/>
0||id="a" on="Conv"|M|<message>{match/@op} {count(match[@macs > 1])} {ox:model()/op[@name = "Conv"]/@count}</message>
6|unknown variable "$w"||R|<detail>{$w}</detail>
# gains, what-ifs, fixes
6|an empty expression||R|<gain select=""/>
6|a gain is a factor above 1, not "-1"||R|<gain select="-1"/>
6|a gain is a factor above 1, not "0.5"||R|<gain select="0.5"/>
6|a gain is a factor above 1, not "'x'"||R|<gain select="'x'"/>
6|a gain is a factor above 1, not "not(1)"||R|<gain select="not(1)"/>
0|||R|<gain select="1.5"/>
6|a gain by formula is for rules without||R|<gain select="2"/><projection precision="float16"/>
6|there is none in "projection"||R|<projection/>
6|no such pass: "nope"||R|<projection pass="nope"/>
6|no such pass: ""||R|<projection pass=""/>
6|no such data type: "float9"||R|<projection precision="float9"/>
6|not "string"||R|<projection precision="string"/>
6|not "bool"||R|<projection weights="bool"/>
6|not "int64"||R|<projection products="int64"/>
6|precision names a type narrower than the model's, not "float64"||R|<projection precision="float64"/>
6|weights names a type narrower than the model's, not "float64"||R|<projection weights="float64"/>
6|the projection is of the pass depthwise, the fix of "fold-bn"||R|<projection pass="depthwise"/><fix pass="fold-bn"/>
0|||R|<projection pass="fold-bn"/><fix pass="fold-bn"/>
6|without a pass nothing looks at this: "param"||R|<projection precision="int8"><param name="a" value="1"/></projection>
6|fold-bn has no parameter "zzz"||R|<projection pass="fold-bn"><param name="zzz" value="1"/></projection>
6|groups is a number from 2 to 1024, not "0"||R|<projection pass="group-convolutions"><param name="groups" value="0"/></projection>
6|groups is a number from 2 to 1024, not "many"||R|<projection pass="group-convolutions"><param name="groups" value="many"/></projection>
6|groups is a whole number, not "2.5"||R|<projection pass="group-convolutions"><param name="groups" value="2.5"/></projection>
6|keep is a number from 0.01 to 1, not "nan"||R|<projection pass="low-rank"><param name="keep" value="nan"/></projection>
6|keep is a number from 0.01 to 1, not "1.5"||R|<projection pass="prune-channels"><param name="keep" value="1.5"/></projection>
6|bindings is "assumed", not "all"||R|<projection pass="fix-shapes"><param name="bindings" value="all"/></projection>
0|||R|<projection pass="scale-input"><param name="percent" value="50"/></projection>
6|takes no value for each node: "fold-bn"|id="a" on="Conv"|R|<projection pass="fold-bn"><each select="$v"/></projection>
2|each takes a variable|id="a" on="Conv"|R|<projection pass="low-rank"><each select="$v"/></projection>
6|failed to validate attributes||R|<fix/>
6|no such pass: "nope"||R|<fix pass="nope"/>
6|which optimize cannot apply: "low-rank"||R|<fix pass="low-rank"/>
6|no option of a pass of optimize: "--nonsense"||R|<fix pass="fp16" options="--nonsense"/>
6|no option of a pass of optimize: "word"||R|<fix pass="fp16" options="word"/>
6|this option needs a value: "--fp16-block-op"||R|<fix pass="fp16" options="--fp16-block-op"/>
6|this option takes no value: "--repair=1"||R|<fix pass="fix-shapes" options="--repair=1"/>
6|a character that a shell may act upon||R|<fix pass="fp16" options="; rm"/>
0|||R|<fix pass="fp16" options="--fp16-block-op Softmax --calibrate=inputs --change-io"/>
# elements
6|Did not expect element foo||R|<foo/>
6|Did not expect element include||R|<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="r.xml"/>
2|Did not expect text||R|stray
0|||R|<!-- a remark --><?instruction href="http://127.0.0.1:9/"?>
END

# examples: the second element of a rule on Relu
while IFS='|' read -r line wanted opening text; do
    [ -n "$line" ] && [ "${line#\#}" = "$line" ] || continue
    printf '<rules>\n<rule id="a" on="Relu"><title>t</title><when>1</when><message>m</message>\n<example %s>\n%s</example></rule>\n</rules>' \
        "${opening:-triggers=\"yes\"}" "$text" >"$work/r.xml"
    judge "$line" "$wanted" "$opening $text"
done <<'END'
0|||<input name="x" shape="N 2"/><node op="Relu" in="x" out="y"/><output name="y"/>
3|triggers is yes or no, not "maybe"|triggers="maybe"|<input name="x"/><node op="Relu" in="x" out="y"/><output name="y"/>
3|opset is from 1 to 28, not "99"|triggers="yes" opset="99"|<input name="x"/><node op="Relu" in="x" out="y"/><output name="y"/>
3|from 1 to 28, not "99999999999999999999"|triggers="yes" opset="99999999999999999999"|<input name="x"/><node op="Relu" in="x" out="y"/><output name="y"/>
3|this example must not trigger it and does|triggers="no"|<input name="x"/><node op="Relu" in="x" out="y"/><output name="y"/>
3|this example must trigger it and does not||<input name="x"/>
4|a dimension is a name or not negative, not "-1"||<input name="x" shape="-1 2"/><node op="Relu" in="x" out="y"/><output name="y"/>
4|an integer of 64 bits is wanted, not "99999999999999999999"||<input name="x" shape="99999999999999999999"/><node op="Relu" in="x" out="y"/><output name="y"/>
4|an integer of 64 bits is wanted, not "a"||<const name="x" shape="a b"/><node op="Relu" in="x" out="y"/><output name="y"/>
4|more values than the shape holds: "1 2 3"||<const name="x" shape="2" values="1 2 3"/><node op="Relu" in="x" out="y"/><output name="y"/>
0|||<const name="x" shape="4" values="1 2"/><node op="Relu" in="x" out="y"/><output name="y"/>
4|a number is wanted, not "b"||<const name="x" values="1 b"/><node op="Relu" in="x" out="y"/><output name="y"/>
4|an integer of 64 bits is wanted, not "1.5"||<const name="x" dtype="int64" values="1.5"/><node op="Relu" in="x" out="y"/><output name="y"/>
3|'x' is the name of two inputs||<input name="x" shape="1"/><input name="x" shape="2"/><node op="Relu" in="x" out="y"/><output name="y"/>
4|a constant of another type or shape than the input||<input name="x" shape="1"/><const name="x" shape="2"/><node op="Relu" in="x" out="y"/><output name="y"/>
4|a constant of another type or shape than the input||<input name="x" shape="2"/><const name="x" shape="2" dtype="int64"/><node op="Relu" in="x" out="y"/><output name="y"/>
0|||<input name="x" shape="2"/><const name="x" shape="2"/><node op="Relu" in="x" out="y"/><output name="y"/>
3|writes what another output writes already||<input name="x"/><node op="Relu" in="x" out="y"/><node op="Relu" in="x" out="y"/><output name="y"/>
3|part of a cycle||<input name="x"/><node op="Relu" in="z" out="y"/><node op="Relu" in="y" out="z"/><output name="y"/>
3|reads a name that nothing defines||<input name="x"/><node op="Relu" in="q" out="y"/><output name="y"/>
3|'w' is an output that nothing defines||<input name="x"/><node op="Relu" in="x" out="y"/><output name="w"/>
4|Relu has no attribute "foo"||<input name="x"/><node op="Relu" in="x" out="y" foo="3"/><output name="y"/>
4|an integer of 64 bits is wanted, not "abc"||<input name="x"/><node op="Flatten" in="x" out="y" axis="abc"/><output name="y"/>
4|a number is wanted, not "x"||<input name="x"/><node op="LeakyRelu" in="x" out="y" alpha="x"/><output name="y"/>
END

# whole files
while IFS='|' read -r line wanted text; do
    printf '%b' "$text" >"$work/r.xml"
    judge "$line" "$wanted" "$text"
done <<'END'
1|there is no rule in it|<rules version="1"/>
2|there is no rule in it|<?xml version="1.0"?>\n<rules>\n</rules>
1|Invalid attribute version|<rules version="2"><rule id="a"><title>t</title><when>1</when><message>m</message></rule></rules>
1|no namespace|<rules xmlns="http://x/"><rule id="a"><title>t</title><when>1</when><message>m</message></rule></rules>
1|no namespace|<o:rules xmlns:o="http://x/"><o:rule id="a"/></o:rules>
1|the root element is to be <rules>|<rule id="a"><title>t</title><when>1</when><message>m</message></rule>
1|the root element is to be <rules>|<profile><use/></profile>
1|mismatch|<rules><rule></rules>
1|Start tag expected|hello
2|the id "a" is used twice|<rules><rule id="a"><title>t</title><when>1</when><message>m</message></rule>\n<rule id="a"><title>t</title><when>1</when><message>m</message></rule></rules>
3|not proper UTF-8|<rules>\n<rule id="a"><title>\n\xff\xfe</title><when>1</when><message>m</message></rule></rules>
END

# every option of a pass that optimize has is one that a fix may name
for option in $("$program" optimize --help | sed -n 's/^ *\(--\(fp16-[a-z-]*\|calibrate\|keep-io\|change-io\|external-data\|fold-budget\|allow-[a-z]*\|repair\|dim\|input-shape\)\) \(.*\)/\1/p'); do
    printf '<rules>\n<rule id="a"><title>t</title><when>1</when><message>m</message><fix pass="fp16" options="%s"/></rule></rules>' "$option" >"$work/r.xml"
    if "$program" optimize --help | grep -q -- "^ *$option [A-Z]"; then judge 2 'this option needs a value' "$option"; else judge 0 '' "$option"; fi
done
echo "$n rules, $failed failed"
[ $failed = 0 ] && [ $n -gt 150 ]
