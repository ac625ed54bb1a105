"""Percentages by folder and file, and what is left, of what gcovr counted.

usage: coverage.py COUNTS.json FOLDER      writes FOLDER/summary.txt and FOLDER/left.txt
"""
import collections
import json
import os
import sys


def spans(numbers):
    """1 2 3 7 -> '1-3, 7'"""
    out = []
    for n in numbers:
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


def row(name, c):
    def part(hit, all_):
        return f"{hit:6d} of {all_:6d} {100 * hit / all_ if all_ else 100:6.1f} %"
    return f"{name:40s} lines {part(c[0], c[1])}   branches {part(c[2], c[3])}\n"


def main():
    counts, folder = sys.argv[1:]
    files, folders, total = {}, collections.defaultdict(lambda: [0] * 4), [0] * 4
    with open(os.path.join(folder, "left.txt"), "w", encoding="utf-8") as left:
        for file in sorted(json.load(open(counts, encoding="utf-8"))["files"], key=lambda f: f["file"]):
            lines = [l for l in file["lines"] if not l.get("gcovr/noncode")]
            branches = [b for l in lines for b in l["branches"]]
            c = [sum(l["count"] > 0 for l in lines), len(lines),
                 sum(b["count"] > 0 for b in branches), len(branches)]
            name = file["file"]
            files[name] = c
            for sum_ in (total, folders[os.path.dirname(name)]):
                for i in range(4):
                    sum_[i] += c[i]
            no_line = [l["line_number"] for l in lines if not l["count"]]
            no_branch = [l["line_number"] for l in lines
                         if l["count"] and any(not b["count"] for b in l["branches"])]
            if no_line or no_branch:
                left.write(f"{name}: lines {spans(no_line) or 'none'}; "
                           f"branches of lines {spans(no_branch) or 'none'}\n")
    with open(os.path.join(folder, "summary.txt"), "w", encoding="utf-8") as summary:
        for name in sorted(folders):
            summary.write(row(name + "/", folders[name]))
        summary.write(row("all", total))
    with open(os.path.join(folder, "files.txt"), "w", encoding="utf-8") as out:
        for name in files:
            out.write(row(name, files[name]))


main()
