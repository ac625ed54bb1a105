#!/usr/bin/env python3
"""Analysis beside other tools, as ratios of one run.

usage: VENV/bin/python tests/bench/analyze.py build/onnxpert [MODEL...]

Each tool is a process of its own, best of five; what is not installed is left out.  Default models:
the full-size networks of fixtures/skeletons and a chain of 10,000 nodes.  Processor time (user and
system) and peak memory as the kernel counted them.
"""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SKELETONS = os.path.join(HERE, "..", "..", "fixtures", "skeletons")
TOOLS = {
    "(importing onnx)": "import onnx",
    "onnx infer_shapes": "import onnx,sys; onnx.shape_inference.infer_shapes("
                         "onnx.load(sys.argv[1], load_external_data=False))",
    "OnnxSlim (inspect)": "import onnxslim.cli,sys; from onnxslim.utils import summarize_model; import onnx;"
                          "summarize_model(onnx.load(sys.argv[1], load_external_data=False), 'm')",
    "onnx-tool profile": "import onnx_tool,sys; m=onnx_tool.Model(sys.argv[1]); m.graph.shape_infer();"
                         "m.graph.profile()",
}


# In a process of its own: what this one has in memory would count as the others' peak.
CHAIN = """
import onnx, sys
from onnx import helper as h
n = 10000
nodes = [h.make_node("Relu", [f"x{i}"], [f"x{i + 1}"]) for i in range(n)]
ends = [h.make_tensor_value_info(f"x{i}", 1, ["N", 64]) for i in (0, n)]
graph = h.make_graph(nodes, "chain", ends[:1], ends[1:])
onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), sys.argv[1])
"""


def run(command):
    """Processor seconds of the best of five runs and peak MB, or None when it fails."""
    memory = subprocess.run(["/usr/bin/time", "-f", "%M"] + command, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True).stderr.split()[-1]
    best = None
    for _ in range(5):
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
        _, status, used = os.wait4(pid, 0)
        if status not in (0, 3 << 8):
            return None
        seconds = used.ru_utime + used.ru_stime
        best = seconds if best is None else min(best, seconds)
    return best, int(memory) / 1024


def main():
    program, models = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        if not models:
            models = [os.path.join(SKELETONS, n, "model.onnx")
                      for n in ("resnet18", "bert_qa", "yolov8l", "llama3_8b")]
            models.append(os.path.join(folder, "chain.onnx"))
            subprocess.run([sys.executable, "-c", CHAIN, models[-1]], check=True)
        print("| model | tool | processor time | times ours | peak memory |\n|---|---|---|---|---|")
        for path in models:
            name = os.path.basename(os.path.dirname(path)) if "model.onnx" in path else "10,000 nodes"
            ours = run([program, "analyze", path])
            print(f"| {name} | onnxpert analyze | {ours[0] * 1e3:.0f} ms | 1 | {ours[1]:.0f} MB |", flush=True)
            for tool, code in TOOLS.items():
                r = run([sys.executable, "-c", code, path])
                text = f"{r[0] * 1e3:.0f} ms | {r[0] / ours[0]:.0f} | {r[1]:.0f} MB" if r else "fails | - | -"
                print(f"| {name} | {tool} | {text} |", flush=True)


if __name__ == "__main__":
    main()
