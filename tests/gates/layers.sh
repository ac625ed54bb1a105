#!/bin/bash
# Dependencies point one way, unsafe calls stay out, operator names stay where they belong.
# usage: layers.sh             (in the top folder)
set -u
bad=0
complain() { echo "$1"; bad=1; }

# base knows nothing of ONNX; nothing below src/cli knows the command line.
found=$(grep -nE '#include "(model|ops|analysis|rules|rewrite|verify|report|cli)/|#include "onnxpert/(model|analyze|pass|advise|report)' src/base/*.[ch])
[ -z "$found" ] || complain "base must not know the layers above it:
$found"
found=$(grep -rnE '#include "cli/' src passes --include=*.[ch] | grep -v '^src/cli/')
[ -z "$found" ] || complain "only src/cli may include src/cli:
$found"
found=$(grep -nE '#include "(rules|report|rewrite|verify|cli)/' src/model/*.[ch] src/ops/*.[ch] src/ops/family/*.c)
[ -z "$found" ] || complain "model and ops must not know rules, reports and rewrites:
$found"
found=$(grep -rnE '#include "(report|cli|verify)/' src/analysis src/rewrite passes --include=*.[ch])
[ -z "$found" ] || complain "analysis and rewrites must not know reports:
$found"

# Calls that cannot be used safely on untrusted text, or that hide memory from the arenas.
found=$(grep -rnE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atof|system|popen|tmpnam|mktemp|alloca)\(' src passes --include=*.[ch] | grep -v 'oxp_sprintf(')
[ -z "$found" ] || complain "banned calls:
$found"
found=$(grep -rnE '\b(malloc|calloc|realloc)\(' src passes --include=*.[ch] | grep -vE '^src/(base/(arena|ctx|xml_memory)\.c|cli/main\.c)')
[ -z "$found" ] || complain "memory comes from arenas:
$found"

# Operator names are compared in src/ops and in a pass's own pattern only; src/model/graph.c knows
# Constant and Identity, which is what a constant value is made of.
found=$(grep -rnE 'oxp_node_is\([^"]*"|strcmp\([^"]*->op, "' src --include=*.c | grep -vE '^src/(ops|rewrite)/|^src/analysis/patterns\.c|^src/model/graph\.c')
[ -z "$found" ] || complain "operator names compared outside src/ops, src/rewrite and the pattern table:
$found"
[ $bad = 0 ] && echo "layers are in order"
exit $bad
