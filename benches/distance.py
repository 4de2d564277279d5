#!/usr/bin/env python3
"""Times the Fréchet distance of retake beside what other programs do, turn and turn about; prints a table in Markdown.

    VENV/bin/python benches/distance.py [--features 2048] [--samples 5000,5000] [--threads 2] [--rounds 3]

sqrtm is how pytorch-fid takes the trace of the root (scipy), eigvals how torch-fidelity does (numpy). Each measurement
is a process of its own with as many threads, which reads features, makes means and covariances, and then takes the
distance; peaks of memory are those of the process. The table has medians over the rounds. Needs numpy and scipy, and
an idle machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

BENCHES = Path(__file__).resolve().parent
METHODS = ("retake", "eigvals", "sqrtm")


def build():
    """The path of the bench, built."""
    command = ["cargo", "build", "--release", "--locked", "--bench", "distance", "--message-format=json"]
    built = subprocess.run(command, cwd=BENCHES.parent, stdout=subprocess.PIPE, text=True, check=True)
    messages = map(json.loads, built.stdout.splitlines())
    return next(m["executable"] for m in messages if m.get("target", {}).get("name") == "distance" and m.get("executable"))


def write_features(path, samples, width, seed):
    """Rectified mixtures whose spectrum falls over four orders of magnitude, as features of a network do."""
    import numpy as np

    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(0).standard_normal((width, width)) * np.logspace(0, -2, width)[:, None]
    x = rng.standard_normal((samples, width)) @ mix / width**0.5 + 0.05 * seed
    np.maximum(x, 0).astype(np.float32).tofile(path)


def measure(method, width, a, b):
    """What the process of a method other than ours does."""
    import numpy as np
    from scipy import linalg

    start = time.perf_counter()
    sets = [np.fromfile(path, dtype=np.float32).reshape(-1, width).astype(np.float64) for path in (a, b)]
    (mu_a, cov_a), (mu_b, cov_b) = [(x.mean(0), np.cov(x, rowvar=False)) for x in sets]
    del sets
    between = time.perf_counter()
    if method == "sqrtm":
        trace = np.trace(linalg.sqrtm(cov_a @ cov_b)).real
    else:
        trace = np.sqrt(np.linalg.eigvals(cov_a @ cov_b).astype(complex)).real.sum()
    distance = (mu_a - mu_b) @ (mu_a - mu_b) + np.trace(cov_a) + np.trace(cov_b) - 2 * trace
    print(between - start, time.perf_counter() - between, repr(float(distance)))


def child(command, threads):
    """Seconds for moments and distance, the distance, and the peak in MiB."""
    names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed")
    return [*map(float, output.split()), usage.ru_maxrss / 1024]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--samples", default="5000,5000", help="of both sets")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    width = options.features
    if options.worker:
        return measure(options.worker[0], width, *options.worker[1:])

    bench = build()
    results = {method: [] for method in METHODS}
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in "ab"]
        for seed, (path, samples) in enumerate(zip(files, options.samples.split(","))):
            write_features(path, int(samples), width, seed)
        for _ in range(options.rounds):
            for method in METHODS:
                ours = [bench, str(width), *files]
                theirs = [sys.executable, __file__, "--features", str(width), "--worker", method, *files]
                results[method].append(child(ours if method == "retake" else theirs, options.threads))
    print(f"{options.samples} samples, {width} features, {options.threads} threads, median of {options.rounds} rounds\n")
    print("| | distance, s | beside retake | moments, s | peak, MiB | value |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for method in METHODS:
        moments, distance, value, peak = map(median, zip(*results[method]))
        ratio = median(theirs[1] / ours[1] for theirs, ours in zip(results[method], results["retake"]))
        print(f"| {method} | {distance:.2f} | {ratio:.1f} × | {moments:.2f} | {peak:.0f} | {value:.12g} |")


main()
