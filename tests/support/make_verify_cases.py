#!/usr/bin/env python3
"""Writes models of fixtures/verify: roles of inputs, outputs that labels speak of, rewrites gone wrong.

usage: make_verify_cases.py FOLDER

Not needed to build or test.  Needs (PyPI) onnx, numpy.
"""
import sys

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper


def table(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


def value(name, t, *dims):
    return h.make_tensor_value_info(name, t, dims)


def save(name, nodes, inputs, outputs, constants=(), functions=(), opsets=()):
    graph = h.make_graph(nodes, name, inputs, outputs, initializer=list(constants))
    imports = [h.make_opsetid("", 17), *opsets]
    model = h.make_model(graph, opset_imports=imports, ir_version=8, functions=list(functions))
    onnx.save(model, f"{sys.argv[1]}/{name}.onnx")


def roles():
    """Every input is read; what by is what its role depends on."""
    inputs, nodes, outputs, constants = [], [], [], []

    def reads(name, t, *dims, by=None):
        inputs.append(value(name, t, *dims))
        outputs.append(h.make_tensor_value_info(f"{name}_out", T.FLOAT if by else t, None))
        for n in by or [h.make_node("Identity", [name], [f"{name}_out"])]:
            nodes.append(n)

    def gather(name, rows, t=T.INT64, axis=0, shape=None):
        constants.append(table(f"{name}_table", *(shape or (rows, 2))))
        return [h.make_node("Gather", [f"{name}_table", name], [f"{name}_out"], axis=axis)]

    reads("chw", T.FLOAT, 1, 3, 8, 8)
    reads("hwc", T.FLOAT, 1, 8, 9, 1)
    reads("small", T.FLOAT, 1, 3, 8, 4)
    reads("many_channels", T.FLOAT, 1, 64, 8, 8)
    reads("probabilities", T.FLOAT, 1, 5)
    reads("float_mask", T.FLOAT, 1, 5)
    reads("int_mask", T.INT64, 2, 5)
    reads("padding_mask", T.BOOL, 2, 5)
    reads("flag", T.BOOL, 2, 5)
    reads("position_rows", T.INT64, 1, 6, by=gather("position_rows", 7))
    reads("position_free", T.INT32, 1, 6)
    reads("token_type_ids", T.INT64, 1, 6, by=gather("token_type_ids", 1))
    reads("segment", T.INT64, 1, 6)
    reads("last_axis", T.INT64, 1, 6, by=gather("last_axis", 0, axis=-1, shape=(3, 5)))
    reads("plain_int", T.INT64, 1, 6)
    reads("seq_len", T.INT32, 1)
    constants.append(numpy_helper.from_array(np.array([6], np.int64), "flat"))
    constants.append(table("ids_small", 5, 2))
    reads("ids", T.INT64, 1, 6, by=[h.make_node("Reshape", ["ids", "flat"], ["ids_flat"])] + [
        h.make_node("Gather", ["ids_small", "ids_flat"], ["ids_more"])] + gather("ids", 9))
    # Inside: a branch captures, a loop carries, a function takes.
    constants.append(table("if_table", 11, 2))
    constants.append(numpy_helper.from_array(np.array(True), "yes"))
    then = h.make_graph([h.make_node("Gather", ["if_table", "if_ids"], ["t"])], "then", [],
                        [value("t", T.FLOAT, "a", "b", "c")])
    other = h.make_graph([h.make_node("Gather", ["if_table", "if_ids"], ["e"])], "else", [],
                         [value("e", T.FLOAT, "a", "b", "c")])
    reads("if_ids", T.INT64, 1, 6, by=[
        h.make_node("If", ["flag_one"], ["if_ids_out"], then_branch=then, else_branch=other)])
    reads("flag_one", T.BOOL)
    body = h.make_graph(
        [h.make_node("Gather", ["loop_table", "carried"], ["seen"]),
         h.make_node("Identity", ["carried"], ["carry"]), h.make_node("Identity", ["on"], ["go"])],
        "body", [value("i", T.INT64), value("on", T.BOOL), value("carried", T.INT64, 1, 6)],
        [value("go", T.BOOL), value("carry", T.INT64, 1, 6), value("seen", T.FLOAT, 1, 6, 2)])
    constants.append(table("loop_table", 13, 2))
    constants.append(numpy_helper.from_array(np.array(2, np.int64), "twice"))
    reads("loop_ids", T.INT64, 1, 6, by=[
        h.make_node("Loop", ["twice", "yes", "loop_ids"], ["loop_carry", "loop_ids_out"], body=body)])
    constants.append(table("call_table", 17, 2))
    lookup = h.make_function("local", "Lookup", ["rows", "at"], ["found"],
                             [h.make_node("Gather", ["rows", "at"], ["found"])],
                             [h.make_opsetid("", 17)])
    reads("call_ids", T.INT64, 1, 6, by=[
        h.make_node("Lookup", ["call_table", "call_ids"], ["call_ids_out"], domain="local")])
    save("roles", nodes, inputs, outputs, constants, [lookup], [h.make_opsetid("local", 1)])


def weights(*shape):
    return np.random.default_rng(5).normal(0, 1, shape).astype(np.float32)


def tasks():
    x = value("x", T.FLOAT, "N", 8)
    w = numpy_helper.from_array(weights(8, 1), "w")
    save("binary", [h.make_node("MatMul", ["x", "w"], ["s"]), h.make_node("Sigmoid", ["s"], ["y"])],
         [x], [value("y", T.FLOAT, "N", 1)], [w])
    save("logits", [h.make_node("MatMul", ["x", "w"], ["y"])], [x], [value("y", T.FLOAT, "N", 1)], [w])
    w3 = numpy_helper.from_array(weights(8, 3), "w")
    save("classes", [h.make_node("MatMul", ["x", "w"], ["s"]),
                     h.make_node("ArgMax", ["s"], ["y"], axis=1, keepdims=0)],
         [x], [value("y", T.INT64, "N")], [w3])
    save("words", [h.make_node("Cast", ["x"], ["y"], to=T.STRING)], [x],
         [value("y", T.STRING, "N", 8)])
    axes = numpy_helper.from_array(np.array([0], np.int64), "axes")
    save("cube", [h.make_node("Unsqueeze", ["x", "axes"], ["y"])], [x],
         [value("y", T.FLOAT, 1, "N", 8)], [axes])


def rewrites():
    x, y = value("x", T.FLOAT, "N", 8), value("y", T.FLOAT, "N", 8)
    tiny = numpy_helper.from_array(np.array(1e-9, np.float32), "tiny")
    huge = numpy_helper.from_array(np.array(1e9, np.float32), "huge")
    save("shrink", [h.make_node("Mul", ["x", "tiny"], ["b"]), h.make_node("Mul", ["b", "huge"], ["y"])],
         [x], [y], [tiny, huge])
    save("shrunk", [h.make_node("Mul", ["x", "tiny"], ["f"]),
                    h.make_node("Cast", ["f"], ["g"], to=T.FLOAT16),
                    h.make_node("Cast", ["g"], ["b"], to=T.FLOAT),
                    h.make_node("Mul", ["b", "huge"], ["y"])], [x], [y], [tiny, huge])
    save("two_outputs", [h.make_node("Relu", ["x"], ["y"]), h.make_node("Abs", ["x"], ["z"])], [x],
         [y, value("z", T.FLOAT, "N", 8)])
    save("one_output", [h.make_node("Relu", ["x"], ["y"])], [x], [y])
    save("int_input", [h.make_node("Cast", ["x"], ["y"], to=T.FLOAT)],
         [value("x", T.INT64, "N", 8)], [y])
    save("int_output", [h.make_node("Cast", ["x"], ["y"], to=T.INT64)], [x],
         [value("y", T.INT64, "N", 8)])
    save("two_inputs", [h.make_node("Add", ["x", "x2"], ["y"])], [x, value("x2", T.FLOAT, "N", 8)],
         [y])
    save("empty", [h.make_node("Compress", ["x", "none"], ["y"], axis=1)], [x],
         [value("y", T.FLOAT, "N", "M")],
         [numpy_helper.from_array(np.zeros(8, bool), "none")])


roles()
tasks()
rewrites()
