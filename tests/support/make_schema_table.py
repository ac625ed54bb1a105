#!/usr/bin/env python3
"""Writes src/ops/schema_table.c, the committed table of operator schemas.

usage: make_schema_table.py > src/ops/schema_table.c

Not needed to build: the table is part of the sources.  Run it again only to take the schemas of a
newer release.  Needs (PyPI) onnx 1.23.2 and onnxruntime 1.31.1; the latter's schemas give the
domain com.microsoft and the few operators that it adds to ai.onnx.
"""
import json
import re
import struct
import sys

import onnx.defs
import onnxruntime.capi.onnxruntime_pybind11_state as ort

DTYPES = {"float": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7,
          "string": 8, "bool": 9, "float16": 10, "double": 11, "uint32": 12, "uint64": 13,
          "complex64": 14, "complex128": 15, "bfloat16": 16, "float8e4m3fn": 17,
          "float8e4m3fnuz": 18, "float8e5m2": 19, "float8e5m2fnuz": 20, "uint4": 21, "int4": 22,
          "float4e2m1": 23, "float8e8m0": 24, "uint2": 25, "int2": 26, "float6e2m3": 27,
          "float6e3m2": 28}
ATTRS = {"FLOAT": 1, "INT": 2, "STRING": 3, "TENSOR": 4, "GRAPH": 5, "FLOATS": 6, "INTS": 7,
         "STRINGS": 8, "TENSORS": 9, "GRAPHS": 10, "SPARSE_TENSOR": 11, "SPARSE_TENSORS": 12,
         "TYPE_PROTO": 13, "TYPE_PROTOS": 14}
KINDS = [r"(?:sparse_)?tensor\((\w+)\)", r"seq\(tensor\((\w+)\)\)", r"optional\(tensor\((\w+)\)\)",
         r"optional\(seq\(tensor\((\w+)\)\)\)"]


def typeset(types):
    """Bit sets (tensor, seq, optional, optional seq, map) of a list of type strings."""
    sets = [0, 0, 0, 0, 0]
    for t in types:
        for i, kind in enumerate(KINDS):
            m = re.fullmatch(kind, t)
            if m:
                sets[i] |= 1 << DTYPES[m.group(1)]
                break
        else:
            if "map(" not in t:
                raise ValueError(t)
            sets[4] = 1
    return tuple(sets)


def params(formal, constraints):
    rows = []
    for p in formal:
        kind = p.type_str if hasattr(p, "type_str") else p.typeStr
        same = p.is_homogeneous if hasattr(p, "is_homogeneous") else p.isHomogeneous
        types = constraints.get(kind, [kind])
        option = str(p.option).split(".")[1].split(":")[0].upper()
        rows.append((p.name, kind, typeset(types), ["SINGLE", "OPTIONAL", "VARIADIC"].index(option),
                     int(same)))
    return tuple(rows)


def default(attr):
    """(has default, i, f, s) of an attribute."""
    raw = attr._default_value
    kind = str(attr.type).split(".")[1].split(":")[0]
    if not raw or kind not in ("INT", "FLOAT", "STRING"):
        return 0, 0, 0.0, None
    p = onnx.AttributeProto.FromString(raw)
    if p.type == onnx.AttributeProto.UNDEFINED:
        return 0, 0, 0.0, None
    if kind == "INT":
        return 1, p.i, 0.0, None
    if kind == "FLOAT":
        return 1, 0, p.f, None
    return 1, 0, 0.0, p.s.decode()


def attributes(schema):
    rows = []
    for name, a in sorted(schema.attributes.items()):
        kind = ATTRS[str(a.type).split(".")[1].split(":")[0]]
        rows.append((name, kind, int(a.required)) + default(a))
    return tuple(rows)


class Pool:
    """Rows in one array; a list of rows that is already in it is not stored again."""

    def __init__(self):
        self.rows, self.where = [], {}

    def add(self, rows):
        if not rows:
            return 0
        if rows not in self.where:
            self.where[rows] = len(self.rows)
            self.rows += rows
        return self.where[rows]


def count(n):
    return "OXP_SCHEMA_MANY" if n >= 2**31 - 1 else str(n)


def number(f):
    if f != f or abs(f) == float("inf"):
        raise ValueError(f)
    shortest = next(t for t in (f"{f:.{d}g}" for d in range(1, 10))
                    if struct.pack("f", float(t)) == struct.pack("f", f))
    return shortest + ("f" if "." in shortest or "e" in shortest else ".0f")


def collect():
    found = {}
    for s in onnx.defs.get_all_schemas_with_history():
        found[s.domain, s.name, s.since_version] = s
    known = {k[:2] for k in found}
    for s in ort.get_all_operator_schema():
        extra = s.domain == "" and (s.domain, s.name) not in known
        if s.domain == "com.microsoft" or extra:
            found[s.domain, s.name, s.since_version] = s
    return found


def main():
    sets, par, att, schemas = Pool(), Pool(), Pool(), []
    for (domain, name, since), s in sorted(collect().items()):
        constraints = {c.type_param_str: c.allowed_type_strs for c in s.type_constraints}
        spans = []
        for formal in (s.inputs, s.outputs):
            rows = params(formal, constraints)
            rows = tuple((n, k, sets.add((t,)), o, h) for n, k, t, o, h in rows)
            spans += [par.add(rows), len(rows)]
        rows = attributes(s)
        spans += [att.add(rows), len(rows)]
        schemas.append((domain, name, since, int(s.deprecated), spans,
                        [count(v) for v in (s.min_input, s.max_input, s.min_output, s.max_output)]))
    out = sys.stdout.write
    out("/* schema_table.c - operator schemas of onnx 1.23.2 and ONNX Runtime 1.31.1 (com.microsoft).\n"
        " * Data, made by tests/support/make_schema_table.py: do not edit. */\n"
        "/* clang-format off */\n"
        '#include "ops/schema.h"\n\nconst oxp_schema_types oxp_schema_typesets[] = {\n')
    for row in sets.rows:
        out("{" + ",".join(f"0x{v:x}" for v in row[:4]) + f",{row[4]}}},\n")
    out("};\n\nconst oxp_schema_param oxp_schema_params[] = {\n")
    for n, k, t, o, h in par.rows:
        out(f'{{"{n}","{k}",{t},{o},{h}}},\n')
    out("};\n\nconst oxp_schema_attr oxp_schema_attrs[] = {\n")
    for n, k, r, has, i, f, s in att.rows:
        text = json.dumps(s) if s is not None else "NULL"
        out(f'{{"{n}",{k},{r},{has},{i},{number(f)},{text}}},\n')
    out("};\n\nconst oxp_schema oxp_schemas[] = {\n")
    for domain, name, since, dep, spans, counts in schemas:
        out(f'{{"{domain}","{name}",{since},{dep},' + ",".join(map(str, spans + counts)) + "},\n")
    out("};\n\nconst size_t oxp_schema_count = sizeof oxp_schemas / sizeof *oxp_schemas;\n")


if __name__ == "__main__":
    main()
