#!/usr/bin/env python3
"""Trains and runs the same networks in retake and in PyTorch, turn and turn about, and prints a table in Markdown.

    benches/pytorch/setup.sh VENV          once, or any environment with PyTorch and pyyaml
    benches/compare.py --python VENV/bin/python

`inception-v3`, which asks for features only, is torch-fidelity's network there: VENV needs torch-fidelity, too, and the
torchvision of its PyTorch.

Every measurement is a process of its own: retake, PyTorch in either memory layout, retake again ... A ratio is
that of one round; the table has the median over the rounds. Use an idle machine. Where that is not to be had,
the column of processor time is the one to read (and OMP_WAIT_POLICY=PASSIVE keeps PyTorch's threads from counting
their waiting as work).

PyTorch runs as it comes. glibc gives large buffers back to the kernel at every step, which costs it up to a fifth; with
    MALLOC_TOP_PAD_=268435456 MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296
in the environment and --pytorch-flags=--fused-adam it runs as fast as we know how to make it.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from statistics import median

BENCHES = Path(__file__).resolve().parent
LAYOUTS = ("nchw", "channels_last")
WORKLOADS = {
    "dcgan-64": (32, 128),
    "wgan-gp-64": (32, 64),
    "resnet": (64,),
    "inception-v3": (16,),
}


def build(features):
    """The path of retake's bench, built."""
    command = ["cargo", "build", "--release", "--locked", "--bench", "train", "--message-format=json"]
    command += ["--features", features] if features else []
    built = subprocess.run(command, cwd=BENCHES.parent, stdout=subprocess.PIPE, text=True, check=True)
    messages = map(json.loads, built.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("target", {}).get("name") == "train" and m.get("executable"))


def environment(python):
    """The environment for PyTorch: with the stand-ins that setup.sh made, if it did."""
    stubs = Path(python).absolute().parent.parent / "lib" / "cuda-stubs"
    if not stubs.exists():
        return None
    return os.environ | {"LD_LIBRARY_PATH": f"{stubs}:{os.environ.get('LD_LIBRARY_PATH', '')}"}


class Sides:
    """What is compared, by name."""

    def __init__(self, options):
        self.options, self.retake = options, build(options.features)
        self.environment = environment(options.python)

    def measure(self, side, workload, batch):
        o = self.options
        command = shlex.split(o.under)
        if side == "retake":
            command += [self.retake]
        else:
            command += [o.python, BENCHES / "pytorch" / "train.py", "--layout", side, *shlex.split(o.pytorch_flags)]
        command += [workload, "--batch", str(batch), "--steps", str(o.steps), "--warm-up", str(o.warm_up)]
        command += ["--threads", str(o.threads), "--device", o.device]
        env = None if side == "retake" else self.environment
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        if done.returncode != 0:
            sys.exit(f"{shlex.join(map(str, command))} failed:\n{done.stderr}")
        result = json.loads(done.stdout)
        if o.log:
            with open(o.log, "a") as log:
                log.write(json.dumps(result) + "\n")
        return result

    def rounds(self, sides, workload, batch):
        """{side: one result a round}"""
        results = {side: [] for side in sides}
        for at in range(self.options.rounds):
            for side in sides:
                print(f"{workload}, batch {batch}, round {at + 1}: {side}", file=sys.stderr)
                results[side].append(self.measure(side, workload, batch))
        return results


def column(results, field):
    values = [result[field] for result in results if result[field] is not None]
    return median(values) if values else float("nan")


def row(workload, batch, results, peak):
    seconds = {side: column(of, "seconds_per_step") for side, of in results.items()}
    better = min(LAYOUTS, key=seconds.get)
    pairs = list(zip(results[better], results["retake"]))
    speed, cpu = (median(theirs[f] / ours[f] for theirs, ours in pairs) for f in ("seconds_per_step", "cpu_per_step"))
    gflop = results[better][0]["gflop"]
    cells = [f"{workload}, {batch}"]
    cells += [f"{seconds[side]:.3f}" for side in ("retake", *LAYOUTS)]
    cells += [f"**{speed:.2f}×**", f"{cpu:.2f}×"]
    cells += [f"{column(results[side], 'peak_mb'):.0f}" for side in ("retake", better)]
    cells += [f"{gflop / seconds[side] / peak:.0%}" for side in ("retake", better)]
    return cells


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", help=f"of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--python", default=sys.executable, help="the python that has PyTorch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=5, help="timed steps a round")
    parser.add_argument("--warm-up", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1")
    parser.add_argument("--features", help="cargo features for retake: cuda")
    parser.add_argument("--pytorch-flags", default="", help="more for pytorch/train.py, as in '--precision tf32 --compile'")
    parser.add_argument("--under", default="", help="a command that runs every measurement, as in 'taskset -c 0-7'")
    parser.add_argument("--log", help="a file to add the measurements to, as JSON lines")
    options = parser.parse_args()

    sides = Sides(options)
    products = sides.rounds(("retake", "nchw"), "gemm", 1)
    gflop = products["nchw"][0]["gflop"]
    # A peak is what is reached undisturbed: the fastest round.
    peaks = {side: gflop / min(result["seconds_per_step"] for result in of) for side, of in products.items()}
    peak = max(peaks.values())

    heads = ["workload, batch", "retake, s/step", *(f"PyTorch {layout}, s/step" for layout in LAYOUTS), "speed", "in processor time"]
    heads += ["peak MB, retake", "peak MB, PyTorch", "of gemm peak, retake", "of gemm peak, PyTorch"]
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)]]
    for workload in options.workloads or WORKLOADS:
        for batch in WORKLOADS[workload]:
            results = sides.rounds(("retake", *LAYOUTS), workload, batch)
            lines.append(row(workload, batch, results, peak))
    for cells in lines:
        print("|", " | ".join(cells), "|")
    idle = column(results["nchw"], "idle_mb")
    print(
        f"\nMedians of {options.rounds} rounds of {options.steps} steps, {options.threads} threads, "
        f"{results['retake'][0]['device']}, PyTorch {results['nchw'][0]['version']}. "
        f"Speed: images a second against PyTorch's better layout. "
        f"A product of two 2048×2048 matrices: {peaks['retake']:.0f} GFLOP/s by the gemm crate, {peaks['nchw']:.0f} in PyTorch; "
        f"the peak is the larger. PyTorch takes {idle:.0f} MB before it has made a tensor."
    )


if __name__ == "__main__":
    main()
