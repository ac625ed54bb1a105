#!/usr/bin/env python3
"""Fits the constants of `--device host` to measurements, and says how far they are off on models
that they were not fitted to.

    tests/bench/accuracy.sh BUILD_FOLDER   with ACCURACY_KEEP=FOLDER   (measures, keeps its reports)
    tests/bench/fit_latency.py FOLDER... [--current] [--verbose]

FOLDER holds host.json (`devices host --format json`) and, for each model and pass, the report of
`verify` and what the latency is made of before and after (tests/support/latency_terms.c).  The
formula is that of src/analysis/latency.c, which the script checks.  Constants belong to classes of
operators; nothing depends on a model's name.  --current: the constants of the program, no fit.
Of several folders the quieter measurement of each pair counts, and
the faster profile of the host.  Needs numpy."""
import json
import os
import re
import sys

import numpy as np

CLASSES = ["conv", "depthwise", "matmul", "recurrent", "norm", "simple", "move"]
BOOKKEEPING = 1e-6
# Of the program (src/analysis/host.c); the fit starts here.
CURRENT = {
    "launch": 0.25e-6, "start_conv": 2.4e-6, "start_matmul": 2e-6, "start_recurrent": 13e-6,
    "efficiency_conv": 0.91, "efficiency_matmul": 0.88, "efficiency_recurrent": 0.42,
    "efficiency_simple": 0.028, "per_output": 50.0, "cached_share": 0.5, "memory_share": 0.4,
}
# No kernel is faster than the machine.  The shares of a copy's rate are held where kernels that do
# little else are found: these models alone would not tell them from the efficiency of simple nodes.
LIMITS = {"efficiency_conv": (0, 1), "efficiency_matmul": (0, 1), "efficiency_recurrent": (0, 1),
          "efficiency_simple": (0, 1), "cached_share": (0, 0.5), "memory_share": (0.4, 1)}
CACHE_A_THREAD = 8 << 20


class Terms:
    """The nodes of a few variants as columns, and which variant each belongs to."""

    def __init__(self, files):
        rows, self.of, self.projected = [], [], []
        for i, name in enumerate(files):
            for line in open(name):
                words = line.split()
                if words[0] == "projected":
                    self.projected.append(float(words[1]))
                else:
                    rows.append([CLASSES.index(words[0])] + [float(w) for w in words[1:]])
                    self.of.append(i)
        self.n = len(files)
        self.of = np.array(self.of)
        (self.cls, self.times, self.steps, self.ops, self.int_ops, self.products, self.weights,
         self.tensors, self.again, self.share, self.casts, self.converted,
         self.bookkeeping) = np.array(rows).T
        self.cls = self.cls.astype(int)

    def seconds(self, c, host):
        def bandwidth(moved):
            return np.where(moved < host["cache"], host["copy_cached"] * c["cached_share"],
                            host["copy"] * c["memory_share"])
        efficiency = np.array([c["efficiency_conv"], c["efficiency_conv"], c["efficiency_matmul"],
                               c["efficiency_recurrent"]] + [c["efficiency_simple"]] * 3)[self.cls]
        start = np.array([c["start_conv"], c["start_conv"], c["start_matmul"],
                          c["start_recurrent"], 0, 0, 0])[self.cls]
        launch = self.bookkeeping * min(c["launch"] / BOOKKEEPING, 1)
        casts = np.maximum(self.casts, 1)
        moved = 6 * self.converted
        launch = launch + self.casts * c["launch"] + moved / bandwidth(moved / casts)
        runs = self.times > 0
        launch = launch + runs * (c["launch"] * self.steps + start) * self.times
        around = 2 * c["per_output"] * self.products
        integers = self.int_ops > self.ops
        compute = ((self.ops + np.where(integers, 0, around)) / host["peak"] +
                   (self.int_ops + np.where(integers, around, 0)) / host["peak_int8"]) / efficiency
        moved = (self.tensors + self.weights + self.again * (self.steps - 1)) * self.share
        memory = moved / bandwidth(moved / np.maximum(self.times * self.steps, 1e-30))
        body = np.where(runs, np.maximum(compute, memory), 0)
        return np.bincount(self.of, body + launch, self.n)


def load(folders):
    """Variants (name, pass, files of terms, medians, verdict) and the host."""
    host, pairs = {}, {}
    for folder in folders:
        h = json.load(open(f"{folder}/host.json"))
        for key in ("peak", "peak_int8", "copy", "copy_cached"):
            host[key] = max(host.get(key, 0), h[key])
        host["cache"] = h["threads"] * CACHE_A_THREAD
        for name in sorted(os.listdir(folder)):
            found = re.fullmatch(r"(.*)-(fold-bn|fp16)\.json", name)
            if not found:
                continue
            on = json.load(open(f"{folder}/{name}"))["latency"]["runtime_optimization_on"]
            stem = f"{folder}/{name[:-5]}"
            pair = {"model": found[1], "pass": found[2],
                    "files": [f"{stem}.before", f"{stem}.after"],
                    "measured": [on["before_ms"] / 1e3, on["after_ms"] / 1e3],
                    "open": on["ratio_low"] <= 1 <= on["ratio_high"]}
            key = (pair["model"], pair["pass"])
            if key not in pairs or sum(pair["measured"]) < sum(pairs[key]["measured"]):
                pairs[key] = pair
    return [pairs[k] for k in sorted(pairs)], host


def residuals(pairs, terms, c, host):
    """log(projected / measured) of each variant, and of each change."""
    t = terms.seconds(c, host).reshape(-1, 2)
    m = np.array([p["measured"] for p in pairs])
    level = np.log(t / m)
    return level, level[:, 1] - level[:, 0]


def loss(pairs, terms, c, host):
    level, change = residuals(pairs, terms, c, host)
    robust = lambda e, width: np.sqrt(1 + (e / width) ** 2).sum()
    return robust(level, 0.15) + robust(change, 0.08)


def fit(pairs, host):
    """Pattern search in the logarithms of the constants: deterministic, no gradient."""
    terms = Terms([f for p in pairs for f in p["files"]])
    c = dict(CURRENT)
    best, step = loss(pairs, terms, c, host), 0.4
    while step > 0.01:
        improved = False
        for key in c:
            for factor in (np.exp(step), np.exp(-step)):
                trial = dict(c)
                low, high = LIMITS.get(key, (0, np.inf))
                trial[key] = min(max(trial[key] * factor, low), high)
                value = loss(pairs, terms, trial, host)
                if value < best - 1e-9:
                    c, best, improved = trial, value, True
        if not improved:
            step /= 2
    return c


def off(level):
    return np.exp(np.abs(level)) - 1


def report(title, level):
    e = np.sort(off(np.asarray(level).ravel()))
    q = lambda p: e[min(len(e) - 1, int(p * len(e)))]
    print(f"{title}: {len(e)} figures, median error {100 * np.median(e):.0f} %, 75th percentile "
          f"{100 * q(.75):.0f} %, 90th {100 * q(.9):.0f} %, largest {100 * e[-1]:.0f} %")


def signs(title, pairs, change):
    right = small = none = wrong = 0
    bad = []
    for p, e in zip(pairs, change):
        measured = p["measured"][1] / p["measured"][0] - 1
        projected = (1 + measured) * np.exp(e) - 1
        if abs(projected) < 0.03 and (abs(measured) < 0.03 or p["open"]):
            small += 1
        elif projected * measured > 0 and not p["open"]:
            right += 1
        else:
            wrong += 1
            bad.append(f"{p['model']} {p['pass']}: {100 * projected:+.1f} % projected, "
                       f"{100 * measured:+.1f} % measured"
                       f"{' (the interval holds 0)' if p['open'] else ''}")
    print(f"{title}: sign right in {right}, both within 3 % or nothing "
          f"measured in {small}, neither in {wrong} of {len(pairs)}")
    for line in bad:
        print("   ", line)


def held_out(pairs, host, groups, title):
    levels, changes, kept = [], [], []
    for group in groups:
        c = fit([p for p in pairs if p["model"] not in group], host)
        rest = [p for p in pairs if p["model"] in group]
        level, change = residuals(rest, Terms([f for p in rest for f in p["files"]]), c, host)
        levels += list(level.ravel())
        changes += list(change)
        kept += rest
    report(title, levels)
    signs(title, kept, changes)


def check_formula(terms):
    """The formula here and the program's agree on a made-up machine."""
    host = {"peak": 2e11, "peak_int8": 8e11, "copy": 4e10, "copy_cached": 1e11,
            "cache": 2 * CACHE_A_THREAD}
    ours = terms.seconds(CURRENT, host)
    worst = np.max(np.abs(ours / np.array(terms.projected) - 1))
    if worst > 1e-6:
        sys.exit(f"fit_latency.py: its formula or constants are not the program's: {worst:.2g} off")


def main():
    pairs, host = load([a for a in sys.argv[1:] if not a.startswith("--")])
    terms = Terms([f for p in pairs for f in p["files"]])
    check_formula(terms)
    level, change = residuals(pairs, terms, CURRENT, host)
    report("The program's constants", level)
    signs("The program's constants", pairs, change)
    if "--verbose" in sys.argv:
        for p, l, d in zip(pairs, level, change):
            print(f"{p['model']:20s} {p['pass']:8s} ratio {np.exp(l[0]):.2f} {np.exp(l[1]):.2f}  change measured "
                  f"{100 * (p['measured'][1] / p['measured'][0] - 1):+6.1f} projected "
                  f"{100 * (p['measured'][1] / p['measured'][0] * np.exp(d) - 1):+6.1f}")
    if "--current" in sys.argv:
        return
    c = fit(pairs, host)
    print("Fitted to all:", ", ".join(f"{k} {v:.3g}" for k, v in c.items()))
    level, change = residuals(pairs, terms, c, host)
    report("Fitted to all", level)
    signs("Fitted to all", pairs, change)
    models = sorted({p["model"] for p in pairs})
    held_out(pairs, host, [models[0::2], models[1::2]], "Fitted to the other half")
    held_out(pairs, host, [[m] for m in models], "Each model left out of the fit")


if __name__ == "__main__":
    main()
