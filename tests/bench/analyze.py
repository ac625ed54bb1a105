#!/usr/bin/env python3
"""Analysis beside other tools, as ratios of one run.

usage: VENV/bin/python tests/bench/analyze.py build/onnxpert [MODEL...]

Each tool is a process of its own, best of five; for one that fails (or is not installed) the last line
of what it says is printed.  Default models: the full-size networks of fixtures/skeletons, with made-up
weights beside them (but for the largest), and a chain of 10,000 nodes.  Processor time (user and system)
and peak memory as the kernel counted them.
"""
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SKELETONS = os.path.join(HERE, "..", "..", "fixtures", "skeletons")
TOO_LARGE = ("llama3_8b",)  # 32 GB of weights: it stays without
TIMEOUT, SLOW = 300, 10  # seconds; what takes longer than SLOW runs once
TOOLS = {
    "(importing onnx)": "import onnx",
    "onnx infer_shapes": "import onnx,sys; onnx.shape_inference.infer_shapes("
                         "onnx.load(sys.argv[1], load_external_data=False))",
    "OnnxSlim (inspect)": "import onnxslim.cli,sys; from onnxslim.utils import summarize_model; import onnx;"
                          "summarize_model(onnx.load(sys.argv[1], load_external_data=False), 'm')",
    "onnxsim": "import onnxsim,sys; assert onnxsim.simplify(sys.argv[1])[1]",
    "haoline": "import sys; from haoline import ModelInspector; ModelInspector().inspect(sys.argv[1])",
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


def first_run(command):
    """Peak MB of a first run, and how it failed ("" when it did not)."""
    try:
        done = subprocess.run(["/usr/bin/time", "-f", "%M"] + command, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return 0, f"not done after {TIMEOUT} s"
    said = [line for line in done.stderr.splitlines() if line.strip()]
    memory = int(said[-1]) / 1024
    if done.returncode in (0, 3):
        return memory, ""
    reasons = [line for line in said[:-1] if not line.startswith("Command ")]
    return memory, re.sub(r"/\S*/", "", reasons[-1])[:110] if reasons else f"exit {done.returncode}"


def run(command):
    """Processor seconds of the best of five runs, peak MB, and why it failed or ""."""
    memory, failure = first_run(command)
    best, runs = None, 0
    while not failure and (runs == 0 or (runs < 5 and best < SLOW)):
        pid = os.posix_spawn(command[0], command, os.environ, file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)])
        used = os.wait4(pid, 0)[2]
        seconds = used.ru_utime + used.ru_stime
        best = seconds if best is None else min(best, seconds)
        runs += 1
    return best, memory, failure


def with_weights(program, name, folder):
    """The skeleton with made-up weights beside it where they fit, else as it is."""
    skeleton = os.path.join(SKELETONS, name, "model.onnx")
    if name in TOO_LARGE:
        return skeleton
    out = os.path.join(folder, name, "model.onnx")
    os.mkdir(os.path.dirname(out))
    subprocess.run([os.path.join(os.path.dirname(program), "tests", "fill_weights"), skeleton, out],
                   check=True)
    return out


def main():
    program, models = os.path.abspath(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        if not models:
            models = [with_weights(program, n, folder)
                      for n in ("resnet18", "yolov8l", "bert_qa", "llama3_8b")]
            models.append(os.path.join(folder, "chain.onnx"))
            subprocess.run([sys.executable, "-c", CHAIN, models[-1]], check=True)
        print("| model | tool | processor time | times ours | peak memory |\n|---|---|---|---|---|")
        for path in models:
            name = os.path.basename(os.path.dirname(path)) if "model.onnx" in path else "10,000 nodes"
            ours, memory, failure = run([program, "analyze", path])
            if failure:
                sys.exit(f"{path}: {failure}")
            print(f"| {name} | onnxpert analyze | {ours * 1e3:.0f} ms | 1 | {memory:.0f} MB |", flush=True)
            for tool, code in TOOLS.items():
                seconds, memory, failure = run([sys.executable, "-c", code, path])
                text = (f"fails: {failure} | - | -" if failure else
                        f"{seconds * 1e3:.0f} ms | {seconds / ours:.0f} | {memory:.0f} MB")
                print(f"| {name} | {tool} | {text} |", flush=True)


if __name__ == "__main__":
    main()
