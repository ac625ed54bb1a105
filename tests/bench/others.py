"""Rewrites a model with another tool: others.py TOOL MODEL OUT (for bench.sh; imports are counted)."""
import sys

tool, model, out = sys.argv[1:]
if tool == "onnxconverter-common":
    import onnx
    from onnxconverter_common import float16
    onnx.save(float16.convert_float_to_float16(onnx.load(model), keep_io_types=True), out)
elif tool == "onnxsim":
    import onnx
    import onnxsim
    new, ok = onnxsim.simplify(model)
    assert ok
    onnx.save(new, out)
elif tool == "onnxslim":
    import onnxslim
    onnxslim.slim(model, out)
else:
    sys.exit("others.py: no tool " + tool)
