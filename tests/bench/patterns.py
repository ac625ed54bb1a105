#!/usr/bin/env python3
"""How many rewrite patterns of fixtures/battery each tool gets right.

usage: patterns.py ONNXPERT [FOLDER [TOOL]]

Each case is one pattern with a case.json that says what is wanted.  A tool gets a case right when its
result passes onnx's full checker, runs in ONNX Runtime with optimizations off, keeps the types of
inputs and outputs, and computes what the original does (relative to the largest magnitude of an output: 1e-4,
or the case's own); and when it did the work: no BatchNormalization left where none is wanted, float16
inside, every shape static.  A case that must be refused is right when no file appears.
Half-precision results are run a second time with every float16 tensor computed in float32 and rounded,
because ONNX Runtime's CPU kernels hide overflow and lost digits.

needs (PyPI): onnx onnxruntime numpy; tools that are not installed are left out: onnxsim onnxslim
onnxconverter-common
"""
import glob, json, os, subprocess, sys, tempfile
import numpy as np
import onnx
import onnx.inliner
import onnxruntime as ort
from onnx import TensorProto as T, helper, numpy_helper

ort.set_default_logger_severity(4)
FLOAT_ATTRIBUTES = ("to", "dtype", "output_dtype", "output_datatype")


def subgraphs(graph):
    yield graph
    for node in graph.node:
        for a in node.attribute:
            for g in ([a.g] if a.HasField("g") else []) + list(a.graphs):
                yield from subgraphs(g)


def run(model, feed):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    s = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    ends = [[(v.name, v.type) for v in vs] for vs in (s.get_inputs(), s.get_outputs())]
    return s.run(None, feed), ends


def feed_of(path, dims):
    model, rng, feed = onnx.load(path), np.random.default_rng(1), {}
    weights = {t.name for t in model.graph.initializer}
    for i, v in enumerate(v for v in model.graph.input if v.name not in weights):
        given = f"{os.path.dirname(path)}/input_{i}.npy"
        shape = [d.dim_value if d.dim_value > 0 else dims.get(d.dim_param, 2) for d in v.type.tensor_type.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type)
        if os.path.exists(given):
            feed[v.name] = np.load(given)
        elif dtype.kind == "b":
            feed[v.name] = np.asarray(rng.random(shape) < 0.5)
        elif dtype.kind in "iu":
            feed[v.name] = np.asarray(rng.integers(0, 4, shape)).astype(dtype)
        else:
            feed[v.name] = np.asarray(rng.standard_normal(shape)).astype(dtype)
    return feed


def distance(want, got):
    worst = 0.0
    for a, b in zip(want, got):
        if not hasattr(a, "shape"):
            continue
        if a.shape != b.shape or (~np.isfinite(b.astype("f8")) & np.isfinite(a.astype("f8"))).any():
            return np.inf
        a, b = a.astype("f8"), b.astype("f8")
        if a.size:
            scale = 1e-3 + np.max(np.abs(a[np.isfinite(a)]), initial=0)
            worst = max(worst, float(np.max(np.where(a == b, 0, np.abs(a - b)))) / scale)
    return worst


def emulated(model):
    """float32 throughout, rounded through float16 wherever the model holds float16."""
    model = onnx.shape_inference.infer_shapes(onnx.inliner.inline_local_functions(model))

    def widen(tensor):
        if tensor.data_type == T.FLOAT16:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype("f4"), tensor.name))

    for g in subgraphs(model.graph):
        half = {v.name for v in [*g.value_info, *g.output] if v.type.tensor_type.elem_type == T.FLOAT16}
        for t in g.initializer:
            widen(t)
        nodes = []
        for n in g.node:
            for a in n.attribute:
                if a.HasField("t"):
                    widen(a.t)
                if a.name in FLOAT_ATTRIBUTES and a.i == T.FLOAT16:
                    a.i = T.FLOAT
            nodes.append(n)
            for k, o in enumerate(n.output):
                if o in half:
                    n.output[k] = o + "/wide"
                    nodes += [helper.make_node("Cast", [o + "/wide"], [o + "/half"], to=T.FLOAT16),
                              helper.make_node("Cast", [o + "/half"], [o], to=T.FLOAT)]
        del g.node[:]
        g.node.extend(nodes)
        for v in [*g.input, *g.output]:
            if v.type.tensor_type.elem_type == T.FLOAT16:
                v.type.tensor_type.elem_type = T.FLOAT
        del g.value_info[:]
    return model


def done(model, case):
    """Was the work done, whatever the numbers?"""
    nodes = [n for g in subgraphs(model.graph) for n in g.node] + [n for f in model.functions for n in f.node]
    if "batch_norms" in case and sum(n.op_type == "BatchNormalization" for n in nodes) != case["batch_norms"]:
        return False
    if "max_nodes" in case and len(model.graph.node) > case["max_nodes"]:
        return False
    if case.get("half"):
        inferred = onnx.shape_inference.infer_shapes(model).graph
        if not any(v.type.tensor_type.elem_type == T.FLOAT16 for v in inferred.value_info) and \
           not any(a.name == "to" and a.i == T.FLOAT16 for n in nodes if n.op_type == "Cast" for a in n.attribute):
            return False
    if case.get("static"):
        said = {v.name: v.type.tensor_type for v in [*model.graph.value_info, *model.graph.output]}
        for o in (o for n in model.graph.node for o in n.output if o):
            if o not in said or not said[o].HasField("shape") or \
               any(d.WhichOneof("value") != "dim_value" for d in said[o].shape.dim):
                return False
    return True


def right(folder, case, out, ran):
    if case.get("want") == "impossible":
        return not os.path.exists(out)
    if not ran or not os.path.exists(out):
        return False
    try:
        new, runnable = onnx.load(out), case.get("runnable", True)
        onnx.checker.check_model(new, full_check=runnable)
        if not done(new, case):
            return False
        if not runnable:
            return True
        feed, limit = feed_of(f"{folder}/model.onnx", case.get("dims", {})), case.get("rtol", 1e-4)
        want, ends = run(onnx.load(f"{folder}/model.onnx"), feed)
        got, new_ends = run(new, feed)
        if ends[1] != new_ends[1] or (not case.get("static") and ends[0] != new_ends[0]):
            return False
        return distance(want, got) <= limit and \
            (not case.get("emulate_fp16") or distance(want, run(emulated(new), feed)[0]) <= limit)
    except Exception:
        return False


# ---- the tools: (family of case, model, case, out) -> a command line, or None when it has no such rewrite ----

def shapes_of(model, case):
    """{input: sizes} that a fix-shapes case asks for, for tools that bind whole inputs."""
    options, shapes = case.get("options", []), {}
    dims = dict(o.split("=") for k, o in zip(options, options[1:]) if k == "--dim")
    given = dict(o.split("=") for k, o in zip(options, options[1:]) if k == "--input-shape")
    for v in onnx.load(model).graph.input:
        sizes = given[v.name].split(",") if v.name in given else \
            [str(d.dim_value) if d.dim_value > 0 else dims.get(d.dim_param, d.dim_param) for d in v.type.tensor_type.shape.dim]
        if sizes and all(s.isdigit() for s in sizes):
            shapes[v.name] = sizes
    return shapes


def python(code, *arguments):
    return [sys.executable, "-c", code, *arguments]


def onnxpert(family, model, case, out):
    return [sys.argv[1], "optimize", model, "-o", out, "--passes", case["passes"], *case.get("options", [])]


def onnxsim(family, model, case, out):
    shapes = shapes_of(model, case) if family == "shapes" else {}
    fixed = [f"{k}:{','.join(v)}" for k, v in shapes.items()]
    half = ["--fp16-quantize"] if family == "fp16" else []
    return [sys.executable, "-m", "onnxsim", model, out, *half, *(["--overwrite-input-shape", *fixed] if fixed else [])]


def onnxslim(family, model, case, out):
    shapes = shapes_of(model, case) if family == "shapes" else {}
    fixed = [f"{k}:{','.join(v)}" for k, v in shapes.items()]
    if family == "fp16":
        return None  # its --dtype fp16 changes the types of inputs and outputs: another request
    return [sys.executable, "-m", "onnxslim", model, out, *(["--input-shapes", *fixed] if fixed else [])]


def converter_common(family, model, case, out):
    if family == "fp16":
        return python("import sys,onnx;from onnxconverter_common import float16 as f;"
                      "onnx.save(f.convert_float_to_float16(onnx.load(sys.argv[1]),keep_io_types=True),sys.argv[2])", model, out)


def ort_helpers(family, model, case, out):
    if family == "fp16":
        return python("import sys,onnx;from onnxruntime.transformers.float16 import convert_float_to_float16 as f;"
                      "from onnxruntime.transformers.onnx_model import OnnxModel as M;"
                      "m=M(f(onnx.load(sys.argv[1]),keep_io_types=True));m.topological_sort();onnx.save(m.model,sys.argv[2])",
                      model, out)
    if family == "shapes":
        return python("import sys,onnx,json;from onnxruntime.tools.onnx_model_utils import make_input_shape_fixed as f,fix_output_shapes as g;"
                      "m=onnx.load(sys.argv[1]);[f(m.graph,k,list(map(int,v))) for k,v in json.loads(sys.argv[3]).items()];"
                      "g(m);onnx.save(onnx.shape_inference.infer_shapes(m),sys.argv[2])",
                      model, out, json.dumps(shapes_of(model, case)))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__.split("\n\n")[1])
    battery = sys.argv[2] if len(sys.argv) > 2 else "fixtures/battery"
    tools = {"onnxpert": (onnxpert, None), "onnxsim": (onnxsim, "onnxsim"), "OnnxSlim": (onnxslim, "onnxslim"),
             "onnxconverter-common": (converter_common, "onnxconverter_common"), "ONNX Runtime helpers": (ort_helpers, None)}
    print(f"{'':24}" + "".join(f"{f:>12}" for f in ("bn", "fp16", "shapes")))
    for name, (command, module) in tools.items():
        if len(sys.argv) > 3 and name != sys.argv[3]:
            continue
        if module and subprocess.run(python(f"import {module}"), capture_output=True).returncode:
            continue
        row = f"{name:24}"
        for family in ("bn", "fp16", "shapes"):
            good = total = 0
            for path in sorted(glob.glob(f"{battery}/{family}/*/case.json")):
                folder, case = os.path.dirname(path), json.load(open(path))
                with tempfile.TemporaryDirectory() as work:
                    out = f"{work}/out.onnx"
                    line = command(family, f"{folder}/model.onnx", case, out)
                    if line is None:
                        break
                    try:
                        ran = subprocess.run(line, capture_output=True, timeout=120).returncode == 0
                    except subprocess.TimeoutExpired:
                        ran = False
                    good, total = good + right(folder, case, out, ran), total + 1
            row += f"{f'{good}/{total}' if total else '-':>12}"
        print(row, flush=True)


main()
