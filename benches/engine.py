#!/usr/bin/env python3
"""The engine beside ninja and b3sum: the same graphs, the same files, one after the other, CPU seconds as ratios.

    cargo build --release
    python3 benches/engine.py [--retake target/release/retake] [--rounds 7] [--only no-op,cold,hash,large]

Needs `ninja` and `b3sum` in the PATH (Debian: `apt-get install ninja-build b3sum`). What is measured:

- no-op: 10,000 nodes, nothing changed, written out as 10,000 stages and as a matrix of five stages (`retake run`,
  `ninja`); then the long way, without the index that tells at a glance (`retake status --json`).
- cold: 1,000 trivial commands from an empty store (`-j` of both: the number of cores).
- hash: 20,000 files of 3 KiB as one folder, and one file of 2 GiB (`retake status`, `b3sum`), nothing remembered.
- large: no-op of 100,000 nodes and of a chain of 100,000.

A ratio is the median over rounds of (CPU seconds of retake / CPU seconds of the other), both from the same round.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def measured(command, folder, env=None):
    """CPU seconds (user + system, children too), wall seconds and peak MiB of a command that must end well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, wall, usage.ru_maxrss / 1024


def compare(what, ours, theirs, rounds, reset=lambda: None):
    """Runs both in turn and prints how they compare."""
    pairs = []
    for _ in range(rounds):
        reset()
        pairs.append((ours(), theirs()))
    ratio = statistics.median(mine[0] / max(other[0], 1e-6) for mine, other in pairs)
    mine = [statistics.median(column) for column in zip(*(pair[0] for pair in pairs))]
    other = [statistics.median(column) for column in zip(*(pair[1] for pair in pairs))]
    print(
        f"{what:34} {ratio:5.2f}x   {mine[0]:8.3f} s {mine[1]:8.3f} s {mine[2]:6.0f} MiB"
        f"   {other[0]:8.3f} s {other[1]:8.3f} s {other[2]:6.0f} MiB",
        flush=True,
    )


STAGES = [("aug", {"data": "pre"}), ("train", {"data": "aug"}), ("eval", {"model": "train", "data": "aug"})]
STAGES += [("report", {"scores": "eval", "model": "train"})]


def written_out(folder, nodes):
    """One preprocess and nodes / 4 times (augment, train, eval, report), each stage by itself; for both tools."""
    os.makedirs(f"{folder}/ninja")
    with open(f"{folder}/pipeline.yaml", "w") as yaml, open(f"{folder}/ninja/build.ninja", "w") as ninja:
        yaml.write("name: gan\nstages:\n")
        ninja.write("rule write\n  command = printf %s $text > $out\n")

        def stage(name, inputs):
            text = f"{name:.<24}"[:24]
            sources = ", ".join(f"{key}: {value}" for key, value in inputs.items())
            yaml.write(
                f"  {name}: {{kind: command, inputs: {{{sources}}},"
                f' with: {{run: "printf %s {text} > out/t", outputs: {{t: t}}}}}}\n'
            )
            needs = " ".join(f"{value}.out" for value in inputs.values())
            ninja.write(f"build {name}.out: write {needs}\n  text = {text}\n")

        stage("pre", {})
        for index in range(nodes // 4):
            for name, inputs in STAGES:
                here = {key: value if value == "pre" else f"{value}{index}" for key, value in inputs.items()}
                stage(f"{name}{index}", here)


def matrix(folder, nodes):
    """The same graph as five stages with an axis, for retake alone."""
    os.makedirs(folder)
    with open(f"{folder}/pipeline.yaml", "w") as yaml:
        yaml.write('name: gan\nstages:\n  pre: {kind: command, with: {run: "printf pre > out/t", outputs: {t: t}}}\n')
        for name, inputs in STAGES:
            sources = ", ".join(f"{key}: {value}" for key, value in inputs.items())
            axis = f"matrix: {{i: [{', '.join(map(str, range(nodes // 4)))}]}}, " if name == "aug" else ""
            yaml.write(
                f"  {name}: {{kind: command, inputs: {{{sources}}}, {axis}"
                f'with: {{run: "printf %s-%s {name} ${{i}} > out/t", outputs: {{t: t}}}}}}\n'
            )


def chain(folder, nodes):
    """Each stage takes the output of the one before."""
    os.makedirs(folder)
    with open(f"{folder}/pipeline.yaml", "w") as yaml:
        yaml.write("name: chain\nstages:\n")
        for index in range(nodes):
            inputs = f"inputs: {{a: s{index - 1}}}, " if index else ""
            yaml.write(f"  s{index}: {{kind: command, {inputs}with: {{run: 'echo {index} > out/t', outputs: {{t: t}}}}}}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--retake", default="target/release/retake")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="no-op,cold,hash", help="parts to run; `large` is another one and takes long")
    parser.add_argument("--folder", help="where to work (kept); a temporary folder without it")
    args = parser.parse_args()
    retake = os.path.abspath(args.retake)
    parts = args.only.split(",")
    for tool in ("ninja", "b3sum"):
        if not shutil.which(tool):
            sys.exit(f"`{tool}` is not in the PATH")
    work = os.path.abspath(args.folder) if args.folder else tempfile.mkdtemp(prefix="engine-")
    print(f"{'':34} ratio   retake: CPU       wall     peak   other: CPU       wall     peak")

    def no_op(what, folder, beside, rounds=args.rounds):
        if not os.path.exists(f"{folder}/.retake"):
            measured([retake, "run", "-q", "pipeline.yaml"], folder)
        measured([retake, "run", "pipeline.yaml"], folder)
        measured(["ninja"], beside)
        ours = lambda: measured([retake, "run", "pipeline.yaml"], folder)
        theirs = lambda: measured(["ninja"], beside)
        compare(f"no-op, {what}", ours, theirs, rounds)
        status = lambda: measured([retake, "status", "--json", "pipeline.yaml"], folder)
        compare(f"status --json, {what}", status, theirs, rounds)

    def beside(name, make, nodes):
        folder = f"{work}/{name}"
        if not os.path.exists(folder):
            make(folder, nodes)
        return folder

    if "no-op" in parts:
        out = beside("written-10000", written_out, 10_000)
        no_op("10,000 written out", out, f"{out}/ninja")
        no_op("10,000 as a matrix", beside("matrix-10000", matrix, 10_000), f"{out}/ninja")
    if "cold" in parts:
        out = beside("written-1000", written_out, 1_000)

        def reset():
            shutil.rmtree(f"{out}/.retake", ignore_errors=True)
            for name in os.listdir(f"{out}/ninja"):
                if name != "build.ninja":
                    os.remove(f"{out}/ninja/{name}")

        jobs = str(os.cpu_count())
        ours = lambda: measured([retake, "run", "-j", jobs, "pipeline.yaml"], out)
        compare("cold, 1,000 commands", ours, lambda: measured(["ninja", "-j", jobs], f"{out}/ninja"), args.rounds, reset)
    if "hash" in parts:
        files = f"{work}/files"
        if not os.path.exists(files):
            os.makedirs(f"{files}/small")
            for index in range(20_000):
                with open(f"{files}/small/{index:05}", "wb") as file:
                    file.write(os.urandom(3072))
            with open(f"{files}/large", "wb") as file:
                for _ in range(512):
                    file.write(os.urandom(4 << 20))
        for name in ("small", "large"):
            with open(f"{files}/{name}.yaml", "w") as yaml:
                yaml.write(f"stages: {{a: {{kind: command, inputs: {{x: 'file:{name}'}}, with: {{run: 'true', outputs: {{t: t}}}}}}}}\n")
        small = sorted(f"small/{name}" for name in os.listdir(f"{files}/small"))
        reset = lambda: shutil.rmtree(f"{files}/.retake", ignore_errors=True)
        status = lambda name: lambda: measured([retake, "status", f"{name}.yaml"], files)
        compare("hash, 20,000 files of 3 KiB", status("small"), lambda: measured(["b3sum", *small], files), args.rounds, reset)
        compare("hash, 2 GiB", status("large"), lambda: measured(["b3sum", "large"], files), args.rounds, reset)
    if "large" in parts:
        out = beside("written-100000", written_out, 100_000)
        no_op("100,000 written out", out, f"{out}/ninja", 3)
        no_op("100,000 as a matrix", beside("matrix-100000", matrix, 100_000), f"{out}/ninja", 3)
        no_op("chain of 100,000", beside("chain-100000", chain, 100_000), f"{out}/ninja", 3)
    if not args.folder:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
