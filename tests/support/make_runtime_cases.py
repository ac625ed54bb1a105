#!/usr/bin/env python3
"""Writes fixtures/runtime/node: single-node models with inputs and outputs of a real run.

usage: make_runtime_cases.py FOLDER

Operators that ONNX's own test data does not have: com.microsoft, ai.onnx.ml, old opsets.  Laid out as
libonnx-testdata is.  Not needed to build or test.  Needs (PyPI) onnx, onnxruntime, numpy.
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper, numpy_helper

MS, ML = "com.microsoft", "ai.onnx.ml"
rng = np.random.default_rng(1)
failed = []


def f(*shape):
    return rng.normal(0, 1, shape).astype(np.float32)


def u8(*shape):
    return rng.integers(0, 255, shape).astype(np.uint8)


def i8(*shape):
    return rng.integers(-100, 100, shape).astype(np.int8)


def ints(*v, dtype=np.int64):
    return np.array(v, dtype)


def s(v=0.5):
    return np.array(v, np.float32)


def zp(v=3, dtype=np.uint8):
    return np.array(v, dtype)


def case(name, op, inputs, n_out, domain="", opset=17, **attrs):
    names = ["" if x is None else f"i{k}" for k, x in enumerate(inputs)]
    outs = [f"o{k}" for k in range(n_out)]
    node = helper.make_node(op, names, outs, domain=domain, **attrs)
    vals = [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for n, x in zip(names, inputs) if n]
    graph = helper.make_graph([node], name, vals, [onnx.ValueInfoProto(name=o) for o in outs])
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(MS, 1), helper.make_opsetid(ML, 3)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    opt = ort.SessionOptions()
    opt.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    opt.log_severity_level = 4
    given = [x for x in inputs if x is not None]
    try:
        run = ort.InferenceSession(model.SerializeToString(), opt)
        got = run.run(None, {n: x for n, x in zip([n for n in names if n], given)})
    except Exception as e:  # an operator that this build of the runtime has not
        failed.append(f"{name}: {str(e)[:150]}")
        return
    folder = f"{sys.argv[1]}/{name}"
    os.makedirs(folder + "/test_data_set_0", exist_ok=True)
    for o, x in zip(model.graph.output, got):
        if hasattr(x, "dtype") and x.dtype != object:
            o.CopyFrom(helper.make_tensor_value_info(
                o.name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape))
    onnx.save(model, folder + "/model.onnx")
    for kind, arrays in (("input", given), ("output", got)):
        for k, x in enumerate(arrays):
            if hasattr(x, "dtype"):
                with open(f"{folder}/test_data_set_0/{kind}_{k}.pb", "wb") as out:
                    out.write(numpy_helper.from_array(x).SerializeToString())


def matmuls():
    a, b = f(2, 3, 4), f(2, 4, 5)
    case("fusedmatmul", "FusedMatMul", [a, b], 1, MS, alpha=0.5)
    case("fusedmatmul_trans", "FusedMatMul", [f(2, 4, 3), f(2, 5, 4)], 1, MS, transA=1, transB=1)
    case("fusedmatmul_batch", "FusedMatMul", [f(3, 2, 4), f(2, 4, 5)], 1, MS, transBatchA=1)
    case("fusedmatmul_vector", "FusedMatMul", [f(4), f(2, 4, 5)], 1, MS)
    case("fusedgemm", "FusedGemm", [f(4, 3), f(5, 4), f(5)], 1, MS, transA=1, transB=1,
         activation="Relu")
    case("matmulnbits", "MatMulNBits", [f(2, 3, 64), u8(8, 2, 16), f(8, 2)], 1, MS, K=64, N=8,
         bits=4, block_size=32)
    case("dynquantmatmul", "DynamicQuantizeMatMul", [f(2, 3, 4), i8(4, 5), s(), zp(1, np.int8), f(5)],
         1, MS)
    case("tofloat", "MatMulIntegerToFloat", [u8(3, 4), i8(4, 5), s(), s(), zp(), zp(1, np.int8), f(5)],
         1, MS)
    case("qgemm", "QGemm", [u8(3, 4), s(), zp(), i8(5, 4), s(), zp(0, np.int8),
                            np.arange(5, dtype=np.int32), s(), zp()], 1, MS, transB=1)
    case("qgemm_float", "QGemm", [u8(3, 4), s(), zp(), i8(4, 5), s(), zp(0, np.int8)], 1, MS)
    case("matmulinteger16", "MatMulInteger16", [i8(3, 4).astype(np.int16), i8(4, 2).astype(np.int16)],
         1, MS)
    case("einsum_implicit", "Einsum", [f(3, 4), f(4, 2)], 1, equation="bc,ca")
    case("einsum_dots", "Einsum", [f(5, 3, 4), f(4, 2)], 1, equation="...ij,jk->...ik")


def quantized():
    x, y = u8(2, 3, 4), u8(3, 1)
    for op in ("QLinearAdd", "QLinearMul"):
        case(op.lower(), op, [x, s(), zp(), y, s(), zp(), s(), zp()], 1, MS)
    for op in ("QLinearSigmoid", "QLinearLeakyRelu"):
        case(op.lower(), op, [x, s(), zp(), s(), zp()], 1, MS)
    case("qlinearconcat", "QLinearConcat", [s(), zp(), x, s(), zp(), u8(2, 5, 4), s(), zp()], 1, MS,
         axis=1)
    case("qlinearavgpool", "QLinearAveragePool", [u8(1, 3, 7, 7), s(), zp(), s(), zp()], 1, MS,
         kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    case("qlinearglobal", "QLinearGlobalAveragePool", [u8(1, 3, 7, 5), s(), zp(), s(), zp()], 1, MS)
    case("qlinearglobal_last", "QLinearGlobalAveragePool", [u8(1, 7, 5, 3), s(), zp(), s(), zp()], 1,
         MS, channels_last=1)
    case("nhwcmaxpool", "NhwcMaxPool", [u8(1, 7, 7, 3)], 1, MS, kernel_shape=[3, 3], strides=[2, 2],
         pads=[1, 1, 1, 1])
    case("qlinearwhere", "QLinearWhere", [np.array([[True], [False]]), u8(2, 3), s(), zp(), u8(1, 3),
                                          s(), zp(), s(), zp()], 1, MS)
    case("qlinearconv_last", "QLinearConv",
         [u8(1, 7, 8, 3), s(), zp(), i8(4, 3, 3, 3), s(), zp(0, np.int8), s(), zp()], 1, MS,
         channels_last=1, strides=[2, 1])


def networks():
    case("fusedconv", "FusedConv", [f(1, 3, 8, 9), f(4, 3, 3, 3), f(4)], 1, MS, activation="Relu",
         strides=[2, 2], pads=[1, 1, 0, 0])
    case("biasgelu", "BiasGelu", [f(2, 3, 4), f(4)], 1, MS)
    for op in ("Gelu", "FastGelu", "QuickGelu"):
        case("ms_" + op.lower(), op, [f(2, 3)], 1, MS)
    x, g = f(2, 3, 8), f(8)
    case("skiplayernorm", "SkipLayerNormalization", [x, x, g, g, g], 4, MS)
    case("skiplayernorm_one", "SkipLayerNormalization", [x, x, g], 1, MS)
    case("skipsimplified", "SkipSimplifiedLayerNormalization", [x, x, g], 4, MS)
    case("simplified", "SimplifiedLayerNormalization", [x, g], 2)
    case("embed", "EmbedLayerNormalization",
         [np.zeros((2, 3), np.int32), np.zeros((2, 3), np.int32), f(9, 8), f(4, 8), f(2, 8), g, g,
          np.ones((2, 3), np.int32)], 3, MS)
    case("rotary_ms", "RotaryEmbedding", [f(2, 3, 16), np.zeros((2, 3), np.int64), f(6, 4), f(6, 4)],
         1, MS)
    case("expanddims", "ExpandDims", [f(2, 3), np.array([-1], np.int32)], 1, MS)
    case("unfold", "UnfoldTensor", [f(2, 9)], 1, MS, dim=-1, size=4, step=2)
    case("cdist", "CDist", [f(3, 4), f(5, 4)], 1, MS)
    case("inverse", "Inverse", [f(2, 3, 3)], 1, MS)
    case("gathernbits", "GatherBlockQuantized", [u8(6, 32), ints(1, 4), f(6, 2)], 1, MS,
         gather_axis=0, quantize_axis=1, block_size=32, bits=4)


def attentions():
    case("attention_ms", "Attention", [f(2, 3, 8), f(8, 24), f(24)], 1, MS, num_heads=2)
    case("attention_past", "Attention", [f(2, 3, 8), f(8, 24), f(24), None, f(2, 2, 2, 5, 4)], 2, MS,
         num_heads=2, unidirectional=1)
    case("qattention", "QAttention", [u8(2, 3, 8), i8(8, 24), f(24), s(), s()], 1, MS, num_heads=2)
    case("mha", "MultiHeadAttention", [f(2, 3, 8), f(2, 5, 8), f(2, 5, 16)], 1, MS, num_heads=2)
    case("mha_past", "MultiHeadAttention",
         [f(2, 3, 8), f(2, 3, 8), f(2, 3, 8), None, None, None, f(2, 2, 4, 4), f(2, 2, 4, 4)], 3, MS,
         num_heads=2)
    case("gqa", "GroupQueryAttention",
         [f(1, 3, 32), f(1, 3, 16), f(1, 3, 16), f(1, 2, 0, 8), f(1, 2, 0, 8),
          ints(2, dtype=np.int32), np.array(3, np.int32)], 3, MS, num_heads=4, kv_num_heads=2)
    case("gqa_packed", "GroupQueryAttention",
         [f(1, 1, 64), None, None, f(1, 2, 5, 8), f(1, 2, 5, 8), ints(5, dtype=np.int32),
          np.array(6, np.int32)], 3, MS, num_heads=4, kv_num_heads=2)


def machines():
    x = f(3, 4)
    two, three = dict(classlabels_ints=[0, 1]), dict(classlabels_ints=[5, 6, 7])
    case("linearclassifier2", "LinearClassifier", [x], 2, ML, coefficients=[0.1] * 4,
         intercepts=[0.5], **two)
    case("linearclassifier3", "LinearClassifier", [x], 2, ML, coefficients=[0.1] * 12,
         intercepts=[0.5] * 3, **three)
    case("linearregressor", "LinearRegressor", [x], 1, ML, coefficients=[0.1] * 8, targets=2)
    tree = dict(nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
                nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_values=[0.5, 0.0, 0.0],
                nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0])
    case("treeclassifier", "TreeEnsembleClassifier", [x], 2, ML, class_treeids=[0, 0],
         class_nodeids=[1, 2], class_ids=[0, 2], class_weights=[1.0, 1.0],
         classlabels_int64s=[0, 1, 2], **tree)
    case("treeregressor", "TreeEnsembleRegressor", [x], 1, ML, target_treeids=[0, 0],
         target_nodeids=[1, 2], target_ids=[0, 1], target_weights=[1.0, 2.0], n_targets=2, **tree)
    svm = dict(kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], support_vectors=[0.1] * 12)
    case("svmregressor", "SVMRegressor", [x], 1, ML, coefficients=[0.1] * 3, n_supports=3, rho=[0.1],
         **svm)
    case("svmclassifier", "SVMClassifier", [x], 2, ML, coefficients=[0.1] * 6, rho=[0.1] * 3,
         vectors_per_class=[1, 1, 1], **three, **svm)
    case("svmclassifier4", "SVMClassifier", [x], 2, ML, coefficients=[0.1] * 12, rho=[0.1] * 6,
         vectors_per_class=[1, 1, 1, 1], classlabels_ints=[1, 2, 3, 4], kernel_type="LINEAR",
         kernel_params=[0.0, 0.0, 0.0], support_vectors=[0.1] * 16)
    case("svmprobability", "SVMClassifier", [x], 2, ML, coefficients=[0.1] * 12, rho=[0.1] * 6,
         vectors_per_class=[1, 1, 1, 1], classlabels_ints=[1, 2, 3, 4], kernel_type="LINEAR",
         prob_a=[0.1] * 6, prob_b=[0.1] * 6, kernel_params=[0.0] * 3, support_vectors=[0.1] * 16)
    case("scaler", "Scaler", [ints(1, 2, 3).reshape(1, 3)], 1, ML, offset=[0.0], scale=[2.0])
    case("normalizer", "Normalizer", [x], 1, ML, norm="L2")
    case("imputer", "Imputer", [x], 1, ML, imputed_value_floats=[1.0] * 4,
         replaced_value_float=0.0)
    case("binarizer", "Binarizer", [x], 1, ML, threshold=0.5)
    case("features", "FeatureVectorizer", [f(3, 2), f(3, 4)], 1, ML, inputdimensions=[2, 4])
    case("extract", "ArrayFeatureExtractor", [x, ints(1, 3)], 1, ML)
    case("extract_vector", "ArrayFeatureExtractor", [f(4), ints(1, 3)], 1, ML)
    case("labels", "LabelEncoder", [ints(1, 2, 9)], 1, ML, keys_int64s=[1, 2],
         values_floats=[0.5, 1.5])
    case("onehotencoder", "OneHotEncoder", [ints(1, 2, 3)], 1, ML, cats_int64s=[1, 2, 3, 4])


def old_opsets():
    x = f(1, 2, 4, 6)
    case("upsample7", "Upsample", [x], 1, opset=8, scales=[1.0, 1.0, 2.0, 1.5])
    case("upsample9", "Upsample", [x, np.array([1, 1, 2, 2.3], np.float32)], 1, opset=9)
    case("resize10", "Resize", [x, np.array([1, 1, 0.7, 0.35], np.float32)], 1, opset=10)
    case("resize11", "Resize", [x, f(0), np.array([1, 1, 0.7, 3.1], np.float32)], 1, opset=11)
    case("dropout7", "Dropout", [x], 2, opset=7)
    case("dropout10", "Dropout", [x], 2, opset=10)
    case("batchnorm7", "BatchNormalization", [x, f(2), f(2), f(2), f(2) ** 2], 1, opset=7)
    case("reducesum11", "ReduceSum", [x], 1, opset=11, axes=[1, -1], keepdims=0)
    case("reducesum13", "ReduceSum", [x, ints(1, -1)], 1, opset=13, keepdims=0)
    case("reducesum13_noop", "ReduceSum", [x], 1, opset=13, noop_with_empty_axes=1)
    case("softmax11", "Softmax", [x], 1, opset=11, axis=2)
    case("clip6", "Clip", [x], 1, opset=6 + 1, min=0.0, max=1.0)
    case("transpose_output_shape", "ConvTranspose", [x, f(2, 3, 3, 3)], 1, output_shape=[9, 13],
         strides=[2, 2])
    case("transpose_same", "ConvTranspose", [x, f(2, 3, 3, 3)], 1, auto_pad="SAME_UPPER",
         strides=[2, 3])
    case("transpose_all", "ConvTranspose", [x, f(2, 3, 3, 2), f(6)], 1, group=2, dilations=[2, 1],
         strides=[2, 3], output_padding=[1, 2], pads=[1, 0, 0, 1])
    for n in range(4, 14):
        case(f"maxpool_ceil_{n}", "MaxPool", [f(1, 1, n, n + 3)], 2, kernel_shape=[3, 2],
             strides=[2, 3], pads=[1, 0, 1, 1], dilations=[2, 1], ceil_mode=1)
        case(f"avgpool_ceil_{n}", "AveragePool", [f(1, 1, n)], 1, opset=19, kernel_shape=[2],
             strides=[3], pads=[1, 1], ceil_mode=1)
        case(f"maxpool_same_{n}", "MaxPool", [f(1, 1, n)], 1, kernel_shape=[4], strides=[3],
             auto_pad="SAME_LOWER")
    case("lstm_both", "LSTM", [f(5, 2, 3), f(2, 16, 3), f(2, 16, 4)], 3, hidden_size=4,
         direction="bidirectional")


for group in (matmuls, quantized, networks, attentions, machines, old_opsets):
    group()
print("\n".join(failed))
