#!/usr/bin/env python3
"""Takes one check of the trust boundary away at a time and sees that some test then fails.

usage: tests/mutate.py SCRATCH_FOLDER [REGEX]    REGEX: only the mutations whose "FILE: OLD" it matches

tests/mutations.txt lists them: "@ FILE", "- OLD", "+ NEW", where OLD occurs once in FILE ("+" may be
empty, \\n is the end of a line).  "% wire load" names the unit tests that are built and run first.  The tree is copied to SCRATCH_FOLDER and built there.  Exit status 1 when a mutation survives.
"""
import os, re, shutil, subprocess, sys

QUICK = r"^(unit\.(wire|load|external|save|utf8|sandbox|ctx|rules|tensor|verify|infer|report))$|^cli\.errors$"
SLOW = [r"^hostile\.(wire|nesting|names|external|tensors)$", r"^(hostile\.(rules|operators|graphs|passes)|faults\.(write|interrupt|read)|fuzz\..*|cli\.(advise|calls|commands|formats|fp16|functions|redact|rule.*|several|shapes|system|verify))$"]
TARGETS = ["onnxpert", "make_cases", "hostile_run", "fault_shim", "fault_loop", "fill_weights", "refuse"] + [
    "test_" + t for t in "wire load external save utf8 sandbox ctx rules tensor verify infer report".split()] + [
    "fuzz_%s_replay" % t for t in "load analyze passes rules arrays texts external".split()]


def read(path):
    found, at, first = [], None, ""
    for line in open(path, encoding="utf-8"):
        line = line.rstrip("\n")
        if line[:2] == "@ ":
            at = line[2:]
        elif line[:2] == "% ":
            first = line[2:]
        elif line[:2] == "- ":
            found.append([at, line[2:].replace("\\n", "\n"), "", first.split()])
        elif line[:1] == "+":
            found[-1][2] = line[2:].replace("\\n", "\n")
    return found


def run(*command, cwd=None):
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


def killer(build, stages):
    """The first test that fails, or None."""
    for tests in stages:
        r = run("ctest", "--test-dir", build, "-R", tests, "--stop-on-failure", "-j2", "--timeout", "120")
        for line in r.stdout.splitlines():
            if "***" in line and "Skipped" not in line:
                return line.split(":")[1].split()[0] if ":" in line else line
    return None


def main():
    top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    scratch, only = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    build = os.path.join(scratch, "build")
    files = run("git", "ls-files", cwd=top).stdout.split("\n")
    for f in filter(None, files):
        to = os.path.join(scratch, f)
        os.makedirs(os.path.dirname(to), exist_ok=True)
        old = open(to, "rb").read() if os.path.exists(to) else None
        new = open(os.path.join(top, f), "rb").read()
        if old != new:
            open(to, "wb").write(new)
            shutil.copymode(os.path.join(top, f), to)
    launcher = ["-DCMAKE_C_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    if run("cmake", "-S", scratch, "-B", build, *launcher).returncode:
        sys.exit("cannot configure")
    survived = 0
    for path, old, new, first in [["", "", "", []]] + read(os.path.join(top, "tests", "mutations.txt")):
        if path and not re.search(only, path + ": " + old):
            continue
        full = os.path.join(scratch, path)
        text = open(full, encoding="utf-8").read() if path else ""
        if path and text.count(old) != 1:
            print("STALE    %s: %d times: %s" % (path, text.count(old), old), flush=True)
            survived += 1
            continue
        if path:
            open(full, "w", encoding="utf-8").write(text.replace(old, new))
        who = None
        for targets, stages in [(["test_" + t for t in first], [r"^unit\.(%s)$" % "|".join(first)])] * bool(first) + [
                (TARGETS, [QUICK] + SLOW)]:
            r = run("cmake", "--build", build, "-j2", "--target", *targets)
            who = who or ("compiler" if r.returncode else killer(build, stages))
            if who:
                break
        if path:
            open(full, "w", encoding="utf-8").write(text)
            survived += who in (None, "compiler")
            print("%s %s: %s" % ("killed   " if who else "SURVIVED ", path, old.strip()) + (" [%s]" % who if who else ""), flush=True)
        elif who:
            sys.exit("without any change: " + who + "\n" + r.stdout[-2000:])
    sys.exit(survived != 0)


main()
